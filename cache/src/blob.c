/*
 * Blobs: written, looked at, read. A blob that is in the store already stays as it is, so that the
 * stamps in records that name it keep their worth; but only after its content was compared by
 * digest, or a damaged one would outlive its own repair.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <uni/base/mapdigest.h>
#include <unistd.h>

#include "src/internal.h"

struct uni_store_writer {
	struct uni_store *store;
	char *path;
	int fd;
	bool by_path; /* a child may have put another file in its place */
};

/* A folder for each first digit: few enough to be made with the store, so that publishing makes
 * none. */
static void digest_name(const char *kind, const struct uni_digest *digest,
			char out[STORE_PATH_ROOM])
{
	char hex[65];

	uni_hex(digest->bytes, sizeof(digest->bytes), hex);
	snprintf(out, STORE_PATH_ROOM, "%s%c/%s", kind, hex[0], hex + 1);
}

void store_blob_name(const struct uni_digest *digest, char out[STORE_PATH_ROOM])
{
	digest_name("blobs/", digest, out);
}

void store_result_name(const struct uni_digest *key, char out[STORE_PATH_ROOM])
{
	digest_name("results/", key, out);
}

void store_stamp(const struct stat *st, struct uni_store_stamp *stamp)
{
	*stamp = (struct uni_store_stamp){
		.inode = st->st_ino,
		.mtime_s = st->st_mtim.tv_sec,
		.mtime_ns = (uint32_t)st->st_mtim.tv_nsec,
		.ctime_s = st->st_ctim.tv_sec,
		.ctime_ns = (uint32_t)st->st_ctim.tv_nsec,
	};
}

bool uni_store_stamp_eq(const struct uni_store_stamp *a, const struct uni_store_stamp *b)
{
	return a->inode == b->inode && a->mtime_s == b->mtime_s && a->mtime_ns == b->mtime_ns &&
	       a->ctime_s == b->ctime_s && a->ctime_ns == b->ctime_ns;
}

void store_blob_drop(struct uni_store *store, const struct store_place *place,
		     const struct uni_digest *digest, uint64_t inode)
{
	char name[STORE_PATH_ROOM], text[UNI_DIGEST_TEXT];
	struct stat st;

	store_blob_name(digest, name);
	uni_digest_text(digest, text);
	if (place->writable && fstatat(place->fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	    st.st_ino == inode)
		unlinkat(place->fd, name, 0);
	uni_event_warning(store->events, "store: blob %s is damaged and was dropped", text);
}

int store_blob_look(int fd, const struct uni_digest *expected, const char *name, uint64_t *size,
		    struct uni_err *err)
{
	struct uni_err trouble = UNI_ERR_INIT;
	struct uni_digest found;
	bool mapped;
	int rc = uni_content_digest_fd(fd, size, &found, &mapped, name, &trouble);

	/* One who knew the SHA-256 of what he wrote may have given that. */
	if (rc == 0 && mapped && !uni_digest_eq(&found, expected))
		rc = uni_digest_fd(fd, size, &found, name, &trouble);
	/* Whoever was stopped half-way knows nothing against the blob. */
	if (rc == UNI_E_CANCELLED || rc == UNI_E_TIMEOUT || rc == UNI_E_NOMEM) {
		*err = trouble;
		return rc;
	}
	return rc == 0 && uni_digest_eq(&found, expected);
}

/* Reads the whole blob. 1: it has its digest, 0: damaged (and dropped), negative: error. */
static int rehash(struct uni_store *store, const struct store_place *place,
		  const struct uni_digest *digest, const char *name, struct stat *st,
		  struct uni_err *err)
{
	int fd UNI_AUTO_CLOSE = openat(place->fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	uint64_t size;
	int rc = 0;

	if (fd < 0 && errno == ENOENT)
		return 0;
	if (fd < 0 && (errno == EMFILE || errno == ENFILE || errno == ENOMEM))
		return uni_err_errno(err, "store: %s", name);
	if (fd >= 0 && fstat(fd, st) == 0 && S_ISREG(st->st_mode))
		rc = store_blob_look(fd, digest, name, &size, err);
	if (rc == 0)
		store_blob_drop(store, place, digest, st->st_ino);
	return rc;
}

int store_blob_check(struct uni_store *store, struct uni_store_entry *blob,
		     const struct store_place **place, bool *restamped, struct uni_err *err)
{
	char name[STORE_PATH_ROOM];

	store_blob_name(&blob->digest, name);
	for (size_t i = 0; i < store->place_count; i++) {
		struct uni_store_stamp stamp;
		struct stat st;
		int rc;

		*place = &store->places[i];
		if (fstatat((*place)->fd, name, &st, AT_SYMLINK_NOFOLLOW) != 0) {
			if (errno == ENOENT || errno == ENOTDIR)
				continue;
			return uni_err_errno(err, "store: %s", name);
		}
		store_stamp(&st, &stamp);
		if (S_ISREG(st.st_mode) && (uint64_t)st.st_size == blob->size &&
		    uni_store_stamp_eq(&stamp, &blob->stamp))
			return 1;
		rc = rehash(store, *place, &blob->digest, name, &st, err);
		if (rc < 0)
			return rc;
		if (rc == 0)
			continue;
		store_stamp(&st, &blob->stamp);
		blob->size = (uint64_t)st.st_size;
		*restamped = true;
		return 1;
	}
	return 0;
}

int uni_store_writer_open(struct uni_store_writer **writer, struct uni_store *store,
			  struct uni_err *err)
{
	struct uni_store_writer *w UNI_AUTO(uni_store_writer) = uni_alloc(sizeof(*w));
	int rc;

	*writer = NULL;
	w->store = store;
	w->fd = -1;
	rc = store_tmp(store, &w->path, &w->fd, err);
	if (rc != 0)
		return uni_err_context(err, "store");
	*writer = w;
	w = NULL;
	return 0;
}

int uni_store_writer_fd(const struct uni_store_writer *writer)
{
	return writer->fd;
}

const char *uni_store_writer_path(struct uni_store_writer *writer)
{
	writer->by_path = true;
	(void)fchmod(writer->fd, 0600);
	return writer->path;
}

void uni_store_writer_free(struct uni_store_writer *writer)
{
	if (writer == NULL)
		return;
	uni_close_fd(&writer->fd);
	if (writer->path != NULL) {
		unlink(writer->path);
		uni_tmp_forget(writer->path);
		free(writer->path);
	}
	free(writer);
}

/* The finished file, closed to further writing. */
static int writer_seal(struct uni_store_writer *w, const struct uni_digest *known,
		       struct uni_store_entry *blob, struct uni_err *err)
{
	struct stat st;

	if (w->by_path) {
		uni_close_fd(&w->fd);
		w->fd = open(w->path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
		if (w->fd < 0)
			return uni_err_errno(err, "%s", w->path);
	}
	if (fstat(w->fd, &st) != 0)
		return uni_err_errno(err, "%s", w->path);
	if (!S_ISREG(st.st_mode))
		return uni_err_set(err, UNI_E_INVAL, "%s: not a regular file", w->path);
	*blob = (struct uni_store_entry){ .size = (uint64_t)st.st_size };
	if (known != NULL) {
		blob->digest = *known;
	} else {
		uint64_t size;
		int rc = uni_content_digest_fd(w->fd, &size, &blob->digest, &blob->mapped, w->path,
					       err);

		if (rc != 0)
			return rc;
	}
	return store_seal(w->fd, &st, w->path, err);
}

/* Under the lock: gives the file its name, unless a sound one has it. */
static int writer_publish(struct uni_store_writer *w, struct uni_store_entry *blob,
			  struct uni_err *err)
{
	const struct store_place *place = &w->store->places[0];
	char name[STORE_PATH_ROOM];
	struct stat st;
	int rc;

	store_lease(w->store, &blob->digest, 1);
	store_blob_name(&blob->digest, name);
	if (fstatat(place->fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0) {
		rc = rehash(w->store, place, &blob->digest, name, &st, err);
		if (rc < 0)
			return rc;
		store_stamp(&st, &blob->stamp);
		if (rc == 1)
			return 0;
	}
	rc = store_publish(w->store, w->path, name, err);
	if (rc != 0)
		return rc;
	free(w->path);
	w->path = NULL;
	/* After the rename, which moves the ctime. */
	if (fstat(w->fd, &st) != 0)
		return uni_err_errno(err, "%s", name);
	store_stamp(&st, &blob->stamp);
	pthread_mutex_lock(&w->store->mutex);
	w->store->published += (uint64_t)st.st_blocks * 512;
	pthread_mutex_unlock(&w->store->mutex);
	return 0;
}

int uni_store_writer_commit(struct uni_store_writer *writer, const struct uni_digest *known,
			    struct uni_store_entry *blob, struct uni_err *err)
{
	int rc = writer_seal(writer, known, blob, err);

	if (rc == 0)
		rc = store_enter(writer->store, err);
	if (rc != 0)
		return uni_err_context(err, "store");
	rc = writer_publish(writer, blob, err);
	store_leave(writer->store);
	return rc != 0 ? uni_err_context(err, "store") : 0;
}

/* Archives have empty files by the hundred thousand. The one that was put is leased by us. */
static bool empty_known(struct uni_store *store, struct uni_store_entry *blob)
{
	bool known;

	pthread_mutex_lock(&store->mutex);
	known = store->has_empty;
	if (known)
		*blob = store->empty;
	pthread_mutex_unlock(&store->mutex);
	return known;
}

static void empty_note(struct uni_store *store, const struct uni_store_entry *blob)
{
	pthread_mutex_lock(&store->mutex);
	store->empty = *blob;
	store->has_empty = true;
	pthread_mutex_unlock(&store->mutex);
}

int uni_store_put(struct uni_store *store, const void *data, size_t size,
		  struct uni_store_entry *blob, struct uni_err *err)
{
	struct uni_store_writer *w UNI_AUTO(uni_store_writer) = NULL;
	struct uni_digest digest;
	int rc;

	if (size == 0 && empty_known(store, blob))
		return 0;
	digest = uni_digest_of(data, size);
	rc = uni_store_writer_open(&w, store, err);
	if (rc == 0)
		rc = uni_write_full(w->fd, data, size, w->path, err);
	if (rc == 0)
		rc = uni_store_writer_commit(w, &digest, blob, err);
	if (rc == 0 && size == 0)
		empty_note(store, blob);
	return rc;
}

int uni_store_put_file(struct uni_store *store, const char *path, struct uni_store_entry *blob,
		       struct uni_err *err)
{
	struct uni_store_writer *w UNI_AUTO(uni_store_writer) = NULL;
	int fd UNI_AUTO_CLOSE = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	struct stat before, after;
	int rc;

	if (fd < 0 || fstat(fd, &before) != 0)
		return uni_err_errno(err, "%s", path);
	if (!S_ISREG(before.st_mode))
		return uni_err_set(err, UNI_E_INVAL, "%s: not a regular file", path);
	rc = uni_store_writer_open(&w, store, err);
	if (rc == 0)
		rc = uni_copy_range(fd, 0, w->fd, 0, (uint64_t)before.st_size, err);
	if (rc != 0)
		return uni_err_context(err, "%s", path);
	if (fstat(fd, &after) != 0)
		return uni_err_errno(err, "%s", path);
	if (after.st_size != before.st_size || after.st_mtim.tv_sec != before.st_mtim.tv_sec ||
	    after.st_mtim.tv_nsec != before.st_mtim.tv_nsec)
		return uni_err_set(err, UNI_E_CHANGED, "%s: changed while it was read", path);
	return uni_store_writer_commit(w, NULL, blob, err);
}

static int blob_find(struct uni_store *store, struct uni_store_entry *blob,
		     const struct store_place **place, struct uni_err *err)
{
	char text[UNI_DIGEST_TEXT];
	bool restamped = false;
	int rc = store_enter(store, err);

	if (rc != 0)
		return rc;
	store_lease(store, &blob->digest, 1);
	rc = store_blob_check(store, blob, place, &restamped, err);
	store_leave(store);
	if (rc < 0)
		return rc;
	if (rc == 1)
		return 0;
	uni_digest_text(&blob->digest, text);
	return uni_err_set(err, UNI_E_NOENT, "store: blob %s%s%s is not there", text,
			   blob->name != NULL ? " of " : "", blob->name != NULL ? blob->name : "");
}

int uni_store_blob_open(struct uni_store *store, struct uni_store_entry *blob, int *fd,
			struct uni_err *err)
{
	const struct store_place *place;
	char name[STORE_PATH_ROOM];
	int rc = blob_find(store, blob, &place, err);

	*fd = -1;
	if (rc != 0)
		return rc;
	store_blob_name(&blob->digest, name);
	*fd = openat(place->fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	return *fd < 0 ? uni_err_errno(err, "%s/%s", place->path, name) : 0;
}

int uni_store_blob_path(struct uni_store *store, struct uni_store_entry *blob, char **path,
			struct uni_err *err)
{
	const struct store_place *place;
	char name[STORE_PATH_ROOM];
	int rc = blob_find(store, blob, &place, err);

	*path = NULL;
	if (rc != 0)
		return rc;
	store_blob_name(&blob->digest, name);
	*path = uni_path_join(place->path, name);
	return 0;
}

int uni_store_blob_read(struct uni_store *store, struct uni_store_entry *blob, uint64_t limit,
			struct uni_buf *out, struct uni_err *err)
{
	char *path UNI_AUTO_FREE = NULL;
	int rc = uni_store_blob_path(store, blob, &path, err);

	return rc != 0 ? rc : uni_file_read(path, limit, out, err);
}

int uni_store_blob_copy(struct uni_store *store, struct uni_store_entry *blob,
			struct uni_outfile *out, struct uni_err *err)
{
	int from UNI_AUTO_CLOSE = -1;
	int rc = uni_store_blob_open(store, blob, &from, err);

	return rc != 0 ? rc : uni_copy_range(from, 0, uni_outfile_fd(out), 0, blob->size, err);
}
