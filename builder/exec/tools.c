/*
 * Identities of the tools that steps run. Which files make up a tool takes starting it or reading
 * it; so the list is kept in the store, and holds as long as the programs are found where they were
 * and none of the files has changed.
 */
#include "internal.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <uni/base/ldcache.h>
#include <uni/base/process.h>

void tool_set_clear(struct tool_set *set)
{
	free(set->items);
	uni_strv_free(&set->names);
	*set = (struct tool_set){ .items = NULL };
}

static struct uni_digest list_key(const struct tool_search *search)
{
	const char *const *programs = search->programs;
	struct uni_hash hash;

	uni_hash_start(&hash);
	uni_hash_add_text(&hash, "uni tools 1");
	uni_hash_add_text(&hash, search->name);
	for (; programs != NULL && *programs != NULL; programs++) {
		char *path UNI_AUTO_FREE = uni_process_find(*programs);

		uni_hash_add_text(&hash, path);
	}
	return uni_hash_end(&hash);
}

/* "STAT PATH": what it was when the list was made. */
static bool stamp(const char *path, struct uni_buf *out)
{
	struct uni_filestat fs;
	struct stat st;

	if (stat(path, &st) != 0)
		return false;
	fs = uni_filestat_of(&st);
	uni_buf_printf(out, "%" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRId64 " %" PRId64 " %s\n",
		       fs.dev, fs.ino, fs.size, fs.mtime_ns, fs.ctime_ns, path);
	return true;
}

/* The files of a kept list, if all of it still holds. */
static bool list_read(const char *meta, struct uni_strv *files)
{
	char *text UNI_AUTO_FREE = uni_strdup(meta);
	char *save = NULL;

	for (char *l = strtok_r(text, "\n", &save); l != NULL; l = strtok_r(NULL, "\n", &save)) {
		struct uni_buf now UNI_AUTO_BUF = UNI_BUF_INIT;
		const char *path = strchr(l, '/');

		if (path == NULL || !stamp(path, &now) || strlen(l) + 1 != now.size ||
		    strncmp(now.data, l, strlen(l)) != 0)
			return false;
		if (strcmp(path, UNI_LDCACHE_PATH) != 0)
			uni_strv_add(files, path);
	}
	return files->count != 0;
}

static void list_keep(struct build *b, const struct uni_digest *key, const struct uni_strv *files)
{
	struct uni_store_record record UNI_AUTO_STORE_RECORD = UNI_STORE_RECORD_INIT;
	struct uni_buf meta UNI_AUTO_BUF = UNI_BUF_INIT;
	struct uni_err ignored = UNI_ERR_INIT;

	(void)stamp(UNI_LDCACHE_PATH, &meta);
	for (size_t i = 0; i < files->count; i++)
		if (!stamp(files->items[i], &meta))
			return;
	record.meta = uni_buf_take(&meta);
	(void)uni_store_result_put(b->store, key, &record, &ignored);
}

static int list_files(struct build *b, const struct tool_search *search, struct uni_strv *files,
		      struct uni_err *err)
{
	struct uni_store_record record UNI_AUTO_STORE_RECORD = UNI_STORE_RECORD_INIT;
	struct uni_digest key = list_key(search);
	int rc = uni_store_result_get(b->store, &key, &record, err);

	if (rc < 0)
		return rc;
	if (rc == 1 && record.meta != NULL && list_read(record.meta, files))
		return 0;
	uni_strv_free(files);
	rc = search->list(search->user, files, err);
	if (rc == 0)
		list_keep(b, &key, files);
	return rc;
}

/* Tools are told apart by the last part of their path: the rest is this machine's affair. */
int tool_set_resolve(struct build *b, const struct tool_search *search, struct tool_set *set,
		     struct uni_err *err)
{
	struct uni_strv files UNI_AUTO_STRV = { .items = NULL };
	int rc = list_files(b, search, &files, err);

	if (rc != 0)
		return rc;
	set->items = uni_alloc_array(files.count + 1, sizeof(*set->items));
	for (size_t i = 0; rc == 0 && i < files.count; i++) {
		const char *base = strrchr(files.items[i], '/');

		uni_strv_add(&set->names, base != NULL ? base + 1 : files.items[i]);
		set->items[set->count++].name = set->names.items[i];
		rc = digest_of_file(b, files.items[i], &set->items[i].digest, err);
	}
	return rc != 0 ? uni_err_context(err, "tool") : 0;
}
