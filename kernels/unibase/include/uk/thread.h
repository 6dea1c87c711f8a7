/*
 * Threads, sleeping and waking, the processor's own data, timers and clocks. core/sched.c,
 * core/wait.c, core/time.c, arch/. Kernel threads and program threads are the same thing; one runs
 * until it sleeps or its slice ends. The idle processor halts until the next timer: there is no
 * tick while nothing runs.
 */
#ifndef UK_THREAD_H
#define UK_THREAD_H

#include <uk/list.h>
#include <uk/lock.h>

struct uk_thread;
struct uk_process;

struct uk_thread *uk_thread_self(void);
/* A kernel thread, runnable at once; NULL when memory is out. */
struct uk_thread *uk_thread_spawn(const char *name, void (*fn)(void *arg), void *arg);
void uk_thread_exit(void) UK_NORETURN;
void uk_yield(void);
bool uk_signal_pending(void); /* of the running thread: a sleep that may be interrupted must end */

#define UK_FOREVER UINT64_MAX

/* Where threads sleep until something happens. May be woken from interrupts. */
struct uk_waitq {
	struct uk_spinlock lock;
	struct uk_list waiters;
};
#define UK_WAITQ_INIT(q)                                                                           \
	{                                                                                          \
		UK_SPINLOCK_INIT, UK_LIST_INIT((q).waiters)                                        \
	}
void uk_waitq_init(struct uk_waitq *q);
void uk_wake_all(struct uk_waitq *q);
/* One thread that was not woken yet; waiters with a function before it are all called. A thread
 * that gives up waiting at that moment does not pass its waking on: everybody looks again at the
 * condition. */
void uk_wake_one(struct uk_waitq *q);

/* One stay on a queue; on the sleeper's stack. A thread may stand on several (poll). */
struct uk_waiter {
	struct uk_list item;
	struct uk_thread *thread;
	struct uk_waitq *queue;
	void (*fn)(struct uk_waiter *self); /* NULL: wake `thread`; else called instead, under the
					       queue's lock (epoll) */
};
void uk_wait_prepare(struct uk_waitq *q, struct uk_waiter *w); /* enqueue, mark sleeping */
void uk_wait_finish(struct uk_waiter *w);		       /* dequeue, mark running */
/* Sleeps, unless woken since prepare, until woken or `deadline` (monotonic ns); false at the
 * deadline. */
bool uk_wait_sleep(uint64_t deadline);

/* Sleeps until `cond` holds. 0, -UK_ETIMEDOUT, or (if `interruptible`) -UK_ERESTARTSYS. */
#define uk_wait_event(q, cond, deadline, interruptible)                                            \
	({                                                                                         \
		int wait_result_ = 0;                                                              \
		struct uk_waiter waiter_ = { .fn = NULL };                                         \
		for (;;) {                                                                         \
			uk_wait_prepare((q), &waiter_);                                            \
			if (cond)                                                                  \
				break;                                                             \
			if ((interruptible) && uk_signal_pending()) {                              \
				wait_result_ = -UK_ERESTARTSYS;                                    \
				break;                                                             \
			}                                                                          \
			if (!uk_wait_sleep(deadline) && !(cond)) {                                 \
				wait_result_ = -UK_ETIMEDOUT;                                      \
				break;                                                             \
			}                                                                          \
			uk_wait_finish(&waiter_);                                                  \
		}                                                                                  \
		uk_wait_finish(&waiter_);                                                          \
		wait_result_;                                                                      \
	})

/* Nanoseconds. Monotonic starts at 0 with the machine; real since 1970. */
uint64_t uk_time_mono(void);
int64_t uk_time_real(void);	   /* until the program begins: uk_time_image */
int64_t uk_time_image(void);	   /* the image's epoch */
void uk_time_set_real(int64_t ns); /* RTC at start, SNTP later */

struct uk_timer {
	struct uk_list item;
	struct uk_timeline *home;	    /* core/time.c: of the processor that armed it last */
	uint64_t deadline;		    /* monotonic ns */
	void (*fn)(struct uk_timer *timer); /* in interrupt context */
	bool armed;
};
void uk_timer_arm(struct uk_timer *timer, uint64_t deadline); /* again is fine */
bool uk_timer_cancel(struct uk_timer *timer); /* false when it was not armed (it may have run) */
void uk_delay_us(unsigned us);		      /* busy; for device start-up */

#endif
