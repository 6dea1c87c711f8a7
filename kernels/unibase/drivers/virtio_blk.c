/*
 * Virtio block devices (Virtual I/O Device 1.2, section 5.2): many transfers in flight on one
 * queue. Each has a slot in memory that the device can reach: the request's head, its status, and a
 * table of descriptors for devices that take indirect ones. A transfer with more pieces than the
 * device takes is made in several turns.
 */
#include "drivers.h"
#include "virtio.h"
#include <uk/block.h>
#include <uk/lock.h>
#include <uk/log.h>
#include <uk/mem.h>

#define F_SIZE_MAX (1ull << 1)
#define F_SEG_MAX (1ull << 2)
#define F_READ_ONLY (1ull << 5)
#define F_BLOCK_SIZE (1ull << 6)
#define F_FLUSH (1ull << 9)

enum { CONFIG_CAPACITY = 0, CONFIG_SIZE_MAX = 8, CONFIG_SEG_MAX = 12, CONFIG_BLOCK_SIZE = 20 };
enum { TYPE_READ = 0, TYPE_WRITE = 1, TYPE_FLUSH = 4 };
enum { STATUS_OK = 0, STATUS_UNSUPPORTED = 2, STATUS_UNSET = 0xff };

#define SECTOR 512u
#define HEAD_SIZE 16
#define QUEUE_SIZE 128
#define SLOTS_ORDER 2 /* 16 KiB of slots */
#define PIECES_MAX (UK_BLOCK_SEGS + 2)

struct cursor {		   /* how far a transfer has come */
	uint64_t done;	   /* bytes in all */
	uint32_t seg_done; /* bytes of the segment */
	unsigned seg;
};

struct slot {
	struct uk_virtq_desc table[PIECES_MAX];
	uint32_t type, reserved; /* head, for the device */
	uint64_t sector;
	volatile uint8_t status;  /* by the device */
	struct uk_block_req *req; /* NULL: free */
	struct cursor at;
	struct slot *next;
};

struct disk {
	struct uk_block_dev block;
	struct uk_virtio_dev *dev;
	struct uk_virtq *queue;
	struct uk_spinlock lock;
	struct slot *slots;
	unsigned slot_count;
	struct slot *free;
	struct slot *stuck;	/* have a transfer, but the ring had no room for a turn */
	struct uk_list waiting; /* transfers without a slot */
	uint32_t seg_max;	/* pieces of data in a turn */
	uint32_t size_max;	/* bytes of a piece */
	bool can_flush;
};

static unsigned disk_count;

/* The next turn's pieces of data. */
static unsigned take_pieces(const struct disk *d, const struct uk_block_req *req, struct cursor *at,
			    struct uk_virtq_piece *out)
{
	unsigned count = 0;

	while (at->seg < req->seg_count && count < d->seg_max) {
		const struct uk_block_seg *seg = &req->segs[at->seg];
		uint32_t size = UK_MIN(seg->size - at->seg_done, d->size_max);

		out[count].paddr = uk_virt_to_phys((const uint8_t *)seg->data + at->seg_done);
		out[count].size = size;
		count++;
		at->done += size;
		at->seg_done += size;
		if (at->seg_done == seg->size) {
			at->seg++;
			at->seg_done = 0;
		}
	}
	return count;
}

/* Puts one turn of the slot's transfer into the ring; on an error the slot is as it was. */
static int start_turn(struct disk *d, struct slot *s)
{
	struct uk_virtq_piece pieces[PIECES_MAX];
	struct cursor at = s->at;
	bool write = s->req->op == UK_BLOCK_WRITE;
	unsigned count = 1;
	int result;

	s->type = write ? TYPE_WRITE : s->req->op == UK_BLOCK_READ ? TYPE_READ : TYPE_FLUSH;
	s->sector = s->type == TYPE_FLUSH ? 0 : (s->req->offset + at.done) / SECTOR;
	s->status = STATUS_UNSET;
	pieces[0].paddr = uk_virt_to_phys(&s->type);
	pieces[0].size = HEAD_SIZE;
	if (s->type != TYPE_FLUSH)
		count += take_pieces(d, s->req, &at, pieces + 1);
	pieces[count].paddr = uk_virt_to_phys((const void *)(uintptr_t)&s->status);
	pieces[count].size = 1;
	result = uk_virtq_add(d->queue, pieces, write ? count : 1, write ? 1 : count, s->table, s);
	if (result == 0)
		s->at = at;
	return result;
}

/* The transfer ends; its `done` is called when the lock is free again. */
static void end(struct disk *d, struct slot *s, int status, struct uk_list *ended)
{
	s->req->status = status;
	uk_list_push_back(ended, &s->req->item);
	s->req = NULL;
	s->next = d->free;
	d->free = s;
}

/* A turn, or the slot waits for the ring, or the transfer ends in an error. */
static void go_on(struct disk *d, struct slot *s, struct uk_list *ended)
{
	int result = start_turn(d, s);

	if (result == -UK_ENOSPC) {
		s->next = d->stuck;
		d->stuck = s;
	} else if (result != 0) {
		end(d, s, result, ended);
	}
}

static void refill(struct disk *d, struct uk_list *ended)
{
	struct slot *stuck = d->stuck;

	d->stuck = NULL;
	while (stuck != NULL) {
		struct slot *next = stuck->next;

		go_on(d, stuck, ended);
		stuck = next;
	}
	while (d->stuck == NULL && d->free != NULL && !uk_list_empty(&d->waiting)) {
		struct slot *s = d->free;

		s->req = uk_list_first(&d->waiting, struct uk_block_req, item);
		uk_list_remove(&s->req->item);
		s->at = (struct cursor){ 0 };
		d->free = s->next;
		go_on(d, s, ended);
	}
	uk_virtq_kick(d->queue);
}

static void tell(struct uk_list *ended)
{
	while (!uk_list_empty(ended)) {
		struct uk_block_req *req = uk_list_first(ended, struct uk_block_req, item);

		uk_list_remove(&req->item);
		req->done(req);
	}
}

static void submit(struct uk_block_dev *block, struct uk_block_req *req)
{
	struct disk *d = block->driver;
	struct uk_list ended;
	uint64_t state;

	if (req->op == UK_BLOCK_FLUSH && !d->can_flush) {
		req->done(req); /* what was written is written through */
		return;
	}
	uk_list_init(&ended);
	state = uk_spin_lock(&d->lock);
	uk_list_push_back(&d->waiting, &req->item);
	refill(d, &ended);
	uk_spin_unlock(&d->lock, state);
	tell(&ended);
}

static void turn_done(struct disk *d, struct slot *s, struct uk_list *ended)
{
	if (s->status != STATUS_OK)
		end(d, s, s->status == STATUS_UNSUPPORTED ? -UK_EOPNOTSUPP : -UK_EIO, ended);
	else if (s->req->op != UK_BLOCK_FLUSH && s->at.seg < s->req->seg_count)
		go_on(d, s, ended);
	else
		end(d, s, 0, ended);
}

/* The device broke the rules: after a reset it touches no memory, and nothing more will come. */
static void give_up(struct disk *d, struct uk_list *ended)
{
	d->dev->transport->set_status(d->dev, 0);
	d->stuck = NULL;
	for (unsigned i = 0; i < d->slot_count; i++)
		if (d->slots[i].req != NULL)
			end(d, &d->slots[i], -UK_EIO, ended);
}

static void queue_done(struct uk_virtq *q)
{
	struct disk *d = q->dev->driver;
	struct uk_list ended;
	struct slot *s;
	uint64_t state;

	uk_list_init(&ended);
	state = uk_spin_lock(&d->lock);
	while ((s = uk_virtq_take(q)) != NULL)
		turn_done(d, s, &ended);
	if (q->broken)
		give_up(d, &ended);
	refill(d, &ended);
	uk_spin_unlock(&d->lock, state);
	tell(&ended);
}

static uint64_t read_capacity(struct uk_virtio_dev *dev)
{
	uint64_t sectors;

	uk_virtio_config(dev, CONFIG_CAPACITY, &sectors, sizeof(sectors));
	return sectors > INT64_MAX / SECTOR ? 0 : sectors * SECTOR;
}

static void config_changed(struct uk_virtio_dev *dev)
{
	struct disk *d = dev->driver;

	d->block.size = read_capacity(dev);
	if (d->block.changed != NULL)
		d->block.changed(&d->block);
}

static bool make_slots(struct disk *d)
{
	struct uk_page *page = uk_page_alloc(SLOTS_ORDER, true);

	if (page == NULL)
		return false;
	d->slots = uk_page_virt(page);
	d->slot_count = (UK_PAGE_SIZE << SLOTS_ORDER) / sizeof(*d->slots);
	for (unsigned i = 0; i < d->slot_count; i++) {
		d->slots[i].next = d->free;
		d->free = &d->slots[i];
	}
	return true;
}

/* What one request may hold: bounded by the device's word and by the ring, which no chain may
 * exceed, through a table or not (2.7.5.3.1). */
static int read_limits(struct disk *d)
{
	uint32_t v;

	if (d->queue->size < 3)
		return -UK_EPROTO;
	d->seg_max = UK_MIN(d->queue->size - 2u, (uint32_t)UK_BLOCK_SEGS);
	if ((d->dev->features & F_SEG_MAX) != 0) {
		uk_virtio_config(d->dev, CONFIG_SEG_MAX, &v, sizeof(v));
		d->seg_max = UK_MIN(d->seg_max, UK_MAX(v, 1u));
	}
	d->size_max = UINT32_MAX & ~(SECTOR - 1);
	if ((d->dev->features & F_SIZE_MAX) != 0) {
		uk_virtio_config(d->dev, CONFIG_SIZE_MAX, &v, sizeof(v));
		d->size_max = v & ~(SECTOR - 1);
	}
	if ((d->dev->features & F_BLOCK_SIZE) != 0) {
		uk_virtio_config(d->dev, CONFIG_BLOCK_SIZE, &v, sizeof(v));
		if (v != SECTOR) /* everything above counts in 512 */
			return -UK_EOPNOTSUPP;
	}
	return d->size_max == 0 ? -UK_EPROTO : 0;
}

static int open_disk(struct disk *d)
{
	struct uk_virtio_dev *dev = d->dev;
	int result = uk_virtio_negotiate(dev, F_SIZE_MAX | F_SEG_MAX | F_READ_ONLY | F_BLOCK_SIZE |
						      F_FLUSH);

	if (result != 0)
		return result;
	d->queue = uk_virtq_open(dev, 0, QUEUE_SIZE, queue_done);
	if (d->queue == NULL || !make_slots(d))
		return -UK_ENOMEM;
	result = read_limits(d);
	if (result != 0)
		return result;
	d->block.size = read_capacity(dev);
	d->block.read_only = (dev->features & F_READ_ONLY) != 0;
	d->can_flush = (dev->features & F_FLUSH) != 0;
	return 0;
}

static const struct uk_block_ops operations = { .submit = submit };

static int start(struct uk_virtio_dev *dev)
{
	struct disk *d = uk_alloc(sizeof(*d));
	int result;

	if (d == NULL)
		return -UK_ENOMEM;
	d->dev = dev;
	dev->driver = d;
	uk_list_init(&d->waiting);
	result = open_disk(d);
	if (result != 0)
		return result;
	dev->config_changed = config_changed;
	uk_virtio_ready(dev);
	d->block.ops = &operations;
	d->block.driver = d;
	uk_snprintf(d->block.name, sizeof(d->block.name), "vd%c", (char)('a' + disk_count++ % 26));
	uk_block_register(&d->block);
	return 0;
}

const struct uk_virtio_driver uk_virtio_blk = { .name = "virtio-blk",
						.id = UK_VIRTIO_BLOCK,
						.start = start };
