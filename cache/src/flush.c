/*
 * What must outlive a loss of power: references, and the blobs that they name. All else in the
 * store can be made again, is found out when it is missing, and is left to the system to write.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "src/internal.h"

/* In another place it has been flushed when it was installed there. */
static int open_ours(const struct uni_store *store, const struct uni_store_entry *blob)
{
	char name[STORE_PATH_ROOM];

	store_blob_name(&blob->digest, name);
	return openat(store->places[0].fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
}

static int flush_blob(const struct uni_store *store, const struct uni_store_entry *blob,
		      struct uni_err *err)
{
	int fd UNI_AUTO_CLOSE = open_ours(store, blob);

	if (fd < 0 && errno != ENOENT)
		return uni_err_errno(err, "%s", blob->name);
	return fd < 0 || fsync(fd) == 0 ? 0 : uni_err_errno(err, "cannot write %s", blob->name);
}

/* A folder a digit: each at most once. */
static int flush_blob_folders(const struct uni_store *store, const struct uni_store_record *record,
			      struct uni_err *err)
{
	bool flushed[16] = { false };
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < record->count; i++) {
		unsigned digit = record->entries[i].digest.bytes[0] >> 4;
		char *dir UNI_AUTO_FREE = uni_asprintf("%s/blobs/%x", store->places[0].path, digit);

		if (!flushed[digit])
			rc = uni_dir_sync(dir, err);
		flushed[digit] = true;
	}
	return rc;
}

int store_flush_blobs(const struct uni_store *store, const struct uni_store_record *record,
		      struct uni_err *err)
{
	int rc = 0;

	/* The disk works on all of them while the first is waited for. */
	for (size_t i = 0; i < record->count; i++) {
		int fd UNI_AUTO_CLOSE = open_ours(store, &record->entries[i]);

		if (fd >= 0)
			(void)sync_file_range(fd, 0, 0, SYNC_FILE_RANGE_WRITE);
	}
	for (size_t i = 0; rc == 0 && i < record->count; i++)
		rc = flush_blob(store, &record->entries[i], err);
	return rc == 0 ? flush_blob_folders(store, record, err) : rc;
}

int store_flush_name(const struct uni_store *store, const char *name, struct uni_err *err)
{
	char *at UNI_AUTO_FREE = uni_strdup(name);
	int rc = 0;

	for (char *slash; rc == 0 && (slash = strrchr(at, '/')) != NULL;) {
		char *dir UNI_AUTO_FREE = NULL;

		*slash = '\0';
		dir = uni_path_join(store->places[0].path, at);
		rc = uni_dir_sync(dir, err);
	}
	return rc;
}
