/*
 * DSSE 1.0, the Dead Simple Signing Envelope: the signature covers the payload's exact bytes and
 * its type, so that nothing is parsed before it is verified.
 */
#ifndef UNI_TRUST_DSSE_H
#define UNI_TRUST_DSSE_H

#include <uni/trust/key.h>

/* PAE(type, payload), which is what is signed. */
void uni_dsse_pae(const char *type, const void *payload, size_t size, struct uni_buf *out);
/* The envelope as JSON, by all of the signers. */
int uni_dsse_sign(const char *type, const void *payload, size_t size,
		  const struct uni_signer *const *signers, size_t count, struct uni_buf *out,
		  struct uni_err *err);
/* The payload, when at least `threshold` different ones of `keys` have signed it as `type`;
 * UNI_E_AUTH else. */
int uni_dsse_open(const void *envelope, size_t size, const char *type,
		  const struct uni_public_key *keys, size_t count, size_t threshold,
		  struct uni_buf *payload, struct uni_err *err);

#endif
