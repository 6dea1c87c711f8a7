/*
 * Sigstore bundles, as `cosign sign --key` of version 3 leaves them and `cosign verify --key` looks
 * for first: an in-toto statement over a manifest's digest in a DSSE envelope, attached to the
 * manifest (sigstore, "Bundle Format", version 0.3; "Cosign Bundle Specification").
 */
#ifndef DEST_BUNDLE_H
#define DEST_BUNDLE_H

#include <uni/dest/attach.h>

#define BUNDLE_TYPE "application/vnd.dev.sigstore.bundle.v0.3+json"

/* The bundle's JSON. */
int bundle_sign(const struct uni_digest *manifest, const struct uni_oci_signer *signer,
		struct uni_buf *out, struct uni_err *err);
/* Attached beside those of others, with what clients that look for a kind of statement go by. */
int bundle_attach(struct uni_oci *oci, const struct uni_oci_descriptor *manifest,
		  const struct uni_buf *bundle, struct uni_err *err);
/* Whether one that is attached is the key's signature of the manifest; how many there are. */
int bundle_find(struct uni_oci *oci, const struct uni_digest *manifest, const struct uni_pem *key,
		bool *valid, size_t *count, struct uni_err *err);

#endif
