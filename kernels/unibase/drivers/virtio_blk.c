/*
 * Virtio block devices (Virtual I/O Device 1.2, section 5.2): many transfers in flight on one
 * queue. Each has a slot in memory that the device can reach: the request's head, its status, and a
 * table of descriptors for devices that take indirect ones. A transfer with more pieces than the
 * device takes is made in several turns.
 */
#include "drivers.h"
#include "turns.h"
#include "virtio.h"
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

struct slot { /* what the device reads and writes for one transfer */
	struct uk_virtq_desc table[PIECES_MAX];
	uint32_t type, reserved; /* head, for the device */
	uint64_t sector;
	volatile uint8_t status; /* by the device */
};

struct disk {
	struct uk_block_dev block;
	struct uk_virtio_dev *dev;
	struct uk_virtq *queue;
	struct uk_turns turns;
	struct slot *slots;
	uint32_t seg_max;  /* pieces of data in a turn */
	uint32_t size_max; /* bytes of a piece */
	bool can_flush;
};

static unsigned disk_count;

/* The turn's pieces of data. */
static unsigned take_pieces(const struct disk *d, struct uk_turn *turn, struct uk_virtq_piece *out)
{
	unsigned count = 0;

	while (count < d->seg_max && uk_turn_next(turn, &out[count].paddr, &out[count].size)) {
		out[count].size = UK_MIN(out[count].size, d->size_max);
		uk_turn_take(turn, out[count].size);
		count++;
	}
	return count;
}

static int start_turn(struct uk_turns *t, struct uk_turn *turn)
{
	struct disk *d = uk_container(t, struct disk, turns);
	struct slot *s = &d->slots[uk_turn_index(t, turn)];
	struct uk_virtq_piece pieces[PIECES_MAX];
	bool write = turn->req->op == UK_BLOCK_WRITE;
	unsigned count = 1;

	s->type = write ? TYPE_WRITE : turn->req->op == UK_BLOCK_READ ? TYPE_READ : TYPE_FLUSH;
	s->sector = s->type == TYPE_FLUSH ? 0 : (turn->req->offset + turn->done) / SECTOR;
	s->status = STATUS_UNSET;
	pieces[0].paddr = uk_virt_to_phys(&s->type);
	pieces[0].size = HEAD_SIZE;
	if (s->type != TYPE_FLUSH)
		count += take_pieces(d, turn, pieces + 1);
	pieces[count].paddr = uk_virt_to_phys((const void *)(uintptr_t)&s->status);
	pieces[count].size = 1;
	return uk_virtq_add(d->queue, pieces, write ? count : 1, write ? 1 : count, s->table, turn);
}

static void kick(struct uk_turns *t)
{
	uk_virtq_kick(uk_container(t, struct disk, turns)->queue);
}

/* It is silent, or breaks the rules: after a reset it touches no memory. */
static void give_up(struct uk_turns *t)
{
	struct disk *d = uk_container(t, struct disk, turns);

	d->dev->transport->set_status(d->dev, 0);
}

static void submit(struct uk_block_dev *block, struct uk_block_req *req)
{
	struct disk *d = block->driver;

	if (req->op == UK_BLOCK_FLUSH && !d->can_flush)
		req->done(req); /* what was written is written through */
	else
		uk_turns_submit(&d->turns, block, req);
}

static int error_of(const struct disk *d, const struct uk_turn *turn)
{
	uint8_t status = d->slots[uk_turn_index(&d->turns, turn)].status;

	return status == STATUS_OK ? 0 : status == STATUS_UNSUPPORTED ? -UK_EOPNOTSUPP : -UK_EIO;
}

static void queue_done(struct uk_virtq *q)
{
	struct disk *d = q->dev->driver;
	struct uk_turns_work work;
	struct uk_turn *turn;

	uk_turns_begin(&d->turns, &work);
	/* What a device gives back when it is reset has been told of already. */
	while (!d->turns.dead && (turn = uk_virtq_take(q)) != NULL)
		uk_turns_done(&d->turns, &work, turn, error_of(d, turn));
	if (q->broken && !d->turns.dead) {
		give_up(&d->turns);
		uk_turns_fail(&d->turns, &work);
	}
	uk_turns_finish(&d->turns, &work);
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

static int make_slots(struct disk *d)
{
	struct uk_page *page = uk_page_alloc(SLOTS_ORDER, true);

	if (page == NULL)
		return -UK_ENOMEM;
	d->slots = uk_page_virt(page);
	d->turns.start = start_turn;
	d->turns.kick = kick;
	d->turns.stop = give_up;
	return uk_turns_open(&d->turns, (UK_PAGE_SIZE << SLOTS_ORDER) / sizeof(*d->slots));
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
	if (d->queue == NULL || make_slots(d) != 0)
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

static void remove(struct uk_block_dev *block)
{
	struct disk *d = block->driver;

	uk_virtio_remove(d->dev);
	uk_turns_close(&d->turns);
	uk_page_put(uk_page_of(uk_virt_to_phys(d->slots)));
	uk_free(d);
}

static int start(struct uk_virtio_dev *dev)
{
	struct disk *d = uk_alloc(sizeof(*d));
	int result;

	if (d == NULL)
		return -UK_ENOMEM;
	d->dev = dev;
	dev->driver = d;
	result = open_disk(d);
	if (result != 0)
		return result;
	dev->config_changed = config_changed;
	uk_virtio_ready(dev);
	d->block.ops = &operations;
	d->block.driver = d;
	d->block.remove = dev->remove != NULL ? remove : NULL;
	uk_snprintf(d->block.name, sizeof(d->block.name), "vd%c", (char)('a' + disk_count++ % 26));
	uk_block_register(&d->block);
	return 0;
}

const struct uk_virtio_driver uk_virtio_blk = { .name = "virtio-blk",
						.id = UK_VIRTIO_BLOCK,
						.start = start };
UK_VIRTIO_DRIVER(uk_virtio_blk);
