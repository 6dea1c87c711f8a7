/*
 * Keys and signatures by libcrypto. Nothing here decides whom to trust.
 */
#include <errno.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/pkcs12.h>
#include <openssl/x509.h>
#include <string.h>
#include <sys/stat.h>
#include <uni/base/digest.h>
#include <uni/base/file.h>
#include <uni/base/path.h>
#include <uni/base/process.h>
#include <uni/base/system.h>
#include <uni/trust/key.h>
#include <unistd.h>

#define PEM_MAX 16384
#define SCRYPT_N 16384 /* with r 8 and p 1: 16 MiB, what any openssl is ready to spend */

#define FNS(X)                                                                                     \
	X(EVP_PKEY_new_raw_public_key)                                                             \
	X(EVP_PKEY_get_raw_public_key)                                                             \
	X(EVP_PKEY_Q_keygen)                                                                       \
	X(EVP_PKEY_get_base_id)                                                                    \
	X(EVP_PKEY_free)                                                                           \
	X(EVP_MD_CTX_new)                                                                          \
	X(EVP_MD_CTX_free)                                                                         \
	X(EVP_DigestSignInit)                                                                      \
	X(EVP_DigestSign)                                                                          \
	X(EVP_DigestVerifyInit)                                                                    \
	X(EVP_DigestVerify)                                                                        \
	X(EVP_aes_256_cbc)                                                                         \
	X(EVP_PKEY2PKCS8)                                                                          \
	X(PKCS8_PRIV_KEY_INFO_free)                                                                \
	X(PKCS8_set0_pbe)                                                                          \
	X(PKCS5_pbe2_set_scrypt)                                                                   \
	X(X509_SIG_free)                                                                           \
	X(PEM_write_bio_PKCS8)                                                                     \
	X(PEM_write_bio_PKCS8PrivateKey)                                                           \
	X(PEM_read_bio_PrivateKey)                                                                 \
	X(BIO_new_mem_buf)                                                                         \
	X(BIO_new)                                                                                 \
	X(BIO_s_mem)                                                                               \
	X(BIO_free)                                                                                \
	X(BIO_read)                                                                                \
	X(OPENSSL_cleanse)                                                                         \
	X(ERR_clear_error)
static struct {
	FNS(UNI_LAZY_FIELD)
} lib;
static const char *const lib_names[] = { FNS(UNI_LAZY_NAME) };

struct uni_signer {
	struct uni_public_key public;
	EVP_PKEY *key; /* or */
	struct uni_strv command;
};

static int load(struct uni_err *err)
{
	return uni_lazy_load("libcrypto.so.3", lib_names, UNI_COUNT(lib_names), &lib, err);
}

static int failed(struct uni_err *err, const char *what)
{
	lib.ERR_clear_error();
	return uni_err_set(err, UNI_E_INVAL, "%s", what);
}

bool uni_public_key_eq(const struct uni_public_key *a, const struct uni_public_key *b)
{
	return memcmp(a->bytes, b->bytes, sizeof(a->bytes)) == 0;
}

void uni_public_key_json(const struct uni_public_key *key, struct uni_buf *out)
{
	char hex[65];
	uni_hex(key->bytes, sizeof(key->bytes), hex);
	uni_buf_printf(out,
		       "{\"keytype\":\"ed25519\",\"keyval\":{\"public\":\"%s\"},"
		       "\"scheme\":\"ed25519\"}",
		       hex);
}

void uni_public_key_id(const struct uni_public_key *key, char id[UNI_KEY_ID_TEXT])
{
	struct uni_buf json UNI_AUTO_BUF = UNI_BUF_INIT;
	uni_public_key_json(key, &json);
	struct uni_digest digest = uni_digest_of(json.data, json.size);
	uni_hex(digest.bytes, sizeof(digest.bytes), id);
}

bool uni_signature_valid(const struct uni_public_key *key, const void *data, size_t size,
			 const uint8_t signature[UNI_SIGNATURE_SIZE])
{
	struct uni_err ignored = UNI_ERR_INIT;
	if (load(&ignored) != 0)
		return false;
	EVP_PKEY *pkey = lib.EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, key->bytes,
							 sizeof(key->bytes));
	EVP_MD_CTX *ctx = lib.EVP_MD_CTX_new();
	bool valid = pkey != NULL && ctx != NULL &&
		     lib.EVP_DigestVerifyInit(ctx, NULL, NULL, NULL, pkey) == 1 &&
		     lib.EVP_DigestVerify(ctx, signature, UNI_SIGNATURE_SIZE, data, size) == 1;
	lib.EVP_MD_CTX_free(ctx);
	lib.EVP_PKEY_free(pkey);
	lib.ERR_clear_error();
	return valid;
}

/* --- signers --- */

void uni_signer_free(struct uni_signer *signer)
{
	if (signer == NULL)
		return;
	if (signer->key != NULL)
		lib.EVP_PKEY_free(signer->key);
	uni_strv_free(&signer->command);
	free(signer);
}

const struct uni_public_key *uni_signer_public(const struct uni_signer *signer)
{
	return &signer->public;
}

static int take_key(struct uni_signer **out, EVP_PKEY *key, struct uni_err *err)
{
	struct uni_signer *signer UNI_AUTO(uni_signer) = uni_alloc(sizeof(*signer));
	size_t size = sizeof(signer->public.bytes);
	signer->key = key;
	if (lib.EVP_PKEY_get_base_id(key) != EVP_PKEY_ED25519 ||
	    lib.EVP_PKEY_get_raw_public_key(key, signer->public.bytes, &size) != 1)
		return failed(err, "not an Ed25519 key");
	*out = signer;
	signer = NULL;
	return 0;
}

int uni_signer_new(struct uni_signer **signer, struct uni_err *err)
{
	int rc = load(err);
	if (rc != 0)
		return rc;
	EVP_PKEY *key = lib.EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
	return key != NULL ? take_key(signer, key, err) : failed(err, "no key could be made");
}

struct question {
	const char *passphrase;
	bool asked;
};

static int give_passphrase(char *out, int room, int writing, void *user)
{
	struct question *question = user;
	(void)writing;
	question->asked = true;
	size_t size = question->passphrase != NULL ? strlen(question->passphrase) : 0;
	if (question->passphrase == NULL || size > (size_t)room)
		return -1;
	memcpy(out, question->passphrase, size);
	return (int)size;
}

int uni_signer_load(struct uni_signer **signer, const char *path, const char *passphrase,
		    struct uni_err *err)
{
	struct uni_buf pem UNI_AUTO_BUF = UNI_BUF_INIT;
	struct question question = { .passphrase = passphrase };
	int rc = load(err);
	if (rc == 0)
		rc = uni_file_read(path, PEM_MAX, &pem, err);
	if (rc != 0)
		return rc;
	BIO *bio = lib.BIO_new_mem_buf(uni_buf_text(&pem), (int)pem.size);
	EVP_PKEY *key = bio != NULL
				? lib.PEM_read_bio_PrivateKey(bio, NULL, give_passphrase, &question)
				: NULL;
	lib.BIO_free(bio);
	if (pem.data != NULL)
		lib.OPENSSL_cleanse(pem.data, pem.size);
	lib.ERR_clear_error();
	if (key != NULL)
		return take_key(signer, key, err);
	if (!question.asked)
		return uni_err_set(err, UNI_E_PARSE, "%s holds no private key", path);
	return uni_err_set(err, UNI_E_AUTH, "%s: %s", path,
			   passphrase != NULL ? "not its passphrase" : "a passphrase is needed");
}

/* scrypt, so that guessing costs memory too. */
static int write_encrypted(BIO *bio, EVP_PKEY *key, const char *passphrase)
{
	uint8_t salt[16], iv[16];
	uni_random(salt, sizeof(salt));
	uni_random(iv, sizeof(iv));
	X509_ALGOR *how = lib.PKCS5_pbe2_set_scrypt(lib.EVP_aes_256_cbc(), salt, sizeof(salt), iv,
						    SCRYPT_N, 8, 1);
	PKCS8_PRIV_KEY_INFO *plain = lib.EVP_PKEY2PKCS8(key);
	X509_SIG *sealed = NULL;
	if (how != NULL && plain != NULL)
		sealed = lib.PKCS8_set0_pbe(passphrase, (int)strlen(passphrase), plain, how);
	int done = sealed != NULL ? lib.PEM_write_bio_PKCS8(bio, sealed) : 0;
	lib.X509_SIG_free(sealed); /* with `how` */
	lib.PKCS8_PRIV_KEY_INFO_free(plain);
	return done;
}

static int write_new(const char *path, const char *data, size_t size, struct uni_err *err)
{
	int fd UNI_AUTO_CLOSE = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0)
		return uni_err_errno(err, "%s", path);
	int rc = uni_write_full(fd, data, size, path, err);
	if (rc == 0 && fsync(fd) != 0)
		rc = uni_err_errno(err, "%s", path);
	if (rc != 0)
		unlink(path);
	return rc;
}

int uni_signer_save(const struct uni_signer *signer, const char *path, const char *passphrase,
		    struct uni_err *err)
{
	char pem[4096];
	if (signer->key == NULL)
		return uni_err_set(err, UNI_E_INVAL, "the key is not ours to write");
	BIO *bio = lib.BIO_new(lib.BIO_s_mem());
	int done = 0;
	if (bio != NULL && passphrase != NULL)
		done = write_encrypted(bio, signer->key, passphrase);
	else if (bio != NULL)
		done = lib.PEM_write_bio_PKCS8PrivateKey(bio, signer->key, NULL, NULL, 0, NULL,
							 NULL);
	int size = done == 1 ? lib.BIO_read(bio, pem, sizeof(pem)) : -1;
	lib.BIO_free(bio);
	if (size <= 0)
		return failed(err, "the key could not be written");
	int rc = write_new(path, pem, (size_t)size, err);
	lib.OPENSSL_cleanse(pem, sizeof(pem));
	return rc;
}

struct uni_signer *uni_signer_command(const struct uni_public_key *key, const char *const *argv)
{
	struct uni_signer *signer = uni_alloc(sizeof(*signer));
	signer->public = *key;
	for (; *argv != NULL; argv++)
		uni_strv_add(&signer->command, *argv);
	return signer;
}

static int sign_by_command(const struct uni_signer *signer, const void *data, size_t size,
			   uint8_t signature[UNI_SIGNATURE_SIZE], struct uni_err *err)
{
	struct uni_buf out UNI_AUTO_BUF = UNI_BUF_INIT;
	int rc = uni_process_ask((const char *const *)signer->command.items, data, size, &out,
				 PEM_MAX, err);
	if (rc != 0)
		return uni_err_context(err, "signer %s", signer->command.items[0]);
	if (out.size == UNI_SIGNATURE_SIZE) {
		memcpy(signature, out.data, UNI_SIGNATURE_SIZE);
	} else {
		while (out.size > 0 &&
		       (out.data[out.size - 1] == '\n' || out.data[out.size - 1] == '\r'))
			out.data[--out.size] = '\0';
		if (!uni_unhex(uni_buf_text(&out), signature, UNI_SIGNATURE_SIZE))
			return uni_err_set(err, UNI_E_INVAL,
					   "signer %s: its answer is no signature",
					   signer->command.items[0]);
	}
	if (!uni_signature_valid(&signer->public, data, size, signature))
		return uni_err_set(err, UNI_E_AUTH, "signer %s: its signature is not by that key",
				   signer->command.items[0]);
	return 0;
}

int uni_signer_sign(const struct uni_signer *signer, const void *data, size_t size,
		    uint8_t signature[UNI_SIGNATURE_SIZE], struct uni_err *err)
{
	if (signer->key == NULL)
		return sign_by_command(signer, data, size, signature, err);
	size_t room = UNI_SIGNATURE_SIZE;
	EVP_MD_CTX *ctx = lib.EVP_MD_CTX_new();
	bool done = ctx != NULL &&
		    lib.EVP_DigestSignInit(ctx, NULL, NULL, NULL, signer->key) == 1 &&
		    lib.EVP_DigestSign(ctx, signature, &room, data, size) == 1;
	lib.EVP_MD_CTX_free(ctx);
	return done ? 0 : failed(err, "signing failed");
}
