/*
 * Transfers and their turns. Whoever waits for a transfer is told when the lock is free again: what
 * he does then may start the next.
 */
#include "turns.h"
#include <uk/mem.h>

int uk_turns_open(struct uk_turns *t, unsigned count)
{
	uk_list_init(&t->waiting);
	t->slots = uk_alloc(count * sizeof(*t->slots));
	if (t->slots == NULL)
		return -UK_ENOMEM;
	t->count = count;
	for (unsigned i = count; i-- != 0;) {
		t->slots[i].next = t->free;
		t->free = &t->slots[i];
	}
	return 0;
}

void uk_turns_close(struct uk_turns *t)
{
	uk_free(t->slots);
}

bool uk_turn_next(const struct uk_turn *turn, uint64_t *paddr, uint32_t *size)
{
	const struct uk_block_seg *seg;

	if (turn->seg == turn->req->seg_count)
		return false;
	seg = &turn->req->segs[turn->seg];
	*paddr = uk_virt_to_phys((const uint8_t *)seg->data + turn->seg_done);
	*size = seg->size - turn->seg_done;
	return true;
}

void uk_turn_take(struct uk_turn *turn, uint32_t size)
{
	turn->done += size;
	turn->seg_done += size;
	if (turn->seg_done == turn->req->segs[turn->seg].size) {
		turn->seg++;
		turn->seg_done = 0;
	}
}

static void end(struct uk_turns *t, struct uk_turns_work *work, struct uk_turn *turn, int status)
{
	turn->req->status = status;
	uk_list_push_back(&work->ended, &turn->req->item);
	turn->req = NULL;
	turn->next = t->free;
	t->free = turn;
}

/* A turn; or the slot waits for the device's room; or the transfer ends in an error. */
static void go_on(struct uk_turns *t, struct uk_turns_work *work, struct uk_turn *turn)
{
	struct uk_turn before = *turn;
	int result = t->dead ? -UK_EIO : t->start(t, turn);

	if (result == 0) {
		t->started = true;
	} else if (result == -UK_ENOSPC) {
		*turn = before;
		turn->next = t->stuck;
		t->stuck = turn;
	} else {
		end(t, work, turn, result);
	}
}

static void refill(struct uk_turns *t, struct uk_turns_work *work)
{
	struct uk_turn *stuck = t->stuck;

	t->stuck = NULL;
	while (stuck != NULL) {
		struct uk_turn *next = stuck->next;

		go_on(t, work, stuck);
		stuck = next;
	}
	while (t->stuck == NULL && t->free != NULL && !uk_list_empty(&t->waiting)) {
		struct uk_turn *turn = t->free;
		struct uk_block_req *req = uk_list_first(&t->waiting, struct uk_block_req, item);

		uk_list_remove(&req->item);
		t->free = turn->next;
		*turn = (struct uk_turn){ .req = req, .dev = req->driver };
		go_on(t, work, turn);
	}
}

void uk_turns_begin(struct uk_turns *t, struct uk_turns_work *work)
{
	uk_list_init(&work->ended);
	work->state = uk_spin_lock(&t->lock);
}

void uk_turns_finish(struct uk_turns *t, struct uk_turns_work *work)
{
	refill(t, work);
	if (t->started)
		t->kick(t);
	t->started = false;
	uk_spin_unlock(&t->lock, work->state);
	while (!uk_list_empty(&work->ended)) {
		struct uk_block_req *req = uk_list_first(&work->ended, struct uk_block_req, item);

		uk_list_remove(&req->item);
		req->done(req);
	}
}

void uk_turns_submit(struct uk_turns *t, struct uk_block_dev *dev, struct uk_block_req *req)
{
	struct uk_turns_work work;

	uk_turns_begin(t, &work);
	req->driver = dev;
	uk_list_push_back(&t->waiting, &req->item);
	uk_turns_finish(t, &work);
}

void uk_turns_done(struct uk_turns *t, struct uk_turns_work *work, struct uk_turn *turn, int status)
{
	if (status != 0 || turn->req->op == UK_BLOCK_FLUSH || turn->seg == turn->req->seg_count)
		end(t, work, turn, status);
	else
		go_on(t, work, turn);
}

void uk_turns_again(struct uk_turns *t, struct uk_turns_work *work, struct uk_turn *turn)
{
	go_on(t, work, turn);
}

struct uk_turn *uk_turns_slot(struct uk_turns *t, uint64_t index)
{
	return index < t->count && t->slots[index].req != NULL ? &t->slots[index] : NULL;
}

void uk_turns_fail(struct uk_turns *t, struct uk_turns_work *work)
{
	t->dead = true;
	t->stuck = NULL;
	for (unsigned i = 0; i < t->count; i++)
		if (t->slots[i].req != NULL)
			end(t, work, &t->slots[i], -UK_EIO);
}

void uk_disk_name(char *to, size_t room)
{
	static unsigned count;

	uk_snprintf(to, room, "sd%c", (char)('a' + count++ % 26));
}
