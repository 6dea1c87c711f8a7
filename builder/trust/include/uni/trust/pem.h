/*
 * Keys in PEM files of any origin, as signatures in registries use them: Ed25519 (RFC 8032), or
 * ECDSA over P-256 with SHA-256 and its signature in DER. Private keys are PKCS#8, public ones
 * SubjectPublicKeyInfo.
 */
#ifndef UNI_TRUST_PEM_H
#define UNI_TRUST_PEM_H

#include <uni/trust/key.h>

/* A PEM text; borrowed. */
struct uni_pem {
	const char *name; /* for messages */
	const char *text;
	size_t size;
};

/* `passphrase` may be NULL; UNI_E_AUTH when one is needed, or another. */
int uni_pem_sign(const struct uni_pem *pem, const char *passphrase, const void *data, size_t size,
		 struct uni_buf *signature, struct uni_err *err);
/* An error where it holds no such key; whether the signature is the key's in `valid`. */
int uni_pem_verify(const struct uni_pem *pem, const void *data, size_t size, const void *signature,
		   size_t signature_size, bool *valid, struct uni_err *err);
/* A key of ours, as others read it. */
void uni_public_key_pem(const struct uni_public_key *key, struct uni_buf *out);

#endif
