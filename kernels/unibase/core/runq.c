/*
 * Queues of threads that are ready, one a processor, first come first served.
 *
 * A thread that becomes ready joins the queue of the processor that woke it, whose caches know what
 * it was woken for, and which may well have nothing else to do in a moment. Should it go on
 * instead, to user mode, it wakes one that idles (UK_RESCHED_SHARE), which takes the thread over:
 * an idle processor looks into all queues before it halts. With nobody idle, a thread whose slice
 * is used up moves on to a queue that is no longer than the one it would stand in here, so that all
 * get their share where threads cannot be dealt out evenly.
 *
 * A thread whose registers are not saved yet only ever stands in the queue of the processor that
 * has them; others leave it alone.
 */
#include <uk/clock.h>
#include <uk/irq.h>
#include <uk/mem.h>
#include <uk/sched.h>
#include <uk/smp.h>

#define SLICE_NS 4000000

struct uk_runq {
	struct uk_spinlock lock;
	struct uk_list ready;
	volatile uint32_t count;
	bool sliced;		/* the processor's own: an end of the slice is set */
	volatile bool stranger; /* a thread may be in it that must go elsewhere */
};

struct uk_runq uk_runq_boot = { .lock = UK_SPINLOCK_INIT,
				.ready = UK_LIST_INIT(uk_runq_boot.ready) };
static volatile uint64_t idle; /* processors without work that nobody woke yet, by number */

struct uk_runq *uk_runq_new(void)
{
	struct uk_runq *q = uk_alloc(sizeof(*q));

	if (q != NULL)
		uk_list_init(&q->ready);
	return q;
}

static uint64_t bit_of(const struct uk_cpu *cpu)
{
	return 1ull << cpu->id;
}

/* Wakes one of these that idle; false: there is none. */
static bool wake_idle(uint64_t among)
{
	for (;;) {
		uint64_t found = idle & among, one = found & -found;

		if (found == 0)
			return false;
		if (__atomic_fetch_and(&idle, ~one, __ATOMIC_SEQ_CST) & one) {
			uk_smp_wake(uk_cpus[__builtin_ctzll(one)]);
			return true;
		}
	}
}

static uint64_t allowed(const struct uk_thread *t)
{
	return t->allowed != 0 ? t->allowed : UINT64_MAX;
}

/* While one thread alone wants the processor there is no slice, and so no timer. */
static void set_slice(struct uk_cpu *cpu, bool wanted)
{
	struct uk_runq *q = cpu->runq;

	if (wanted || q->sliced)
		uk_slice_set(wanted ? uk_time_mono() + SLICE_NS : UK_FOREVER);
	q->sliced = wanted;
}

static bool runs_idle(const struct uk_cpu *cpu)
{
	return cpu->thread == cpu->idle;
}

void uk_runq_put(struct uk_cpu *cpu, struct uk_thread *t)
{
	struct uk_cpu *self = uk_cpu();
	struct uk_runq *q = cpu->runq;
	uint64_t state = uk_spin_lock(&q->lock);

	uk_list_push_back(&q->ready, &t->item);
	q->count++;
	if (!uk_thread_may_run(t, cpu))
		q->stranger = true;
	uk_spin_unlock(&q->lock, state);
	if (cpu != self) {
		__atomic_fetch_and(&idle, ~bit_of(cpu), __ATOMIC_SEQ_CST);
		uk_smp_wake(cpu);
		return;
	}
	if (!q->sliced && !runs_idle(cpu))
		set_slice(cpu, true);
	if (uk_cpu_count > 1) {
		/* A processor that is about to idle sees the thread, or is seen here. */
		__atomic_thread_fence(__ATOMIC_SEQ_CST);
		if (idle & allowed(t))
			cpu->resched |= UK_RESCHED_SHARE;
	}
}

static struct uk_cpu *any_allowed(const struct uk_thread *t)
{
	struct uk_cpu *best = NULL;

	for (uint32_t i = 0; i < uk_cpu_count; i++) {
		struct uk_cpu *cpu = uk_cpus[i];

		if (uk_thread_may_run(t, cpu) &&
		    (best == NULL || cpu->runq->count < best->runq->count))
			best = cpu;
	}
	return best;
}

void uk_runq_add(struct uk_thread *t)
{
	struct uk_cpu *cpu = uk_cpu();

	if (__atomic_load_n(&t->on_cpu, __ATOMIC_ACQUIRE))
		cpu = t->cpu;
	else if (!uk_thread_may_run(t, cpu))
		cpu = any_allowed(t);
	uk_runq_put(cpu, t);
}

/* The first in `from`'s queue that may run on `cpu`, removed. */
static struct uk_thread *take_from(struct uk_cpu *from, const struct uk_cpu *cpu)
{
	struct uk_runq *q = from->runq;
	uint64_t state;
	struct uk_thread *found = NULL;

	if (q->count == 0)
		return NULL;
	state = uk_spin_lock(&q->lock);
	uk_list_each (item, &q->ready) {
		struct uk_thread *t = uk_list_entry(item, struct uk_thread, item);

		if ((from != cpu && __atomic_load_n(&t->on_cpu, __ATOMIC_ACQUIRE)) ||
		    !uk_thread_may_run(t, cpu))
			continue;
		uk_list_remove(&t->item);
		q->count--;
		found = t;
		break;
	}
	uk_spin_unlock(&q->lock, state);
	return found;
}

static struct uk_thread *take_elsewhere(struct uk_cpu *cpu)
{
	struct uk_thread *t = NULL;

	for (uint32_t i = 1; i < uk_cpu_count && t == NULL; i++)
		t = take_from(uk_cpus[(cpu->id + i) % uk_cpu_count], cpu);
	return t;
}

/* A thread that was bound to other processors while it was on its way into this queue. */
static void send_away(struct uk_cpu *cpu)
{
	struct uk_runq *q = cpu->runq;
	struct uk_thread *found;

	do {
		uint64_t state = uk_spin_lock(&q->lock);

		found = NULL;
		q->stranger = false;
		uk_list_each_safe (item, &q->ready) {
			struct uk_thread *t = uk_list_entry(item, struct uk_thread, item);

			if (uk_thread_may_run(t, cpu))
				continue;
			q->stranger = true;
			if (t->on_cpu || found != NULL)
				continue;
			uk_list_remove(item);
			q->count--;
			found = t;
		}
		uk_spin_unlock(&q->lock, state);
		if (found != NULL)
			uk_runq_put(any_allowed(found), found);
	} while (found != NULL);
}

struct uk_thread *uk_runq_take(struct uk_cpu *cpu)
{
	struct uk_thread *t;

	if (uk_unlikely(cpu->runq->stranger))
		send_away(cpu);
	t = take_from(cpu, cpu);
	if (t == NULL && uk_cpu_count > 1) {
		/* Whoever makes a thread ready from here on sees that this one idles. */
		if (runs_idle(cpu))
			__atomic_fetch_or(&idle, bit_of(cpu), __ATOMIC_SEQ_CST);
		t = take_elsewhere(cpu);
	}
	if (t != NULL && (idle & bit_of(cpu)))
		__atomic_fetch_and(&idle, ~bit_of(cpu), __ATOMIC_SEQ_CST);
	set_slice(cpu, cpu->runq->count != 0);
	uk_runq_share(cpu);
	return t;
}

bool uk_runq_waits(const struct uk_cpu *cpu)
{
	return cpu->runq->count != 0;
}

bool uk_runq_remove(struct uk_thread *t)
{
	for (uint32_t i = 0; i < uk_cpu_count; i++) {
		struct uk_runq *q = uk_cpus[i]->runq;
		uint64_t state = uk_spin_lock(&q->lock);

		uk_list_each (item, &q->ready) {
			if (item != &t->item)
				continue;
			uk_list_remove(&t->item);
			q->count--;
			uk_spin_unlock(&q->lock, state);
			return true;
		}
		uk_spin_unlock(&q->lock, state);
	}
	return false;
}

struct uk_cpu *uk_runq_turn(struct uk_cpu *cpu, const struct uk_thread *self)
{
	uint32_t here = cpu->runq->count;

	if (!uk_thread_may_run(self, cpu))
		return any_allowed(self);
	if (here == 0) {
		set_slice(cpu, false); /* others took them over */
		return NULL;
	}
	for (uint32_t i = 1; i < uk_cpu_count; i++) {
		struct uk_cpu *other = uk_cpus[(cpu->id + i) % uk_cpu_count];

		if (uk_thread_may_run(self, other) &&
		    other->runq->count + !runs_idle(other) <= here)
			return other;
	}
	return cpu;
}

void uk_runq_share(struct uk_cpu *cpu)
{
	struct uk_runq *q = cpu->runq;
	uint64_t among = 0, state;

	if (q->count == 0 || idle == 0)
		return;
	state = uk_spin_lock(&q->lock);
	uk_list_each (item, &q->ready)
		among |= allowed(uk_list_entry(item, struct uk_thread, item));
	uk_spin_unlock(&q->lock, state);
	wake_idle(among & ~bit_of(cpu));
}

void uk_runq_look(void)
{
	struct uk_cpu *cpu = uk_cpu();

	if (runs_idle(cpu))
		return;
	if (!uk_thread_may_run(cpu->thread, cpu))
		cpu->resched |= UK_RESCHED_YIELD;
	else if (cpu->runq->count != 0 && !cpu->runq->sliced)
		set_slice(cpu, true);
}
