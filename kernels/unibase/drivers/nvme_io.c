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

static struct nvme *nvme_of(struct uk_turns *t)
{
	return uk_container(t, struct nvme, turns);
}

/* The pages of one turn. */
struct pages {
	uint64_t first;
	uint64_t *list;
	unsigned count;
	uint32_t size;
};

static void take_pages(struct uk_turn *turn, uint32_t most, struct pages *p)
{
	uint64_t paddr;
	uint32_t size;

	while (p->count <= LIST && p->size < most && uk_turn_next(turn, &paddr, &size)) {
		if (p->count != 0 && paddr % NVME_PAGE != 0)
			return;
		size = UK_MIN(size, NVME_PAGE - (uint32_t)(paddr % NVME_PAGE));
		size = UK_MIN(size, most - p->size);
		if (p->count == 0)
			p->first = paddr;
		else
			p->list[p->count - 1] = paddr;
		p->count++;
		p->size += size;
		uk_turn_take(turn, size);
		if ((paddr + size) % NVME_PAGE != 0)
			return;
	}
}

static void stop(struct uk_turns *t)
{
	nvme_stop(nvme_of(t));
}

/* A slot is an entry of the ring: there is room. */
static int start_turn(struct uk_turns *t, struct uk_turn *turn)
{
	struct nvme *n = nvme_of(t);
	const struct nvme_namespace *of = turn->dev->driver;
	unsigned slot = uk_turn_index(t, turn);
	struct nvme_command c = { .opcode = IO_FLUSH, .id = (uint16_t)slot, .namespace = of->id };

	if (turn->req->op != UK_BLOCK_FLUSH) {
		uint64_t sector = (turn->req->offset + turn->done) / SECTOR;
		struct pages p = { .list = n->lists + (size_t)slot * LIST };

		take_pages(turn, n->transfer_max, &p);
		if (p.size == 0 || p.size % SECTOR != 0 || p.first % 4 != 0)
			return -UK_EINVAL;
		c.opcode = turn->req->op == UK_BLOCK_WRITE ? IO_WRITE : IO_READ;
		c.prp[0] = p.first;
		c.prp[1] = p.count == 2 ? p.list[0] : p.count > 2 ? uk_virt_to_phys(p.list) : 0;
		c.dword[0] = (uint32_t)sector;
		c.dword[1] = (uint32_t)(sector >> 32);
		c.dword[2] = p.size / SECTOR - 1;
	}
	nvme_ring_add(&n->io, &c);
	return 0;
}

static void kick(struct uk_turns *t)
{
	if (!t->dead)
		nvme_ring_kick(&nvme_of(t)->io);
}

static void submit(struct uk_block_dev *block, struct uk_block_req *req)
{
	struct nvme_namespace *of = block->driver;

	if (req->op == UK_BLOCK_FLUSH && !of->nvme->can_flush)
		req->done(req); /* it has no cache that could lose something */
	else
		uk_turns_submit(&of->nvme->turns, block, req);
}

const struct uk_block_ops nvme_operations = { .submit = submit };

/* Type and code, without "more" and "do not retry". */
static int error_of(uint16_t status)
{
	status &= 0x7ff;
	return status == 0 ? 0 : status == STATUS_WRITE_PROTECTED ? -UK_EROFS : -UK_EIO;
}

/* The controller broke the rules: stopped, it touches no memory, and nothing more will come. */
static void give_up(struct nvme *n, struct uk_turns_work *work)
{
	uk_log(UK_LOG_ERROR, "nvme%u: answers what nobody asked, and is stopped", n->number);
	nvme_stop(n);
	uk_turns_fail(&n->turns, work);
}

void nvme_interrupt(void *arg)
{
	struct nvme *n = arg;
	struct nvme_completion c;
	struct uk_turns_work work;

	uk_turns_begin(&n->turns, &work);
	while (!n->turns.dead && nvme_ring_take(&n->io, &c)) {
		struct uk_turn *turn = uk_turns_slot(&n->turns, c.id);

		if (turn != NULL)
			uk_turns_done(&n->turns, &work, turn, error_of(c.status));
		else
			give_up(n, &work);
	}
	uk_turns_finish(&n->turns, &work);
}

int nvme_io_start(struct nvme *n)
{
	struct uk_page *lists = uk_page_alloc(LISTS_ORDER, false);

	if (lists == NULL)
		return -UK_ENOMEM;
	n->lists = uk_page_virt(lists);
	n->turns.start = start_turn;
	n->turns.kick = kick;
	n->turns.stop = stop;
	/* One entry of a ring stays empty: full and empty would look the same. */
	return uk_turns_open(&n->turns, n->io.size - 1u);
}
