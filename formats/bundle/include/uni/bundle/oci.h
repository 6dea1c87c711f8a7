/*
 * What OCI's image specification (1.1) asks for in JSON: descriptors, manifests, indexes and image
 * layouts. The bytes are canonical: keys in one order, no time, so that the same content has the
 * same digest. Used for layouts here and for registries.
 */
#ifndef UNI_BUNDLE_OCI_H
#define UNI_BUNDLE_OCI_H

#include <stdbool.h>
#include <stdint.h>
#include <uni/base/digest.h>
#include <uni/base/text.h>
#include <uni/bundle/form.h>

#define UNI_OCI_MANIFEST "application/vnd.oci.image.manifest.v1+json"
#define UNI_OCI_INDEX "application/vnd.oci.image.index.v1+json"
#define UNI_OCI_CONFIG "application/vnd.oci.image.config.v1+json"
#define UNI_OCI_LAYER_TAR "application/vnd.oci.image.layer.v1.tar"
#define UNI_OCI_EMPTY "application/vnd.oci.empty.v1+json" /* of the blob "{}" */

#define UNI_OCI_TITLE "org.opencontainers.image.title"
#define UNI_OCI_REF_NAME "org.opencontainers.image.ref.name"

struct uni_oci_annotation {
	const char *key;
	const char *value;
};

/* All borrowed. */
struct uni_oci_annotations {
	const struct uni_oci_annotation *items; /* sorted by key by the caller */
	size_t count;
};

struct uni_oci_descriptor {
	const char *media_type;
	struct uni_digest digest;
	uint64_t size;
	const char *artifact_type;		/* NULL: left out */
	const char *architecture, *os;		/* "platform", both or none */
	struct uni_oci_annotations annotations; /* count 0: left out */
};

struct uni_oci_manifest {
	const char *artifact_type; /* NULL: left out */
	struct uni_oci_descriptor config;
	const struct uni_oci_descriptor *layers;
	size_t layer_count;
	const struct uni_oci_descriptor *subject; /* NULL: left out */
	struct uni_oci_annotations annotations;
};

/* The empty config of an artifact: descriptor of "{}". */
struct uni_oci_descriptor uni_oci_empty(void);

void uni_oci_descriptor_json(const struct uni_oci_descriptor *descriptor, struct uni_buf *out);
void uni_oci_manifest_json(const struct uni_oci_manifest *manifest, struct uni_buf *out);
void uni_oci_index_json(const struct uni_oci_descriptor *manifests, size_t count,
			const char *artifact_type /* NULL: left out */, struct uni_buf *out);

/*
 * An image layout ("OCI Image Layout Specification") in a form's files below `folder`: blobs as
 * they are put, and at the end the index and oci-layout. A blob that was there is not put again.
 */
struct uni_oci_layout;
struct uni_oci_layout *uni_oci_layout_new(const struct uni_form_out *out, const char *folder);
void uni_oci_layout_free(struct uni_oci_layout *layout);
UNI_AUTO_DEFINE(uni_oci_layout)
/* Bytes at hand as a blob; fills digest and size of `descriptor`. */
int uni_oci_layout_put(struct uni_oci_layout *layout, const void *data, size_t size,
		       struct uni_oci_descriptor *descriptor, struct uni_err *err);
/* A blob written by the caller: begin as a form's file, then end with its digest. */
int uni_oci_layout_begin(struct uni_oci_layout *layout, int *fd, struct uni_err *err);
int uni_oci_layout_end(struct uni_oci_layout *layout, const struct uni_digest *digest,
		       struct uni_err *err);
/* The index, naming these manifests. */
int uni_oci_layout_finish(struct uni_oci_layout *layout, const struct uni_oci_descriptor *manifests,
			  size_t count, struct uni_err *err);

#endif
