/*
 * A tar archive as a volume's source. It is unpacked into the store, once: its files become blobs,
 * and a record lists them, with this text for what is not in a record's entries:
 *
 *   d MODE PATH	a folder
 *   f MODE PATH	the next entry of the record
 *   l PATH		a symbolic link; its target is the line that follows
 */
#include "internal.h"
#include "unpack.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <uni/base/file.h>
#include <uni/base/system.h>
#include <uni/io/tar.h>

#define CHUNK (1u << 16)
#define FILES_MAX 100000

struct unpacking {
	struct build *b;
	struct uni_tar_reader *tar;
	struct uni_store_record record;
	struct uni_buf words;
	char *chunk;
};

static int unpack_file(struct unpacking *u, const struct uni_entry *entry, struct uni_err *err)
{
	struct uni_store_writer *writer UNI_AUTO(uni_store_writer) = NULL;
	struct uni_store_entry blob;
	struct uni_digest digest;
	struct uni_hash hash;
	size_t got = 0;
	int rc = uni_store_writer_open(&writer, u->b->store, err);

	if (u->record.count == FILES_MAX)
		return uni_err_set(err, UNI_E_LIMIT, "more than %d files in an archive", FILES_MAX);
	uni_hash_start(&hash);
	do {
		if (rc == 0)
			rc = uni_tar_reader_data(u->tar, u->chunk, CHUNK, &got, err);
		if (rc == 0)
			rc = uni_write_full(uni_store_writer_fd(writer), u->chunk, got, entry->path,
					    err);
		uni_hash_add(&hash, u->chunk, got);
	} while (rc == 0 && got != 0);
	if (rc != 0)
		return rc;
	digest = uni_hash_end(&hash);
	rc = uni_store_writer_commit(writer, &digest, &blob, err);
	if (rc == 0)
		uni_store_record_add(&u->record, entry->path, &blob);
	uni_buf_printf(&u->words, "f %04o %s\n", entry->mode, entry->path);
	return rc;
}

/* The same bytes under another name. */
static int unpack_hardlink(struct unpacking *u, const struct uni_entry *entry, struct uni_err *err)
{
	const struct uni_store_entry *first = uni_store_record_find(&u->record, entry->target);
	struct uni_store_entry blob;

	if (first == NULL)
		return uni_err_set(err, UNI_E_INVAL,
				   "%s is a link to %s, which is no file before it", entry->path,
				   entry->target);
	blob = *first;
	uni_store_record_add(&u->record, entry->path, &blob);
	uni_buf_printf(&u->words, "f %04o %s\n", entry->mode, entry->path);
	return 0;
}

static int unpack_entry(struct unpacking *u, const struct uni_entry *entry, struct uni_err *err)
{
	if (strchr(entry->path, '\n') != NULL ||
	    (entry->target != NULL && strchr(entry->target, '\n') != NULL))
		return uni_err_set(err, UNI_E_UNSUPPORTED, "a name with a line feed in it");
	switch (entry->type) {
	case UNI_ENTRY_FILE:
		return unpack_file(u, entry, err);
	case UNI_ENTRY_HARDLINK:
		return unpack_hardlink(u, entry, err);
	case UNI_ENTRY_DIR:
		uni_buf_printf(&u->words, "d %04o %s\n", entry->mode, entry->path);
		return 0;
	case UNI_ENTRY_SYMLINK:
		uni_buf_printf(&u->words, "l %s\n%s\n", entry->path, entry->target);
		return 0;
	case UNI_ENTRY_CHAR:
	case UNI_ENTRY_BLOCK:
	case UNI_ENTRY_FIFO:
		break;
	}
	return uni_err_set(err, UNI_E_UNSUPPORTED, "%s is a device or FIFO", entry->path);
}

static int unpack_all(struct unpacking *u, struct uni_err *err)
{
	const struct uni_entry *entry;
	int rc;

	while ((rc = uni_tar_reader_next(u->tar, &entry, err)) == 1) {
		rc = unpack_entry(u, entry, err);
		if (rc == 0)
			rc = uni_check_cancel(err);
		if (rc != 0)
			return rc;
	}
	return rc;
}

static int unpack(struct build *b, struct item *archive, struct uni_store_record *record,
		  struct uni_err *err)
{
	static const struct uni_tar_limits limits = UNI_TAR_LIMITS_INIT;
	struct unpacking u = { .b = b };
	struct uni_source *source UNI_AUTO(uni_source) = NULL;
	struct uni_tar_reader *tar UNI_AUTO(uni_tar_reader) = NULL;
	char *chunk UNI_AUTO_FREE = uni_alloc(CHUNK);
	int fd UNI_AUTO_CLOSE = -1;
	int rc = item_blob(b, archive, err);

	if (rc == 0)
		rc = uni_store_blob_open(b->store, &archive->blob, &fd, err);
	if (rc == 0)
		rc = archive_source(&source, fd, archive->name, err);
	if (rc != 0)
		return rc;
	u.chunk = chunk;
	u.tar = tar = uni_tar_reader_new(source, &limits, archive->name);
	rc = unpack_all(&u, err);
	*record = u.record;
	record->meta = uni_buf_take(&u.words);
	return rc;
}

/* --- into a tree --- */

struct filling {
	struct build *b;
	struct uni_tree *tree;
	const struct uni_tree_rules *rules;
	struct uni_store_record *record;
	size_t next; /* entry of the record */
};

static int fill_file(struct filling *f, uint32_t mode, const char *path, struct uni_err *err)
{
	struct uni_store_entry *entry;
	struct uni_tree_rules rules = *f->rules;
	char *blob UNI_AUTO_FREE = NULL;
	int rc;

	if (f->next == f->record->count)
		return uni_err_set(err, UNI_E_CORRUPT, "the record of an archive is damaged");
	entry = &f->record->entries[f->next++];
	rules.keep_modes = false;
	if (f->rules->keep_modes)
		rules.file_mode = mode;
	else if (rules.file_mode == 0)
		rules.file_mode = (mode & 0100) != 0 ? 0755 : 0644;
	rc = uni_store_blob_path(f->b->store, entry, &blob, err);
	return rc != 0 ? rc : uni_tree_add_file(f->tree, path, blob, &entry->digest, &rules, err);
}

static int fill_line(struct filling *f, char *line, char **save, struct uni_err *err)
{
	struct uni_tree_rules rules = *f->rules;
	const char *target;
	unsigned mode;

	if (uni_str_starts(line, "l ")) {
		target = strtok_r(NULL, "\n", save);
		return uni_tree_add_symlink(f->tree, line + 2, target != NULL ? target : "",
					    f->rules, err);
	}
	if (strlen(line) < 8 || sscanf(line + 2, "%4o", &mode) != 1)
		return uni_err_set(err, UNI_E_CORRUPT, "the record of an archive is damaged");
	if (line[0] == 'f')
		return fill_file(f, mode, line + 7, err);
	if (rules.keep_modes)
		rules.dir_mode = mode;
	return uni_tree_add_dir(f->tree, line + 7, &rules, err);
}

static int fill(struct filling *f, struct uni_err *err)
{
	char *text UNI_AUTO_FREE = uni_strdup(f->record->meta != NULL ? f->record->meta : "");
	char *save = NULL;
	int rc = 0;

	for (char *l = strtok_r(text, "\n", &save); l != NULL && rc == 0;
	     l = strtok_r(NULL, "\n", &save))
		rc = fill_line(f, l, &save, err);
	return rc;
}

int tarball_add(struct build *b, struct item *archive, struct uni_tree *tree,
		const struct uni_tree_rules *rules, struct uni_err *err)
{
	struct uni_store_record record UNI_AUTO_STORE_RECORD = UNI_STORE_RECORD_INIT;
	struct filling f = { .b = b, .tree = tree, .rules = rules, .record = &record };
	struct uni_digest key;
	struct uni_hash hash;
	int rc;

	uni_hash_start(&hash);
	uni_hash_add_text(&hash, "uni archive 1");
	uni_hash_add(&hash, archive->digest.bytes, sizeof(archive->digest.bytes));
	key = uni_hash_end(&hash);
	rc = uni_store_result_get(b->store, &key, &record, err);
	if (rc == 0) {
		rc = unpack(b, archive, &record, err);
		if (rc == 0)
			rc = uni_store_result_put(b->store, &key, &record, err);
	}
	return rc < 0 ? rc : fill(&f, err);
}
