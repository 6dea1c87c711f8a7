/*
 * The places that images come from, as the one who unpacks them sees them.
 */
#ifndef SOURCE_IMAGE_H
#define SOURCE_IMAGE_H

#include <uni/base/json.h>
#include <uni/oci/registry.h>
#include <uni/source/image.h>

#define IMAGE_LAYERS_MAX 512
#define IMAGE_JSON_MAX (4u << 20)

struct image_part {
	struct uni_digest digest;
	uint64_t size;
};

/* A file of an archive. */
struct image_member {
	char *name;
	uint64_t offset, size;
};

struct image_place {
	const struct uni_fetch *fetch;
	const struct uni_image_source *image;

	struct uni_oci_reference reference; /* of a registry */
	struct uni_oci *oci;

	int fd; /* of a layout's folder or an archive; -1: neither */
	bool folder;
	struct image_member *members;
	size_t member_count, member_room;
};
#define IMAGE_PLACE_INIT                                                                           \
	{                                                                                          \
		.fd = -1                                                                           \
	}

int image_place_open(struct image_place *place, const struct uni_fetch *fetch,
		     const struct uni_image_source *image, struct uni_err *err);
void image_place_close(struct image_place *place);

/* The manifest or index of that digest, or, for NULL, of the image's tag. */
int image_place_manifest(struct image_place *place, const struct uni_digest *digest,
			 struct uni_buf *json, struct uni_digest *found, struct uni_err *err);
/* The manifest of the platform's image in that or, for NULL, in what the image's tag means, through
 * indexes; *digest is that of the first document. */
int image_manifest(struct image_place *place, const struct uni_digest *wanted,
		   struct uni_json **manifest, struct uni_digest *digest, struct uni_err *err);
/* Into the store, unless it is there. */
int image_place_blob(struct image_place *place, const struct image_part *part,
		     struct uni_store_entry *blob, struct uni_err *err);

/* local.c: the same of a folder or an archive. */
int local_open(struct image_place *place, struct uni_err *err);
void local_close(struct image_place *place);
int local_manifest(struct image_place *place, const struct uni_digest *digest, struct uni_buf *json,
		   struct uni_digest *found, struct uni_err *err);
int local_blob(struct image_place *place, const struct image_part *part, struct uni_sink *sink,
	       struct uni_err *err);

/* A descriptor's digest and size (manifests, indexes); UNI_E_CORRUPT. */
int image_descriptor(const struct uni_json *descriptor, struct image_part *part,
		     struct uni_err *err);

#endif
