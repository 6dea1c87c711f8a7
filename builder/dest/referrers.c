/*
 * The referrers' list where a registry keeps one, else the tag schema.
 */
#include "referrers.h"
#include "descriptors.h"

#include <string.h>

static char *fallback_tag(const struct uni_digest *subject)
{
	char text[UNI_DIGEST_TEXT];

	uni_digest_text(subject, text);
	*strchr(text, ':') = '-';
	return uni_strdup(text);
}

/* --- putting --- */

static bool gives_way(const struct uni_oci_descriptor *there, const struct uni_oci_descriptor *new,
		      const struct referrer *r)
{
	return uni_digest_eq(&there->digest, &new->digest) ||
	       (!r->beside && uni_str_eq(there->artifact_type, r->type));
}

/* The registry keeps no account of subjects: its clients do, in an index under a tag. Two that
 * write it at once can lose one entry; the specification knows no remedy. */
static int keep_account(struct uni_oci *oci, const struct referrer *r,
			const struct uni_oci_descriptor *made, struct uni_err *err)
{
	struct descriptors before AUTO_DESCRIPTORS = { .items = NULL };
	struct descriptors after AUTO_DESCRIPTORS = { .items = NULL };
	struct uni_json *json UNI_AUTO(uni_json) = NULL;
	struct uni_buf index UNI_AUTO_BUF = UNI_BUF_INIT;
	char *tag UNI_AUTO_FREE = fallback_tag(&r->subject->digest);
	int rc = descriptors_of_tag(oci, tag, "manifests", &json, &before, err);

	if (rc != 0)
		return rc;
	for (size_t i = 0; i < before.count; i++)
		if (!gives_way(&before.items[i], made, r))
			descriptors_add(&after, &before.items[i]);
	descriptors_add(&after, made);
	uni_oci_index_json(after.items, after.count, NULL, &index);
	return uni_oci_put_manifest(oci, tag, UNI_OCI_INDEX, &index, NULL, err);
}

int referrer_put(struct uni_oci *oci, const struct referrer *r, struct uni_err *err)
{
	const struct uni_oci_annotation title = { UNI_OCI_TITLE, r->title };
	struct uni_oci_descriptor layer = { .media_type = r->type,
					    .size = r->content->size,
					    .annotations = { &title, r->title != NULL } };
	const struct uni_oci_manifest manifest = { .artifact_type = r->type,
						   .config = uni_oci_empty(),
						   .layers = &layer,
						   .layer_count = 1,
						   .subject = r->subject,
						   .annotations = r->annotations };
	/* Its annotations are the manifest's (as the specification has it), for readers of the
	 * list. */
	struct uni_oci_descriptor made = { .media_type = UNI_OCI_MANIFEST,
					   .artifact_type = r->type,
					   .annotations = r->annotations };
	struct uni_buf json UNI_AUTO_BUF = UNI_BUF_INIT;
	struct uni_digest empty;
	char text[UNI_DIGEST_TEXT];
	bool known = false;
	int rc = uni_oci_put_bytes(oci, "{}", 2, &empty, err);

	if (rc == 0)
		rc = uni_oci_put_bytes(oci, r->content->data, r->content->size, &layer.digest, err);
	if (rc != 0)
		return rc;
	uni_oci_manifest_json(&manifest, &json);
	made.digest = uni_digest_of(json.data, json.size);
	made.size = json.size;
	uni_digest_text(&made.digest, text);
	rc = uni_oci_put_manifest(oci, text, UNI_OCI_MANIFEST, &json, &known, err);
	return rc == 0 && !known ? keep_account(oci, r, &made, err) : rc;
}

/* --- finding --- */

/* By the referrers' list, or, where the registry has no such thing, by the tag. */
static int list_referrers(struct uni_oci *oci, const struct uni_digest *subject,
			  struct uni_json **json, struct descriptors *list, struct uni_err *err)
{
	struct uni_buf text UNI_AUTO_BUF = UNI_BUF_INIT;
	char *tag UNI_AUTO_FREE = fallback_tag(subject);
	int rc = uni_oci_get_referrers(oci, subject, &text, err);

	if (rc == UNI_E_NOENT) {
		uni_err_clear(err);
		return descriptors_of_tag(oci, tag, "manifests", json, list, err);
	}
	if (rc == 0)
		rc = uni_json_parse(json, "referrers", uni_buf_text(&text), text.size, err);
	return rc == 0 ? descriptors_read(uni_json_get(*json, "manifests"), list, err) : rc;
}

/* A list can name what belongs to something else, or is of another type. */
static bool belongs(const struct uni_json *manifest, const struct uni_digest *subject,
		    const char *type)
{
	const char *of = uni_json_text(uni_json_get(uni_json_get(manifest, "subject"), "digest"));
	char wanted[UNI_DIGEST_TEXT];

	uni_digest_text(subject, wanted);
	return uni_str_eq(of, wanted) &&
	       uni_str_eq(uni_json_text(uni_json_get(manifest, "artifactType")), type);
}

struct wanted {
	const struct uni_digest *subject;
	const char *type;
	uint64_t limit;
};

/* UNI_E_CORRUPT: not what the list says. */
static int read_content(struct uni_oci *oci, const struct uni_digest *manifest,
			const struct wanted *wanted, struct uni_buf *content, struct uni_err *err)
{
	struct descriptors layers AUTO_DESCRIPTORS = { .items = NULL };
	struct uni_buf text UNI_AUTO_BUF = UNI_BUF_INIT;
	struct uni_json *json UNI_AUTO(uni_json) = NULL;
	struct uni_sink *sink UNI_AUTO(uni_sink) = uni_sink_to_buf(content, wanted->limit);
	char name[UNI_DIGEST_TEXT];
	struct uni_digest digest;
	int rc;

	uni_digest_text(manifest, name);
	rc = uni_oci_get_manifest(oci, name, &text, &digest, err);
	if (rc == 0 && uni_json_parse(&json, name, uni_buf_text(&text), text.size, err) != 0)
		rc = UNI_E_CORRUPT;
	if (rc == 0)
		rc = descriptors_read(uni_json_get(json, "layers"), &layers, err);
	if (rc != 0)
		return rc;
	if (layers.count != 1 || layers.items[0].size > wanted->limit ||
	    !belongs(json, wanted->subject, wanted->type))
		return uni_err_set(err, UNI_E_CORRUPT, "%s is attached to something else", name);
	rc = uni_oci_get_blob(oci, &layers.items[0].digest, layers.items[0].size, sink, err);
	return rc == 0 ? uni_sink_finish(sink, err) : rc;
}

/* Clients that know no artifact types list what they attach under that of its configuration. */
static bool may_be(const struct uni_oci_descriptor *item, const char *type)
{
	return item->artifact_type == NULL || uni_str_eq(item->artifact_type, type) ||
	       uni_str_eq(item->artifact_type, UNI_OCI_EMPTY);
}

int referrers_each(struct uni_oci *oci, const struct uni_digest *subject, const char *type,
		   uint64_t limit, referrer_fn *take, void *user, struct uni_err *err)
{
	const struct wanted wanted = { subject, type, limit };
	struct descriptors list AUTO_DESCRIPTORS = { .items = NULL };
	struct uni_json *json UNI_AUTO(uni_json) = NULL;
	int rc = list_referrers(oci, subject, &json, &list, err);

	for (size_t i = 0; rc == 0 && i < list.count; i++) {
		struct uni_buf content UNI_AUTO_BUF = UNI_BUF_INIT;

		if (!may_be(&list.items[i], type))
			continue;
		rc = read_content(oci, &list.items[i].digest, &wanted, &content, err);
		if (rc == 0) {
			rc = take(user, &content, err);
		} else if (rc == UNI_E_CORRUPT || rc == UNI_E_NOENT) {
			uni_err_clear(err);
			rc = 0;
		}
	}
	return rc;
}
