/*
 * Disks: the frontend of Xen's block protocol (public/io/blkif.h). All data goes through frames
 * that were granted once (feature-persistent): the backend maps them once, needs no invalidation
 * for a transfer, and buffers may lie anywhere. A transfer that needs more than a request holds, or
 * more frames than are free, is made in several turns.
 */
#include "xen.h"
#include <uk/block.h>
#include <uk/lock.h>
#include <uk/log.h>

#define SECTOR 512u
#define SECTORS_PER_FRAME (UK_PAGE_SIZE / SECTOR)
#define SEGMENTS 11
#define SLOTS 32
#define FRAMES_MAX 128
#define FRAMES_SMALL 32 /* in a machine of less than 32 MiB */

enum { OP_READ = 0, OP_WRITE = 1, OP_FLUSH = 3 };
enum { STATUS_OK = 0, STATUS_UNSUPPORTED = -2 };
enum { INFO_CDROM = 1, INFO_READ_ONLY = 4 };

struct segment {
	uint32_t grant;
	uint8_t first, last; /* sectors of the frame */
	uint16_t pad;
};

struct request {
	uint8_t op, segments;
	uint16_t disk;
	uint32_t pad;
	uint64_t id;
	uint64_t sector;
	struct segment segment[SEGMENTS];
};
_Static_assert(sizeof(struct request) == 112, "public/io/blkif.h");

struct response {
	uint64_t id;
	uint8_t op, pad;
	int16_t status;
	uint32_t pad2;
};
_Static_assert(sizeof(struct response) == 16, "public/io/blkif.h");

struct frame {
	struct uk_page *page; /* NULL: given back */
	uint8_t *data;
	uint32_t grant;
};

struct slot {
	struct uk_block_req *req; /* NULL: free */
	uint64_t offset;	  /* of this turn in the transfer */
	uint32_t size;		  /* of this turn */
	uint16_t frames[SEGMENTS];
};

struct disk {
	struct uk_block_dev block;
	struct uk_xen_dev *dev;
	struct uk_xen_ring ring;
	struct uk_spinlock lock;
	uint32_t port;
	bool can_flush;
	bool gone;
	struct uk_list waiting; /* transfers, the first maybe begun */
	uint64_t begun;		/* bytes of that one whose turns are under way */
	struct slot slots[SLOTS];
	struct frame frames[FRAMES_MAX];
	unsigned frame_count;
	uint16_t free[FRAMES_MAX]; /* frames */
	unsigned free_count;
};

/* How much of a transfer is still under way is told by the slots that carry it. */
static bool busy(const struct disk *d, const struct uk_block_req *req)
{
	for (unsigned i = 0; i < SLOTS; i++)
		if (d->slots[i].req == req)
			return true;
	return false;
}

static uint64_t size_of(const struct uk_block_req *req)
{
	uint64_t size = 0;

	for (unsigned i = 0; i < req->seg_count; i++)
		size += req->segs[i].size;
	return size;
}

/* Between the turn's frames and the transfer's buffers. */
static void copy_turn(struct disk *d, const struct slot *s, bool out)
{
	uint64_t skip = s->offset;
	uint32_t done = 0;

	for (unsigned i = 0; i < s->req->seg_count && done < s->size; i++) {
		const struct uk_block_seg *seg = &s->req->segs[i];
		uint64_t at = UK_MIN(skip, (uint64_t)seg->size);

		skip -= at;
		while (at < seg->size && done < s->size) {
			uint32_t inside = done % UK_PAGE_SIZE;
			uint32_t part = (uint32_t)UK_MIN(seg->size - at, UK_PAGE_SIZE - inside);
			uint8_t *frame = d->frames[s->frames[done / UK_PAGE_SIZE]].data + inside;
			uint8_t *data = (uint8_t *)seg->data + at;

			part = UK_MIN(part, s->size - done);
			memcpy(out ? frame : data, out ? data : frame, part);
			at += part;
			done += part;
		}
	}
}

/* Puts the next turn of the transfer into slot `id`. */
static void start_turn(struct disk *d, unsigned id, struct uk_block_req *req, uint64_t left)
{
	struct slot *s = &d->slots[id];
	struct request r = { .disk = 0, .id = id, .sector = (req->offset + d->begun) / SECTOR };

	r.op = req->op == UK_BLOCK_WRITE ? OP_WRITE : req->op == UK_BLOCK_READ ? OP_READ : OP_FLUSH;
	s->req = req;
	s->offset = d->begun;
	s->size = 0;
	while (left != 0 && d->free_count != 0 && r.segments < SEGMENTS) {
		uint32_t part = (uint32_t)UK_MIN(left, UK_PAGE_SIZE);
		uint16_t frame = d->free[--d->free_count];

		s->frames[r.segments] = frame;
		r.segment[r.segments++] = (struct segment){ .grant = d->frames[frame].grant,
							    .last = (uint8_t)(part / SECTOR - 1) };
		s->size += part;
		left -= part;
	}
	if (r.op == OP_WRITE)
		copy_turn(d, s, true);
	if (r.op == OP_FLUSH)
		r.sector = 0;
	d->begun += s->size;
	uk_xen_ring_put(&d->ring, &r, sizeof(r));
}

/* The lock is held: as many turns as ring and frames permit. */
static void refill(struct disk *d)
{
	struct uk_block_req *req;

	for (unsigned id = 0; id < SLOTS && uk_xen_ring_room(&d->ring) != 0; id++) {
		uint64_t left;

		req = uk_list_first(&d->waiting, struct uk_block_req, item);
		if (req == NULL)
			break;
		left = req->op == UK_BLOCK_FLUSH ? 0 : size_of(req) - d->begun;
		if (d->slots[id].req != NULL)
			continue;
		if (left != 0 && d->free_count == 0)
			break;
		start_turn(d, id, req, left);
		if (req->op == UK_BLOCK_FLUSH || d->begun == size_of(req)) {
			uk_list_remove(&req->item);
			d->begun = 0;
		}
	}
	if (uk_xen_ring_show(&d->ring))
		uk_xen_event_send(d->port);
}

/* A transfer with nothing more to do or to begin goes to the list of those that ended. */
static void settle(struct disk *d, struct uk_block_req *req, struct uk_list *ended)
{
	bool first = uk_list_first(&d->waiting, struct uk_block_req, item) == req;

	if (first && req->status != 0) { /* no further turns */
		uk_list_remove(&req->item);
		d->begun = 0;
		first = false;
	}
	if (!first && !busy(d, req))
		uk_list_push_back(ended, &req->item);
}

static void end_turn(struct disk *d, struct slot *s, int status, struct uk_list *ended)
{
	struct uk_block_req *req = s->req;

	if (status == 0 && req->op == UK_BLOCK_READ)
		copy_turn(d, s, false);
	for (uint32_t at = 0; at < s->size; at += UK_PAGE_SIZE)
		d->free[d->free_count++] = s->frames[at / UK_PAGE_SIZE];
	if (status != 0)
		req->status = status;
	s->req = NULL;
	settle(d, req, ended);
}

static void fail_all(struct disk *d, struct uk_list *ended)
{
	for (unsigned i = 0; i < SLOTS; i++)
		if (d->slots[i].req != NULL)
			end_turn(d, &d->slots[i], -UK_EIO, ended);
	while (!uk_list_empty(&d->waiting)) {
		struct uk_block_req *req = uk_list_first(&d->waiting, struct uk_block_req, item);

		uk_list_remove(&req->item);
		req->status = -UK_EIO;
		uk_list_push_back(ended, &req->item);
	}
}

static void tell(struct uk_list *ended)
{
	while (!uk_list_empty(ended)) {
		struct uk_block_req *req = uk_list_first(ended, struct uk_block_req, item);

		uk_list_remove(&req->item);
		req->done(req);
	}
}

/* The lock was taken with `state`; what ended is told of without it. */
static void go_on(struct disk *d, uint64_t state, struct uk_list *ended)
{
	if (d->ring.broken)
		d->gone = true;
	if (d->gone)
		fail_all(d, ended);
	else
		refill(d);
	uk_spin_unlock(&d->lock, state);
	tell(ended);
}

static void submit(struct uk_block_dev *block, struct uk_block_req *req)
{
	struct disk *d = block->driver;
	struct uk_list ended = UK_LIST_INIT(ended);
	uint64_t state;

	if (req->op == UK_BLOCK_FLUSH && !d->can_flush) {
		req->done(req); /* what was written is written through */
		return;
	}
	state = uk_spin_lock(&d->lock);
	uk_list_push_back(&d->waiting, &req->item);
	go_on(d, state, &ended);
}

static void respond(void *arg)
{
	struct disk *d = arg;
	struct uk_list ended = UK_LIST_INIT(ended);
	uint64_t state = uk_spin_lock(&d->lock);
	struct response r;

	while (uk_xen_ring_take(&d->ring, &r, sizeof(r), 1)) {
		if (r.id >= SLOTS || d->slots[r.id].req == NULL) {
			uk_xen_ring_break(&d->ring, "answered a request that there is not");
			break;
		}
		end_turn(d, &d->slots[r.id],
			 r.status == STATUS_OK		  ? 0
			 : r.status == STATUS_UNSUPPORTED ? -UK_EOPNOTSUPP
							  : -UK_EIO,
			 &ended);
	}
	go_on(d, state, &ended);
}

static bool make_frames(struct disk *d)
{
	unsigned wanted = uk_mem_total() < (32ull << 20) ? FRAMES_SMALL : FRAMES_MAX;

	while (d->frame_count < wanted) {
		struct frame *f = &d->frames[d->frame_count];
		struct uk_page *page = uk_page_alloc(0, false);
		int grant = page != NULL ? uk_xen_grant(d->dev->backend_id, page) : -UK_ENOMEM;

		if (grant < 0) {
			if (page != NULL)
				uk_page_put(page);
			break;
		}
		*f = (struct frame){ page, uk_page_virt(page), (uint32_t)grant };
		d->free[d->free_count++] = (uint16_t)d->frame_count++;
	}
	return d->frame_count >= SEGMENTS;
}

static int blk_open(struct uk_xen_dev *dev)
{
	struct disk *d = uk_alloc(sizeof(*d));
	int result;

	if (d == NULL)
		return -UK_ENOMEM;
	d->dev = dev;
	dev->data = d;
	uk_list_init(&d->waiting);
	if (!make_frames(d))
		return -UK_ENOMEM;
	result = uk_xen_ring_open(&d->ring, dev, sizeof(struct request), "ring-ref");
	if (result != 0)
		return result;
	result = uk_xen_event_new(dev->backend_id, respond, d);
	if (result < 0)
		return result;
	d->port = (uint32_t)result;
	result = uk_xen_write(dev->path, "event-channel", "%u", d->port);
	if (result == 0)
		result = uk_xen_write(dev->path, "protocol", "x86_64-abi");
	if (result == 0)
		result = uk_xen_write(dev->path, "feature-persistent", "1");
	return result;
}

static uint64_t read_size(const struct uk_xen_dev *dev)
{
	uint64_t sectors = uk_xen_read_number(dev->backend, "sectors", 0);

	return sectors > INT64_MAX / SECTOR ? 0 : sectors * SECTOR;
}

/* The toolstack's number for what it calls xvda1, hda1 or, in the extended form, any other disk
 * (docs/man/xen-vbd-interface): all are named xvd here. */
static void name_disk(struct disk *d)
{
	uint32_t number = d->dev->number, major = number >> 8;
	uint32_t bits = (number >> 28 & 1) ? 8 : major == 3 || major == 22 ? 6 : 4;
	uint32_t minor = (number >> 28 & 1) ? number & 0xfffffff : number & 0xff;
	uint32_t disk = (minor >> bits) + (major == 22 ? 2 : 0);
	uint32_t part = minor & ((1u << bits) - 1);
	int at =
		uk_snprintf(d->block.name, sizeof(d->block.name), "xvd%c", (char)('a' + disk % 26));

	if (part != 0)
		uk_snprintf(d->block.name + at, sizeof(d->block.name) - (size_t)at, "%u", part);
}

/* Nothing is in flight. What the backend may know of stays until it has closed the device, which
 * it does when the toolstack takes the disk away. */
static void blk_remove(struct uk_block_dev *block)
{
	struct disk *d = block->driver;

	d->gone = true;
	d->dev->in_use = false;
	uk_xen_bus_wake();
}

static bool blk_release(struct uk_xen_dev *dev)
{
	struct disk *d = dev->data;
	bool whole;

	if (d->port != 0)
		uk_xen_event_close(d->port);
	d->port = 0;
	whole = uk_xen_ring_close(&d->ring);
	for (unsigned i = 0; i < d->frame_count; i++) {
		struct frame *f = &d->frames[i];

		if (f->page == NULL)
			continue;
		if (!uk_xen_grant_end(f->grant)) {
			whole = false;
			continue;
		}
		uk_page_put(f->page);
		f->page = NULL;
	}
	if (whole)
		uk_free(d);
	return whole;
}

static int blk_connect(struct uk_xen_dev *dev)
{
	static const struct uk_block_ops operations = { .submit = submit };
	struct disk *d = dev->data;
	uint64_t info = uk_xen_read_number(dev->backend, "info", 0);
	char mode[4];

	d->block.size = read_size(dev);
	d->block.read_only = (info & (INFO_CDROM | INFO_READ_ONLY)) != 0 ||
			     uk_xen_read(dev->backend, "mode", mode, sizeof(mode)) < 0 ||
			     mode[0] != 'w';
	d->can_flush = uk_xen_read_number(dev->backend, "feature-flush-cache", 0) == 1;
	d->block.ops = &operations;
	d->block.driver = d;
	d->block.remove = dev->plugged ? blk_remove : NULL;
	name_disk(d);
	dev->in_use = true;
	uk_block_register(&d->block);
	return 0;
}

/* A disk that was resized announces it by being connected once more. */
static void blk_changed(struct uk_xen_dev *dev, enum uk_xen_state backend)
{
	struct disk *d = dev->data;
	uint64_t size;

	if (backend == UK_XEN_CONNECTED) {
		size = read_size(dev);
		if (size == d->block.size)
			return;
		d->block.size = size;
		if (d->block.changed != NULL)
			d->block.changed(&d->block);
	} else if (backend == UK_XEN_CLOSING || backend == UK_XEN_CLOSED) {
		struct uk_list ended = UK_LIST_INIT(ended);
		uint64_t state = uk_spin_lock(&d->lock);

		uk_log(UK_LOG_WARN, "%s was taken away", d->block.name);
		d->gone = true;
		go_on(d, state, &ended);
	}
}

const struct uk_xen_driver uk_xen_blk = { .name = "vbd",
					  .opened = UK_XEN_INITIALISED,
					  .open = blk_open,
					  .connect = blk_connect,
					  .changed = blk_changed,
					  .release = blk_release };
