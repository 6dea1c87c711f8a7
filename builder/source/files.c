/*
 * Sets of files: their record, and the way from there into a tree.
 */
#include <uni/source/files.h>

#include <search.h>
#include <stdio.h>
#include <string.h>
#include <uni/base/file.h>

#define CHUNK (1u << 16)

static void forget_names(struct uni_files *files)
{
	tdestroy(files->names, free);
	files->names = NULL;
	files->count = files->name_count = 0;
}

void uni_files_free(struct uni_files *files)
{
	forget_names(files);
	uni_store_record_free(&files->record);
	uni_buf_free(&files->words);
}

static int check_name(const char *name, struct uni_err *err)
{
	if (strchr(name, '\n') != NULL)
		return uni_err_set(err, UNI_E_UNSUPPORTED, "a name with a line feed in it");
	return 0;
}

static int count_one(struct uni_files *files, const char *path, struct uni_err *err)
{
	if (files->count == UNI_FILES_ENTRIES_MAX)
		return uni_err_set(err, UNI_E_LIMIT, "more than %d files, folders and links",
				   UNI_FILES_ENTRIES_MAX);
	files->count++;
	return check_name(path, err);
}

int uni_files_add(struct uni_files *files, const char *path, uint32_t mode,
		  const struct uni_store_entry *blob, struct uni_err *err)
{
	if (files->record.count == UNI_FILES_MAX)
		return uni_err_set(err, UNI_E_LIMIT, "more than %d files", UNI_FILES_MAX);
	uni_store_record_add(&files->record, path, blob);
	uni_buf_printf(&files->words, "f %04o %s\n", mode & 07777, path);
	return count_one(files, path, err);
}

int uni_files_add_dir(struct uni_files *files, const char *path, uint32_t mode, struct uni_err *err)
{
	uni_buf_printf(&files->words, "d %04o %s\n", mode & 07777, path);
	return count_one(files, path, err);
}

int uni_files_add_link(struct uni_files *files, const char *path, const char *target,
		       struct uni_err *err)
{
	int rc = count_one(files, path, err);

	uni_buf_printf(&files->words, "l %s\n%s\n", path, target);
	return rc == 0 ? check_name(target, err) : rc;
}

struct named {
	const char *name; /* the record's */
	size_t at;
};

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct named *)a)->name, ((const struct named *)b)->name);
}

static void note_name(struct uni_files *files, size_t at)
{
	struct named *named = uni_alloc(sizeof(*named));
	struct named **there;

	*named = (struct named){ files->record.entries[at].name, at };
	there = tsearch(named, &files->names, by_name);
	if (there == NULL)
		uni_end("out of memory");
	if (*there != named) {
		(*there)->at = at;
		free(named);
	}
}

const struct uni_store_entry *uni_files_find(struct uni_files *files, const char *path)
{
	const struct named wanted = { .name = path };
	struct named *const *found;

	while (files->name_count < files->record.count)
		note_name(files, files->name_count++);
	found = tfind(&wanted, &files->names, by_name);
	return found != NULL ? &files->record.entries[(*found)->at] : NULL;
}

void uni_files_take(struct uni_files *files, struct uni_store_record *record)
{
	forget_names(files);
	*record = files->record;
	files->record = (struct uni_store_record)UNI_STORE_RECORD_INIT;
	record->meta = uni_buf_take(&files->words);
}

int uni_files_receive(struct uni_store *store, struct uni_tar_reader *tar,
		      const struct uni_entry *entry, struct uni_store_entry *blob,
		      struct uni_err *err)
{
	struct uni_store_writer *writer UNI_AUTO(uni_store_writer) = NULL;
	char *chunk UNI_AUTO_FREE = uni_alloc(CHUNK);
	struct uni_digest digest;
	struct uni_hash hash;
	size_t got = 0;
	int rc;

	if (entry->size == 0)
		return uni_store_put(store, "", 0, blob, err);
	rc = uni_store_writer_open(&writer, store, err);

	uni_hash_start(&hash);
	do {
		if (rc == 0)
			rc = uni_tar_reader_data(tar, chunk, CHUNK, &got, err);
		if (rc == 0)
			rc = uni_write_full(uni_store_writer_fd(writer), chunk, got,
					    uni_store_path(store), err);
		if (rc == 0)
			uni_hash_add(&hash, chunk, got);
	} while (rc == 0 && got != 0);
	digest = uni_hash_end(&hash);
	return rc == 0 ? uni_store_writer_commit(writer, &digest, blob, err) : rc;
}

/* --- reading --- */

static int damaged(struct uni_err *err)
{
	return uni_err_set(err, UNI_E_CORRUPT, "the record of a set of files is damaged");
}

/* One item out of its line, and for a link the next. */
static int take_item(struct uni_store_record *record, size_t *next, char *line, char **save,
		     struct uni_files_item *item, struct uni_err *err)
{
	unsigned mode;

	*item = (struct uni_files_item){ .type = UNI_ENTRY_SYMLINK, .mode = 0777 };
	if (uni_str_starts(line, "l ")) {
		item->path = line + 2;
		item->target = strtok_r(NULL, "\n", save);
		return item->target != NULL ? 0 : damaged(err);
	}
	if (strlen(line) < 8 || sscanf(line + 2, "%4o", &mode) != 1)
		return damaged(err);
	item->mode = mode;
	item->path = line + 7;
	item->type = line[0] == 'f' ? UNI_ENTRY_FILE : UNI_ENTRY_DIR;
	if (item->type == UNI_ENTRY_DIR)
		return 0;
	if (*next == record->count)
		return damaged(err);
	item->entry = &record->entries[(*next)++];
	return 0;
}

int uni_files_each(struct uni_store_record *record,
		   int (*fn)(void *user, const struct uni_files_item *item, struct uni_err *err),
		   void *user, struct uni_err *err)
{
	char *text UNI_AUTO_FREE = uni_strdup(record->meta != NULL ? record->meta : "");
	char *save = NULL;
	size_t next = 0;
	int rc = 0;

	for (char *l = strtok_r(text, "\n", &save); l != NULL && rc == 0;
	     l = strtok_r(NULL, "\n", &save)) {
		struct uni_files_item item;

		rc = take_item(record, &next, l, &save, &item, err);
		if (rc == 0)
			rc = fn(user, &item, err);
	}
	return rc;
}

struct filling {
	struct uni_store *store;
	struct uni_tree *tree;
	const struct uni_tree_rules *rules;
	const char *below;
};

static int fill_file(const struct filling *f, const char *at, const struct uni_files_item *item,
		     struct uni_err *err)
{
	struct uni_tree_rules rules = *f->rules;
	char *blob UNI_AUTO_FREE = NULL;
	int rc;

	/* Blobs have modes of their own. */
	rules.keep_modes = false;
	if (f->rules->keep_modes)
		rules.file_mode = item->mode;
	else if (rules.file_mode == 0)
		rules.file_mode = (item->mode & 0100) != 0 ? 0755 : 0644;
	rc = uni_store_blob_path(f->store, item->entry, &blob, err);
	return rc != 0 ? rc
		       : uni_tree_add_file(f->tree, at, blob, &item->entry->digest, &rules, err);
}

static int fill_item(void *user, const struct uni_files_item *item, struct uni_err *err)
{
	const struct filling *f = user;
	struct uni_tree_rules rules = *f->rules;
	const char *at = item->path;

	if (f->below != NULL && !uni_str_eq(f->below, at)) {
		size_t size = strlen(f->below);

		if (!uni_str_starts(at, f->below) || at[size] != '/')
			return 0;
		at += size + 1;
	} else if (f->below != NULL) {
		at = ".";
	}
	if (item->type == UNI_ENTRY_FILE)
		return fill_file(f, at, item, err);
	if (item->type == UNI_ENTRY_SYMLINK)
		return uni_tree_add_symlink(f->tree, at, item->target, f->rules, err);
	if (rules.keep_modes)
		rules.dir_mode = item->mode;
	return uni_tree_add_dir(f->tree, at, &rules, err);
}

int uni_files_fill(struct uni_store *store, struct uni_store_record *record, const char *below,
		   struct uni_tree *tree, const struct uni_tree_rules *rules, struct uni_err *err)
{
	struct filling f = { .store = store, .tree = tree, .rules = rules, .below = below };

	return uni_files_each(record, fill_item, &f, err);
}
