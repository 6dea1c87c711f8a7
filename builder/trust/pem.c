/*
 * PEM files with public and private keys, by libcrypto.
 */
#include <uni/trust/pem.h>

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <string.h>
#include <uni/base/system.h>

#define PEM_MAX 16384
#define SIGNATURE_MAX 256

#define FNS(X)                                                                                     \
	X(EVP_PKEY_get_base_id)                                                                    \
	X(EVP_PKEY_get_bits)                                                                       \
	X(EVP_PKEY_free)                                                                           \
	X(EVP_MD_CTX_new)                                                                          \
	X(EVP_MD_CTX_free)                                                                         \
	X(EVP_sha256)                                                                              \
	X(EVP_DigestSignInit)                                                                      \
	X(EVP_DigestSign)                                                                          \
	X(EVP_DigestVerifyInit)                                                                    \
	X(EVP_DigestVerify)                                                                        \
	X(PEM_read_bio_PrivateKey)                                                                 \
	X(PEM_read_bio_PUBKEY)                                                                     \
	X(BIO_new_mem_buf)                                                                         \
	X(BIO_free)                                                                                \
	X(ERR_clear_error)
static struct {
	FNS(UNI_LAZY_FIELD)
} lib;
static const char *const lib_names[] = { FNS(UNI_LAZY_NAME) };

static void key_free(EVP_PKEY **key)
{
	if (*key != NULL)
		lib.EVP_PKEY_free(*key);
}
#define AUTO_KEY __attribute__((cleanup(key_free)))

static void ctx_free(EVP_MD_CTX **ctx)
{
	if (*ctx != NULL)
		lib.EVP_MD_CTX_free(*ctx);
}
#define AUTO_CTX __attribute__((cleanup(ctx_free)))

struct question {
	const char *passphrase;
	bool asked;
};

static int give_passphrase(char *out, int room, int writing, void *user)
{
	struct question *question = user;
	size_t size = question->passphrase != NULL ? strlen(question->passphrase) : 0;

	(void)writing;
	question->asked = true;
	if (question->passphrase == NULL || size > (size_t)room)
		return -1;
	memcpy(out, question->passphrase, size);
	return (int)size;
}

/* Ed25519 hashes by itself; the other kind is told what with. */
static int method_of(const char *name, const EVP_PKEY *key, const EVP_MD **md, struct uni_err *err)
{
	int kind = lib.EVP_PKEY_get_base_id(key);

	*md = kind == EVP_PKEY_ED25519 ? NULL : lib.EVP_sha256();
	if (kind == EVP_PKEY_ED25519 || (kind == EVP_PKEY_EC && lib.EVP_PKEY_get_bits(key) == 256))
		return 0;
	return uni_err_set(err, UNI_E_UNSUPPORTED, "%s: is neither Ed25519 nor ECDSA over P-256",
			   name);
}

static int read_key(const struct uni_pem *pem, struct question *question, EVP_PKEY **key,
		    const EVP_MD **md, struct uni_err *err)
{
	int rc = uni_lazy_load("libcrypto.so.3", lib_names, UNI_COUNT(lib_names), &lib, err);
	BIO *bio;

	if (rc != 0)
		return rc;
	if (pem->size > PEM_MAX)
		return uni_err_set(err, UNI_E_LIMIT, "%s: is too long for a key", pem->name);
	bio = lib.BIO_new_mem_buf(pem->text, (int)pem->size);
	if (bio != NULL)
		*key = question != NULL
			       ? lib.PEM_read_bio_PrivateKey(bio, NULL, give_passphrase, question)
			       : lib.PEM_read_bio_PUBKEY(bio, NULL, NULL, NULL);
	lib.BIO_free(bio);
	lib.ERR_clear_error();
	if (*key != NULL)
		return method_of(pem->name, *key, md, err);
	if (question != NULL && question->asked)
		return uni_err_set(err, UNI_E_AUTH, "%s: %s", pem->name,
				   question->passphrase != NULL ? "not its passphrase"
								: "a passphrase is needed");
	return uni_err_set(err, UNI_E_PARSE, "%s holds no %s key", pem->name,
			   question != NULL ? "private" : "public");
}

int uni_pem_sign(const struct uni_pem *pem, const char *passphrase, const void *data, size_t size,
		 struct uni_buf *signature, struct uni_err *err)
{
	struct question question = { .passphrase = passphrase };
	EVP_PKEY *key AUTO_KEY = NULL;
	EVP_MD_CTX *ctx AUTO_CTX = NULL;
	const EVP_MD *md = NULL;
	uint8_t out[SIGNATURE_MAX];
	size_t out_size = sizeof(out);
	int rc = read_key(pem, &question, &key, &md, err);

	if (rc != 0)
		return rc;
	ctx = lib.EVP_MD_CTX_new();
	if (ctx == NULL || lib.EVP_DigestSignInit(ctx, NULL, md, NULL, key) != 1 ||
	    lib.EVP_DigestSign(ctx, out, &out_size, data, size) != 1) {
		lib.ERR_clear_error();
		return uni_err_set(err, UNI_E_INVAL, "%s: signs nothing", pem->name);
	}
	uni_buf_add(signature, out, out_size);
	return 0;
}

int uni_pem_verify(const struct uni_pem *pem, const void *data, size_t size, const void *signature,
		   size_t signature_size, bool *valid, struct uni_err *err)
{
	EVP_PKEY *key AUTO_KEY = NULL;
	EVP_MD_CTX *ctx AUTO_CTX = NULL;
	const EVP_MD *md = NULL;
	int rc = read_key(pem, NULL, &key, &md, err);

	*valid = false;
	if (rc != 0)
		return rc;
	ctx = lib.EVP_MD_CTX_new();
	*valid = ctx != NULL && lib.EVP_DigestVerifyInit(ctx, NULL, md, NULL, key) == 1 &&
		 lib.EVP_DigestVerify(ctx, signature, signature_size, data, size) == 1;
	lib.ERR_clear_error();
	return 0;
}

/* RFC 8410, section 4: the bytes in front of an Ed25519 key never change. */
void uni_public_key_pem(const struct uni_public_key *key, struct uni_buf *out)
{
	uint8_t der[12 + sizeof(key->bytes)] = { 0x30, 0x2a, 0x30, 0x05, 0x06, 0x03,
						 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00 };
	char text[UNI_BASE64_ROOM(sizeof(der))];

	memcpy(der + 12, key->bytes, sizeof(key->bytes));
	uni_base64(der, sizeof(der), text);
	uni_buf_printf(out, "-----BEGIN PUBLIC KEY-----\n%s\n-----END PUBLIC KEY-----\n", text);
}
