/*
 * Referrers: artifacts whose manifest names another as its subject.
 */
#include "descriptors.h"
#include <uni/dest/attach.h>

#include <string.h>

#define CONTENT_MAX (64u << 20)

static char *fallback_tag(const struct uni_digest *subject)
{
	char text[UNI_DIGEST_TEXT];

	uni_digest_text(subject, text);
	*strchr(text, ':') = '-';
	return uni_strdup(text);
}

/* The registry keeps no account of subjects: its clients do, in an index under a tag. Two that
 * write it at once can lose one entry; the specification knows no remedy. */
static int keep_account(struct uni_oci *oci, const struct uni_digest *subject,
			const struct uni_oci_descriptor *referrer, struct uni_err *err)
{
	struct descriptors before AUTO_DESCRIPTORS = { .items = NULL };
	struct descriptors after AUTO_DESCRIPTORS = { .items = NULL };
	struct uni_json *json UNI_AUTO(uni_json) = NULL;
	struct uni_buf index UNI_AUTO_BUF = UNI_BUF_INIT;
	char *tag UNI_AUTO_FREE = fallback_tag(subject);
	int rc = descriptors_of_tag(oci, tag, "manifests", &json, &before, err);

	if (rc != 0)
		return rc;
	for (size_t i = 0; i < before.count; i++)
		if (!uni_str_eq(before.items[i].artifact_type, referrer->artifact_type))
			descriptors_add(&after, &before.items[i]);
	descriptors_add(&after, referrer);
	uni_oci_index_json(after.items, after.count, NULL, &index);
	return uni_oci_put_manifest(oci, tag, UNI_OCI_INDEX, &index, NULL, err);
}

int uni_oci_attach(struct uni_oci *oci, const struct uni_oci_descriptor *subject, const char *type,
		   const char *title, const struct uni_buf *content, struct uni_err *err)
{
	const struct uni_oci_annotation annotation = { UNI_OCI_TITLE, title };
	struct uni_oci_descriptor layer = { .media_type = type,
					    .size = content->size,
					    .annotations = { &annotation, 1 } };
	const struct uni_oci_manifest manifest = { .artifact_type = type,
						   .config = uni_oci_empty(),
						   .layers = &layer,
						   .layer_count = 1,
						   .subject = subject };
	struct uni_oci_descriptor referrer = { .media_type = UNI_OCI_MANIFEST,
					       .artifact_type = type };
	struct uni_buf json UNI_AUTO_BUF = UNI_BUF_INIT;
	struct uni_digest empty;
	char text[UNI_DIGEST_TEXT];
	bool known = false;
	int rc = uni_oci_put_bytes(oci, "{}", 2, &empty, err);

	if (rc == 0)
		rc = uni_oci_put_bytes(oci, content->data, content->size, &layer.digest, err);
	if (rc != 0)
		return rc;
	uni_oci_manifest_json(&manifest, &json);
	referrer.digest = uni_digest_of(json.data, json.size);
	referrer.size = json.size;
	uni_digest_text(&referrer.digest, text);
	rc = uni_oci_put_manifest(oci, text, UNI_OCI_MANIFEST, &json, &known, err);
	if (rc == 0 && !known)
		rc = keep_account(oci, &subject->digest, &referrer, err);
	return rc != 0 ? uni_err_context(err, "attach %s", title) : 0;
}

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

static int read_content(struct uni_oci *oci, const struct uni_digest *manifest,
			const struct uni_digest *subject, struct uni_buf *content,
			struct uni_err *err)
{
	struct descriptors layers AUTO_DESCRIPTORS = { .items = NULL };
	struct uni_buf text UNI_AUTO_BUF = UNI_BUF_INIT;
	struct uni_json *json UNI_AUTO(uni_json) = NULL;
	struct uni_sink *sink UNI_AUTO(uni_sink) = uni_sink_to_buf(content, CONTENT_MAX);
	char name[UNI_DIGEST_TEXT], wanted[UNI_DIGEST_TEXT];
	struct uni_digest digest;
	int rc;

	uni_digest_text(manifest, name);
	uni_digest_text(subject, wanted);
	rc = uni_oci_get_manifest(oci, name, &text, &digest, err);
	if (rc == 0)
		rc = uni_json_parse(&json, name, uni_buf_text(&text), text.size, err);
	if (rc == 0)
		rc = descriptors_read(uni_json_get(json, "layers"), &layers, err);
	if (rc != 0)
		return rc;
	/* A list can name what belongs to something else. */
	if (layers.count != 1 || layers.items[0].size > CONTENT_MAX ||
	    !uni_str_eq(uni_json_text(uni_json_get(uni_json_get(json, "subject"), "digest")),
			wanted))
		return uni_err_set(err, UNI_E_CORRUPT, "%s is attached to something else", name);
	rc = uni_oci_get_blob(oci, &layers.items[0].digest, layers.items[0].size, sink, err);
	return rc == 0 ? uni_sink_finish(sink, err) : rc;
}

int uni_oci_attached(struct uni_oci *oci, const struct uni_digest *subject, const char *type,
		     struct uni_buf *content, struct uni_err *err)
{
	struct descriptors list AUTO_DESCRIPTORS = { .items = NULL };
	struct uni_json *json UNI_AUTO(uni_json) = NULL;
	int rc = list_referrers(oci, subject, &json, &list, err);

	for (size_t i = 0; rc == 0 && i < list.count; i++)
		if (uni_str_eq(list.items[i].artifact_type, type))
			return read_content(oci, &list.items[i].digest, subject, content, err);
	return rc != 0 ? rc
		       : uni_err_set(err, UNI_E_NOENT, "nothing of type %s is attached to it",
				     type);
}
