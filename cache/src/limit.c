/*
 * The store's size limit. Counting all blobs would cost every build a walk through the store, so
 * what they took at the last count stands in a file, and whoever publishes adds to it. The sum is
 * only what decides whether to count again: one that was lost, or that two processes wrote at once,
 * costs a count too many or too late.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "src/internal.h"

#define NUMBER_DIGITS 20 /* of any number: one is written over another without cutting the file */
#define NUMBER_ROOM (NUMBER_DIGITS + 4)

/* 1: read, 0: there is none that is a number. */
static int read_number(int fd, uint64_t *value)
{
	char text[NUMBER_ROOM];
	ssize_t got = pread(fd, text, sizeof(text) - 1, 0);

	if (got <= 0)
		return 0;
	text[got] = '\0';
	text[strcspn(text, "\n")] = '\0';
	return uni_str_u64(text, value) ? 1 : 0;
}

static size_t number_text(uint64_t value, char text[NUMBER_ROOM])
{
	return (size_t)snprintf(text, NUMBER_ROOM, "%0*" PRIu64 "\n", NUMBER_DIGITS, value);
}

/* In place: a file that was emptied and written again is sent to the disk when it is closed (ext4's
 * auto_da_alloc), which takes as long as all else that a small build does. */
static void write_number(int fd, uint64_t value)
{
	char text[NUMBER_ROOM];
	size_t size = number_text(value, text);

	/* A number that is cut short would be another one. */
	if (pwrite(fd, text, size, 0) != (ssize_t)size)
		(void)!ftruncate(fd, 0);
}

static int open_usage(const struct store_place *place)
{
	int fd = openat(place->fd, "usage", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);

	if (fd >= 0)
		store_share_file(place, fd);
	return fd;
}

void store_usage_set(const struct store_place *place, uint64_t bytes)
{
	int fd UNI_AUTO_CLOSE = open_usage(place);

	if (fd >= 0)
		write_number(fd, bytes);
}

/* What the store takes by now; UINT64_MAX: nobody has counted. */
static uint64_t usage_add(const struct store_place *place, uint64_t more)
{
	int fd UNI_AUTO_CLOSE = open_usage(place);
	struct uni_err ignored = UNI_ERR_INIT;
	uint64_t bytes;

	if (fd < 0 || store_lock_range(fd, F_WRLCK, 0, 1, true, "usage", &ignored) != 0 ||
	    read_number(fd, &bytes) == 0 || bytes > UINT64_MAX - more)
		return UINT64_MAX;
	write_number(fd, bytes + more);
	return bytes + more;
}

int uni_store_limit_get(struct uni_store *store, uint64_t *limit, struct uni_err *err)
{
	const struct store_place *place = &store->places[store->place_count - 1];
	int fd UNI_AUTO_CLOSE = openat(place->fd, "limit", O_RDONLY | O_CLOEXEC | O_NOFOLLOW);

	*limit = UNI_STORE_LIMIT_DEFAULT;
	if (fd < 0)
		return errno == ENOENT ? 0 : uni_err_errno(err, "store: %s/limit", place->path);
	if (read_number(fd, limit) == 0)
		return uni_err_set(err, UNI_E_CORRUPT, "store: %s/limit is no number", place->path);
	return 0;
}

int uni_store_limit_set(struct uni_store *store, uint64_t limit, struct uni_err *err)
{
	const struct store_place *place = &store->places[0];
	char *tmp UNI_AUTO_FREE = NULL;
	char text[NUMBER_ROOM];
	int fd UNI_AUTO_CLOSE = -1;
	int rc;

	if (store->place_count > 1)
		return uni_err_set(err, UNI_E_DENIED, "the store %s cannot be written",
				   store->path);
	rc = store_tmp(store, &tmp, &fd, err);
	if (rc != 0)
		return rc;
	rc = uni_write_full(fd, text, number_text(limit, text), tmp, err);
	(void)fchmod(fd, 0644);
	store_share_file(place, fd);
	if (rc == 0)
		rc = store_publish(store, tmp, "limit", err);
	if (rc != 0) {
		unlink(tmp);
		uni_tmp_forget(tmp);
	}
	return rc;
}

void store_limit_keep(struct uni_store *store)
{
	const struct store_place *place = &store->places[0];
	struct uni_store_gc_options how = { .limit = 0 };
	struct uni_store_gc_report report;
	struct uni_err err = UNI_ERR_INIT;
	uint64_t limit;

	if (store->published == 0 || store->scratch != NULL || uni_cancelled ||
	    uni_store_limit_get(store, &limit, &err) != 0 || limit == 0 ||
	    usage_add(place, store->published) <= limit)
		return;
	/* One who is looking something up just now will do it when he is done. */
	how.limit = limit - limit / 5;
	if (store_collect(store, &how, false, &report, &err) == 0)
		uni_event_note(store->events,
			       "the store was beyond its limit (\"uni cache limit\"): %" PRIu64
			       " results, %s, went",
			       report.results, uni_size_text(report.bytes));
}
