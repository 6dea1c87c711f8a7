/*
 * Sleeping and waking. A thread says on which queues it stands, looks whether it must sleep at all,
 * and sleeps unless it was woken since: no wake-up is lost in between. Each waking means "look
 * again": a thread may be woken without cause, and every sleeper loops.
 *
 * `waiting` counts the queues, so that a wait inside the condition of another (a mutex taken by
 * poll) does not swallow the outer one's wake-up: leaving the inner wait marks the thread woken.
 */
#include <uk/cpu.h>
#include <uk/sched.h>

struct alarm {
	struct uk_timer timer;
	struct uk_thread *thread;
};

void uk_waitq_init(struct uk_waitq *q)
{
	q->lock = (struct uk_spinlock)UK_SPINLOCK_INIT;
	uk_list_init(&q->waiters);
}

void uk_wake_all(struct uk_waitq *q)
{
	uint64_t state = uk_spin_lock(&q->lock);

	uk_list_each_safe (item, &q->waiters) {
		struct uk_waiter *w = uk_list_entry(item, struct uk_waiter, item);

		if (w->fn != NULL)
			w->fn(w);
		else
			uk_thread_wake(w->thread);
	}
	uk_spin_unlock(&q->lock, state);
}

void uk_wake_one(struct uk_waitq *q)
{
	uint64_t state = uk_spin_lock(&q->lock);

	uk_list_each_safe (item, &q->waiters) {
		struct uk_waiter *w = uk_list_entry(item, struct uk_waiter, item);

		if (w->fn != NULL) {
			w->fn(w);
		} else if (!w->thread->woken) {
			uk_thread_wake(w->thread);
			break;
		}
	}
	uk_spin_unlock(&q->lock, state);
}

/* What the sleeper looks at next must not be read before: who changes it and then finds `woken` as
 * it was would leave it asleep. */
static void clear_woken(struct uk_thread *self)
{
	__atomic_store_n(&self->woken, false, __ATOMIC_SEQ_CST);
}

void uk_wait_begin(void)
{
	struct uk_thread *self = uk_thread_self();

	if (self->waiting++ == 0)
		clear_woken(self);
}

void uk_wait_end(void)
{
	struct uk_thread *self = uk_thread_self();

	if (--self->waiting != 0)
		self->woken = true;
}

void uk_wait_prepare(struct uk_waitq *q, struct uk_waiter *w)
{
	uint64_t state;

	w->thread = uk_thread_self();
	w->queue = q;
	uk_wait_begin();
	state = uk_spin_lock(&q->lock);
	uk_list_push_back(&q->waiters, &w->item);
	uk_spin_unlock(&q->lock, state);
}

void uk_wait_finish(struct uk_waiter *w)
{
	uint64_t state;

	if (w->queue == NULL)
		return;
	state = uk_spin_lock(&w->queue->lock);
	uk_list_remove(&w->item);
	uk_spin_unlock(&w->queue->lock, state);
	w->queue = NULL;
	uk_wait_end();
}

static void alarm_rings(struct uk_timer *timer)
{
	struct alarm *a = uk_container(timer, struct alarm, timer);

	a->thread->timed_out = true;
	uk_thread_wake(a->thread);
}

bool uk_wait_sleep(uint64_t deadline)
{
	struct uk_thread *self = uk_thread_self();
	struct alarm alarm = { .timer.fn = alarm_rings, .thread = self };

	self->timed_out = false;
	if (deadline != UK_FOREVER)
		uk_timer_arm(&alarm.timer, deadline);
	uk_sched_sleep();
	if (deadline != UK_FOREVER)
		uk_timer_cancel(&alarm.timer);
	clear_woken(self);
	return !self->timed_out;
}
