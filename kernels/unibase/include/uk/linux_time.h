/*
 * Linux's times, clocks and deadlines. sys/clock.c.
 */
#ifndef UK_LINUX_TIME_H
#define UK_LINUX_TIME_H

#include <uk/linux.h>

#define UK_NS_PER_SEC 1000000000ll

enum uk_clock {
	UK_CLOCK_REALTIME = 0,
	UK_CLOCK_MONOTONIC = 1,
	UK_CLOCK_PROCESS_CPUTIME_ID = 2,
	UK_CLOCK_THREAD_CPUTIME_ID = 3,
	UK_CLOCK_MONOTONIC_RAW = 4,
	UK_CLOCK_REALTIME_COARSE = 5,
	UK_CLOCK_MONOTONIC_COARSE = 6,
	UK_CLOCK_BOOTTIME = 7,
	UK_CLOCK_REALTIME_ALARM = 8,
	UK_CLOCK_BOOTTIME_ALARM = 9,
	UK_CLOCK_TAI = 11,
};

/* Nanoseconds; -UK_EINVAL when nsec is out of range or sec negative. Saturates. */
int64_t uk_timespec_ns(const struct uk_linux_timespec *t);
struct uk_linux_timespec uk_timespec(int64_t ns);
/* When `t` (from now, or absolute on the monotonic or the real-time clock) is over, as a monotonic
 * time for uk_wait_event. 0 or -UK_EINVAL. */
int uk_deadline(const struct uk_linux_timespec *t, bool absolute, bool real, uint64_t *deadline);
/* Processor time of the program's threads that live and have lived, ns. */
uint64_t uk_process_run_time(void);
uint64_t uk_process_run_time_locked(void); /* uk_process.lock held */
/* Negative clock numbers stand for the time of a process or thread (clock_getcpuclockid). 0 or
 * -UK_EINVAL. */
int64_t uk_thread_clock(int clock, int64_t *ns);

#endif
