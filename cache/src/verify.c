/*
 * Verification: every blob is read and hashed, every record parsed; what is not sound goes.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <string.h>
#include <uni/base/pool.h>
#include <unistd.h>

#include "src/internal.h"

struct verify {
	struct uni_store *store;
	const struct store_place *place;
	struct uni_strv names;
	struct uni_digest *digests;
	size_t count, room;
	struct uni_strv results;
	_Atomic uint64_t blobs, bytes, damaged, dropped;
};

static void stray(struct verify *v, const char *name)
{
	if (v->place->writable)
		unlinkat(v->place->fd, name, 0);
	uni_event_warning(v->store->events, "store: %s does not belong there and was dropped",
			  name);
	atomic_fetch_add(&v->dropped, 1);
}

static int collect_blob(void *user, const char *name, const struct uni_digest *digest,
			struct uni_err *err)
{
	struct verify *v = user;

	(void)err;
	if (digest == NULL) {
		stray(v, name);
		return 0;
	}
	UNI_PUSH_ROOM(v->digests, v->count, v->room);
	v->digests[v->count++] = *digest;
	uni_strv_add(&v->names, name);
	return 0;
}

static int collect_result(void *user, const char *name, const struct uni_digest *digest,
			  struct uni_err *err)
{
	struct verify *v = user;

	(void)err;
	if (digest == NULL)
		stray(v, name);
	else
		uni_strv_add(&v->results, name);
	return 0;
}

static int verify_blob(void *user, size_t index, struct uni_err *err)
{
	struct verify *v = user;
	const char *name = v->names.items[index];
	struct stat st = { .st_ino = 0 };
	uint64_t size = 0;
	int rc = uni_check_cancel(err);
	int fd UNI_AUTO_CLOSE = -1;

	if (rc != 0)
		return rc;
	fd = openat(v->place->fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0 && errno == ENOENT)
		return 0;
	if (fd < 0 && (errno == EMFILE || errno == ENFILE || errno == ENOMEM))
		return uni_err_errno(err, "store: %s", name);
	if (fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode))
		rc = store_blob_look(fd, &v->digests[index], name, &size, err);
	else if (fstatat(v->place->fd, name, &st, AT_SYMLINK_NOFOLLOW) != 0)
		return 0;
	if (rc < 0)
		return rc;
	atomic_fetch_add(&v->blobs, 1);
	atomic_fetch_add(&v->bytes, size);
	if (rc == 0) {
		atomic_fetch_add(&v->damaged, 1);
		store_blob_drop(v->store, v->place, &v->digests[index], st.st_ino);
	}
	return 0;
}

static int verify_record(struct verify *v, const char *name, struct uni_err *err)
{
	struct uni_store_record record UNI_AUTO_STORE_RECORD = UNI_STORE_RECORD_INIT;
	struct stat st;
	int rc = store_record_read(v->place, name, false, &record, &st, err);

	if (rc != UNI_E_CORRUPT)
		return rc < 0 ? rc : 0;
	uni_err_clear(err);
	if (v->place->writable)
		unlinkat(v->place->fd, name, 0);
	uni_event_warning(v->store->events, "store: %s is damaged and was dropped", name);
	atomic_fetch_add(&v->dropped, 1);
	return 0;
}

static int verify_place(struct verify *v, struct uni_err *err)
{
	struct uni_strv refs UNI_AUTO_STRV = { .items = NULL };
	int rc = store_walk(v->place, "blobs", collect_blob, v, err);

	if (rc == 0)
		rc = uni_pool_run(v->count, 0, verify_blob, v, err);
	if (rc == 0)
		rc = store_walk(v->place, "results", collect_result, v, err);
	for (size_t i = 0; rc == 0 && i < v->results.count; i++)
		rc = verify_record(v, v->results.items[i], err);
	if (rc == 0)
		rc = store_ref_names(v->place, "", &refs, err);
	for (size_t i = 0; rc == 0 && i < refs.count; i++) {
		char *name UNI_AUTO_FREE = uni_path_join("refs", refs.items[i]);

		rc = verify_record(v, name, err);
	}
	return rc;
}

int uni_store_verify(struct uni_store *store, struct uni_store_verify_report *report,
		     struct uni_err *err)
{
	int rc = store_enter(store, err);

	*report = (struct uni_store_verify_report){ .blobs = 0 };
	if (rc != 0)
		return rc;
	for (size_t i = 0; rc == 0 && i < store->place_count; i++) {
		struct verify v = { .store = store, .place = &store->places[i] };

		rc = verify_place(&v, err);
		report->blobs += v.blobs;
		report->bytes += v.bytes;
		report->damaged += v.damaged;
		report->dropped += v.dropped;
		uni_strv_free(&v.names);
		uni_strv_free(&v.results);
		free(v.digests);
	}
	store_leave(store);
	return rc != 0 ? uni_err_context(err, "verify the store") : 0;
}
