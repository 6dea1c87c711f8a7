/*
 * Ed25519 keys (RFC 8032) by OpenSSL, loaded on first use. A private key rests in a file in PKCS#8
 * form, encrypted under a passphrase (scrypt, AES-256; any openssl reads it), or stays with a
 * program that signs: that gets what is to be signed as its standard input and answers with the
 * signature, 64 bytes or their hex.
 */
#ifndef UNI_TRUST_KEY_H
#define UNI_TRUST_KEY_H

#include <stdbool.h>
#include <uni/base/mem.h>
#include <uni/base/text.h>

#define UNI_SIGNATURE_SIZE 64
#define UNI_KEY_ID_TEXT 65

struct uni_public_key {
	uint8_t bytes[32];
};

bool uni_public_key_eq(const struct uni_public_key *a, const struct uni_public_key *b);
/* TUF's name for a key: SHA-256 of its canonical JSON, in hex. */
void uni_public_key_id(const struct uni_public_key *key, char id[UNI_KEY_ID_TEXT]);
/* {"keytype":"ed25519",...}, canonical. */
void uni_public_key_json(const struct uni_public_key *key, struct uni_buf *out);
bool uni_signature_valid(const struct uni_public_key *key, const void *data, size_t size,
			 const uint8_t signature[UNI_SIGNATURE_SIZE]);

struct uni_signer;
int uni_signer_new(struct uni_signer **signer, struct uni_err *err); /* a fresh key */
/* `passphrase` may be NULL; UNI_E_AUTH when one is needed, or another. */
int uni_signer_load(struct uni_signer **signer, const char *path, const char *passphrase,
		    struct uni_err *err);
/* Made with mode 0600, and only where no file is. Without passphrase it lies there in the clear. */
int uni_signer_save(const struct uni_signer *signer, const char *path, const char *passphrase,
		    struct uni_err *err);
/* A program; argv is copied. Each of its signatures is checked. */
struct uni_signer *uni_signer_command(const struct uni_public_key *key, const char *const *argv);
void uni_signer_free(struct uni_signer *signer);
UNI_AUTO_DEFINE(uni_signer)
const struct uni_public_key *uni_signer_public(const struct uni_signer *signer);
int uni_signer_sign(const struct uni_signer *signer, const void *data, size_t size,
		    uint8_t signature[UNI_SIGNATURE_SIZE], struct uni_err *err);

/*
 * The user's keys: a folder with NAME.pem, or NAME.json for a program that signs
 * ({"public": HEX, "command": [...]}), and NAME.pub (the public key's JSON) beside it.
 */
char *uni_keys_dir(void); /* owned: below the user's configuration, or UNI_KEYS */
int uni_keys_add(const char *dir, const char *name, const struct uni_signer *signer,
		 const char *passphrase, struct uni_err *err);
int uni_keys_add_command(const char *dir, const char *name, const struct uni_public_key *key,
			 const char *const *argv, struct uni_err *err);
int uni_keys_load(const char *dir, const char *name, const char *passphrase,
		  struct uni_signer **signer, struct uni_err *err);
int uni_keys_public(const char *dir, const char *name, struct uni_public_key *key,
		    struct uni_err *err);
int uni_keys_list(const char *dir, struct uni_strv *names, struct uni_err *err); /* sorted */

#endif
