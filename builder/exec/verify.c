/*
 * Verification: what a manifest says, made again and compared. Inputs and tools come first: when
 * one of these is another, building would only prove that.
 */
#include "internal.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <uni/base/file.h>
#include <uni/base/json.h>
#include <uni/base/mapdigest.h>
#include <uni/base/path.h>

#define MANIFEST_MAX (64u << 20)
#define FORMATS_MAX 32

struct verify {
	const struct uni_verify_options *options;
	struct uni_verify_report *report;
	struct uni_json *manifest;
	struct uni_digest digest; /* of the manifest */
	char *recipe;
	const char *formats[FORMATS_MAX];
	struct uni_build_options how;
};

void uni_verify_report_free(struct uni_verify_report *report)
{
	free(report->differs);
	free(report->detail);
	free(report->partition);
	*report = (struct uni_verify_report){ .same = false };
}

static int differs(struct verify *v, struct uni_err *err, const char *what, const char *expected,
		   const char *found)
{
	v->report->differs = uni_strdup(what);
	v->report->detail = uni_asprintf("the manifest says %s, here it is %s", expected, found);
	return uni_err_set(err, UNI_E_DIFFERS, "%s differs: %s", what, v->report->detail);
}

static int differs_digest(struct verify *v, struct uni_err *err, const char *kind, const char *name,
			  const char *expected, const struct uni_digest *found)
{
	char *what UNI_AUTO_FREE = uni_asprintf("%s %s", kind, name);
	char text[UNI_DIGEST_TEXT] = "absent";

	if (found != NULL)
		uni_digest_text(found, text);
	return differs(v, err, what, expected, text);
}

/* --- the manifest --- */

static int not_one(const struct verify *v, struct uni_err *err)
{
	return uni_err_set(err, UNI_E_PARSE, "%s: not a manifest that this program understands",
			   v->options->manifest);
}

static int take_formats(struct verify *v, struct uni_err *err)
{
	const struct uni_json *list = uni_json_get(v->manifest, "artifacts");

	if (uni_json_count(list) == 0)
		return not_one(v, err);
	for (size_t i = 0; i < uni_json_count(list); i++) {
		const struct uni_json *artifact = uni_json_item(list, i);
		const char *format = uni_json_text(uni_json_get(artifact, "format"));

		if (format == NULL || uni_json_text(uni_json_get(artifact, "digest")) == NULL)
			return not_one(v, err);
		/* Files of one form stand together. */
		if (v->how.format_count != 0 &&
		    strcmp(format, v->formats[v->how.format_count - 1]) == 0)
			continue;
		if (v->how.format_count == FORMATS_MAX)
			return not_one(v, err);
		v->formats[v->how.format_count++] = format;
	}
	return 0;
}

static int open_manifest(struct verify *v, struct uni_err *err)
{
	struct uni_buf text UNI_AUTO_BUF = UNI_BUF_INIT;
	uint64_t format;
	int rc = uni_file_read(v->options->manifest, MANIFEST_MAX, &text, err);

	if (rc == 0)
		rc = uni_json_parse(&v->manifest, v->options->manifest, uni_buf_text(&text),
				    text.size, err);
	if (rc != 0)
		return rc;
	v->digest = uni_digest_of(text.data, text.size);
	if (!uni_json_u64(uni_json_get(v->manifest, "format"), &format) || format != 1)
		return not_one(v, err);
	return take_formats(v, err);
}

static int find_recipe(struct verify *v, struct uni_err *err)
{
	struct uni_store *store UNI_AUTO(uni_store) = NULL;
	int rc;

	if (v->options->recipe != NULL) {
		v->recipe = uni_strdup(v->options->recipe);
		return 0;
	}
	rc = uni_store_open(&store, v->options->store, NULL, err);
	if (rc == 0)
		rc = manifest_recall(store, &v->digest, &v->recipe, err);
	return rc != 0 ? uni_err_context(err, "%s", v->options->manifest) : 0;
}

/* --- what goes in --- */

static bool digest_is(const struct uni_json *text, const struct uni_digest *digest)
{
	struct uni_digest expected;
	bool mapped;

	return uni_json_text(text) != NULL &&
	       uni_content_digest_parse(uni_json_text(text), &expected, &mapped) &&
	       uni_digest_eq(&expected, digest);
}

static const char *words(const struct uni_json *value)
{
	return uni_json_text(value) != NULL ? uni_json_text(value) : "nothing";
}

static const struct uni_step_tool *find_tool(const struct tool_set *set, const char *name)
{
	for (size_t i = 0; i < set->count; i++)
		if (strcmp(set->items[i].name, name) == 0)
			return &set->items[i];
	return NULL;
}

/* Two tools of one name may be in use: one of them is to be the manifest's. */
static int check_tool(struct verify *v, const struct build *b, const struct uni_json *tool,
		      struct uni_err *err)
{
	const struct tool_set *sets[] = { &b->compile_tools, &b->link_tools, &b->box_tools,
					  &b->deflate_tools, &b->zstd_tools };
	const char *name = uni_json_text(uni_json_get(tool, "name"));
	const struct uni_json *digest = uni_json_get(tool, "digest");
	const struct uni_digest *found = NULL;

	if (name == NULL)
		return not_one(v, err);
	for (size_t i = 0; i < UNI_COUNT(sets); i++) {
		const struct uni_step_tool *here = find_tool(sets[i], name);

		if (here != NULL && digest_is(digest, &here->digest))
			return 0;
		if (here != NULL)
			found = &here->digest;
	}
	return differs_digest(v, err, "tool", name, words(digest), found);
}

static bool same_list(const struct uni_json *a, const struct uni_json *b, size_t *at)
{
	for (*at = 0; *at < uni_json_count(a); (*at)++) {
		const struct uni_json *ia = uni_json_item(a, *at), *ib = uni_json_item(b, *at);

		if (!uni_str_eq(words(uni_json_get(ia, "name")), words(uni_json_get(ib, "name"))) ||
		    !uni_str_eq(words(uni_json_get(ia, "digest")),
				words(uni_json_get(ib, "digest"))))
			return false;
	}
	return uni_json_count(a) == uni_json_count(b);
}

/* The manifest's inputs against those that this build's would have. */
static int check_inputs(struct verify *v, const struct build *b, struct uni_err *err)
{
	const struct uni_json *expected = uni_json_get(v->manifest, "inputs");
	struct uni_buf text UNI_AUTO_BUF = UNI_BUF_INIT;
	struct uni_json *document UNI_AUTO(uni_json) = NULL;
	const struct uni_json *found, *was, *is;
	struct uni_digest digest;
	size_t at;
	int rc;

	uni_buf_putc(&text, '{');
	manifest_inputs(b, &text);
	uni_buf_puts(&text, "\"end\": 0}");
	rc = uni_json_parse(&document, "inputs", text.data, text.size, err);
	if (rc != 0)
		return rc;
	found = uni_json_get(document, "inputs");
	if (same_list(expected, found, &at))
		return 0;
	was = uni_json_item(expected, at);
	is = uni_json_item(found, at);
	if (was == NULL || is == NULL ||
	    !uni_str_eq(words(uni_json_get(was, "name")), words(uni_json_get(is, "name"))) ||
	    !uni_digest_parse(words(uni_json_get(is, "digest")), &digest))
		return differs(v, err, "list of inputs", words(uni_json_get(was, "name")),
			       words(uni_json_get(is, "name")));
	return differs_digest(v, err, "input", words(uni_json_get(was, "name")),
			      words(uni_json_get(was, "digest")), &digest);
}

static int check_before(struct verify *v, const struct build *b, struct uni_err *err)
{
	struct uni_digest recipe = uni_digest_of(b->normal.data, b->normal.size);
	const struct uni_json *digest = uni_json_get(uni_json_get(v->manifest, "recipe"), "digest");
	const struct uni_json *base = uni_json_get(v->manifest, "base");
	const struct uni_json *tools = uni_json_get(v->manifest, "tools");
	int rc = 0;

	if (!digest_is(digest, &recipe))
		return differs_digest(v, err, "recipe", b->recipe->path, words(digest), &recipe);
	if (!digest_is(uni_json_get(base, "digest"), &b->base.digest))
		return differs_digest(v, err, "base", words(uni_json_get(base, "name")),
				      words(uni_json_get(base, "digest")), &b->base.digest);
	for (size_t i = 0; rc == 0 && i < uni_json_count(tools); i++)
		rc = check_tool(v, b, uni_json_item(tools, i), err);
	return rc != 0 ? rc : check_inputs(v, b, err);
}

/* --- what comes out --- */

/* The partition that holds `offset`, or NULL. */
static const char *partition_at(const struct uni_json *artifact, uint64_t offset)
{
	const struct uni_json *list = uni_json_get(artifact, "partitions");

	for (size_t i = 0; i < uni_json_count(list); i++) {
		const struct uni_json *partition = uni_json_item(list, i);
		uint64_t start, size;

		if (uni_json_u64(uni_json_get(partition, "offset"), &start) &&
		    uni_json_u64(uni_json_get(partition, "size"), &size) && offset >= start &&
		    offset - start < size)
			return uni_json_text(uni_json_get(partition, "name"));
	}
	return NULL;
}

/* Without the old artifact's bytes: the first partition whose digest is not among the new ones. */
static void locate_by_digests(struct verify *v, const struct uni_json *artifact, const char *meta)
{
	const struct uni_json *list = uni_json_get(artifact, "partitions");

	for (size_t i = 0; i < uni_json_count(list); i++) {
		const struct uni_json *partition = uni_json_item(list, i);
		const char *digest = uni_json_text(uni_json_get(partition, "digest"));

		if (digest == NULL || (meta != NULL && strstr(meta, digest) != NULL))
			continue;
		v->report->partition = uni_strdup(words(uni_json_get(partition, "name")));
		return;
	}
}

/* Where the file beside the manifest and what was made now part. */
static int locate_by_bytes(struct verify *v, struct build *b, const struct uni_json *artifact,
			   const char *old, struct uni_store_entry *blob, struct uni_err *err)
{
	char *new UNI_AUTO_FREE = NULL;
	int64_t offset;
	int rc = uni_store_blob_path(b->store, blob, &new, err);

	if (rc == 0)
		rc = first_difference(old, new, &offset, err);
	if (rc != 0 || offset < 0)
		return rc;
	v->report->has_offset = true;
	v->report->offset = (uint64_t)offset;
	if (partition_at(artifact, v->report->offset) != NULL)
		v->report->partition = uni_strdup(partition_at(artifact, v->report->offset));
	return 0;
}

/* Of the file that the manifest calls `name`, as it was made now; NULL: there is none. */
static struct uni_store_entry *
artifact_blob(const struct build *b, const struct uni_store_record *record, const char *name)
{
	size_t size = strlen(b->recipe->image.name);

	return strncmp(name, b->recipe->image.name, size) == 0 && name[size] == '.'
		       ? uni_store_record_find(record, name + size + 1)
		       : NULL;
}

/*
 * Three must agree: what the manifest says, what was made now, and the artifact beside the manifest
 * where there is one.
 */
static int check_artifact(struct verify *v, struct build *b, const struct uni_json *artifact,
			  struct uni_err *err)
{
	const char *format = uni_json_text(uni_json_get(artifact, "format"));
	struct uni_store_record *record = &b->runs[artifact_step(b, format)].record;
	const struct uni_json *expected = uni_json_get(artifact, "digest");
	const char *name = words(uni_json_get(artifact, "name"));
	char *dir UNI_AUTO_FREE = uni_path_dir(v->options->manifest);
	char *old UNI_AUTO_FREE = uni_path_join(dir, name);
	struct uni_store_entry *blob = artifact_blob(b, record, name);
	bool same = blob != NULL && digest_is(expected, &blob->digest);
	struct uni_err ignored = UNI_ERR_INIT;
	bool mapped;
	struct uni_digest kept;
	uint64_t size;
	bool there = uni_content_digest_file(old, &size, &kept, &mapped, &ignored) == 0;
	int rc = 0;

	v->report->artifacts++;
	if (blob == NULL)
		return differs_digest(v, err, "artifact", name, words(expected), NULL);
	if (same && (!there || digest_is(expected, &kept)))
		return 0;
	if (there && (same || digest_is(expected, &kept)))
		rc = locate_by_bytes(v, b, artifact, old, blob, err);
	else
		locate_by_digests(v, artifact, record->meta);
	if (rc != 0)
		return rc;
	return differs_digest(v, err, "artifact", name, words(expected),
			      same ? &kept : &blob->digest);
}

static int verify(struct verify *v, struct build *b, struct uni_err *err)
{
	const struct uni_json *artifacts = uni_json_get(v->manifest, "artifacts");
	const struct uni_json *image = uni_json_get(v->manifest, "image");
	uint64_t epoch;
	int rc;

	if (uni_json_get(image, "epoch_from") != NULL &&
	    uni_json_u64(uni_json_get(image, "epoch"), &epoch) && epoch <= UINT32_MAX)
		build_epoch_set(b, (int64_t)epoch);
	rc = build_resolve(b, true, err);

	if (rc == 0)
		rc = check_before(v, b, err);
	if (rc == 0)
		rc = build_make_plan(b, err);
	if (rc != 0)
		return rc;
	b->runs = uni_alloc_array(uni_plan_count(b->plan) + 1, sizeof(*b->runs));
	rc = build_artifacts(b, err);
	for (size_t i = 0; rc == 0 && i < uni_json_count(artifacts); i++)
		rc = check_artifact(v, b, uni_json_item(artifacts, i), err);
	v->report->same = rc == 0;
	return rc;
}

int uni_build_verify(const struct uni_verify_options *options, struct uni_verify_report *report,
		     const struct uni_events *events, struct uni_diags *diags, struct uni_err *err)
{
	struct verify v = { .options = options, .report = report };
	struct build b;
	int rc = open_manifest(&v, err);

	*report = (struct uni_verify_report){ .same = false };
	if (rc == 0)
		rc = find_recipe(&v, err);
	if (rc == 0) {
		v.how.recipe = v.recipe;
		v.how.variant =
			uni_json_text(uni_json_get(uni_json_get(v.manifest, "recipe"), "variant"));
		v.how.formats = v.formats;
		v.how.allow_outside = options->allow_outside;
		v.how.allow_secret = true; /* nothing is handed out */
		v.how.store = options->store;
		v.how.fresh = !options->cached;
		rc = build_open(&b, &v.how, events, diags, err);
		if (rc == 0)
			rc = verify(&v, &b, err);
		build_close(&b);
	}
	free(v.recipe);
	uni_json_free(v.manifest);
	return rc;
}
