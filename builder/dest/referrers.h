/*
 * Artifacts that name another manifest as their subject, each with one layer: put beside it, and
 * found again (OCI Distribution Specification 1.1, "Listing Referrers").
 */
#ifndef DEST_REFERRERS_H
#define DEST_REFERRERS_H

#include <uni/bundle/oci.h>
#include <uni/oci/registry.h>

struct referrer {
	const struct uni_oci_descriptor *subject;
	const char *type;  /* the artifact's and its content's */
	const char *title; /* of the content; NULL: none */
	struct uni_oci_annotations annotations;
	const struct uni_buf *content;
	bool beside; /* others of its type stay, else it takes their place */
};
int referrer_put(struct uni_oci *oci, const struct referrer *referrer, struct uni_err *err);

/* Other than 0 ends the walk. */
typedef int referrer_fn(void *user, const struct uni_buf *content, struct uni_err *err);
/* Contents of that type and of at most `limit` bytes; those that cannot be read are passed over.
 * What the function said at last, 0 where nothing is of that type. */
int referrers_each(struct uni_oci *oci, const struct uni_digest *subject, const char *type,
		   uint64_t limit, referrer_fn *take, void *user, struct uni_err *err);

#endif
