/*
 * Who uses what. A process appends the digests it relies on to a file that it keeps locked; a lock
 * that can be taken belongs to nobody alive. Looking something up and leasing it happens under the
 * store's shared lock, collection under its exclusive one, so that nothing is taken in between.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "src/internal.h"

static size_t set_slot(const struct store_set *set, const struct uni_digest *digest)
{
	uint64_t hash;
	size_t i;

	memcpy(&hash, digest->bytes, sizeof(hash));
	for (i = hash & (set->room - 1); set->used[i]; i = (i + 1) & (set->room - 1))
		if (uni_digest_eq(&set->slots[i], digest))
			break;
	return i;
}

static void set_grow(struct store_set *set)
{
	struct store_set old = *set;

	set->room = old.room != 0 ? old.room * 2 : 64;
	set->slots = uni_alloc_array(set->room, sizeof(*set->slots));
	set->used = uni_alloc_array(set->room, sizeof(*set->used));
	for (size_t i = 0; i < old.room; i++) {
		if (old.used[i]) {
			size_t slot = set_slot(set, &old.slots[i]);

			set->slots[slot] = old.slots[i];
			set->used[slot] = true;
		}
	}
	free(old.slots);
	free(old.used);
}

bool store_set_add(struct store_set *set, const struct uni_digest *digest)
{
	size_t slot;

	if (set->count * 2 >= set->room)
		set_grow(set);
	slot = set_slot(set, digest);
	if (set->used[slot])
		return false;
	set->slots[slot] = *digest;
	set->used[slot] = true;
	set->count++;
	return true;
}

bool store_set_has(const struct store_set *set, const struct uni_digest *digest)
{
	return set->count != 0 && set->used[set_slot(set, digest)];
}

void store_set_free(struct store_set *set)
{
	free(set->slots);
	free(set->used);
	*set = (struct store_set){ .count = 0 };
}

/* Waits by asking again: so that cancellation is seen by every thread that waits, not only by the
 * one that got the signal. */
int store_lock_range(int fd, short type, int64_t start, int64_t length, bool wait, const char *name,
		     struct uni_err *err)
{
	struct timespec pause = { .tv_nsec = 1000000 };
	struct flock lock = {
		.l_type = type, .l_whence = SEEK_SET, .l_start = start, .l_len = length
	};

	for (;;) {
		if (fcntl(fd, F_OFD_SETLK, &lock) == 0)
			return 0;
		if (errno == EINTR)
			continue;
		if (errno != EAGAIN && errno != EACCES)
			return uni_err_errno(err, "%s: lock", name);
		if (!wait)
			return uni_err_set(err, UNI_E_BUSY, "%s: another process uses it", name);
		int rc = uni_check_cancel(err);

		if (rc != 0)
			return rc;
		nanosleep(&pause, NULL);
		if (pause.tv_nsec < 20000000)
			pause.tv_nsec *= 2;
	}
}

int store_enter(struct uni_store *store, struct uni_err *err)
{
	int rc = 0;

	pthread_mutex_lock(&store->mutex);
	if (store->lock_users == 0)
		rc = store_lock_range(store->lock_fd, F_RDLCK, 0, 1, true, store->path, err);
	if (rc == 0)
		store->lock_users++;
	pthread_mutex_unlock(&store->mutex);
	return rc;
}

void store_leave(struct uni_store *store)
{
	struct uni_err ignored = UNI_ERR_INIT;

	pthread_mutex_lock(&store->mutex);
	if (--store->lock_users == 0)
		(void)store_lock_range(store->lock_fd, F_UNLCK, 0, 1, false, store->path, &ignored);
	pthread_mutex_unlock(&store->mutex);
}

static char *lease_path(const struct uni_store *store)
{
	return uni_asprintf("%s/leases/%s", store->places[0].path, store->lease_id);
}

/* When no lease can be written (the disk is full), holding the lock serves as well: collection
 * waits. */
static void pin(struct uni_store *store)
{
	if (!store->pinned) {
		store->pinned = true;
		store->lock_users++;
	}
}

static int lease_start(struct uni_store *store, struct uni_err *err)
{
	uint8_t id[8];
	char *path UNI_AUTO_FREE = NULL;
	int rc;

	if (store->lease_fd >= 0)
		return 0;
	uni_random(id, sizeof(id));
	uni_hex(id, sizeof(id), store->lease_id);
	path = lease_path(store);
	uni_tmp_register(path);
	store->lease_fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC, 0644);
	if (store->lease_fd < 0) {
		rc = uni_err_errno(err, "%s", path);
		uni_tmp_forget(path);
		return rc;
	}
	/* Whoever collects tries its lock. */
	store_share_file(&store->places[0], store->lease_fd);
	return store_lock_range(store->lease_fd, F_WRLCK, 0, 0, false, path, err);
}

int store_lease_start(struct uni_store *store, struct uni_err *err)
{
	int rc;

	pthread_mutex_lock(&store->mutex);
	rc = lease_start(store, err);
	pthread_mutex_unlock(&store->mutex);
	return rc;
}

void store_lease(struct uni_store *store, const struct uni_digest *digests, size_t count)
{
	struct uni_buf fresh UNI_AUTO_BUF = UNI_BUF_INIT;
	struct uni_err ignored = UNI_ERR_INIT;

	pthread_mutex_lock(&store->mutex);
	for (size_t i = 0; i < count; i++)
		if (store_set_add(&store->leased, &digests[i]))
			uni_buf_add(&fresh, digests[i].bytes, sizeof(digests[i].bytes));
	if (fresh.size != 0 && !store->pinned) {
		int rc = lease_start(store, &ignored);

		if (rc == 0)
			rc = uni_write_full(store->lease_fd, fresh.data, fresh.size, "lease",
					    &ignored);
		if (rc != 0)
			pin(store);
	}
	pthread_mutex_unlock(&store->mutex);
}

void store_lease_end(struct uni_store *store)
{
	if (store->lease_fd >= 0) {
		char *path UNI_AUTO_FREE = lease_path(store);

		unlink(path);
		uni_tmp_forget(path);
		uni_close_fd(&store->lease_fd);
	}
}

/* One lease: its digests when its process lives; else it is nobody's. */
static int lease_look(int dir, const char *id, struct store_set *leased, bool *alive,
		      struct uni_err *err)
{
	uint8_t block[32 * 256];
	struct uni_err ignored = UNI_ERR_INIT;
	int fd UNI_AUTO_CLOSE = openat(dir, id, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
	ssize_t got;

	*alive = false;
	if (fd < 0)
		return errno == ENOENT ? 0 : uni_err_errno(err, "lease %s", id);
	if (store_lock_range(fd, F_WRLCK, 0, 0, false, id, &ignored) == 0)
		return 0;
	*alive = true;
	for (uint64_t at = 0; (got = pread(fd, block, sizeof(block), (off_t)at)) > 0;) {
		size_t whole = (size_t)got / 32;
		struct uni_digest digest;

		for (size_t i = 0; i < whole; i++) {
			memcpy(digest.bytes, block + i * 32, 32);
			store_set_add(leased, &digest);
		}
		if (whole == 0)
			break;
		at += whole * 32;
	}
	return got < 0 ? uni_err_errno(err, "lease %s", id) : 0;
}

/* Files that a dead process was writing are named by its lease. */
static int tmp_clean(const struct store_place *place, const struct uni_strv *alive,
		     struct uni_err *err)
{
	char *path UNI_AUTO_FREE = uni_path_join(place->path, "tmp");
	struct uni_strv names UNI_AUTO_STRV = { .items = NULL };
	int rc = uni_dir_list(path, &names, err);

	if (rc != 0)
		return rc;
	for (size_t i = 0; i < names.count; i++) {
		char *id UNI_AUTO_FREE = uni_strndup(names.items[i], strcspn(names.items[i], "."));
		char *file UNI_AUTO_FREE = uni_path_join(path, names.items[i]);

		if (!uni_strv_has(alive, id) && unlink(file) != 0 && errno != ENOENT)
			return uni_err_errno(err, "%s", file);
	}
	return 0;
}

int store_lease_read(const struct store_place *place, struct store_set *leased, bool clean,
		     struct uni_err *err)
{
	char *path UNI_AUTO_FREE = uni_path_join(place->path, "leases");
	struct uni_strv names UNI_AUTO_STRV = { .items = NULL };
	struct uni_strv living UNI_AUTO_STRV = { .items = NULL };
	int dir UNI_AUTO_CLOSE = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	int rc = dir < 0 ? uni_err_errno(err, "%s", path) : uni_dir_list(path, &names, err);

	for (size_t i = 0; rc == 0 && i < names.count; i++) {
		bool alive;

		rc = lease_look(dir, names.items[i], leased, &alive, err);
		if (rc == 0 && alive)
			uni_strv_add(&living, names.items[i]);
		else if (rc == 0 && clean)
			unlinkat(dir, names.items[i], 0);
	}
	if (rc != 0 || !clean)
		return rc;
	return tmp_clean(place, &living, err);
}
