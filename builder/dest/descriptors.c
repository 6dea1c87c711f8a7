/*
 * Descriptors out of JSON.
 */
#include "descriptors.h"

#include <string.h>

void descriptors_free(struct descriptors *list)
{
	for (size_t i = 0; i < list->count; i++) {
		const void *annotations = list->items[i].annotations.items;

		free((void *)(uintptr_t)annotations);
	}
	free(list->items);
}

void descriptors_add(struct descriptors *list, const struct uni_oci_descriptor *item)
{
	size_t count = item->annotations.count;
	struct uni_oci_annotation *copy = uni_alloc_array(count + 1, sizeof(*copy));

	for (size_t i = 0; i < count; i++)
		copy[i] = item->annotations.items[i];
	UNI_PUSH_ROOM(list->items, list->count, list->room);
	list->items[list->count] = *item;
	list->items[list->count++].annotations.items = copy;
}

struct reading {
	struct uni_oci_annotation *items;
	size_t count, room;
};

static int take_annotation(void *user, const char *key, const struct uni_json *value,
			   struct uni_err *err)
{
	struct reading *r = user;
	const char *text = uni_json_text(value);

	(void)err;
	if (text == NULL)
		return 0;
	UNI_PUSH_ROOM(r->items, r->count, r->room);
	r->items[r->count++] = (struct uni_oci_annotation){ key, text };
	return 0;
}

static int read_one(const struct uni_json *json, struct descriptors *list, struct uni_err *err)
{
	struct uni_oci_descriptor item = {
		.media_type = uni_json_text(uni_json_get(json, "mediaType")),
		.artifact_type = uni_json_text(uni_json_get(json, "artifactType")),
	};
	const struct uni_json *platform = uni_json_get(json, "platform");
	const char *digest = uni_json_text(uni_json_get(json, "digest"));
	struct reading reading = { .items = NULL };
	int rc;

	if (item.media_type == NULL || digest == NULL || !uni_str_starts(digest, "sha256:") ||
	    !uni_digest_parse(digest, &item.digest) ||
	    !uni_json_u64(uni_json_get(json, "size"), &item.size))
		return uni_err_set(err, UNI_E_CORRUPT,
				   "a descriptor without type, SHA-256 digest or size");
	item.architecture = uni_json_text(uni_json_get(platform, "architecture"));
	item.os = uni_json_text(uni_json_get(platform, "os"));
	if (item.os == NULL)
		item.architecture = NULL;
	rc = uni_json_each(uni_json_get(json, "annotations"), take_annotation, &reading, err);
	item.annotations = (struct uni_oci_annotations){ reading.items, reading.count };
	if (rc == 0)
		descriptors_add(list, &item);
	free(reading.items);
	return rc;
}

int descriptors_read(const struct uni_json *array, struct descriptors *list, struct uni_err *err)
{
	size_t count = uni_json_count(array);
	int rc = 0;

	if (count > DESCRIPTORS_MAX)
		return uni_err_set(err, UNI_E_LIMIT, "more than %d descriptors", DESCRIPTORS_MAX);
	for (size_t i = 0; rc == 0 && i < count; i++)
		rc = read_one(uni_json_item(array, i), list, err);
	return rc;
}

const char *descriptor_annotation(const struct uni_oci_descriptor *item, const char *key)
{
	for (size_t i = 0; i < item->annotations.count; i++)
		if (strcmp(item->annotations.items[i].key, key) == 0)
			return item->annotations.items[i].value;
	return NULL;
}

int descriptors_of_tag(struct uni_oci *oci, const char *tag, const char *member,
		       struct uni_json **json, struct descriptors *list, struct uni_err *err)
{
	struct uni_buf text UNI_AUTO_BUF = UNI_BUF_INIT;
	struct uni_digest digest;
	int rc = uni_oci_get_manifest(oci, tag, &text, &digest, err);

	if (rc == UNI_E_NOENT) {
		uni_err_clear(err);
		return 0;
	}
	if (rc == 0)
		rc = uni_json_parse(json, tag, uni_buf_text(&text), text.size, err);
	return rc == 0 ? descriptors_read(uni_json_get(*json, member), list, err) : rc;
}
