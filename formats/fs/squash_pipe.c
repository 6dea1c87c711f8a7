/*
 * A ring of blocks: the caller fills them, threads pack them, the caller takes them out again in
 * order. Where the ring is full the caller packs as well, so one thread alone is no special case.
 * What comes out depends on what went in, not on who packed it when.
 */
#include <pthread.h>
#include <string.h>
#include <uni/base/file.h>
#include <uni/base/pool.h>
#include <uni/base/system.h>

#include "squash.h"
#include "squash_make.h"

enum { SLOTS_A_THREAD = 4, THREADS_MAX = 64 };

enum slot_state { SLOT_FREE, SLOT_FULL, SLOT_BUSY, SLOT_DONE };

struct slot {
	enum slot_state state;
	bool sparse;
	uint64_t tag;
	size_t size;
	uint32_t word;
	uint8_t *data;
	uint8_t *packed;
};

struct squash_pipe {
	pthread_mutex_t lock;
	pthread_cond_t filled;
	pthread_cond_t done;
	bool ending;
	struct slot *slots;
	size_t slot_count;
	uint64_t in;   /* slots filled so far */
	uint64_t next; /* the first that may still wait to be packed */
	uint64_t out;  /* slots given out */
	uint32_t block_size;
	squash_pipe_out *give;
	void *user;
	struct squash_packer *own;
	pthread_t *threads;
	struct squash_packer **packers;
	unsigned started;
	unsigned made;
};

static void pack_slot(struct squash_pipe *pipe, struct squash_packer *packer, struct slot *slot)
{
	size_t got;

	if (slot->sparse && uni_all_zero(slot->data, slot->size)) {
		slot->word = 0;
		return;
	}
	got = squash_pack(packer, slot->data, slot->size, slot->packed,
			  squash_packer_bound(pipe->block_size));
	slot->word = got != 0 ? (uint32_t)got : (uint32_t)slot->size | SQUASH_DATA_STORED;
}

/* The oldest that waits, taken; NULL: none. Under the lock. */
static struct slot *take(struct squash_pipe *pipe)
{
	while (pipe->next < pipe->in) {
		struct slot *slot = &pipe->slots[pipe->next++ % pipe->slot_count];

		if (slot->state == SLOT_FULL) {
			slot->state = SLOT_BUSY;
			return slot;
		}
	}
	return NULL;
}

/* Packs one that waits; false: there was none. Enters and leaves with the lock held. */
static bool pack_one(struct squash_pipe *pipe, struct squash_packer *packer)
{
	struct slot *slot = take(pipe);

	if (slot == NULL)
		return false;
	pthread_mutex_unlock(&pipe->lock);
	pack_slot(pipe, packer, slot);
	pthread_mutex_lock(&pipe->lock);
	slot->state = SLOT_DONE;
	pthread_cond_signal(&pipe->done);
	return true;
}

struct worker {
	struct squash_pipe *pipe;
	struct squash_packer *packer;
};

static void *work(void *arg)
{
	struct worker *worker = arg;
	struct squash_pipe *pipe = worker->pipe;
	struct squash_packer *packer = worker->packer;

	free(worker);
	pthread_mutex_lock(&pipe->lock);
	while (!pipe->ending)
		if (!pack_one(pipe, packer))
			pthread_cond_wait(&pipe->filled, &pipe->lock);
	pthread_mutex_unlock(&pipe->lock);
	return NULL;
}

static void start_thread(struct squash_pipe *pipe)
{
	struct worker *worker = uni_alloc(sizeof(*worker));

	worker->pipe = pipe;
	worker->packer = pipe->packers[pipe->started];
	if (uni_thread_start(&pipe->threads[pipe->started], pipe->started + 1, work, worker))
		pipe->started++;
	else
		free(worker);
}

struct squash_pipe *squash_pipe_new(const char *compression, uint32_t level, uint32_t block_size,
				    unsigned threads, squash_pipe_out *out)
{
	struct squash_pipe *pipe = uni_alloc(sizeof(*pipe));

	if (threads == 0)
		threads = uni_processors();
	if (threads > THREADS_MAX)
		threads = THREADS_MAX;
	pthread_mutex_init(&pipe->lock, NULL);
	pthread_cond_init(&pipe->filled, NULL);
	pthread_cond_init(&pipe->done, NULL);
	pipe->block_size = block_size;
	pipe->give = out;
	pipe->slot_count = (size_t)threads * SLOTS_A_THREAD;
	pipe->slots = uni_alloc_array(pipe->slot_count, sizeof(*pipe->slots));
	for (size_t i = 0; i < pipe->slot_count; i++) {
		pipe->slots[i].data = uni_realloc_array(NULL, block_size, 1);
		pipe->slots[i].packed = uni_realloc_array(NULL, squash_packer_bound(block_size), 1);
	}
	pipe->own = squash_packer_new(compression, level);
	pipe->threads = uni_alloc_array(threads, sizeof(*pipe->threads));
	pipe->packers = uni_alloc_array(threads, sizeof(struct squash_packer *));
	if (pipe->own == NULL)
		uni_end("out of memory");
	/* The caller is one of them; with fewer than wanted it only takes longer. */
	while (pipe->made + 1 < threads) {
		pipe->packers[pipe->made] = squash_packer_new(compression, level);
		if (pipe->packers[pipe->made] == NULL)
			break;
		pipe->made++;
		start_thread(pipe);
		if (pipe->started != pipe->made)
			break;
	}
	return pipe;
}

void squash_pipe_user(struct squash_pipe *pipe, void *user)
{
	pipe->user = user;
}

void squash_pipe_free(struct squash_pipe *pipe)
{
	if (pipe == NULL)
		return;
	pthread_mutex_lock(&pipe->lock);
	pipe->ending = true;
	pthread_cond_broadcast(&pipe->filled);
	pthread_mutex_unlock(&pipe->lock);
	for (unsigned i = 0; i < pipe->started; i++)
		pthread_join(pipe->threads[i], NULL);
	for (unsigned i = 0; i < pipe->made; i++)
		squash_packer_free(pipe->packers[i]);
	squash_packer_free(pipe->own);
	for (size_t i = 0; i < pipe->slot_count; i++) {
		free(pipe->slots[i].data);
		free(pipe->slots[i].packed);
	}
	pthread_mutex_destroy(&pipe->lock);
	pthread_cond_destroy(&pipe->filled);
	pthread_cond_destroy(&pipe->done);
	free(pipe->slots);
	free((void *)pipe->packers);
	free(pipe->threads);
	free(pipe);
}

/* Gives out the oldest, which is packed by then. */
static int give_one(struct squash_pipe *pipe, struct uni_err *err)
{
	struct slot *slot = &pipe->slots[pipe->out % pipe->slot_count];
	bool stored;
	int rc;

	pthread_mutex_lock(&pipe->lock);
	while (slot->state != SLOT_DONE)
		if (!pack_one(pipe, pipe->own))
			pthread_cond_wait(&pipe->done, &pipe->lock);
	pthread_mutex_unlock(&pipe->lock);
	pipe->out++;
	stored = (slot->word & SQUASH_DATA_STORED) != 0;
	rc = pipe->give(pipe->user, slot->tag, stored ? slot->data : slot->packed, slot->word, err);
	slot->state = SLOT_FREE;
	return rc;
}

static int make_room(struct squash_pipe *pipe, struct uni_err *err)
{
	int rc = uni_check_cancel(err);

	while (rc == 0 && pipe->in - pipe->out == pipe->slot_count)
		rc = give_one(pipe, err);
	return rc;
}

int squash_pipe_room(struct squash_pipe *pipe, uint8_t **room, struct uni_err *err)
{
	int rc = make_room(pipe, err);

	*room = pipe->slots[pipe->in % pipe->slot_count].data;
	return rc;
}

static void put(struct squash_pipe *pipe, uint64_t tag, size_t size, bool sparse,
		enum slot_state state)
{
	struct slot *slot = &pipe->slots[pipe->in % pipe->slot_count];

	pthread_mutex_lock(&pipe->lock);
	slot->tag = tag;
	slot->size = size;
	slot->sparse = sparse;
	slot->word = 0;
	slot->state = state;
	pipe->in++;
	if (state == SLOT_FULL)
		pthread_cond_signal(&pipe->filled);
	pthread_mutex_unlock(&pipe->lock);
}

void squash_pipe_push(struct squash_pipe *pipe, uint64_t tag, size_t size, bool sparse)
{
	put(pipe, tag, size, sparse, SLOT_FULL);
}

int squash_pipe_mark(struct squash_pipe *pipe, uint64_t tag, struct uni_err *err)
{
	int rc = make_room(pipe, err);

	if (rc == 0)
		put(pipe, tag, 0, false, SLOT_DONE);
	return rc;
}

int squash_pipe_drain(struct squash_pipe *pipe, struct uni_err *err)
{
	int rc = 0;

	while (rc == 0 && pipe->out != pipe->in)
		rc = give_one(pipe, err);
	return rc;
}
