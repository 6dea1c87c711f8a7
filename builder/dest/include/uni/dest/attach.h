/*
 * What belongs to a manifest in a registry and is kept beside it: bills of materials, provenance
 * (OCI Distribution Specification 1.1, "Listing Referrers", with the tag schema for registries that
 * keep no account of subjects), and signatures as cosign makes them with a key, without a log:
 * those of versions 1 and 2 (sigstore, "Cosign Signature Specification": a tag sha256-HEX.sig,
 * simple signing payloads) and those of version 3 ("Bundle Format").
 */
#ifndef UNI_DEST_ATTACH_H
#define UNI_DEST_ATTACH_H

#include <uni/bundle/oci.h>
#include <uni/oci/registry.h>
#include <uni/trust/pem.h>

/* `subject`: media type, digest and size of the manifest. `type` is the artifact's type and its
 * content's; one of that type that is there is replaced. */
int uni_oci_attach(struct uni_oci *oci, const struct uni_oci_descriptor *subject, const char *type,
		   const char *title, const struct uni_buf *content, struct uni_err *err);
/* The content of that type; UNI_E_NOENT. */
int uni_oci_attached(struct uni_oci *oci, const struct uni_digest *subject, const char *type,
		     struct uni_buf *content, struct uni_err *err);

/* Signs by whatever means. */
struct uni_oci_signer {
	int (*sign)(void *user, const void *data, size_t size, struct uni_buf *signature,
		    struct uni_err *err);
	void *user;
};
/* Adds to the signatures under the tag. */
int uni_oci_sign(struct uni_oci *oci, const struct uni_oci_reference *reference,
		 const struct uni_digest *manifest, const struct uni_oci_signer *signer,
		 struct uni_err *err);
/* The same, attached by `subject` as a bundle: what newer clients look for. */
int uni_oci_sign_bundle(struct uni_oci *oci, const struct uni_oci_descriptor *manifest,
			const struct uni_oci_signer *signer, struct uni_err *err);
/* UNI_E_AUTH when none of the signatures, under the tag or in bundles, is by the key. */
int uni_oci_verify(struct uni_oci *oci, const struct uni_digest *manifest,
		   const struct uni_pem *key, struct uni_err *err);

#endif
