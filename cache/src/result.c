/*
 * Results: what steps made, by their keys.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "src/internal.h"

static void lease_result(struct uni_store *store, const struct uni_digest *key,
			 const struct uni_store_record *record)
{
	struct uni_digest some[64];
	size_t count = 0;

	some[count++] = *key;
	for (size_t i = 0; i < record->count; i++) {
		if (count == UNI_COUNT(some)) {
			store_lease(store, some, count);
			count = 0;
		}
		some[count++] = record->entries[i].digest;
	}
	store_lease(store, some, count);
}

/* A record that names what is gone, or is none, is of no use to anybody. */
static void drop(const struct store_place *place, const char *name)
{
	if (place->writable)
		unlinkat(place->fd, name, 0);
}

static int get(struct uni_store *store, const struct store_place *place,
	       const struct uni_digest *key, struct uni_store_record *record, struct uni_err *err)
{
	char name[STORE_PATH_ROOM];
	bool restamped = false;
	struct stat st;
	int rc;

	store_result_name(key, name);
	rc = store_record_read(place, name, true, record, &st, err);
	if (rc == UNI_E_CORRUPT) {
		uni_err_clear(err);
		uni_event_warning(store->events, "store: result %s is damaged and was dropped",
				  name);
		drop(place, name);
		return 0;
	}
	if (rc <= 0)
		return rc;
	lease_result(store, key, record);
	for (size_t i = 0; i < record->count; i++) {
		const struct store_place *found;

		rc = store_blob_check(store, &record->entries[i], &found, &restamped, err);
		if (rc == 1)
			continue;
		uni_store_record_free(record);
		if (rc == 0)
			drop(place, name);
		return rc;
	}
	if (restamped && place->writable) {
		struct uni_err ignored = UNI_ERR_INIT;

		(void)store_record_write(store, name, record, false, &ignored);
	}
	return 1;
}

int uni_store_result_get(struct uni_store *store, const struct uni_digest *key,
			 struct uni_store_record *record, struct uni_err *err)
{
	int rc = store_enter(store, err);

	*record = (struct uni_store_record)UNI_STORE_RECORD_INIT;
	if (rc != 0)
		return rc;
	for (size_t i = 0; rc == 0 && i < store->place_count; i++)
		rc = get(store, &store->places[i], key, record, err);
	store_leave(store);
	return rc;
}

bool uni_store_result_known(struct uni_store *store, const struct uni_digest *key)
{
	char name[STORE_PATH_ROOM];

	store_result_name(key, name);
	for (size_t i = 0; i < store->place_count; i++)
		if (faccessat(store->places[i].fd, name, R_OK, AT_SYMLINK_NOFOLLOW) == 0)
			return true;
	return false;
}

int uni_store_result_put(struct uni_store *store, const struct uni_digest *key,
			 const struct uni_store_record *record, struct uni_err *err)
{
	char name[STORE_PATH_ROOM];
	int rc = store_enter(store, err);

	if (rc != 0)
		return rc;
	lease_result(store, key, record);
	store_result_name(key, name);
	rc = store_record_write(store, name, record, false, err);
	store_leave(store);
	return rc != 0 ? uni_err_context(err, "store") : 0;
}

/* One file under two names: half the work, and one time of last use for both. */
static bool link_result(const struct store_place *place, const struct uni_digest *key,
			const struct uni_digest *alias)
{
	char from[STORE_PATH_ROOM], to[STORE_PATH_ROOM];

	store_result_name(key, from);
	store_result_name(alias, to);
	if (linkat(place->fd, from, place->fd, to, 0) == 0)
		return true;
	if (errno != EEXIST)
		return false;
	unlinkat(place->fd, to, 0);
	return linkat(place->fd, from, place->fd, to, 0) == 0;
}

int uni_store_result_alias(struct uni_store *store, const struct uni_digest *key,
			   const struct uni_digest *alias, const struct uni_store_record *record,
			   struct uni_err *err)
{
	bool linked;
	int rc;

	if (uni_digest_eq(key, alias))
		return 0;
	rc = store_enter(store, err);
	if (rc != 0)
		return rc;
	store_lease(store, alias, 1);
	linked = link_result(&store->places[0], key, alias);
	store_leave(store);
	/* Its folder is missing, or the result is in a store that we may only read. */
	return linked ? 0 : uni_store_result_put(store, alias, record, err);
}

int uni_store_key_lock(struct uni_store *store, const struct uni_digest *key, int *fd,
		       struct uni_err *err)
{
	uint64_t place;
	int rc;

	*fd = openat(store->places[0].fd, "keys", O_RDWR | O_CREAT | O_CLOEXEC, 0644);
	if (*fd < 0)
		return uni_err_errno(err, "store: %s/keys", store->places[0].path);
	store_share_file(&store->places[0], *fd);
	memcpy(&place, key->bytes, sizeof(place));
	rc = store_lock_range(*fd, F_WRLCK, (int64_t)(place >> 2), 1, true, "store", err);
	if (rc != 0)
		uni_close_fd(fd);
	return rc;
}
