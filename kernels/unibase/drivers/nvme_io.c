/*
 * Reading, writing and flushing NVMe namespaces (NVM Command Set, 1.4). Memory is told to the
 * controller by its pages: only a command's first page may be entered in its middle, and only its
 * last left there, so that a transfer whose pieces lie otherwise is made in several turns.
 */
#include "nvme.h"
#include <uk/log.h>
#include <uk/mem.h>

enum { IO_FLUSH = 0, IO_WRITE = 1, IO_READ = 2 };
enum {
	STATUS_WRITE_PROTECTED = 0x20,
	SECTOR = 512,
	LIST = 64, /* entries of a slot's list: 512 bytes, which lie in one page */
	LISTS_ORDER = 3,
};
_Static_assert(LIST * sizeof(uint64_t) * NVME_RING_MAX == UK_PAGE_SIZE << LISTS_ORDER, "lists");

struct cursor { /* how far a transfer has come */
	uint64_t done;
	uint32_t seg_done;
	unsigned seg;
};

struct nvme_slot {
	uint64_t *list;
	struct uk_block_req *req; /* NULL: free */
	const struct nvme_namespace *of;
	struct cursor at;
	struct nvme_slot *next;
};

/* The pages of one turn. */
struct turn {
	uint64_t first;
	uint64_t *list;
	unsigned pages;
	uint32_t size;
};

/* Adds of a piece what the turn can hold; false when the turn ends with it. */
static bool take_piece(struct turn *t, uint32_t most, uint64_t at, uint32_t size, uint32_t *taken)
{
	if (t->pages != 0 && at % NVME_PAGE != 0)
		return false;
	while (*taken < size && t->pages <= LIST && t->size < most) {
		uint32_t part = UK_MIN(NVME_PAGE - (uint32_t)(at % NVME_PAGE), size - *taken);

		part = UK_MIN(part, most - t->size);
		if (t->pages == 0)
			t->first = at;
		else
			t->list[t->pages - 1] = at;
		t->pages++;
		t->size += part;
		*taken += part;
		at += part;
	}
	return *taken == size && at % NVME_PAGE == 0;
}

static void take_pages(struct nvme_slot *s, uint32_t most, struct turn *t)
{
	const struct uk_block_req *req = s->req;
	bool more = true;

	while (more && s->at.seg < req->seg_count) {
		const struct uk_block_seg *seg = &req->segs[s->at.seg];
		uint64_t at = uk_virt_to_phys((const uint8_t *)seg->data + s->at.seg_done);
		uint32_t taken = 0;

		more = take_piece(t, most, at, seg->size - s->at.seg_done, &taken);
		s->at.done += taken;
		s->at.seg_done += taken;
		if (s->at.seg_done == seg->size) {
			s->at.seg++;
			s->at.seg_done = 0;
		}
	}
}

/* A slot is an entry of the ring: there is room. */
static int start_turn(struct nvme *n, struct nvme_slot *s)
{
	const struct uk_block_req *req = s->req;
	struct nvme_command c = { .opcode = IO_FLUSH,
				  .id = (uint16_t)(s - n->slots),
				  .namespace = s->of->id };

	if (req->op != UK_BLOCK_FLUSH) {
		uint64_t sector = (req->offset + s->at.done) / SECTOR;
		struct turn t = { .list = s->list };

		take_pages(s, n->transfer_max, &t);
		if (t.size == 0 || t.size % SECTOR != 0 || t.first % 4 != 0)
			return -UK_EINVAL;
		c.opcode = req->op == UK_BLOCK_WRITE ? IO_WRITE : IO_READ;
		c.prp[0] = t.first;
		c.prp[1] = t.pages == 2 ? t.list[0] : t.pages > 2 ? uk_virt_to_phys(t.list) : 0;
		c.dword[0] = (uint32_t)sector;
		c.dword[1] = (uint32_t)(sector >> 32);
		c.dword[2] = t.size / SECTOR - 1;
	}
	nvme_ring_add(&n->io, &c);
	return 0;
}

/* The transfer ends; its `done` is called when the lock is free again. */
static void end(struct nvme *n, struct nvme_slot *s, int status, struct uk_list *ended)
{
	s->req->status = status;
	uk_list_push_back(ended, &s->req->item);
	s->req = NULL;
	s->next = n->free;
	n->free = s;
}

static void go_on(struct nvme *n, struct nvme_slot *s, struct uk_list *ended)
{
	int result = start_turn(n, s);

	if (result != 0)
		end(n, s, result, ended);
}

static void refill(struct nvme *n, struct uk_list *ended)
{
	while (n->free != NULL && !uk_list_empty(&n->waiting)) {
		struct nvme_slot *s = n->free;

		s->req = uk_list_first(&n->waiting, struct uk_block_req, item);
		uk_list_remove(&s->req->item);
		s->of = s->req->driver;
		s->at = (struct cursor){ 0 };
		n->free = s->next;
		if (n->dead)
			end(n, s, -UK_EIO, ended);
		else
			go_on(n, s, ended);
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

static void submit(struct uk_block_dev *block, struct uk_block_req *req)
{
	struct nvme_namespace *of = block->driver;
	struct nvme *n = of->nvme;
	struct uk_list ended;
	uint16_t tail;
	uint64_t state;

	if (req->op == UK_BLOCK_FLUSH && !n->can_flush) {
		req->done(req); /* it has no cache that could lose something */
		return;
	}
	req->driver = of;
	uk_list_init(&ended);
	state = uk_spin_lock(&n->lock);
	tail = n->io.tail;
	uk_list_push_back(&n->waiting, &req->item);
	refill(n, &ended);
	if (n->io.tail != tail)
		nvme_ring_kick(&n->io);
	uk_spin_unlock(&n->lock, state);
	tell(&ended);
}

const struct uk_block_ops nvme_operations = { .submit = submit };

static void turn_done(struct nvme *n, struct nvme_slot *s, uint16_t status, struct uk_list *ended)
{
	if ((status & 0x7ff) != 0)
		end(n, s, (status & 0x7ff) == STATUS_WRITE_PROTECTED ? -UK_EROFS : -UK_EIO, ended);
	else if (s->req->op != UK_BLOCK_FLUSH && s->at.seg < s->req->seg_count)
		go_on(n, s, ended);
	else
		end(n, s, 0, ended);
}

/* The controller broke the rules: stopped, it touches no memory, and nothing more will come. */
static void give_up(struct nvme *n, struct uk_list *ended)
{
	uk_log(UK_LOG_ERROR, "nvme%u: answers what nobody asked, and is stopped", n->number);
	nvme_stop(n);
	n->dead = true;
	for (unsigned i = 0; i < n->slot_count; i++)
		if (n->slots[i].req != NULL)
			end(n, &n->slots[i], -UK_EIO, ended);
}

void nvme_interrupt(void *arg)
{
	struct nvme *n = arg;
	struct nvme_completion c;
	struct uk_list ended;
	uint16_t tail;
	uint64_t state;

	uk_list_init(&ended);
	state = uk_spin_lock(&n->lock);
	tail = n->io.tail;
	while (!n->dead && nvme_ring_take(&n->io, &c)) {
		if (c.id < n->slot_count && n->slots[c.id].req != NULL)
			turn_done(n, &n->slots[c.id], c.status, &ended);
		else
			give_up(n, &ended);
	}
	refill(n, &ended);
	if (n->io.tail != tail && !n->dead)
		nvme_ring_kick(&n->io);
	uk_spin_unlock(&n->lock, state);
	tell(&ended);
}

int nvme_io_start(struct nvme *n)
{
	struct uk_page *lists = uk_page_alloc(LISTS_ORDER, false);

	/* One entry of a ring stays empty: full and empty would look the same. */
	n->slot_count = n->io.size - 1u;
	n->slots = uk_alloc(n->slot_count * sizeof(*n->slots));
	if (lists == NULL || n->slots == NULL)
		return -UK_ENOMEM;
	for (unsigned i = 0; i < n->slot_count; i++) {
		n->slots[i].list = (uint64_t *)uk_page_virt(lists) + (size_t)i * LIST;
		n->slots[i].next = n->free;
		n->free = &n->slots[i];
	}
	return 0;
}
