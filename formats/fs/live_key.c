/*
 * Ed25519 by libcrypto, loaded on first use. Keys are PEM files as `openssl genpkey -algorithm
 * ed25519` and `openssl pkey -pubout` write them.
 */
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <string.h>
#include <uni/base/file.h>
#include <uni/base/mem.h>
#include <uni/base/system.h>

#include "live.h"

enum { PEM_MAX = 16 << 10 };

struct uni_live_key {
	EVP_PKEY *pkey;
	uint8_t public[UNI_LIVE_KEY];
};

#define FNS(X)                                                                                     \
	X(BIO_new_mem_buf)                                                                         \
	X(BIO_free)                                                                                \
	X(PEM_read_bio_PrivateKey)                                                                 \
	X(PEM_read_bio_PUBKEY)                                                                     \
	X(EVP_PKEY_get_id)                                                                         \
	X(EVP_PKEY_get_raw_public_key)                                                             \
	X(EVP_PKEY_new_raw_public_key)                                                             \
	X(EVP_PKEY_free)                                                                           \
	X(EVP_MD_CTX_new)                                                                          \
	X(EVP_MD_CTX_free)                                                                         \
	X(EVP_DigestSignInit)                                                                      \
	X(EVP_DigestSign)                                                                          \
	X(EVP_DigestVerifyInit)                                                                    \
	X(EVP_DigestVerify)
static struct {
	FNS(UNI_LAZY_FIELD)
} lib;

static int load(struct uni_err *err)
{
	static const char *const names[] = { FNS(UNI_LAZY_NAME) };

	return uni_lazy_load("libcrypto.so.3", names, UNI_COUNT(names), &lib, err);
}

/* A key must not wait for a passphrase on a terminal. */
static int no_passphrase(char *buf, int size, int rwflag, void *user)
{
	(void)buf;
	(void)size;
	(void)rwflag;
	(void)user;
	return -1;
}

static EVP_PKEY *read_pem(const struct uni_buf *pem, bool private)
{
	BIO *bio = lib.BIO_new_mem_buf(pem->data, (int)pem->size);
	EVP_PKEY *pkey = NULL;

	if (bio == NULL)
		return NULL;
	pkey = private ? lib.PEM_read_bio_PrivateKey(bio, NULL, no_passphrase, NULL)
		       : lib.PEM_read_bio_PUBKEY(bio, NULL, no_passphrase, NULL);
	(void)lib.BIO_free(bio);
	return pkey;
}

static int load_pem(struct uni_live_key *key, const char *path, bool public, struct uni_err *err)
{
	UNI_AUTO_BUF struct uni_buf pem = UNI_BUF_INIT;
	size_t size = sizeof(key->public);
	int rc = load(err);

	if (rc == 0)
		rc = uni_file_read(path, PEM_MAX, &pem, err);
	if (rc != 0)
		return rc;
	uni_buf_puts(&pem, "");
	key->pkey = read_pem(&pem, true);
	if (key->pkey == NULL && public)
		key->pkey = read_pem(&pem, false);
	if (pem.data != NULL)
		explicit_bzero(pem.data, pem.size);
	if (key->pkey == NULL || lib.EVP_PKEY_get_id(key->pkey) != EVP_PKEY_ED25519 ||
	    lib.EVP_PKEY_get_raw_public_key(key->pkey, key->public, &size) != 1 ||
	    size != sizeof(key->public)) {
		uni_err_set(err, UNI_E_PARSE, "%s: is no Ed25519 key in PEM", path);
		return uni_err_hint(err,
				    "openssl genpkey -algorithm ed25519 -out KEY.pem makes one");
	}
	return 0;
}

int uni_live_key_load(struct uni_live_key **out, const char *path, struct uni_err *err)
{
	UNI_AUTO(uni_live_key) struct uni_live_key *key = uni_alloc(sizeof(*key));
	int rc = load_pem(key, path, false, err);

	if (rc != 0)
		return rc;
	*out = key;
	key = NULL;
	return 0;
}

void uni_live_key_free(struct uni_live_key *key)
{
	if (key == NULL)
		return;
	if (key->pkey != NULL)
		lib.EVP_PKEY_free(key->pkey);
	free(key);
}

void uni_live_key_public(const struct uni_live_key *key, uint8_t out[UNI_LIVE_KEY])
{
	memcpy(out, key->public, UNI_LIVE_KEY);
}

int uni_live_public_load(const char *path, uint8_t out[UNI_LIVE_KEY], struct uni_err *err)
{
	UNI_AUTO(uni_live_key) struct uni_live_key *key = uni_alloc(sizeof(*key));
	int rc = load_pem(key, path, true, err);

	memcpy(out, key->public, UNI_LIVE_KEY);
	return rc;
}

static void set_key_id(struct uni_live_super *super, const uint8_t public[UNI_LIVE_KEY])
{
	struct uni_digest digest = uni_digest_of(public, UNI_LIVE_KEY);

	memcpy(super->key_id, digest.bytes, sizeof(super->key_id));
}

int live_sign(struct uni_live_super *super, const struct uni_live_key *key, struct uni_err *err)
{
	size_t size = sizeof(super->signature);
	EVP_MD_CTX *ctx;
	bool made;

	super->flags |= UNI_LIVE_SIGNED;
	set_key_id(super, key->public);
	ctx = lib.EVP_MD_CTX_new();
	made = ctx != NULL && lib.EVP_DigestSignInit(ctx, NULL, NULL, NULL, key->pkey) == 1 &&
	       lib.EVP_DigestSign(ctx, super->signature, &size, (const uint8_t *)super,
				  offsetof(struct uni_live_super, signature)) == 1 &&
	       size == sizeof(super->signature);
	lib.EVP_MD_CTX_free(ctx);
	return made ? 0 : uni_err_set(err, UNI_E_AUTH, "OpenSSL cannot sign with this key");
}

int uni_live_super_verify(const struct uni_live_super *super, const uint8_t key[UNI_LIVE_KEY],
			  struct uni_err *err)
{
	struct uni_live_super named = *super;
	EVP_PKEY *pkey;
	EVP_MD_CTX *ctx;
	bool sound;
	int rc = load(err);

	if (rc != 0)
		return rc;
	if ((super->flags & UNI_LIVE_SIGNED) == 0)
		return uni_err_set(err, UNI_E_AUTH, "generation %llu is not signed",
				   (unsigned long long)super->generation);
	set_key_id(&named, key);
	if (memcmp(named.key_id, super->key_id, sizeof(named.key_id)) != 0)
		return uni_err_set(err, UNI_E_AUTH, "generation %llu is signed by another key",
				   (unsigned long long)super->generation);
	pkey = lib.EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, key, UNI_LIVE_KEY);
	ctx = lib.EVP_MD_CTX_new();
	sound = pkey != NULL && ctx != NULL &&
		lib.EVP_DigestVerifyInit(ctx, NULL, NULL, NULL, pkey) == 1 &&
		lib.EVP_DigestVerify(ctx, super->signature, sizeof(super->signature),
				     (const uint8_t *)super,
				     offsetof(struct uni_live_super, signature)) == 1;
	lib.EVP_MD_CTX_free(ctx);
	if (pkey != NULL)
		lib.EVP_PKEY_free(pkey);
	return sound ? 0
		     : uni_err_set(err, UNI_E_AUTH, "the signature of generation %llu is wrong",
				   (unsigned long long)super->generation);
}
