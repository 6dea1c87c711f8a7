/*
 * The manifest: what went into the image and what came out, so that someone else can make it again
 * and compare. It is an artifact as the others are: no time, no place, nothing of this machine but
 * the tools' digests.
 */
#include "internal.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <uni/base/json.h>
#include <uni/base/mapdigest.h>

#define MANIFEST_FORMAT 1

struct uni_plan_source *manifest_sources(const struct build *b, size_t *count)
{
	struct uni_plan_source *list;
	size_t room = 0, at = 0;

	for (size_t i = 0; i < b->source_count; i++)
		room += 1 + b->sources[i].headers.count;
	list = uni_alloc_array(room + 1, sizeof(*list));
	for (size_t i = 0; i < b->source_count; i++) {
		const struct source_unit *unit = &b->sources[i];

		list[at++] = (struct uni_plan_source){ .name = unit->name, .digest = unit->source };
		for (size_t j = 0; j < unit->headers.count; j++)
			list[at++] = (struct uni_plan_source){
				.name = unit->headers.items[j],
				.digest = unit->header_digests[j],
			};
	}
	*count = at;
	return list;
}

static void put_text(struct uni_buf *out, const char *key, const char *value)
{
	uni_buf_printf(out, "\"%s\": ", key);
	uni_json_string(out, value);
}

static void put_digest(struct uni_buf *out, const char *key, const struct uni_digest *digest)
{
	char text[UNI_DIGEST_TEXT];

	uni_digest_text(digest, text);
	uni_buf_printf(out, "\"%s\": \"%s\"", key, text);
}

static void put_content(struct uni_buf *out, const char *key, const struct uni_store_entry *blob)
{
	char text[UNI_DIGEST_TEXT];

	uni_content_digest_text(&blob->digest, blob->mapped, text);
	uni_buf_printf(out, "\"%s\": \"%s\"", key, text);
}

/* --- lists whose order must not depend on anything but their content --- */

static void sorted_list(struct uni_buf *out, const char *key, struct uni_strv *lines)
{
	const char *before = NULL;

	uni_strv_sort(lines);
	uni_buf_printf(out, "  \"%s\": [", key);
	for (size_t i = 0; i < lines->count; i++) {
		if (before != NULL && strcmp(before, lines->items[i]) == 0)
			continue;
		uni_buf_printf(out, "%s\n    %s", before != NULL ? "," : "", lines->items[i]);
		before = lines->items[i];
	}
	uni_buf_puts(out, before != NULL ? "\n  ],\n" : "],\n");
	uni_strv_free(lines);
}

static void add_input(struct uni_strv *lines, const char *kind, const char *name,
		      const struct uni_digest *digest, const struct uni_digest *preprocessed)
{
	struct uni_buf line = UNI_BUF_INIT;

	uni_buf_putc(&line, '{');
	put_text(&line, "kind", kind);
	uni_buf_puts(&line, ", ");
	put_text(&line, "name", name);
	uni_buf_puts(&line, ", ");
	put_digest(&line, "digest", digest);
	if (preprocessed != NULL) {
		uni_buf_puts(&line, ", ");
		put_digest(&line, "preprocessed", preprocessed);
	}
	uni_buf_putc(&line, '}');
	uni_strv_take(lines, uni_buf_take(&line));
}

static void add_items(struct uni_strv *lines, const char *kind, const struct item *items,
		      size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (items[i].name != NULL && items[i].name[0] != '\0')
			add_input(lines, kind, items[i].name, &items[i].digest, NULL);
}

void manifest_inputs(const struct build *b, struct uni_buf *out)
{
	struct uni_strv lines = { .items = NULL };

	for (size_t i = 0; i < b->source_count; i++) {
		const struct source_unit *unit = &b->sources[i];

		add_input(&lines, "source", unit->name, &unit->source, &unit->text);
		for (size_t j = 0; j < unit->headers.count; j++)
			add_input(&lines, "header", unit->headers.items[j],
				  &unit->header_digests[j], NULL);
	}
	add_items(&lines, "object", b->objects.items, b->objects.count);
	add_items(&lines, "library", b->libraries.items, b->libraries.count);
	add_items(&lines, "program", &b->program, 1);
	add_items(&lines, "ca", &b->ca, 1);
	add_items(&lines, "secure-boot-key", &b->boot_key, 1);
	add_items(&lines, "secure-boot-certificate", &b->boot_certificate, 1);
	add_items(&lines, "file", b->files_in, b->recipe->file_count);
	for (size_t i = 0; i < b->recipe->volume_count; i++)
		if (b->volumes[i].name != NULL)
			add_input(&lines, "volume", b->volumes[i].name, &b->volumes[i].digest,
				  NULL);
	sorted_list(out, "inputs", &lines);
}

static void add_tools(struct uni_strv *lines, const struct tool_set *set)
{
	for (size_t i = 0; i < set->count; i++) {
		struct uni_buf line = UNI_BUF_INIT;

		uni_buf_putc(&line, '{');
		put_text(&line, "name", set->items[i].name);
		uni_buf_puts(&line, ", ");
		put_digest(&line, "digest", &set->items[i].digest);
		uni_buf_putc(&line, '}');
		uni_strv_take(lines, uni_buf_take(&line));
	}
}

static void put_tools(const struct build *b, struct uni_buf *out)
{
	struct uni_strv lines = { .items = NULL };

	add_tools(&lines, &b->compile_tools);
	add_tools(&lines, &b->link_tools);
	add_tools(&lines, &b->box_tools);
	add_tools(&lines, &b->deflate_tools);
	add_tools(&lines, &b->zstd_tools);
	sorted_list(out, "tools", &lines);
}

/* --- what came out --- */

static void put_volume(const struct build *b, size_t step, struct uni_buf *out)
{
	const struct uni_store_record *record = &b->runs[step].record;
	char uuid[UNI_UUID_TEXT], salt[65], root[65];
	struct volume_words words;
	size_t index;
	const struct uni_recipe_volume *volume =
		volume_named(b, uni_plan_step(b->plan, step)->id, &index);

	(void)volume_words_read(record->meta, &words);
	uni_uuid_text(&words.uuid, uuid);
	uni_hex(words.salt, words.salt_size, salt);
	uni_hex(words.root_hash, sizeof(words.root_hash), root);
	uni_buf_puts(out, "{");
	put_text(out, "name", volume->name);
	uni_buf_puts(out, ", ");
	put_text(out, "mount", volume->mount);
	uni_buf_puts(out, ", ");
	put_content(out, "digest", &record->entries[0]);
	uni_buf_printf(out, ",\n     \"uuid\": \"%s\", \"size\": %" PRIu64 ", \"embed\": %s", uuid,
		       words.size, volume->embed ? "true" : "false");
	if (volume->verity)
		uni_buf_printf(out,
			       ",\n     \"verity\": {\"data_blocks\": %" PRIu64
			       ", \"hash_offset\": %" PRIu64 ",\n       \"salt\": \"%s\",\n"
			       "       \"root_hash\": \"%s\"}",
			       words.data_blocks, words.hash_offset, salt, root);
	uni_buf_puts(out, "}");
}

static void put_volumes(const struct build *b, struct uni_buf *out)
{
	bool some = false;

	uni_buf_puts(out, "  \"volumes\": [");
	for (size_t i = 0; i < uni_plan_count(b->plan); i++) {
		if (uni_plan_step(b->plan, i)->op != UNI_OP_VOLUME)
			continue;
		uni_buf_puts(out, some ? ",\n    " : "\n    ");
		put_volume(b, i, out);
		some = true;
	}
	uni_buf_puts(out, some ? "\n  ],\n" : "],\n");
}

/* As op_disk wrote them down: "NAME TYPE GUID OFFSET SIZE CONTENT DIGEST" a line. */
static void put_partitions(const char *meta, struct uni_buf *out)
{
	char *text UNI_AUTO_FREE = uni_strdup(meta != NULL ? meta : "");
	char *save = NULL;
	bool some = false;

	uni_buf_puts(out, ",\n     \"partitions\": [");
	for (char *l = strtok_r(text, "\n", &save); l != NULL; l = strtok_r(NULL, "\n", &save)) {
		char name[256], type[64], guid[64], digest[128];
		uint64_t offset, size, content;

		if (sscanf(l, "%255s %63s %63s %" SCNu64 " %" SCNu64 " %" SCNu64 " %127s", name,
			   type, guid, &offset, &size, &content, digest) != 7)
			continue;
		uni_buf_puts(out, some ? ",\n       {" : "\n       {");
		put_text(out, "name", name);
		uni_buf_printf(out,
			       ", \"type\": \"%s\", \"guid\": \"%s\",\n        \"offset\": %" PRIu64
			       ", \"size\": %" PRIu64 ", \"content_size\": %" PRIu64
			       ", \"digest\": \"%s\"}",
			       type, guid, offset, size, content, digest);
		some = true;
	}
	uni_buf_puts(out, "]");
}

/* Which of the base's kernels is in it. */
static void put_kernel(const struct build *b, const char *format, struct uni_buf *out)
{
	const struct uni_base *base = b->base.base;
	const struct uni_base_kernel *kernel;
	struct uni_err ignored = UNI_ERR_INIT;

	if (uni_plan_kernel(b->recipe, base, uni_plan_place(b->recipe, base, format), &kernel,
			    &ignored) != 0)
		return;
	uni_buf_puts(out, ", ");
	put_text(out, "kernel", kernel->name);
}

static void put_artifact(const struct build *b, const char *format,
			 const struct uni_store_entry *blob, const char *partitions,
			 struct uni_buf *out)
{
	char *name UNI_AUTO_FREE = uni_asprintf("%s.%s", b->recipe->image.name, blob->name);

	uni_buf_puts(out, "{");
	put_text(out, "name", name);
	uni_buf_puts(out, ", ");
	put_text(out, "format", format);
	put_kernel(b, format, out);
	uni_buf_puts(out, ", ");
	put_content(out, "digest", blob);
	uni_buf_printf(out, ", \"size\": %" PRIu64, blob->size);
	if (partitions != NULL)
		put_partitions(partitions, out);
	uni_buf_puts(out, "}");
}

static void put_artifacts(const struct build *b, struct uni_buf *out)
{
	uni_buf_puts(out, "  \"artifacts\": [");
	for (size_t i = 0; i < b->format_count; i++) {
		const struct uni_store_record *record =
			&b->runs[artifact_step(b, b->formats[i])].record;

		for (size_t j = 0; j < record->count; j++) {
			if (artifact_repeats(b, i, record->entries[j].name))
				continue;
			uni_buf_puts(out, i + j != 0 ? ",\n    " : "\n    ");
			put_artifact(b, b->formats[i], &record->entries[j],
				     j == 0 ? record->meta : NULL, out);
		}
	}
	uni_buf_puts(out, "\n  ],\n");
}

static void put_operations(const struct build *b, struct uni_buf *out)
{
	uni_buf_puts(out, "  \"operations\": [");
	for (size_t i = 0; i + 1 < uni_plan_count(b->plan); i++) {
		const struct uni_step *step = uni_plan_step(b->plan, i);

		uni_buf_puts(out, i != 0 ? ",\n    {" : "\n    {");
		put_text(out, "id", step->id);
		uni_buf_printf(out, ", \"version\": %u, ", step->version);
		put_content(out, "output", &b->runs[i].record.entries[0]);
		uni_buf_puts(out, "}");
	}
	uni_buf_puts(out, "\n  ],\n");
}

static void put_head(const struct build *b, struct uni_buf *out)
{
	const struct uni_recipe *recipe = b->recipe;
	struct uni_digest digest = uni_digest_of(b->normal.data, b->normal.size);

	uni_buf_printf(out, "{\n  \"format\": %d,\n  ", MANIFEST_FORMAT);
	put_text(out, "uni", UNI_VERSION);
	uni_buf_puts(out, ",\n  \"image\": {");
	put_text(out, "name", recipe->image.name);
	uni_buf_puts(out, ", ");
	put_text(out, "version", recipe->image.version);
	uni_buf_printf(out, ", \"epoch\": %" PRId64 "%s},\n  \"recipe\": {", recipe->image.epoch,
		       b->outer_epoch ? ", \"epoch_from\": \"SOURCE_DATE_EPOCH\"" : "");
	put_digest(out, "digest", &digest);
	uni_buf_puts(out, ", ");
	put_text(out, "variant", recipe->variant);
	uni_buf_printf(out, ",\n    \"content\": %.*s},\n  \"base\": {", (int)b->normal.size - 1,
		       b->normal.data);
	put_text(out, "name", b->base.name);
	uni_buf_puts(out, ", ");
	put_text(out, "version", b->base.version);
	uni_buf_puts(out, ", ");
	put_digest(out, "digest", &b->base.digest);
	uni_buf_puts(out, "},\n");
}

int op_manifest(struct build *b, struct uni_store_record *record, struct uni_err *err)
{
	struct uni_buf out UNI_AUTO_BUF = UNI_BUF_INIT;
	struct uni_store_entry blob;
	int rc;

	put_head(b, &out);
	manifest_inputs(b, &out);
	put_tools(b, &out);
	put_volumes(b, &out);
	put_operations(b, &out);
	put_artifacts(b, &out);
	/* The lists above end in commas, so that each looks the same. */
	out.size -= strlen(",\n");
	out.data[out.size] = '\0';
	uni_buf_puts(&out, "\n}\n");
	rc = uni_store_put(b->store, out.data, out.size, &blob, err);
	if (rc == 0)
		uni_store_record_add(record, "manifest", &blob);
	return rc;
}
