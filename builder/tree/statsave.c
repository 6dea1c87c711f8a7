/*
 * Writing the stat cache: what the scopes of this run saw and were told, and the scopes that this
 * run did not open.
 */
#include "statfile.h"
#include <string.h>
#include <uni/base/file.h>
#include <uni/base/text.h>
#include <uni/tree/tree.h>

struct output {
	struct uni_buf scopes, records, text;
};

static uint64_t add_text(struct output *out, const char *text)
{
	uint64_t offset = out->text.size;
	uni_buf_add(&out->text, text, strlen(text) + 1);
	return offset;
}

static void add_record(struct output *out, const struct statfile_record *record, const char *path)
{
	struct statfile_record wire = *record;
	wire.path = add_text(out, path);
	uni_buf_add(&out->records, &wire, sizeof(wire));
}

static const char *old_path(const struct uni_statcache *cache, const struct statfile_record *record)
{
	return record->path < cache->text_size ? cache->text + record->path : "";
}

static int by_path(const void *a, const void *b)
{
	return uni_tree_path_cmp(((const struct noted *)a)->path, ((const struct noted *)b)->path);
}

/* What was seen and what was noted, in order; of two for one path the noted one. */
static void add_records(struct output *out, struct uni_statscope *scope)
{
	const struct uni_statcache *cache = scope->cache;
	size_t i = 0;
	if (scope->noted_count > 1)
		qsort(scope->noted, scope->noted_count, sizeof(*scope->noted), by_path);
	for (size_t j = 0; j < scope->noted_count; j++) {
		const struct noted *noted = &scope->noted[j];
		int order = 1;
		if (j != 0 && uni_str_eq(noted->path, scope->noted[j - 1].path))
			continue;
		for (; i < scope->count; i++) {
			const char *path = old_path(cache, &scope->records[i]);
			order = uni_tree_path_cmp(path, noted->path);
			if (order >= 0)
				break;
			if (scope->seen[i])
				add_record(out, &scope->records[i], path);
		}
		add_record(out, &noted->record, noted->path);
		i += i < scope->count && order == 0;
	}
	for (; i < scope->count; i++)
		if (scope->seen[i])
			add_record(out, &scope->records[i], old_path(cache, &scope->records[i]));
}

static void add_scope(struct output *out, const char *name, size_t first)
{
	size_t count = out->records.size / sizeof(struct statfile_record) - first;
	if (count == 0)
		return;
	struct statfile_scope wire = { .name = add_text(out, name),
				       .first = first,
				       .count = count };
	uni_buf_add(&out->scopes, &wire, sizeof(wire));
}

static bool is_open(const struct uni_statcache *cache, const char *name)
{
	const struct uni_statscope *scope = cache->open;
	while (scope != NULL && !uni_str_eq(scope->name, name))
		scope = scope->next;
	return scope != NULL;
}

static void add_all(struct output *out, struct uni_statcache *cache)
{
	for (struct uni_statscope *scope = cache->open; scope != NULL; scope = scope->next) {
		size_t first = out->records.size / sizeof(struct statfile_record);
		add_records(out, scope);
		add_scope(out, scope->name, first);
	}
	for (size_t i = 0; i < cache->scope_count; i++) {
		const struct statfile_scope *old = &cache->scopes[i];
		const char *name = cache->text + old->name;
		if (is_open(cache, name))
			continue;
		size_t first = out->records.size / sizeof(struct statfile_record);
		for (uint64_t j = old->first; j < old->first + old->count; j++)
			add_record(out, &cache->records[j], old_path(cache, &cache->records[j]));
		add_scope(out, name, first);
	}
}

static bool has_news(const struct uni_statcache *cache)
{
	for (const struct uni_statscope *scope = cache->open; scope != NULL; scope = scope->next)
		if (scope->noted_count != 0 || scope->seen_count != scope->count)
			return true;
	return false;
}

static int write_out(struct output *out, const char *path, struct uni_err *err)
{
	struct uni_buf file UNI_AUTO_BUF = UNI_BUF_INIT;
	struct statfile_header header = {
		.magic = STATFILE_MAGIC,
		.scopes = out->scopes.size / sizeof(struct statfile_scope),
		.records = out->records.size / sizeof(struct statfile_record),
		.text = out->text.size,
	};
	uni_buf_add(&file, &header, sizeof(header));
	uni_buf_add(&file, uni_buf_text(&out->scopes), out->scopes.size);
	uni_buf_add(&file, uni_buf_text(&out->records), out->records.size);
	uni_buf_add(&file, uni_buf_text(&out->text), out->text.size);
	if (file.size > STATFILE_MAX)
		return uni_err_set(err, UNI_E_LIMIT, "%s: too many files to remember", path);
	header.checksum = statfile_checksum(file.data + sizeof(header), file.size - sizeof(header));
	memcpy(file.data, &header, sizeof(header));
	struct uni_sink *sink UNI_AUTO(uni_sink) = NULL;
	/* Not flushed to the disk: after a loss of power the checksum tells. */
	int rc = uni_sink_to_file(&sink, path, 0600, false, err);
	if (rc == 0)
		rc = uni_sink_write(sink, file.data, file.size, err);
	return rc != 0 ? rc : uni_sink_finish(sink, err);
}

int uni_statcache_save(struct uni_statcache *cache, struct uni_err *err)
{
	struct output out = { .text = UNI_BUF_INIT };
	if (!has_news(cache))
		return 0;
	uni_buf_putc(&out.text, '\0'); /* never empty */
	add_all(&out, cache);
	int rc = write_out(&out, cache->path, err);
	uni_buf_free(&out.scopes);
	uni_buf_free(&out.records);
	uni_buf_free(&out.text);
	return rc;
}
