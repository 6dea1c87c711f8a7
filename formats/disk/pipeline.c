/*
 * The pieces of a stream are numbered as they are taken, and wait in a ring until their turn to be
 * given on comes. Any thread does whatever can be done: gives the next piece on when it is ready,
 * else takes a new one and works on it. So none sleeps while there is work, and memory is bounded
 * by the ring.
 */
#include "pipeline.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <uni/base/mem.h>
#include <uni/base/pool.h>
#include <uni/base/system.h>

/* Of twice as many pieces as threads some are always ready to be worked on. */
enum { THREADS_MOST = 16, RING = 2 * THREADS_MOST };

struct line {
	const struct disk_pipeline *pipeline;
	void *user;
	struct uni_err *err;
	pthread_mutex_t lock; /* of all below */
	pthread_cond_t changed;
	void *slots[RING];
	bool ready[RING]; /* worked on, not given yet */
	size_t ring;	  /* slots in use */
	uint64_t taken, given;
	bool taking, giving;
	bool ended;
	uint64_t failed; /* the lowest number that failed, or UINT64_MAX */
};

static void fail(struct line *line, uint64_t number, const struct uni_err *err)
{
	if (number < line->failed) {
		line->failed = number;
		*line->err = *err;
	}
	line->ended = true;
}

/* Called with the lock held, which is left while the work is done; as the two below. */
static void give(struct line *line)
{
	struct uni_err err = UNI_ERR_INIT;
	uint64_t number = line->given;
	int rc;

	line->giving = true;
	pthread_mutex_unlock(&line->lock);
	rc = line->pipeline->give(line->user, line->slots[number % line->ring], &err);
	pthread_mutex_lock(&line->lock);
	line->giving = false;
	line->ready[number % line->ring] = false;
	line->given++;
	if (rc != 0)
		fail(line, number, &err);
	pthread_cond_broadcast(&line->changed);
}

static int take(struct line *line, void **slot, struct uni_err *err)
{
	int rc = 0;

	line->taking = true;
	pthread_mutex_unlock(&line->lock);
	if (*slot == NULL)
		*slot = line->pipeline->slot_new(line->user, err);
	rc = *slot != NULL ? line->pipeline->take(line->user, *slot, err) : err->code;
	pthread_mutex_lock(&line->lock);
	line->taking = false;
	return rc;
}

static void take_and_work(struct line *line)
{
	struct uni_err err = UNI_ERR_INIT;
	uint64_t number = line->taken;
	void **slot = &line->slots[number % line->ring];
	int rc = take(line, slot, &err);

	if (rc > 0) {
		line->taken++;
		pthread_cond_broadcast(&line->changed);
		pthread_mutex_unlock(&line->lock);
		rc = line->pipeline->work(line->user, *slot, &err);
		pthread_mutex_lock(&line->lock);
		line->ready[number % line->ring] = rc == 0;
	} else {
		line->ended = true;
	}
	if (rc < 0)
		fail(line, number, &err);
	pthread_cond_broadcast(&line->changed);
}

static bool can_give(const struct line *line)
{
	return !line->giving && line->given < line->taken && line->given < line->failed &&
	       line->ready[line->given % line->ring];
}

static bool can_take(const struct line *line)
{
	return !line->taking && !line->ended && line->taken - line->given < line->ring;
}

/* Everything was given, up to a failure. */
static bool over(const struct line *line)
{
	return line->ended && !line->taking && !line->giving &&
	       (line->given == line->taken || line->given >= line->failed);
}

static void *run(void *arg)
{
	struct line *line = arg;

	pthread_mutex_lock(&line->lock);
	while (!over(line)) {
		if (can_give(line))
			give(line);
		else if (can_take(line))
			take_and_work(line);
		else
			pthread_cond_wait(&line->changed, &line->lock);
	}
	pthread_mutex_unlock(&line->lock);
	return NULL;
}

int disk_pipeline_run(const struct disk_pipeline *pipeline, void *user, unsigned threads,
		      struct uni_err *err)
{
	struct line line = {
		.pipeline = pipeline,
		.user = user,
		.err = err,
		.lock = PTHREAD_MUTEX_INITIALIZER,
		.changed = PTHREAD_COND_INITIALIZER,
		.failed = UINT64_MAX,
	};
	pthread_t others[THREADS_MOST];
	unsigned started = 0;

	/* One more than processors: at times one waits for the disk. */
	if (threads == 0)
		threads = uni_processors() > 1 ? uni_processors() + 1 : 1;
	if (threads > THREADS_MOST)
		threads = THREADS_MOST;
	line.ring = threads > 1 ? 2 * threads : 1;
	while (started + 1 < threads && uni_thread_start(&others[started], started + 1, run, &line))
		started++;
	run(&line);
	for (unsigned i = 0; i < started; i++)
		pthread_join(others[i], NULL);
	for (size_t i = 0; i < line.ring; i++)
		if (line.slots[i] != NULL)
			pipeline->slot_free(line.slots[i]);
	pthread_cond_destroy(&line.changed);
	pthread_mutex_destroy(&line.lock);
	return line.failed == UINT64_MAX ? 0 : err->code;
}
