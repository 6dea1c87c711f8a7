/*
 * Clocks and sleeping. All real clocks are two: monotonic from the machine's start, and real time,
 * which is monotonic plus an offset.
 */
#include <uk/linux_time.h>
#include <uk/process.h>
#include <uk/syscall.h>
#include <uk/thread.h>
#include <uk/user.h>

enum { ABSTIME = 1, TICKS_PER_SEC = 100 };

int64_t uk_timespec_ns(const struct uk_linux_timespec *t)
{
	int64_t ns;

	if (t->sec < 0 || t->nsec < 0 || t->nsec >= UK_NS_PER_SEC)
		return -UK_EINVAL;
	if (__builtin_mul_overflow(t->sec, UK_NS_PER_SEC, &ns) ||
	    __builtin_add_overflow(ns, t->nsec, &ns))
		return INT64_MAX;
	return ns;
}

struct uk_linux_timespec uk_timespec(int64_t ns)
{
	struct uk_linux_timespec t = { .sec = ns / UK_NS_PER_SEC, .nsec = ns % UK_NS_PER_SEC };

	if (t.nsec < 0) {
		t.sec--;
		t.nsec += UK_NS_PER_SEC;
	}
	return t;
}

int uk_deadline(const struct uk_linux_timespec *t, bool absolute, bool real, uint64_t *deadline)
{
	uint64_t now = uk_time_mono();
	int64_t ns = uk_timespec_ns(t);

	if (ns < 0)
		return -UK_EINVAL;
	if (absolute && real) {
		int64_t wall = uk_time_real();

		ns = ns > wall ? ns - wall : 0;
	} else if (absolute) {
		ns = (uint64_t)ns > now ? ns - (int64_t)now : 0;
	}
	*deadline = now + (uint64_t)ns;
	return 0;
}

uint64_t uk_process_run_time_locked(void)
{
	uint64_t total = uk_process.ended_time;

	uk_list_each (item, &uk_process.tasks)
		total += uk_thread_run_time(uk_list_entry(item, struct uk_task, item)->thread);
	return total;
}

uint64_t uk_process_run_time(void)
{
	uint64_t state = uk_spin_lock(&uk_process.lock);
	uint64_t total = uk_process_run_time_locked();

	uk_spin_unlock(&uk_process.lock, state);
	return total;
}

int64_t uk_thread_clock(int clock, int64_t *ns)
{
	int id = ~(clock >> 3);
	struct uk_task *task;
	uint64_t state;

	if ((clock & 3) > 2)
		return -UK_EINVAL;
	if (!(clock & 4)) {
		if (id != 0 && id != UK_PID)
			return -UK_EINVAL;
		*ns = (int64_t)uk_process_run_time();
		return 0;
	}
	state = uk_spin_lock(&uk_process.lock);
	task = id == 0 ? uk_task_self() : uk_task_find(id);
	if (task != NULL)
		*ns = (int64_t)uk_thread_run_time(task->thread);
	uk_spin_unlock(&uk_process.lock, state);
	return task != NULL ? 0 : -UK_EINVAL;
}

static int64_t clock_read(int clock, int64_t *ns)
{
	switch (clock) {
	case UK_CLOCK_REALTIME:
	case UK_CLOCK_REALTIME_COARSE:
	case UK_CLOCK_REALTIME_ALARM:
	case UK_CLOCK_TAI:
		*ns = uk_time_real();
		return 0;
	case UK_CLOCK_MONOTONIC:
	case UK_CLOCK_MONOTONIC_RAW:
	case UK_CLOCK_MONOTONIC_COARSE:
	case UK_CLOCK_BOOTTIME:
	case UK_CLOCK_BOOTTIME_ALARM:
		*ns = (int64_t)uk_time_mono();
		return 0;
	case UK_CLOCK_PROCESS_CPUTIME_ID:
		*ns = (int64_t)uk_process_run_time();
		return 0;
	case UK_CLOCK_THREAD_CPUTIME_ID:
		*ns = (int64_t)uk_thread_run_time(uk_thread_self());
		return 0;
	default:
		return clock < 0 ? uk_thread_clock(clock, ns) : -UK_EINVAL;
	}
}

static int put_timespec(uint64_t user, int64_t ns)
{
	struct uk_linux_timespec t = uk_timespec(ns);

	return uk_copy_to_user(user, &t, sizeof(t));
}

int64_t uk_sys_clock_gettime(const struct uk_sysargs *s)
{
	int64_t ns, result = clock_read((int)s->a[0], &ns);

	return result != 0 ? result : put_timespec(s->a[1], ns);
}

int64_t uk_sys_clock_getres(const struct uk_sysargs *s)
{
	int64_t ns, result = clock_read((int)s->a[0], &ns);

	if (result != 0 || s->a[1] == 0)
		return result;
	return put_timespec(s->a[1], 1);
}

int64_t uk_sys_clock_settime(const struct uk_sysargs *s)
{
	struct uk_linux_timespec t;
	int64_t ns;

	if ((int)s->a[0] != UK_CLOCK_REALTIME)
		return -UK_EINVAL;
	if (uk_copy_from_user(&t, s->a[1], sizeof(t)) != 0)
		return -UK_EFAULT;
	ns = uk_timespec_ns(&t);
	if (ns < 0)
		return ns;
	uk_time_set_real(ns);
	return 0;
}

int64_t uk_sys_gettimeofday(const struct uk_sysargs *s)
{
	int64_t ns = uk_time_real();
	struct uk_linux_timeval t = { .sec = ns / UK_NS_PER_SEC,
				      .usec = ns % UK_NS_PER_SEC / 1000 };
	static const int32_t zone[2];

	if (s->a[0] != 0 && uk_copy_to_user(s->a[0], &t, sizeof(t)) != 0)
		return -UK_EFAULT;
	return s->a[1] != 0 ? uk_copy_to_user(s->a[1], zone, sizeof(zone)) : 0;
}

int64_t uk_sys_settimeofday(const struct uk_sysargs *s)
{
	struct uk_linux_timeval t;

	/* The time zone is the C library's affair. */
	if (s->a[0] == 0)
		return 0;
	if (uk_copy_from_user(&t, s->a[0], sizeof(t)) != 0)
		return -UK_EFAULT;
	if (t.sec < 0 || t.sec > INT64_MAX / UK_NS_PER_SEC - 1 || t.usec < 0 || t.usec >= 1000000)
		return -UK_EINVAL;
	uk_time_set_real(t.sec * UK_NS_PER_SEC + t.usec * 1000);
	return 0;
}

int64_t uk_sys_time(const struct uk_sysargs *s)
{
	int64_t sec = uk_time_real() / UK_NS_PER_SEC;

	if (s->a[0] != 0 && uk_copy_to_user(s->a[0], &sec, sizeof(sec)) != 0)
		return -UK_EFAULT;
	return sec;
}

int64_t uk_sys_times(const struct uk_sysargs *s)
{
	const int64_t ns_per_tick = UK_NS_PER_SEC / TICKS_PER_SEC;
	int64_t ticks[4] = { (int64_t)uk_process_run_time() / ns_per_tick };

	if (s->a[0] != 0 && uk_copy_to_user(s->a[0], ticks, sizeof(ticks)) != 0)
		return -UK_EFAULT;
	return (int64_t)uk_time_mono() / ns_per_tick;
}

/* Sleeps until `deadline`; a signal ends it, and what is left of a relative sleep goes to `left`.
 */
static int64_t sleep_until(uint64_t deadline, uint64_t left)
{
	struct uk_waitq queue;
	uint64_t now;

	uk_waitq_init(&queue);
	if (uk_wait_event(&queue, false, deadline, true) != -UK_ERESTARTSYS)
		return 0;
	now = uk_time_mono();
	if (left != 0 && put_timespec(left, deadline > now ? (int64_t)(deadline - now) : 0) != 0)
		return -UK_EFAULT;
	return -UK_EINTR;
}

int64_t uk_sys_clock_nanosleep(const struct uk_sysargs *s)
{
	bool absolute = (s->a[1] & ABSTIME) != 0, real = false;
	struct uk_linux_timespec t;
	uint64_t deadline;
	int result;

	switch ((int)s->a[0]) {
	case UK_CLOCK_REALTIME:
	case UK_CLOCK_REALTIME_ALARM:
	case UK_CLOCK_TAI:
		real = true;
		break;
	case UK_CLOCK_MONOTONIC:
	case UK_CLOCK_BOOTTIME:
	case UK_CLOCK_BOOTTIME_ALARM:
		break;
	case UK_CLOCK_PROCESS_CPUTIME_ID:
	case UK_CLOCK_THREAD_CPUTIME_ID:
	case UK_CLOCK_MONOTONIC_RAW:
	case UK_CLOCK_REALTIME_COARSE:
	case UK_CLOCK_MONOTONIC_COARSE:
		return -UK_EOPNOTSUPP;
	default:
		return -UK_EINVAL;
	}
	if (uk_copy_from_user(&t, s->a[2], sizeof(t)) != 0)
		return -UK_EFAULT;
	result = uk_deadline(&t, absolute, real, &deadline);
	if (result != 0)
		return result;
	return sleep_until(deadline, absolute ? 0 : s->a[3]);
}

int64_t uk_sys_nanosleep(const struct uk_sysargs *s)
{
	struct uk_linux_timespec t;
	uint64_t deadline;
	int result;

	if (uk_copy_from_user(&t, s->a[0], sizeof(t)) != 0)
		return -UK_EFAULT;
	result = uk_deadline(&t, false, false, &deadline);
	return result != 0 ? result : sleep_until(deadline, s->a[1]);
}
