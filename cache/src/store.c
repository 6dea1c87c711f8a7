/*
 * Opening a store, and the one way in which files get their final names.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "src/internal.h"

#define LAYOUT "v1"

static const char *const folders[] = { "blobs", "results", "refs", "leases", "tmp" };
#define FANNED 2 /* the first of them have a folder for each first digit */

static void place_free(struct store_place *place)
{
	free(place->path);
	uni_close_fd(&place->fd);
}

static int make_folder(const struct store_place *place, const char *name, struct uni_err *err)
{
	if (mkdirat(place->fd, name, 0755) == 0) {
		UNI_AUTO_FREE char *path = uni_path_join(place->path, name);

		store_share_folders(place, path);
		return 0;
	}
	if (errno == EEXIST)
		return 0;
	if (errno == EROFS)
		return uni_err_set(err, UNI_E_DENIED, "%s cannot be written", place->path);
	return uni_err_errno(err, "%s/%s", place->path, name);
}

/* "tmp" comes last: where it is, all the others are. */
static int make_layout(const struct store_place *place, struct uni_err *err)
{
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < UNI_COUNT(folders); i++) {
		rc = make_folder(place, folders[i], err);
		for (size_t j = 0; rc == 0 && i < FANNED && j < 16; j++) {
			char name[32];

			snprintf(name, sizeof(name), "%s/%zx", folders[i], j);
			rc = make_folder(place, name, err);
		}
	}
	/* It need not be counted. */
	if (rc == 0)
		store_usage_set(place, 0);
	return rc;
}

/* A store whose folder is a group's is the group's as a whole. */
static int make_place(struct store_place *place, const char *path, struct uni_err *err)
{
	struct stat st;
	int rc = uni_dir_make(place->path, 0755, err);

	if (rc != 0)
		return rc;
	place->shared = stat(path, &st) == 0 && store_shared_mode(st.st_mode);
	store_share_folders(place, place->path);
	return 0;
}

static int place_folder(struct store_place *place, const char *path, struct uni_err *err)
{
	struct stat st;
	int rc;

	place->fd = open(place->path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (place->fd < 0) {
		rc = errno == ENOENT ? make_place(place, path, err)
				     : uni_err_errno(err, "%s", place->path);
		if (rc != 0)
			return rc;
		place->fd = open(place->path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	}
	if (place->fd < 0 || fstat(place->fd, &st) != 0)
		return uni_err_errno(err, "%s", place->path);
	place->shared = store_shared_mode(st.st_mode);
	return 0;
}

/* Makes what is missing; a place that is there but may not be written is fine too. */
static int place_open(struct store_place *place, const char *path, struct uni_err *err)
{
	int rc;

	*place = (struct store_place){ .path = uni_path_join(path, LAYOUT), .fd = -1 };
	rc = place_folder(place, path, err);
	if (rc != 0)
		return rc;
	place->writable = faccessat(place->fd, "tmp", W_OK, AT_EACCESS) == 0;
	if (place->writable || (errno != ENOENT))
		return 0;
	rc = make_layout(place, err);
	if (rc != 0)
		return rc == UNI_E_DENIED ? (uni_err_clear(err), 0) : rc;
	place->writable = faccessat(place->fd, "tmp", W_OK, AT_EACCESS) == 0;
	return 0;
}

static bool only_readable(int code)
{
	return code == UNI_E_DENIED || code == UNI_E_IO;
}

/* A folder that ends with us, in front of one that cannot be written. */
static int scratch_open(struct uni_store *store, struct uni_err *err)
{
	int rc = uni_dir_tmp(NULL, &store->scratch, err);

	if (rc != 0)
		return rc;
	if (store->place_count == 1)
		store->places[1] = store->places[0];
	store->place_count++;
	uni_event_warning(store->events,
			  "the store %s cannot be written; what is made now is not kept",
			  store->path);
	return place_open(&store->places[0], store->scratch, err);
}

static int places_open(struct uni_store *store, struct uni_err *err)
{
	int rc = place_open(&store->places[0], store->path, err);

	if (rc == 0) {
		store->place_count = 1;
		return store->places[0].writable ? 0 : scratch_open(store, err);
	}
	place_free(&store->places[0]);
	store->places[0].path = NULL;
	if (!only_readable(rc))
		return rc;
	uni_err_clear(err);
	return scratch_open(store, err);
}

int uni_store_open(struct uni_store **store, const char *path, const struct uni_events *events,
		   struct uni_err *err)
{
	struct uni_store *s UNI_AUTO(uni_store) = uni_alloc(sizeof(*s));
	int rc;

	*store = NULL;
	s->path = path != NULL ? uni_path_absolute(path) : uni_dir_cache();
	s->events = events;
	s->lock_fd = s->lease_fd = -1;
	s->places[0].fd = s->places[1].fd = -1;
	pthread_mutex_init(&s->mutex, NULL);
	rc = places_open(s, err);
	if (rc != 0)
		return uni_err_context(err, "store");
	s->lock_fd = openat(s->places[0].fd, "lock", O_RDWR | O_CREAT | O_CLOEXEC, 0644);
	if (s->lock_fd < 0)
		return uni_err_errno(err, "store: %s/lock", s->places[0].path);
	store_share_file(&s->places[0], s->lock_fd);
	*store = s;
	s = NULL;
	return 0;
}

void uni_store_free(struct uni_store *store)
{
	if (store == NULL)
		return;
	/* With the lease, so that what was used just now stays, however large it is. */
	store_limit_keep(store);
	store_lease_end(store);
	uni_close_fd(&store->lock_fd);
	for (size_t i = 0; i < store->place_count || i < 1; i++)
		place_free(&store->places[i]);
	if (store->scratch != NULL) {
		struct uni_err ignored = UNI_ERR_INIT;

		(void)uni_dir_remove(store->scratch, &ignored);
		uni_tmp_forget(store->scratch);
		free(store->scratch);
	}
	store_set_free(&store->leased);
	pthread_mutex_destroy(&store->mutex);
	free(store->path);
	free(store);
}

const char *uni_store_path(const struct uni_store *store)
{
	return store->path;
}

char *uni_store_folder(const struct uni_store *store, const char *name)
{
	UNI_AUTO_FREE char *path = uni_path_join(store->path, name);
	struct uni_err ignored = UNI_ERR_INIT;

	if (!uni_file_exists(path) && uni_dir_make(path, 0755, &ignored) == 0)
		store_share_folders(&store->places[store->place_count - 1], path);
	return uni_strdup(path);
}

/* A file in tmp without a lease is anybody's to remove. */
static int have_lease(struct uni_store *store, struct uni_err *err)
{
	bool leased;
	int rc;

	pthread_mutex_lock(&store->mutex);
	leased = store->lease_fd >= 0;
	pthread_mutex_unlock(&store->mutex);
	if (leased)
		return 0;
	rc = store_enter(store, err);
	if (rc != 0)
		return rc;
	rc = store_lease_start(store, err);
	store_leave(store);
	return rc;
}

int store_tmp(struct uni_store *store, char **path, int *fd, struct uni_err *err)
{
	uint64_t number;
	int rc = have_lease(store, err);

	if (rc != 0)
		return rc;
	pthread_mutex_lock(&store->mutex);
	number = store->next_tmp++;
	pthread_mutex_unlock(&store->mutex);
	*path = uni_asprintf("%s/tmp/%s.%llu", store->places[0].path, store->lease_id,
			     (unsigned long long)number);
	uni_tmp_register(*path);
	*fd = open(*path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, STORE_SEALED);
	if (*fd >= 0)
		return 0;
	rc = uni_err_errno(err, "%s", *path);
	uni_tmp_forget(*path);
	free(*path);
	*path = NULL;
	return rc;
}

int store_seal(int fd, const struct stat *st, const char *name, struct uni_err *err)
{
	/* Asked first: to set it anew would wait for the journal. */
	if ((st->st_mode & 07777) == STORE_SEALED || fchmod(fd, STORE_SEALED) == 0)
		return 0;
	return uni_err_errno(err, "%s", name);
}

int store_publish(struct uni_store *store, const char *tmp, const char *name, struct uni_err *err)
{
	const struct store_place *place = &store->places[0];
	char *final UNI_AUTO_FREE = NULL;
	char *dir UNI_AUTO_FREE = NULL;
	int rc;

	if (renameat(AT_FDCWD, tmp, place->fd, name) == 0) {
		uni_tmp_forget(tmp);
		return 0;
	}
	if (errno != ENOENT)
		return uni_err_errno(err, "%s/%s", place->path, name);
	final = uni_path_join(place->path, name);
	dir = uni_path_dir(final);
	rc = uni_dir_make(dir, 0755, err);
	if (rc != 0)
		return rc;
	store_share_folders(place, dir);
	if (renameat(AT_FDCWD, tmp, place->fd, name) != 0)
		return uni_err_errno(err, "%s", final);
	uni_tmp_forget(tmp);
	return 0;
}
