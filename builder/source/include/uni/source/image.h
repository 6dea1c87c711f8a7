/*
 * Container images as sources: from a registry, an image layout in a folder, or an archive as
 * `docker save` writes it. What comes is the image for linux/amd64, its layers laid over one
 * another, as a set of files in the store; it is found there by its digest afterwards.
 */
#ifndef UNI_SOURCE_IMAGE_H
#define UNI_SOURCE_IMAGE_H

#include <uni/disk/source.h>
#include <uni/source/fetch.h>
#include <uni/source/files.h>

/* All borrowed. */
struct uni_image_source {
	const char *address;	  /* "oci://HOST/NAME[:TAG]"; or NULL: */
	const char *path;	  /* of a layout's folder or an archive */
	const char *tag;	  /* in that; NULL: its only image */
	bool has_digest;	  /* else what the tag means now */
	struct uni_digest digest; /* of manifest or index; of an archive's image: of its config */
};

/* What the tag means now. */
int uni_fetch_image_digest(const struct uni_fetch *fetch, const struct uni_image_source *image,
			   struct uni_digest *digest, struct uni_err *err);

/* The files (uni/source/files.h). Nothing is asked of anybody for a digest that was unpacked
 * before. */
int uni_fetch_image(const struct uni_fetch *fetch, const struct uni_image_source *image,
		    struct uni_store_record *files, struct uni_err *err);
/* Its configuration: JSON, as "OCI Image Configuration" describes it. */
int uni_fetch_image_config(const struct uni_fetch *fetch, const struct uni_image_source *image,
			   struct uni_buf *json, struct uni_err *err);

/* The disk in an image layout's folder, one for KubeVirt (containerDisk), whatever its form.
 * Nothing goes into the store. `digest` gets that of the image's manifest. */
int uni_containerdisk_open(struct uni_disk_source **source, const char *path,
			   struct uni_digest *digest, struct uni_err *err);

#endif
