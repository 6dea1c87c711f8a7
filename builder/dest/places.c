/*
 * Fetching blobs to their places.
 */
#include "places.h"
#include <fcntl.h>
#include <uni/base/file.h>
#include <uni/base/mem.h>
#include <uni/base/pool.h>
#include <uni/base/system.h>
#include <unistd.h>

/* What was written last may be there in part: a file system tells of whole blocks, some of large
 * ones. */
#define UNSURE (2u << 20)
#define STEP (1u << 20)

/* --- going on --- */

/* The end of the last data in a place, from the place's start. */
static uint64_t last_data(int fd, const struct place *place)
{
	off_t end = (off_t)(place->at + place->size);
	off_t data, hole = (off_t)place->at;

	while ((data = lseek(fd, hole, SEEK_DATA)) >= 0 && data < end) {
		hole = lseek(fd, data, SEEK_HOLE);
		if (hole < 0)
			return 0;
		if (hole >= end)
			return place->size;
	}
	return (uint64_t)hole - place->at;
}

static bool clear(int fd, uint64_t at, uint64_t size)
{
	return size == 0 || fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)at,
				      (off_t)size) == 0;
}

static bool resume_place(int fd, struct place *place)
{
	uint64_t got = last_data(fd, place);

	/* All of it may be all of it; the digest says. */
	if (got < place->size)
		got = got > UNSURE ? got - UNSURE : 0;
	place->done = got;
	return clear(fd, place->at + got, place->size - got);
}

void places_resume(struct places *places)
{
	bool can = true;

	for (size_t i = 0; can && i < places->count; i++)
		can = resume_place(places->fd, &places->each[i]);
	if (can)
		return;
	for (size_t i = 0; i < places->count; i++)
		places->each[i].done = 0;
	(void)!ftruncate(places->fd, 0);
}

static int hash_done(const struct places *p, const struct place *place, struct uni_hash *hash,
		     struct uni_err *err)
{
	uint8_t *data UNI_AUTO_FREE = uni_alloc(STEP);
	int rc = 0;

	for (uint64_t at = 0; rc == 0 && at < place->done;) {
		size_t step = place->done - at < STEP ? (size_t)(place->done - at) : STEP;

		rc = uni_pread_full(p->fd, data, step, place->at + at, p->name, err);
		if (rc == 0)
			rc = uni_check_cancel(err);
		if (rc == 0)
			uni_hash_add(hash, data, step);
		at += step;
	}
	return rc;
}

/* --- fetching --- */

static int fetch_rest(struct places *p, struct uni_oci *oci, const struct place *place,
		      struct uni_err *err)
{
	struct uni_sink *sink UNI_AUTO(uni_sink) =
		uni_sink_to_place(p->fd, place->at + place->done, p->name);
	struct uni_hash hash;
	int rc;

	uni_hash_start(&hash);
	rc = hash_done(p, place, &hash, err);
	return rc == 0 ? uni_oci_get_rest(oci, &place->digest, place->size, place->done, &hash,
					  sink, err)
		       : rc;
}

static int fetch_place(void *user, size_t index, struct uni_err *err)
{
	struct places *p = user;
	struct place *place = &p->each[index];
	struct uni_oci *oci = NULL;
	int rc = connections_take(p->connections, &oci, err);

	if (rc == 0)
		rc = fetch_rest(p, oci, place, err);
	/* What was left there is something else: the power was lost, or somebody wrote to it. */
	if (rc == UNI_E_CORRUPT && place->done != 0 && clear(p->fd, place->at, place->size)) {
		uni_err_clear(err);
		place->done = 0;
		rc = fetch_rest(p, oci, place, err);
	}
	connections_give(p->connections, oci);
	if (rc != 0)
		return rc;
	p->fetched += place->size;
	uni_event_send(p->events, &(struct uni_event){ .kind = UNI_EVENT_PROGRESS,
						       .name = "download",
						       .done = p->fetched,
						       .total = p->total });
	return 0;
}

int places_fetch(struct places *places, struct uni_err *err)
{
	for (size_t i = 0; i < places->count; i++)
		places->total += places->each[i].size;
	return uni_pool_run(places->count, CONNECTIONS_MAX, fetch_place, places, err);
}
