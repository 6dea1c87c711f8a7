/*
 * Lists of descriptors as registries have them, read to be written again with one more.
 */
#ifndef DEST_DESCRIPTORS_H
#define DEST_DESCRIPTORS_H

#include <uni/base/json.h>
#include <uni/bundle/oci.h>
#include <uni/oci/registry.h>

#define DESCRIPTORS_MAX 1024

struct descriptors {
	struct uni_oci_descriptor *items; /* texts borrowed from the document, or the caller's */
	size_t count, room;
};
void descriptors_free(struct descriptors *list);
#define AUTO_DESCRIPTORS __attribute__((cleanup(descriptors_free)))

/* One more; its annotations are copied as a list. */
void descriptors_add(struct descriptors *list, const struct uni_oci_descriptor *item);
/* All of a JSON array; UNI_E_CORRUPT. */
int descriptors_read(const struct uni_json *array, struct descriptors *list, struct uni_err *err);
/* The list `member` of the manifest under a tag; empty, and `*json` NULL, where there is none. The
 * list's texts are the JSON's. */
int descriptors_of_tag(struct uni_oci *oci, const char *tag, const char *member,
		       struct uni_json **json, struct descriptors *list, struct uni_err *err);
const char *descriptor_annotation(const struct uni_oci_descriptor *item, const char *key);

#endif
