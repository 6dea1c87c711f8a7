/*
 * Read-ahead: a thread of its own fills what a sequential reader is about to want, while he works
 * on what he has. Requests wait in a short ring; when it is full they are dropped, since reading
 * ahead is a kindness and no duty.
 */
#include <uk/vfs.h>

#include "fs.h"

enum { RING = 16 };

struct request {
	struct uk_inode *inode;
	uint64_t index;
	unsigned count;
};

static struct uk_spinlock ring_lock = UK_SPINLOCK_INIT;
static struct request ring[RING];
static unsigned ring_head, ring_used;
static struct uk_waitq ring_wake = UK_WAITQ_INIT(ring_wake);
static bool started;

static bool take(struct request *request)
{
	uint64_t state = uk_spin_lock(&ring_lock);
	bool some = ring_used != 0;

	if (some) {
		*request = ring[ring_head];
		ring_head = (ring_head + 1) % RING;
		ring_used--;
	}
	uk_spin_unlock(&ring_lock, state);
	return some;
}

static void work(const struct request *request)
{
	uint64_t unit = 1ull << request->inode->fill_order;
	uint64_t end = UK_ALIGN_UP(request->inode->size, UK_PAGE_SIZE) >> UK_PAGE_SHIFT;

	end = UK_MIN(end, request->index + request->count);
	for (uint64_t at = request->index; at < end; at = UK_ALIGN_DOWN(at, unit) + unit) {
		struct uk_page *page;

		if (uk_cache_get(request->inode, at, &page) != 0)
			return; /* the reader meets the error himself, and reports it */
		uk_page_put(page);
	}
}

static void loop(void *arg)
{
	(void)arg;
	for (;;) {
		struct request request;

		while (take(&request)) {
			work(&request);
			uk_inode_put(request.inode);
		}
		uk_wait_event(&ring_wake, ring_used != 0, UK_FOREVER, false);
	}
}

void uk_cache_ahead(struct uk_inode *inode, uint64_t index, unsigned count)
{
	uint64_t state;
	bool start;

	if (index >= UK_ALIGN_UP(inode->size, UK_PAGE_SIZE) >> UK_PAGE_SHIFT)
		return;
	uk_inode_get(inode);
	state = uk_spin_lock(&ring_lock);
	start = !started;
	started = true;
	if (ring_used < RING) {
		ring[(ring_head + ring_used++) % RING] = (struct request){ inode, index, count };
		inode = NULL;
	}
	uk_spin_unlock(&ring_lock, state);
	if (inode != NULL)
		uk_inode_put(inode);
	if (start && uk_thread_spawn("readahead", loop, NULL) == NULL)
		started = false;
	uk_wake_one(&ring_wake);
}
