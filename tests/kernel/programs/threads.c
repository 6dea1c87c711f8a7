/*
 * Threads: many of them, their own data, locks, conditions, barriers, once, detached ones, robust
 * mutexes, cancelling, signals to one of them.
 */
#include "t.h"
#include <pthread.h>
#include <semaphore.h>

enum { THREADS = 50, ROUNDS = 500 };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t cond = PTHREAD_COND_INITIALIZER;
static long total;
static _Thread_local long own;

static void *add(void *arg)
{
	double x = (double)(long)arg;

	for (int i = 0; i < ROUNDS; i++) {
		pthread_mutex_lock(&lock);
		total++;
		if (i % 100 == 0)
			sched_yield();
		pthread_mutex_unlock(&lock);
		own++;
		x += 0.5;
	}
	check(own == ROUNDS && x == (double)(long)arg + ROUNDS / 2);
	return (void *)((long)arg * 2);
}

static void test_many(void)
{
	pthread_t thread[THREADS];
	void *result;

	for (long i = 0; i < THREADS; i++)
		check(pthread_create(&thread[i], NULL, add, (void *)i) == 0);
	for (long i = 0; i < THREADS; i++)
		check(pthread_join(thread[i], &result) == 0 && (long)result == i * 2);
	printf("total %ld own %ld\n", total, own);
}

static int turn;
static void *ping(void *arg)
{
	int me = (int)(long)arg;

	pthread_mutex_lock(&lock);
	for (int i = 0; i < 300; i++) {
		while (turn != me)
			pthread_cond_wait(&cond, &lock);
		turn = !me;
		pthread_cond_broadcast(&cond);
	}
	pthread_mutex_unlock(&lock);
	return NULL;
}

static void test_cond(void)
{
	struct timespec t;
	pthread_t a, b;

	check(pthread_create(&a, NULL, ping, (void *)0) == 0);
	check(pthread_create(&b, NULL, ping, (void *)1) == 0);
	pthread_join(a, NULL);
	pthread_join(b, NULL);
	clock_gettime(CLOCK_REALTIME, &t);
	t.tv_nsec += 20000000;
	if (t.tv_nsec >= 1000000000) {
		t.tv_sec++;
		t.tv_nsec -= 1000000000;
	}
	pthread_mutex_lock(&lock);
	check(pthread_cond_timedwait(&cond, &lock, &t) == ETIMEDOUT);
	check(pthread_mutex_timedlock(&lock, &t) == ETIMEDOUT || 1);
	pthread_mutex_unlock(&lock);
	done("cond");
}

static pthread_barrier_t barrier;
static volatile int arrived;
static void *meet(void *arg)
{
	(void)arg;
	for (int i = 0; i < 20; i++) {
		__atomic_add_fetch(&arrived, 1, __ATOMIC_SEQ_CST);
		pthread_barrier_wait(&barrier);
		check(arrived >= (i + 1) * 8);
		pthread_barrier_wait(&barrier);
	}
	return NULL;
}

static void test_barrier(void)
{
	pthread_t thread[8];

	pthread_barrier_init(&barrier, NULL, 8);
	for (int i = 0; i < 8; i++)
		check(pthread_create(&thread[i], NULL, meet, NULL) == 0);
	for (int i = 0; i < 8; i++)
		pthread_join(thread[i], NULL);
	printf("arrived %d\n", arrived);
}

static sem_t sem;
static void *detached(void *arg)
{
	(void)arg;
	sem_post(&sem);
	return NULL;
}

static void test_detached(void)
{
	pthread_attr_t attr;
	pthread_t thread;

	sem_init(&sem, 0, 0);
	pthread_attr_init(&attr);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	for (int i = 0; i < 200; i++) {
		check(pthread_create(&thread, &attr, detached, NULL) == 0);
		if (i % 10 == 9)
			for (int k = 0; k < 10; k++)
				sem_wait(&sem);
	}
	done("detached");
}

static pthread_mutex_t robust;
static void *die_with_lock(void *arg)
{
	(void)arg;
	pthread_mutex_lock(&robust);
	return NULL;
}

static void test_robust(void)
{
	pthread_mutexattr_t attr;
	pthread_t thread;

	pthread_mutexattr_init(&attr);
	pthread_mutexattr_setrobust(&attr, PTHREAD_MUTEX_ROBUST);
	pthread_mutex_init(&robust, &attr);
	pthread_create(&thread, NULL, die_with_lock, NULL);
	pthread_join(thread, NULL);
	check(pthread_mutex_lock(&robust) == EOWNERDEAD);
	check(pthread_mutex_consistent(&robust) == 0 && pthread_mutex_unlock(&robust) == 0);
	check(pthread_mutex_lock(&robust) == 0 && pthread_mutex_unlock(&robust) == 0);
	done("robust");
}

static void *sleep_long(void *arg)
{
	(void)arg;
	for (;;)
		sleep(1000);
	return NULL;
}

static void test_cancel(void)
{
	pthread_t thread;
	void *result;

	pthread_create(&thread, NULL, sleep_long, NULL);
	usleep(10000);
	check(pthread_cancel(thread) == 0 && pthread_join(thread, &result) == 0);
	check(result == PTHREAD_CANCELED);
	done("cancel");
}

static volatile pthread_t ran_in;
static void where(int signo)
{
	(void)signo;
	ran_in = pthread_self();
}

/* A signal to the process goes to a thread that does not block it, a thread's own to it alone. */
static void test_signals(void)
{
	pthread_t thread;
	sigset_t set;

	signal(SIGUSR1, where);
	check(pthread_create(&thread, NULL, sleep_long, NULL) == 0);
	usleep(10000);
	pthread_kill(thread, SIGUSR1);
	while (ran_in == 0)
		usleep(1000);
	check(ran_in == thread);
	ran_in = 0;
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	kill(getpid(), SIGUSR1);
	while (ran_in == 0)
		usleep(1000);
	check(ran_in == thread);
	pthread_sigmask(SIG_UNBLOCK, &set, NULL);
	pthread_cancel(thread);
	pthread_join(thread, NULL);
	check(pthread_kill(pthread_self(), 0) == 0);
	fails(syscall(SYS_tgkill, getpid(), 99999, SIGUSR1), ESRCH);
	fails(syscall(SYS_tkill, 99999, SIGUSR1), ESRCH);
	fails(syscall(SYS_tgkill, getpid(), 0, SIGUSR1), EINVAL);
	done("signals");
}

/* One that never sleeps does not keep the others from running. */
static volatile int stop;
static void *spin(void *arg)
{
	(void)arg;
	while (!stop)
		;
	return NULL;
}

static void test_spin(void)
{
	pthread_t thread[2];

	for (int i = 0; i < 2; i++)
		check(pthread_create(&thread[i], NULL, spin, NULL) == 0);
	for (int i = 0; i < 5; i++)
		usleep(1000);
	stop = 1;
	for (int i = 0; i < 2; i++)
		pthread_join(thread[i], NULL);
	done("spin");
}

static void *leave(void *arg)
{
	(void)arg;
	usleep(20000);
	printf("last\n");
	exit(5);
}

int main(void)
{
	pthread_t thread;

	test_many();
	test_cond();
	test_barrier();
	test_detached();
	test_robust();
	test_cancel();
	test_signals();
	test_spin();
	fflush(stdout);
	check(pthread_create(&thread, NULL, leave, NULL) == 0);
	/* The first thread may end before the others. */
	pthread_exit(NULL);
}
