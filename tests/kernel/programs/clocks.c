/*
 * Clocks never run backwards, sleeping takes at least its time, absolute times are honoured, and
 * timers of POSIX tick.
 */
#include "t.h"
#include <pthread.h>
#include <sys/auxv.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <sys/timerfd.h>
#include <sys/times.h>

static int64_t now(clockid_t clock)
{
	struct timespec t;

	check(clock_gettime(clock, &t) == 0 && t.tv_nsec >= 0 && t.tv_nsec < 1000000000);
	return t.tv_sec * 1000000000ll + t.tv_nsec;
}

/* By the system call itself. */
static int64_t called(clockid_t clock)
{
	struct timespec t;

	check(syscall(SYS_clock_gettime, clock, &t) == 0);
	return t.tv_sec * 1000000000ll + t.tv_nsec;
}

static void test_clocks(void)
{
	static const clockid_t clocks[] = {
		CLOCK_REALTIME, CLOCK_MONOTONIC,	  CLOCK_MONOTONIC_RAW,
		CLOCK_BOOTTIME, CLOCK_REALTIME_COARSE,	  CLOCK_MONOTONIC_COARSE,
		CLOCK_TAI,	CLOCK_PROCESS_CPUTIME_ID, CLOCK_THREAD_CPUTIME_ID
	};
	int64_t last = now(CLOCK_MONOTONIC), used = now(CLOCK_THREAD_CPUTIME_ID);
	struct timespec res;
	struct timeval tv;
	clockid_t mine;
	time_t before;

	for (int i = 0; i < 1000; i++) {
		int64_t next = now(CLOCK_MONOTONIC);

		check(next >= last);
		last = next;
	}
	for (size_t i = 0; i < sizeof(clocks) / sizeof(clocks[0]); i++)
		check(now(clocks[i]) >= 0 && clock_getres(clocks[i], &res) == 0);
	check(now(CLOCK_REALTIME) > 1600000000ll * 1000000000 && time(NULL) > 1600000000);
	before = time(NULL);
	check(gettimeofday(&tv, NULL) == 0 && tv.tv_sec >= before && tv.tv_sec <= time(NULL) + 1);
	for (volatile int i = 0; i < 5000000; i++)
		;
	check(now(CLOCK_THREAD_CPUTIME_ID) > used);
	check(pthread_getcpuclockid(pthread_self(), &mine) == 0 && now(mine) > used);
	check(clock_getcpuclockid(0, &mine) == 0 && now(mine) > used);
	fails(clock_gettime(77, &res), EINVAL);
	fails(syscall(SYS_clock_getres, 77, NULL), EINVAL);
	check(times(NULL) != (clock_t)-1);
	done("clocks");
}

/* The C library reads the clocks in the program's own mode: what it says lies between two calls. */
static void test_vdso(void)
{
	static const clockid_t clocks[] = { CLOCK_REALTIME, CLOCK_MONOTONIC, CLOCK_BOOTTIME };
	const unsigned char *elf = (const unsigned char *)getauxval(AT_SYSINFO_EHDR);

	check(elf != NULL && memcmp(elf, "\177ELF", 4) == 0);
	for (int i = 0; i < 3000; i++) {
		clockid_t clock = clocks[i % 3];
		int64_t before = called(clock), between = now(clock);

		check(before <= between && between <= called(clock));
	}
	/* The page of numbers cannot be written. */
	fails(syscall(SYS_clock_gettime, CLOCK_MONOTONIC, elf - 8192), EFAULT);
	fails(syscall(SYS_clock_gettime, CLOCK_MONOTONIC, elf), EFAULT);
	done("vdso");
}

static void test_sleep(void)
{
	struct timespec t = { .tv_nsec = 20000000 }, bad = { .tv_nsec = -1 };
	int64_t start = now(CLOCK_MONOTONIC);

	check(nanosleep(&t, NULL) == 0 && now(CLOCK_MONOTONIC) - start >= 20000000);
	start += 60000000;
	t.tv_sec = start / 1000000000;
	t.tv_nsec = start % 1000000000;
	check(clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL) == 0);
	check(now(CLOCK_MONOTONIC) >= start);
	start = now(CLOCK_REALTIME) + 10000000;
	t.tv_sec = start / 1000000000;
	t.tv_nsec = start % 1000000000;
	check(clock_nanosleep(CLOCK_REALTIME, TIMER_ABSTIME, &t, NULL) == 0);
	check(now(CLOCK_REALTIME) >= start);
	fails(nanosleep(&bad, NULL), EINVAL);
	bad.tv_sec = -1;
	bad.tv_nsec = 0;
	fails(nanosleep(&bad, NULL), EINVAL);
	check(clock_nanosleep(CLOCK_THREAD_CPUTIME_ID, 0, &t, NULL) == EINVAL);
	done("sleep");
}

/* Timers are finer than a millisecond: of many short sleeps the shortest shows it, however busy the
 * machine is. */
static void test_short(void)
{
	struct itimerspec every = { .it_value.tv_nsec = 100000, .it_interval.tv_nsec = 100000 };
	struct timespec t = { .tv_nsec = 100000 };
	int64_t least = INT64_MAX, least_tick = INT64_MAX, last;
	int fd = timerfd_create(CLOCK_MONOTONIC, 0);
	uint64_t times;

	for (int i = 0; i < 300; i++) {
		int64_t start = now(CLOCK_MONOTONIC), took;

		check(nanosleep(&t, NULL) == 0);
		took = now(CLOCK_MONOTONIC) - start;
		check(took >= 100000);
		least = took < least ? took : least;
	}
	check(least < 1000000);
	check(timerfd_settime(fd, 0, &every, NULL) == 0);
	last = now(CLOCK_MONOTONIC);
	for (int i = 0; i < 300; i++) {
		int64_t next;

		check(read(fd, &times, sizeof(times)) == sizeof(times) && times > 0);
		next = now(CLOCK_MONOTONIC);
		least_tick = next - last < least_tick ? next - last : least_tick;
		last = next;
	}
	check(least_tick < 1000000);
	close(fd);
	done("short");
}

static timer_t timer;
static volatile int ticks, most_missed;
static void tick(int signo, siginfo_t *info, void *context)
{
	(void)signo;
	(void)context;
	check(info->si_code == SI_TIMER && info->si_value.sival_int == 12);
	ticks++;
	if (timer_getoverrun(timer) > most_missed)
		most_missed = timer_getoverrun(timer);
}

static void test_timers(void)
{
	struct sigaction sa = { .sa_sigaction = tick, .sa_flags = SA_SIGINFO };
	struct sigevent ev = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGRTMIN + 3 };
	struct itimerspec spec = { .it_value.tv_nsec = 5000000, .it_interval.tv_nsec = 3000000 };
	struct itimerspec left;
	sigset_t set;

	ev.sigev_value.sival_int = 12;
	sigaction(SIGRTMIN + 3, &sa, NULL);
	check(timer_create(CLOCK_MONOTONIC, &ev, &timer) == 0);
	check(timer_gettime(timer, &left) == 0 && left.it_value.tv_nsec == 0);
	check(timer_settime(timer, 0, &spec, NULL) == 0);
	while (ticks < 4)
		usleep(1000);
	check(timer_gettime(timer, &left) == 0 && left.it_interval.tv_nsec == 3000000);
	sigemptyset(&set);
	sigaddset(&set, SIGRTMIN + 3);
	sigprocmask(SIG_BLOCK, &set, NULL);
	most_missed = 0;
	usleep(40000);
	sigprocmask(SIG_UNBLOCK, &set, NULL);
	check(most_missed > 0);
	check(timer_delete(timer) == 0);
	fails(syscall(SYS_timer_delete, 200), EINVAL);
	ev.sigev_signo = 99;
	fails(timer_create(CLOCK_MONOTONIC, &ev, &timer), EINVAL);
	fails(timer_create(77, &ev, &timer), EINVAL);
	done("timers");
}

int main(void)
{
	struct rusage usage;

	test_clocks();
	test_vdso();
	test_sleep();
	test_short();
	test_timers();
	check(getrusage(RUSAGE_SELF, &usage) == 0 && usage.ru_maxrss > 0);
	check(getrusage(RUSAGE_THREAD, &usage) == 0 && getrusage(RUSAGE_CHILDREN, &usage) == 0);
	fails(getrusage(7, &usage), EINVAL);
	return 0;
}
