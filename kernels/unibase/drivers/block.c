/*
 * The list of block devices, checks that every transfer passes, and transfers that sleep.
 */
#include <uk/block.h>
#include <uk/lock.h>
#include <uk/log.h>
#include <uk/mem.h>
#include <uk/thread.h>

#include "gpt.h"

#define SECTOR 512u
#define SYNC_MAX (1u << 20) /* bytes of one request */

/* Added at any time, removed by the one thread that walks when the machine has started: walking
 * needs no lock. */
static struct uk_list devices = UK_LIST_INIT(devices);
static struct uk_spinlock devices_lock = UK_SPINLOCK_INIT;
static struct uk_mutex scan_lock = UK_MUTEX_INIT(scan_lock);
static volatile bool scan_due;

void uk_block_register(struct uk_block_dev *dev)
{
	uint64_t state = uk_spin_lock(&devices_lock);

	uk_list_push_back(&devices, &dev->item);
	uk_spin_unlock(&devices_lock, state);
	if (!dev->scanned)
		scan_due = true;
}

/* Partitions found meanwhile go to the list's end, and hold none themselves. */
static void scan(void)
{
	if (!scan_due)
		return;
	uk_mutex_lock(&scan_lock);
	scan_due = false;
	uk_list_each (item, &devices) {
		struct uk_block_dev *dev = uk_list_entry(item, struct uk_block_dev, item);

		if (dev->scanned)
			continue;
		dev->scanned = true;
		uk_gpt_scan(dev);
	}
	uk_mutex_unlock(&scan_lock);
}

struct uk_block_dev *uk_block_next(struct uk_block_dev *dev)
{
	struct uk_list *next = dev == NULL ? devices.next : dev->item.next;

	if (dev == NULL) {
		scan();
		next = devices.next;
	}
	return next == &devices ? NULL : uk_list_entry(next, struct uk_block_dev, item);
}

struct uk_block_dev *uk_block_disk_next(struct uk_block_dev *dev)
{
	struct uk_list *next = dev == NULL ? devices.next : dev->item.next;

	while (next != &devices && uk_list_entry(next, struct uk_block_dev, item)->parent != NULL)
		next = next->next;
	return next == &devices ? NULL : uk_list_entry(next, struct uk_block_dev, item);
}

static void unlist(struct uk_block_dev *dev)
{
	uint64_t state = uk_spin_lock(&devices_lock);

	uk_list_remove(&dev->item);
	uk_spin_unlock(&devices_lock, state);
}

void uk_block_remove(struct uk_block_dev *dev)
{
	for (struct uk_list *at = devices.next, *next; at != &devices; at = next) {
		struct uk_block_dev *part = uk_list_entry(at, struct uk_block_dev, item);

		next = at->next;
		if (part->parent != dev)
			continue;
		unlist(part);
		uk_free(part);
	}
	unlist(dev);
	dev->remove(dev);
}

struct uk_block_dev *uk_block_find(const uint8_t guid[16])
{
	for (struct uk_block_dev *d = uk_block_next(NULL); d != NULL; d = uk_block_next(d))
		if (d->has_guid && memcmp(d->guid, guid, sizeof(d->guid)) == 0)
			return d;
	return NULL;
}

static int check(const struct uk_block_dev *dev, const struct uk_block_req *req)
{
	uint64_t left = dev->size - req->offset;

	if (req->op != UK_BLOCK_READ && dev->read_only)
		return -UK_EROFS;
	if (req->op == UK_BLOCK_FLUSH)
		return 0;
	if (req->offset > dev->size || req->offset % SECTOR != 0 || req->seg_count == 0 ||
	    req->seg_count > UK_BLOCK_SEGS)
		return -UK_EINVAL;
	for (unsigned i = 0; i < req->seg_count; i++) {
		uint32_t size = req->segs[i].size;

		if (size == 0 || size % SECTOR != 0 || size > left)
			return -UK_EINVAL;
		left -= size;
	}
	return 0;
}

void uk_block_submit(struct uk_block_dev *dev, struct uk_block_req *req)
{
	req->status = check(dev, req);
	if (req->status != 0) {
		req->done(req);
		return;
	}
	while (dev->parent != NULL) {
		req->offset += dev->start;
		dev = dev->parent;
	}
	dev->ops->submit(dev, req);
}

/* Sleepers of all transfers share a few queues, which outlive them: the one who wakes may still be
 * in the queue when the sleeper is gone. */
#define QUEUES 8
static struct uk_waitq queues[QUEUES] = {
	UK_WAITQ_INIT(queues[0]), UK_WAITQ_INIT(queues[1]), UK_WAITQ_INIT(queues[2]),
	UK_WAITQ_INIT(queues[3]), UK_WAITQ_INIT(queues[4]), UK_WAITQ_INIT(queues[5]),
	UK_WAITQ_INIT(queues[6]), UK_WAITQ_INIT(queues[7]),
};

struct sync {
	struct uk_waitq *queue;
	volatile bool done;
};

static void sync_done(struct uk_block_req *req)
{
	struct sync *s = req->user;
	struct uk_waitq *queue = s->queue;

	s->done = true;
	uk_wake_all(queue);
}

static int run(struct uk_block_dev *dev, enum uk_block_op op, uint64_t offset, void *data,
	       uint32_t size)
{
	struct sync s = { .queue = &queues[(uintptr_t)uk_thread_self() / 256 % QUEUES] };
	struct uk_block_seg seg = { .data = data, .size = size };
	struct uk_block_req req = { .op = op,
				    .offset = offset,
				    .segs = &seg,
				    .seg_count = 1,
				    .done = sync_done,
				    .user = &s };

	uk_block_submit(dev, &req);
	(void)uk_wait_event(s.queue, s.done, UK_FOREVER, false);
	return req.status;
}

/* Stacks and device mappings are not in one piece of physical memory. */
static bool is_plain(const void *data)
{
	uintptr_t at = (uintptr_t)data;

	return (at >= UK_DIRECT_BASE && at < UK_DIRECT_BASE + UK_DIRECT_SIZE) ||
	       at >= UK_IMAGE_BASE;
}

static int run_through_page(struct uk_block_dev *dev, enum uk_block_op op, uint64_t offset,
			    uint8_t *data, size_t size)
{
	struct uk_page *page = uk_page_alloc(0, false);
	uint8_t *bounce;
	int result = 0;

	if (page == NULL)
		return -UK_ENOMEM;
	bounce = uk_page_virt(page);
	while (size != 0 && result == 0) {
		uint32_t part = (uint32_t)UK_MIN(size, (size_t)UK_PAGE_SIZE);

		if (op == UK_BLOCK_WRITE)
			memcpy(bounce, data, part);
		result = run(dev, op, offset, bounce, part);
		if (op == UK_BLOCK_READ && result == 0)
			memcpy(data, bounce, part);
		offset += part;
		data += part;
		size -= part;
	}
	uk_page_put(page);
	return result;
}

static int transfer(struct uk_block_dev *dev, enum uk_block_op op, uint64_t offset, uint8_t *data,
		    size_t size)
{
	if (size % SECTOR != 0)
		return -UK_EINVAL;
	if (!is_plain(data))
		return run_through_page(dev, op, offset, data, size);
	while (size != 0) {
		uint32_t part = (uint32_t)UK_MIN(size, (size_t)SYNC_MAX);
		int result = run(dev, op, offset, data, part);

		if (result != 0)
			return result;
		offset += part;
		data += part;
		size -= part;
	}
	return 0;
}

int uk_block_read(struct uk_block_dev *dev, uint64_t offset, void *data, size_t size)
{
	if (dev->memory != NULL) {
		if (offset > dev->size || size > dev->size - offset)
			return -UK_EINVAL;
		memcpy(data, (const uint8_t *)dev->memory + offset, size);
		return 0;
	}
	return transfer(dev, UK_BLOCK_READ, offset, data, size);
}

int uk_block_write(struct uk_block_dev *dev, uint64_t offset, const void *data, size_t size)
{
	return transfer(dev, UK_BLOCK_WRITE, offset, (uint8_t *)(uintptr_t)data, size);
}

int uk_block_flush(struct uk_block_dev *dev)
{
	return dev->read_only ? 0 : run(dev, UK_BLOCK_FLUSH, 0, NULL, 0);
}
