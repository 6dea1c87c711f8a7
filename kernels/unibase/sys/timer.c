/*
 * Timers that send signals: timer_create and its family, setitimer and alarm. They run on the
 * monotonic clock; a deadline in real time is turned into one when it is set. One of processor time
 * looks at that when it could be over at the earliest, and again while it is not. A timer's signal
 * waits at most once, what expires meanwhile is counted as overrun.
 */
#include "../proc/proc.h"
#include <uk/linux_time.h>
#include <uk/mem.h>
#include <uk/smp.h>
#include <uk/syscall.h>
#include <uk/user.h>

enum {
	TIMERS_MAX = 256,
	TIMER_ABSTIME = 1,
	SIGEV_SIGNAL = 0,
	SIGEV_NONE = 1,
	SIGEV_THREAD_ID = 4,
	ITIMER_REAL = 0,
	ITIMERS = 3, /* ITIMER_VIRTUAL and ITIMER_PROF count the same: all time is the program's */
	LOOK_MIN = 1000000, /* ns between two looks at processor time */
	OVERRUN_MAX = INT32_MAX,
};

struct timer {
	struct uk_timer clock;
	struct uk_sigitem signal;
	uint64_t interval; /* ns, 0: once */
	int tid;	   /* 0: the process */
	bool silent;	   /* SIGEV_NONE */
	bool real;	   /* CLOCK_REALTIME */
	bool cpu;	   /* processor time, of the process or of one thread */
	int cpu_tid;
	uint64_t due; /* on the timer's own clock */
};

/* As timer_create passes it. */
struct sigevent {
	uint64_t value;
	int32_t signo, notify, tid;
	int32_t pad[11];
};
_Static_assert(sizeof(struct sigevent) == 64, "Linux ABI");

static struct timer *timers[TIMERS_MAX]; /* uk_process.lock */

/* -- under uk_process.lock -- */

static uint64_t now_of(const struct timer *t)
{
	struct uk_task *task;

	if (!t->cpu)
		return uk_time_mono();
	if (t->cpu_tid == 0)
		return uk_process_run_time_locked();
	task = uk_task_find(t->cpu_tid);
	return task != NULL ? uk_thread_run_time(task->thread) : 0;
}

/* Processor time passes on all processors at once at most. */
static void arm(struct timer *t, uint64_t due, uint64_t now)
{
	uint64_t left = due > now ? due - now : 0;

	t->due = due;
	if (t->cpu)
		due = uk_time_mono() + UK_MAX(left / uk_cpu_count, (uint64_t)LOOK_MIN);
	uk_timer_arm(&t->clock, due);
}

/* Whom an expired timer tells; a profiler wants to hear it from who used the time. */
static struct uk_task *addressee(const struct timer *t)
{
	const struct uk_thread *self = uk_thread_self();
	struct uk_task *task = self->user;

	if (t->tid != 0)
		return uk_task_find(t->tid);
	return t->cpu && self->process != NULL &&
			       (task->blocked & UK_SIGBIT(t->signal.info.signo)) == 0
		       ? task
		       : NULL;
}

/* In interrupt context. */
static void expired(struct uk_timer *clock)
{
	struct timer *t = uk_container(clock, struct timer, clock);
	uint64_t state = uk_spin_lock(&uk_process.lock), now = now_of(t);
	struct uk_task *task = addressee(t);
	uint64_t missed = 0;

	if (now < t->due) {
		arm(t, t->due, now);
		uk_spin_unlock(&uk_process.lock, state);
		return;
	}
	if (t->interval != 0) {
		missed = (now - t->due) / t->interval;
		arm(t, t->due + (missed + 1) * t->interval, now);
	}
	if (t->signal.queue != NULL) {
		missed = UK_MIN(missed + 1 + t->signal.info.u.from.uid, (uint64_t)OVERRUN_MAX);
		t->signal.info.u.from.uid = (uint32_t)missed;
	} else if (!t->silent && (t->tid == 0 || task != NULL)) {
		t->signal.info.u.from.uid = (uint32_t)UK_MIN(missed, (uint64_t)OVERRUN_MAX);
		uk_signal_post(task, &t->signal);
	}
	uk_spin_unlock(&uk_process.lock, state);
}

static void get(const struct timer *t, struct uk_linux_itimerspec *out)
{
	uint64_t state = uk_spin_lock(&uk_process.lock), now = now_of(t), left = 0;

	/* An armed timer that is due has at least a moment left: 0 would say it is not armed. */
	if (t->clock.armed)
		left = t->due > now ? t->due - now : 1;
	uk_spin_unlock(&uk_process.lock, state);
	out->interval = uk_timespec((int64_t)t->interval);
	out->value = uk_timespec((int64_t)left);
}

/* `deadline` is on the timer's own clock, or, `relative`, from now on; 0: disarmed. */
static void set(struct timer *t, uint64_t deadline, bool relative, uint64_t interval)
{
	uint64_t state = uk_spin_lock(&uk_process.lock), now = now_of(t);

	uk_timer_cancel(&t->clock);
	t->interval = interval;
	if (deadline != 0)
		arm(t, relative ? now + deadline : deadline, now);
	uk_spin_unlock(&uk_process.lock, state);
}

static int64_t fill_event(struct timer *t, uint64_t user, int id)
{
	struct sigevent e = { .signo = UK_SIGALRM, .notify = SIGEV_SIGNAL };
	uint64_t state;

	e.value = (uint64_t)id;
	if (user != 0 && uk_copy_from_user(&e, user, sizeof(e)) != 0)
		return -UK_EFAULT;
	if (e.notify != SIGEV_SIGNAL && e.notify != SIGEV_NONE && e.notify != SIGEV_THREAD_ID)
		return -UK_EINVAL;
	t->silent = e.notify == SIGEV_NONE;
	if (!t->silent && (e.signo < 1 || e.signo > UK_SIGMAX))
		return -UK_EINVAL;
	if (e.notify == SIGEV_THREAD_ID) {
		state = uk_spin_lock(&uk_process.lock);
		t->tid = uk_task_find(e.tid) != NULL ? e.tid : 0;
		uk_spin_unlock(&uk_process.lock, state);
		if (t->tid == 0)
			return -UK_EINVAL;
	}
	t->signal.info.signo = e.signo;
	t->signal.info.code = UK_SI_TIMER;
	t->signal.info.u.from.pid = id;
	t->signal.info.u.from.value = e.value;
	return 0;
}

static int64_t set_clock(struct timer *t, int clock)
{
	int64_t ns;

	switch (clock) {
	case UK_CLOCK_REALTIME:
	case UK_CLOCK_REALTIME_ALARM:
	case UK_CLOCK_TAI:
		t->real = true;
		return 0;
	case UK_CLOCK_MONOTONIC:
	case UK_CLOCK_BOOTTIME:
	case UK_CLOCK_BOOTTIME_ALARM:
		return 0;
	case UK_CLOCK_PROCESS_CPUTIME_ID:
		t->cpu = true;
		return 0;
	case UK_CLOCK_THREAD_CPUTIME_ID:
		t->cpu = true;
		t->cpu_tid = uk_task_self()->tid;
		return 0;
	default:
		t->cpu = true;
		t->cpu_tid = (clock & 4) != 0 ? ~(clock >> 3) : 0;
		return clock < 0 ? uk_thread_clock(clock, &ns) : -UK_EINVAL;
	}
}

/* A free number with `t` in its place; -UK_EAGAIN. */
static int claim(struct timer *t)
{
	uint64_t state = uk_spin_lock(&uk_process.lock);
	int id = -UK_EAGAIN;

	for (int i = 0; i < TIMERS_MAX && id < 0; i++) {
		if (timers[i] == NULL) {
			timers[i] = t;
			id = i;
		}
	}
	uk_spin_unlock(&uk_process.lock, state);
	return id;
}

static struct timer *find(int id)
{
	return id >= 0 && id < TIMERS_MAX ? timers[id] : NULL;
}

static void drop(int id)
{
	uint64_t state = uk_spin_lock(&uk_process.lock);
	struct timer *t = timers[id];

	timers[id] = NULL;
	uk_timer_cancel(&t->clock);
	uk_signal_withdraw(&t->signal);
	uk_spin_unlock(&uk_process.lock, state);
	uk_free(t);
}

int64_t uk_sys_timer_create(const struct uk_sysargs *s)
{
	struct timer *t;
	int64_t result;
	int id;

	t = uk_alloc(sizeof(*t));
	if (t == NULL)
		return -UK_EAGAIN;
	result = set_clock(t, (int)s->a[0]);
	if (result != 0) {
		uk_free(t);
		return result;
	}
	t->clock.fn = expired;
	t->signal.borrowed = true;
	uk_list_init(&t->signal.item);
	id = claim(t);
	if (id < 0) {
		uk_free(t);
		return id;
	}
	result = fill_event(t, s->a[1], id);
	if (result == 0)
		result = uk_copy_to_user(s->a[2], &id, sizeof(id));
	if (result != 0)
		drop(id);
	return result;
}

int64_t uk_sys_timer_settime(const struct uk_sysargs *s)
{
	struct timer *t = find((int)s->a[0]);
	struct uk_linux_itimerspec spec, old;
	uint64_t deadline = 0;
	int64_t interval;
	int result = 0;

	if (t == NULL || s->a[2] == 0)
		return -UK_EINVAL;
	if (uk_copy_from_user(&spec, s->a[2], sizeof(spec)) != 0)
		return -UK_EFAULT;
	interval = uk_timespec_ns(&spec.interval);
	if (t->cpu)
		deadline = (uint64_t)uk_timespec_ns(&spec.value);
	else
		result = uk_deadline(&spec.value, (s->a[1] & TIMER_ABSTIME) != 0, t->real,
				     &deadline);
	if (interval < 0 || result != 0 || uk_timespec_ns(&spec.value) < 0)
		return -UK_EINVAL;
	if (spec.value.sec == 0 && spec.value.nsec == 0)
		deadline = 0;
	get(t, &old);
	set(t, deadline, t->cpu && (s->a[1] & TIMER_ABSTIME) == 0, (uint64_t)interval);
	return s->a[3] != 0 ? uk_copy_to_user(s->a[3], &old, sizeof(old)) : 0;
}

int64_t uk_sys_timer_gettime(const struct uk_sysargs *s)
{
	struct timer *t = find((int)s->a[0]);
	struct uk_linux_itimerspec spec;

	if (t == NULL)
		return -UK_EINVAL;
	get(t, &spec);
	return uk_copy_to_user(s->a[1], &spec, sizeof(spec));
}

int64_t uk_sys_timer_getoverrun(const struct uk_sysargs *s)
{
	struct timer *t = find((int)s->a[0]);

	return t == NULL ? -UK_EINVAL : (int64_t)t->signal.info.u.from.uid;
}

int64_t uk_sys_timer_delete(const struct uk_sysargs *s)
{
	if (find((int)s->a[0]) == NULL)
		return -UK_EINVAL;
	drop((int)s->a[0]);
	return 0;
}

#define ITIMER(number, time)                                                                       \
	{                                                                                          \
		.clock = { .fn = expired },                                                        \
		.signal = { .info = { .signo = (number), .code = UK_SI_KERNEL },                   \
			    .borrowed = true },                                                    \
		.cpu = (time),                                                                     \
	}

/* setitimer's. */
static struct timer itimers[ITIMERS] = {
	ITIMER(UK_SIGALRM, false),
	ITIMER(UK_SIGVTALRM, true),
	ITIMER(UK_SIGPROF, true),
};

struct itimerval {
	struct uk_linux_timeval interval, value;
};

static bool timeval_valid(const struct uk_linux_timeval *t)
{
	return t->sec >= 0 && t->sec <= INT64_MAX / UK_NS_PER_SEC - 1 && t->usec >= 0 &&
	       t->usec < 1000000;
}

static uint64_t timeval_ns(const struct uk_linux_timeval *t)
{
	return (uint64_t)(t->sec * UK_NS_PER_SEC + t->usec * 1000);
}

static void get_itimer(unsigned which, struct itimerval *out)
{
	struct uk_linux_itimerspec spec;

	get(&itimers[which], &spec);
	out->interval.sec = spec.interval.sec;
	out->interval.usec = spec.interval.nsec / 1000;
	out->value.sec = spec.value.sec;
	out->value.usec = spec.value.nsec / 1000;
	if (spec.value.sec == 0 && spec.value.nsec != 0)
		out->value.usec = UK_MAX(out->value.usec, 1);
}

int64_t uk_sys_setitimer(const struct uk_sysargs *s)
{
	struct itimerval fresh = { .value = { .sec = 0 } }, old;
	unsigned which = (unsigned)s->a[0];

	if (which >= ITIMERS)
		return -UK_EINVAL;
	if (s->a[1] != 0 && uk_copy_from_user(&fresh, s->a[1], sizeof(fresh)) != 0)
		return -UK_EFAULT;
	if (!timeval_valid(&fresh.interval) || !timeval_valid(&fresh.value))
		return -UK_EINVAL;
	get_itimer(which, &old);
	set(&itimers[which], timeval_ns(&fresh.value), true, timeval_ns(&fresh.interval));
	return s->a[2] != 0 ? uk_copy_to_user(s->a[2], &old, sizeof(old)) : 0;
}

int64_t uk_sys_getitimer(const struct uk_sysargs *s)
{
	struct itimerval now;

	if ((unsigned)s->a[0] >= ITIMERS)
		return -UK_EINVAL;
	get_itimer((unsigned)s->a[0], &now);
	return uk_copy_to_user(s->a[1], &now, sizeof(now));
}

int64_t uk_sys_alarm(const struct uk_sysargs *s)
{
	uint64_t seconds = (uint32_t)s->a[0];
	struct itimerval old;

	get_itimer(ITIMER_REAL, &old);
	set(&itimers[ITIMER_REAL], seconds * (uint64_t)UK_NS_PER_SEC, true, 0);
	/* Rounded, but an alarm that is set never counts as none. */
	if (old.value.usec >= 500000 || (old.value.sec == 0 && old.value.usec != 0))
		old.value.sec++;
	return old.value.sec;
}
