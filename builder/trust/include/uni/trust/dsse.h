/*
 * DSSE 1.0, the Dead Simple Signing Envelope: the signature covers the payload's exact bytes and
 * its type, so that nothing is parsed before it is verified.
 */
#ifndef UNI_TRUST_DSSE_H
#define UNI_TRUST_DSSE_H

#include <uni/base/json.h>
#include <uni/trust/key.h>
#include <uni/trust/pem.h>

/* PAE(type, payload), which is what is signed. */
void uni_dsse_pae(const char *type, const void *payload, size_t size, struct uni_buf *out);

struct uni_dsse_signature {
	const char *key_id; /* a hint for readers; NULL: none */
	const void *bytes;
	size_t size;
};
/* The envelope as JSON, of signatures over the PAE. */
void uni_dsse_json(const char *type, const void *payload, size_t size,
		   const struct uni_dsse_signature *signatures, size_t count, struct uni_buf *out);
/* The same, by all of the signers. */
int uni_dsse_sign(const char *type, const void *payload, size_t size,
		  const struct uni_signer *const *signers, size_t count, struct uni_buf *out,
		  struct uni_err *err);
/* The payload of an envelope of that type, when one of its signatures is by the key; UNI_E_AUTH
 * else. */
int uni_dsse_open(const struct uni_json *envelope, const char *type, const struct uni_pem *key,
		  struct uni_buf *payload, struct uni_err *err);

#endif
