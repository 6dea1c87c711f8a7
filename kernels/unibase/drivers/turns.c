/*
 * Transfers and their turns. Whoever waits for a transfer is told when the lock is free again: what
 * he does then may start the next.
 *
 * Silence is noticed by a timer that runs while something is under way, and that nothing is asked
 * of when a turn starts or ends but its period. Disks over a network, as EC2's are, may well be
 * silent for a minute; one that says nothing for four is taken for lost.
 */
#include "turns.h"
#include <uk/log.h>
#include <uk/mem.h>

#define PERIOD 30000000000ull /* ns */
enum { SAID_AFTER = 2, LOST_AFTER = 8 /* periods, the first of them in part */ };

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
	(void)uk_timer_cancel(&t->watch);
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
	turn->under_way = false;
	uk_list_push_back(&work->ended, &turn->req->item);
	turn->req = NULL;
	turn->next = t->free;
	t->free = turn;
}

/* A turn; or the slot waits for the device's room; or the transfer ends in an error. */
static void go_on(struct uk_turns *t, struct uk_turns_work *work, struct uk_turn *turn)
{
	struct uk_turn before;
	int result;

	turn->under_way = false;
	before = *turn;
	result = t->dead ? -UK_EIO : t->start(t, turn);

	if (result == 0) {
		t->started = true;
		turn->under_way = true;
		turn->since = t->now;
	} else if (result == -UK_ENOSPC) {
		*turn = before;
		turn->next = t->stuck;
		t->stuck = turn;
	} else {
		end(t, work, turn, result);
	}
}

/* How long the device has been at it; 0: it is not. */
static uint32_t age_of(const struct uk_turns *t, const struct uk_turn *turn)
{
	return turn->req != NULL && turn->under_way ? t->now - turn->since : 0;
}

/* Whether something is under way still. */
static bool look_at_all(struct uk_turns *t, struct uk_turns_work *work)
{
	bool any = false;

	for (unsigned i = 0; i < t->count && !t->dead; i++) {
		const struct uk_turn *turn = &t->slots[i];
		uint32_t age = age_of(t, turn);

		any |= turn->req != NULL && turn->under_way;
		if (age >= SAID_AFTER && !t->warned) {
			uk_log(UK_LOG_WARN, "%s: does not answer", turn->dev->name);
			t->warned = true;
		}
		if (age >= LOST_AFTER) {
			uk_log(UK_LOG_ERROR, "%s: is silent, and given up", turn->dev->name);
			t->stop(t);
			uk_turns_fail(t, work);
		}
	}
	return any && !t->dead;
}

static void watch(struct uk_timer *timer)
{
	struct uk_turns *t = uk_container(timer, struct uk_turns, watch);
	struct uk_turns_work work;

	uk_turns_begin(t, &work);
	t->now++;
	if (look_at_all(t, &work))
		uk_timer_arm(timer, uk_time_mono() + PERIOD);
	uk_turns_finish(t, &work);
}

static void start_watch(struct uk_turns *t)
{
	if (t->watch.armed)
		return;
	t->watch.fn = watch;
	uk_timer_arm(&t->watch, uk_time_mono() + PERIOD);
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
	if (t->started) {
		t->kick(t);
		start_watch(t);
	}
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
