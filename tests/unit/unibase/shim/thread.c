/*
 * Threads as coroutines: one runs until it sleeps. The main program is a thread as well; when it
 * sleeps the others run, and when nobody can, time moves on to the next timer, or the test is stuck
 * and says so.
 */
#include <stdio.h>
#include <stdlib.h>
#include <ucontext.h>

#include <uk/process.h>
#include <uk/sched.h>
#include <uk/smp.h>

#include "shim.h"

#ifdef __has_feature
#if __has_feature(address_sanitizer)
#define __SANITIZE_ADDRESS__ 1
#endif
#endif
#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/common_interface_defs.h>
#define SWITCH_START(save, bottom, size) __sanitizer_start_switch_fiber(save, bottom, size)
#define SWITCH_FINISH(save, bottom, size) __sanitizer_finish_switch_fiber(save, bottom, size)
#else
#define SWITCH_START(save, bottom, size) ((void)(save), (void)(bottom), (void)(size))
#define SWITCH_FINISH(save, bottom, size) ((void)(save), (void)(bottom), (void)(size))
#endif

enum { STACK = 256 << 10 };

/* A thread as the kernel's files see it, and what runs it here. */
struct fiber {
	struct uk_thread thread;
	struct uk_list item;
	ucontext_t context;
	const void *stack_bottom;
	size_t stack_size;
	void *fake_stack;
	void (*fn)(void *arg);
	void *arg;
	bool woken, dead, asleep;
	unsigned waiting; /* as in core/wait.c */
	uint64_t deadline;
	void *stack;
};

static struct uk_list threads = UK_LIST_INIT(threads);
static struct fiber main_thread = { .thread.process = &uk_process,
				    .item = UK_LIST_INIT(main_thread.item) };
static struct fiber *self = &main_thread;
static struct uk_list timers = UK_LIST_INIT(timers);
static uint64_t now = 1000000000;
static bool signal_pending;
static struct fiber *ended; /* what it ran on goes when another one runs */

static struct fiber *fiber_of(struct uk_thread *thread)
{
	return (struct fiber *)(void *)thread;
}

struct uk_thread *uk_thread_self(void)
{
	return &self->thread;
}

static void arrived(struct fiber *from)
{
	const void *bottom = NULL;
	size_t size = 0;

	SWITCH_FINISH(self->fake_stack, &bottom, &size);
	if (from == &main_thread && main_thread.stack_bottom == NULL) {
		main_thread.stack_bottom = bottom;
		main_thread.stack_size = size;
	}
	if (ended != NULL) {
		free(ended->stack);
		free(ended);
		ended = NULL;
	}
}

static void switch_to(struct fiber *to)
{
	struct fiber *from = self;

	if (to == from)
		return;
	self = to;
	SWITCH_START(from->dead ? NULL : &from->fake_stack, to->stack_bottom, to->stack_size);
	if (swapcontext(&from->context, &to->context) != 0)
		abort();
	arrived(NULL);
}

static void enter(void)
{
	arrived(&main_thread);
	self->fn(self->arg);
	uk_thread_exit();
}

struct uk_thread *uk_thread_spawn(const char *name, void (*fn)(void *arg), void *arg)
{
	struct fiber *thread = calloc(1, sizeof(*thread));

	(void)name;
	if (thread == NULL || getcontext(&thread->context) != 0)
		abort();
	if (uk_list_empty(&threads))
		uk_list_push_back(&threads, &main_thread.item);
	thread->thread.process = &uk_process;
	thread->fn = fn;
	thread->arg = arg;
	thread->stack = malloc(STACK);
	thread->stack_bottom = thread->stack;
	thread->stack_size = STACK;
	thread->context.uc_stack.ss_sp = thread->stack;
	thread->context.uc_stack.ss_size = STACK;
	makecontext(&thread->context, enter, 0);
	uk_list_push_back(&threads, &thread->item);
	return &thread->thread;
}

static bool timers_run(void)
{
	bool some = false;

	uk_list_each_safe (item, &timers) {
		struct uk_timer *timer = uk_list_entry(item, struct uk_timer, item);

		if (timer->deadline > now)
			continue;
		uk_list_remove(&timer->item);
		timer->armed = false;
		timer->fn(timer);
		some = true;
	}
	return some;
}

static bool can_run(const struct fiber *thread)
{
	return !thread->dead &&
	       (!thread->asleep || thread->woken || signal_pending || thread->deadline <= now);
}

static struct fiber *next_ready(struct fiber *but)
{
	uk_list_each (item, &threads) {
		struct fiber *thread = uk_list_entry(item, struct fiber, item);

		if (thread != but && can_run(thread))
			return thread;
	}
	return NULL;
}

static void run_other(struct fiber *other)
{
	uk_list_remove(&other->item);
	uk_list_push_back(&threads, &other->item);
	switch_to(other);
}

/* The earliest moment at which something happens by itself. */
static uint64_t next_moment(void)
{
	uint64_t moment = UK_FOREVER;

	uk_list_each (item, &timers)
		moment = UK_MIN(moment, uk_list_entry(item, struct uk_timer, item)->deadline);
	uk_list_each (item, &threads) {
		const struct fiber *thread = uk_list_entry(item, struct fiber, item);

		if (!thread->dead && thread->asleep)
			moment = UK_MIN(moment, thread->deadline);
	}
	return UK_MIN(moment, self->deadline);
}

bool uk_wait_sleep(uint64_t deadline)
{
	struct fiber *me = self;

	me->deadline = deadline;
	me->asleep = true;
	while (!can_run(me)) {
		struct fiber *other = next_ready(me);

		if (other != NULL) {
			run_other(other);
			continue;
		}
		if (timers_run())
			continue;
		if (next_moment() == UK_FOREVER) {
			fprintf(stderr, "every thread sleeps for ever\n");
			abort();
		}
		now = UK_MAX(now, next_moment());
	}
	me->asleep = false;
	deadline = me->woken || signal_pending;
	me->woken = false;
	return deadline != 0;
}

void uk_yield(void)
{
	struct fiber *other = next_ready(self);

	if (other != NULL)
		run_other(other);
}

bool shim_run(void)
{
	struct fiber *other;
	bool some = false;

	while ((other = next_ready(self)) != NULL) {
		run_other(other);
		some = true;
	}
	return some;
}

void uk_thread_exit(void)
{
	struct fiber *other;

	self->dead = true;
	other = next_ready(NULL);
	if (other == NULL)
		other = &main_thread;
	uk_list_remove(&self->item);
	ended = self;
	switch_to(other);
	abort();
}

void shim_set_signal(bool pending)
{
	signal_pending = pending;
}

bool uk_signal_pending(void)
{
	return signal_pending;
}

/* -- waiting -- */

void uk_waitq_init(struct uk_waitq *q)
{
	uk_list_init(&q->waiters);
}

void uk_wait_prepare(struct uk_waitq *q, struct uk_waiter *w)
{
	w->thread = &self->thread;
	w->queue = q;
	if (self->waiting++ == 0)
		self->woken = false;
	uk_list_push_back(&q->waiters, &w->item);
}

void uk_wait_finish(struct uk_waiter *w)
{
	if (w->queue == NULL)
		return;
	uk_list_remove(&w->item);
	w->queue = NULL;
	if (--self->waiting != 0)
		self->woken = true;
}

static void wake(struct uk_waitq *q, bool all)
{
	if (q->waiters.next == NULL)
		return;
	uk_list_each_safe (item, &q->waiters) {
		struct uk_waiter *w = uk_list_entry(item, struct uk_waiter, item);

		if (w->fn != NULL) {
			w->fn(w);
			continue;
		}
		fiber_of(w->thread)->woken = true;
		if (!all)
			return;
	}
}

void uk_wake_all(struct uk_waitq *q)
{
	wake(q, true);
}

void uk_wake_one(struct uk_waitq *q)
{
	wake(q, false);
}

/* -- locks -- */

static unsigned spins;

uint64_t uk_spin_lock(struct uk_spinlock *lock)
{
	if (lock->held != 0)
		abort();
	lock->held = 1;
	spins++;
	return 0;
}

void uk_spin_unlock(struct uk_spinlock *lock, uint64_t state)
{
	(void)state;
	if (lock->held == 0)
		abort();
	lock->held = 0;
	spins--;
}

void uk_mutex_init(struct uk_mutex *mutex)
{
	*mutex = (struct uk_mutex){ .owner = 0 };
	uk_list_init(&mutex->waiters);
}

void uk_mutex_lock(struct uk_mutex *mutex)
{
	if (spins != 0 || mutex->owner == (uintptr_t)&self->thread)
		abort();
	while (mutex->owner != 0)
		uk_yield();
	mutex->owner = (uintptr_t)&self->thread;
}

void uk_mutex_unlock(struct uk_mutex *mutex)
{
	if (mutex->owner != (uintptr_t)&self->thread)
		abort();
	mutex->owner = 0;
}

bool uk_mutex_held(const struct uk_mutex *mutex)
{
	return mutex->owner == (uintptr_t)&self->thread;
}

/* -- the kernel lock, which one processor does not have -- */

bool uk_kernel_shared;

bool uk_kernel_take(void)
{
	return false;
}

void uk_kernel_leave(void)
{
}

/* -- time -- */

uint64_t uk_time_mono(void)
{
	return now;
}

int64_t uk_time_image(void)
{
	return 1600000000ll * 1000000000;
}

int64_t uk_time_real(void)
{
	return (int64_t)now + uk_time_image();
}

void uk_timer_arm(struct uk_timer *timer, uint64_t deadline)
{
	uk_timer_cancel(timer);
	timer->deadline = deadline;
	timer->armed = true;
	uk_list_push_back(&timers, &timer->item);
}

bool uk_timer_cancel(struct uk_timer *timer)
{
	bool armed = timer->armed;

	if (armed)
		uk_list_remove(&timer->item);
	timer->armed = false;
	return armed;
}

void shim_advance(uint64_t ns)
{
	now += ns;
	timers_run();
}
