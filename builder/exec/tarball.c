/*
 * A tar archive as a volume's source. It is unpacked into the store, once; a hard link is the same
 * bytes under another name.
 */
#include "internal.h"

#include <fcntl.h>
#include <string.h>
#include <uni/base/system.h>
#include <uni/source/files.h>
#include <uni/source/unpack.h>

static int unpack_hardlink(struct uni_files *files, const struct uni_entry *entry,
			   struct uni_err *err)
{
	const struct uni_store_entry *first = uni_files_find(files, entry->target);
	struct uni_store_entry blob;

	if (first == NULL)
		return uni_err_set(err, UNI_E_INVAL,
				   "%s is a link to %s, which is no file before it", entry->path,
				   entry->target);
	blob = *first;
	return uni_files_add(files, entry->path, entry->mode, &blob, err);
}

static int unpack_entry(struct build *b, struct uni_tar_reader *tar, struct uni_files *files,
			const struct uni_entry *entry, struct uni_err *err)
{
	struct uni_store_entry blob;
	int rc;

	switch (entry->type) {
	case UNI_ENTRY_FILE:
		rc = uni_files_receive(b->store, tar, entry, &blob, err);
		return rc == 0 ? uni_files_add(files, entry->path, entry->mode, &blob, err) : rc;
	case UNI_ENTRY_HARDLINK:
		return unpack_hardlink(files, entry, err);
	case UNI_ENTRY_DIR:
		return uni_files_add_dir(files, entry->path, entry->mode, err);
	case UNI_ENTRY_SYMLINK:
		return uni_files_add_link(files, entry->path, entry->target, err);
	case UNI_ENTRY_CHAR:
	case UNI_ENTRY_BLOCK:
	case UNI_ENTRY_FIFO:
		break;
	}
	return uni_err_set(err, UNI_E_UNSUPPORTED, "%s is a device or FIFO", entry->path);
}

/* What has no header at its start is no archive; one that ends early has. */
static int no_archive(const char *name, struct uni_err *err)
{
	return uni_err_set(err, UNI_E_INVAL, "%s is neither a folder nor a tar archive", name);
}

static int unpack_all(struct build *b, struct uni_tar_reader *tar, const char *name,
		      struct uni_files *files, struct uni_err *err)
{
	const struct uni_entry *entry;
	bool any = false;
	int rc;

	while ((rc = uni_tar_reader_next(tar, &entry, err)) == 1) {
		any = true;
		rc = unpack_entry(b, tar, files, entry, err);
		if (rc == 0)
			rc = uni_check_cancel(err);
		if (rc != 0)
			return rc;
	}
	return rc == UNI_E_CORRUPT && !any ? no_archive(name, err) : rc;
}

static int unpack(struct build *b, struct item *archive, struct uni_files *files,
		  struct uni_err *err)
{
	struct uni_tar_limits limits = UNI_TAR_LIMITS_INIT;
	struct uni_source *source UNI_AUTO(uni_source) = NULL;
	struct uni_tar_reader *tar UNI_AUTO(uni_tar_reader) = NULL;
	int fd UNI_AUTO_CLOSE = -1;
	int rc = item_blob(b, archive, err);

	if (rc == 0)
		rc = uni_store_blob_open(b->store, &archive->blob, &fd, err);
	if (rc == 0)
		rc = uni_archive_source(&source, fd, archive->name, err);
	if (rc != 0)
		return rc;
	limits.size = uni_archive_most(archive->blob.size);
	tar = uni_tar_reader_new(source, &limits, archive->name);
	return unpack_all(b, tar, archive->name, files, err);
}

int tarball_add(struct build *b, struct item *archive, struct uni_tree *tree,
		const struct uni_tree_rules *rules, struct uni_err *err)
{
	struct uni_store_record record UNI_AUTO_STORE_RECORD = UNI_STORE_RECORD_INIT;
	struct uni_files files UNI_AUTO_FILES = { .words = UNI_BUF_INIT };
	struct uni_digest key;
	struct uni_hash hash;
	int rc;

	uni_hash_start(&hash);
	uni_hash_add_text(&hash, "uni archive 1");
	uni_hash_add(&hash, archive->digest.bytes, sizeof(archive->digest.bytes));
	key = uni_hash_end(&hash);
	rc = uni_store_result_get(b->store, &key, &record, err);
	if (rc == 0) {
		rc = unpack(b, archive, &files, err);
		uni_files_take(&files, &record);
		if (rc == 0)
			rc = uni_store_result_put(b->store, &key, &record, err);
	}
	return rc < 0 ? rc : uni_files_fill(b->store, &record, NULL, tree, rules, err);
}

int tarball_look(const char *path, const char *name, struct uni_err *err)
{
	struct uni_tar_limits limits = UNI_TAR_LIMITS_INIT;
	struct uni_source *source UNI_AUTO(uni_source) = NULL;
	struct uni_tar_reader *tar UNI_AUTO(uni_tar_reader) = NULL;
	const struct uni_entry *entry;
	int fd UNI_AUTO_CLOSE = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	int rc;

	if (fd < 0)
		return uni_err_errno(err, "%s", name);
	rc = uni_archive_source(&source, fd, name, err);
	if (rc != 0)
		return rc;
	tar = uni_tar_reader_new(source, &limits, name);
	rc = uni_tar_reader_next(tar, &entry, err);
	if (rc >= 0)
		return 0;
	return rc == UNI_E_CORRUPT ? no_archive(name, err) : rc;
}
