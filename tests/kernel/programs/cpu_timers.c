/*
 * Timers of processor time, by which profilers sample: they run while the program computes, and not
 * while it sleeps.
 */
#include "t.h"
#include <pthread.h>
#include <sys/time.h>

static volatile sig_atomic_t told;

static void tell(int signo)
{
	(void)signo;
	told++;
}

static void compute_until(int count)
{
	volatile unsigned long x = 0;

	while (told < count)
		x++;
}

static void sleep_ms(long ms)
{
	struct timespec t = { 0, ms * 1000000 };

	while (nanosleep(&t, &t) != 0)
		check(errno == EINTR);
}

static int64_t ns_of(clockid_t clock)
{
	struct timespec t;

	check(clock_gettime(clock, &t) == 0);
	return t.tv_sec * 1000000000ll + t.tv_nsec;
}

/* Told no more than what may have been due, while the program sleeps. A processor that is stolen
 * just before or after that looks used: by as much it is late. */
static void rests(void)
{
	int64_t start = ns_of(CLOCK_MONOTONIC), late;
	int before = told;

	sleep_ms(100);
	late = ns_of(CLOCK_MONOTONIC) - start - 100000000;
	check(told - before <= 2 + late / 10000000);
}

/* A timer that is due and has not told it yet is no timer that is off. Linux rounds what is left
 * down, and so has a microsecond in which it looks like that. */
static void looks_set(int which)
{
	struct itimerval now;

	told = 0;
	while (told < 5) {
		check(getitimer(which, &now) == 0);
		if (now.it_value.tv_usec != 0)
			continue;
		for (int64_t from = ns_of(CLOCK_PROCESS_CPUTIME_ID);
		     ns_of(CLOCK_PROCESS_CPUTIME_ID) - from < 10000;)
			;
		check(getitimer(which, &now) == 0 && now.it_value.tv_usec != 0);
	}
}

static void interval(const char *name, int which, int signo)
{
	struct itimerval every = { { 0, 10000 }, { 0, 20000 } }, off = { { 0, 0 }, { 0, 0 } }, now;
	int before;

	check(signal(signo, tell) != SIG_ERR);
	told = 0;
	check(getitimer(which, &now) == 0 && now.it_value.tv_usec == 0);
	check(setitimer(which, &every, NULL) == 0 && getitimer(which, &now) == 0);
	check(now.it_interval.tv_usec == 10000 && now.it_value.tv_sec == 0);
	check(now.it_value.tv_usec > 0 && now.it_value.tv_usec <= 50000);
	compute_until(5);
	rests();
	looks_set(which);
	check(setitimer(which, &off, &now) == 0 && now.it_interval.tv_usec == 10000);
	before = told;
	check(getitimer(which, &now) == 0 && now.it_value.tv_usec == 0 && told == before);
	fails(setitimer(3, &every, NULL), EINVAL);
	fails(getitimer(3, &now), EINVAL);
	done(name);
}

static void posix(const char *name, clockid_t clock)
{
	struct sigevent event = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1 };
	struct itimerspec every = { { 0, 10000000 }, { 0, 10000000 } }, now;
	timer_t timer;

	check(signal(SIGUSR1, tell) != SIG_ERR);
	told = 0;
	check(timer_create(clock, &event, &timer) == 0);
	check(timer_gettime(timer, &now) == 0 && now.it_value.tv_nsec == 0);
	check(timer_settime(timer, 0, &every, NULL) == 0);
	compute_until(5);
	rests();
	check(timer_gettime(timer, &now) == 0);
	check(now.it_interval.tv_nsec == 10000000 && now.it_value.tv_nsec <= 50000000);
	check(timer_delete(timer) == 0);
	done(name);
}

static void *computes(void *arg)
{
	(void)arg;
	for (volatile unsigned long x = 0; told < 3; x++)
		;
	return NULL;
}

static void other_thread(void)
{
	struct sigevent event = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1 };
	struct itimerspec every = { { 0, 10000000 }, { 0, 10000000 } };
	pthread_t thread;
	clockid_t clock;
	timer_t timer;

	told = 0;
	check(pthread_create(&thread, NULL, computes, NULL) == 0);
	check(pthread_getcpuclockid(thread, &clock) == 0);
	check(timer_create(clock, &event, &timer) == 0);
	check(timer_settime(timer, 0, &every, NULL) == 0);
	check(pthread_join(thread, NULL) == 0 && timer_delete(timer) == 0);
	done("another thread's time");
}

int main(void)
{
	timer_t timer;

	interval("profiling", ITIMER_PROF, SIGPROF);
	interval("virtual", ITIMER_VIRTUAL, SIGVTALRM);
	posix("the process's time", CLOCK_PROCESS_CPUTIME_ID);
	posix("the thread's time", CLOCK_THREAD_CPUTIME_ID);
	other_thread();
	fails(timer_create(77, NULL, &timer), EINVAL);
	fails(timer_create(~999999 * 8 + 6, NULL, &timer), EINVAL);
	return 0;
}
