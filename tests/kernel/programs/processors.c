/*
 * Threads that run at once: each shares something with others that breaks when two of them are
 * let in together: memory that comes and goes, locks, pipes, sockets, signals.
 *
 * @processors 4
 */
#include "t.h"
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

enum { THREADS = 6, PAGE = 4096 };

static void run(void *(*fn)(void *), int count)
{
	pthread_t thread[THREADS];

	for (long i = 0; i < count; i++)
		check(pthread_create(&thread[i], NULL, fn, (void *)i) == 0);
	for (int i = 0; i < count; i++)
		check(pthread_join(thread[i], NULL) == 0);
}

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t cond = PTHREAD_COND_INITIALIZER;
static long counted, by_atomic;
static _Atomic long atomic;

static void *count(void *arg)
{
	(void)arg;
	for (int i = 0; i < 5000; i++) {
		pthread_mutex_lock(&lock);
		counted++;
		pthread_mutex_unlock(&lock);
		atomic++;
		__sync_fetch_and_add(&by_atomic, 1);
	}
	return NULL;
}

/* A queue with one place, so that everybody waits often; broadcasts requeue the waiters. */
static long place, taken_sum, given;

static void *exchange(void *arg)
{
	enum { ALL = 900 };
	bool gives = (long)arg % 2 == 0;

	pthread_mutex_lock(&lock);
	for (;;) {
		while (gives ? place != 0 && given < ALL : place == 0)
			pthread_cond_wait(&cond, &lock);
		if (gives && given == ALL)
			break;
		if (gives) {
			place = ++given;
		} else {
			if (place < 0)
				break;
			taken_sum += place;
			place = 0;
			if (given == ALL)
				place = -1;
		}
		pthread_cond_broadcast(&cond);
	}
	pthread_cond_broadcast(&cond);
	pthread_mutex_unlock(&lock);
	return NULL;
}

/* Fresh memory is zero, what was written stays, and what was given back is nobody's any more. */
static void *map_and_unmap(void *arg)
{
	unsigned long who = (unsigned long)arg + 1, seed = who;

	for (int round = 0; round < 150; round++) {
		size_t pages = 1 + (seed = seed * 6364136223846793005ul + 1) % 40;
		unsigned long *p = mmap(NULL, pages * PAGE, PROT_READ | PROT_WRITE,
					MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

		check(p != MAP_FAILED);
		for (size_t i = 0; i < pages; i++) {
			check(p[i * PAGE / sizeof(*p)] == 0);
			p[i * PAGE / sizeof(*p)] = who * 1000000 + i;
		}
		if (round % 3 == 0)
			sched_yield();
		check(mprotect(p, PAGE, PROT_READ) == 0);
		for (size_t i = 0; i < pages; i++)
			check(p[i * PAGE / sizeof(*p)] == who * 1000000 + i);
		check(mprotect(p, PAGE, PROT_READ | PROT_WRITE) == 0);
		if (round % 4 == 0) {
			check(madvise(p, pages * PAGE, MADV_DONTNEED) == 0);
			for (size_t i = 0; i < pages; i++)
				check(p[i * PAGE / sizeof(*p)] == 0);
		}
		check(munmap(p, pages * PAGE) == 0);
	}
	return NULL;
}

/*
 * Others look at a page all the time while its frame is changed under them. A stale translation
 * would show the frame that was taken away, or let a store through that is forbidden by now.
 */
static volatile unsigned long *_Atomic shared_page;
static _Atomic bool looking;
static _Atomic unsigned long generation;

static void *look(void *arg)
{
	(void)arg;
	while (looking) {
		unsigned long before = generation;
		unsigned long seen = *shared_page;

		/* The new content is there when its number is. */
		check(seen >= before);
	}
	return NULL;
}

static void test_stale(void)
{
	pthread_t thread[3];
	unsigned long *p =
		mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	shared_page = p;
	looking = true;
	for (int i = 0; i < 3; i++)
		check(pthread_create(&thread[i], NULL, look, NULL) == 0);
	for (unsigned long n = 1; n <= 400; n++) {
		unsigned long *fresh = mmap(NULL, PAGE, PROT_READ | PROT_WRITE,
					    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

		check(fresh != MAP_FAILED);
		*fresh = n;
		/* Over the old one, whose frame is free then and used again at once. */
		check(mremap(fresh, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, p) == p);
		generation = n;
		unsigned long *other = mmap(NULL, 8 * PAGE, PROT_READ | PROT_WRITE,
					    MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
		check(munmap(other, 8 * PAGE) == 0);
	}
	looking = false;
	for (int i = 0; i < 3; i++)
		pthread_join(thread[i], NULL);
	done("no stale page");
}

/* The first store to a page that all have read, by all at once: every byte arrives. */
static unsigned char *first_store;
static pthread_barrier_t barrier;

static void *store_first(void *arg)
{
	long who = (long)arg;
	volatile unsigned char *p = first_store;

	for (int page = 0; page < 60; page++) {
		check(p[page * PAGE + who] == 0);
		pthread_barrier_wait(&barrier);
		p[page * PAGE + who] = (unsigned char)(who + 1);
		pthread_barrier_wait(&barrier);
		for (int i = 0; i < 4; i++)
			check(p[page * PAGE + i] == i + 1);
	}
	return NULL;
}

static void *ping(void *arg)
{
	const int *fd = arg;
	unsigned char block[700], want = 0;
	ssize_t got;

	while ((got = read(fd[0], block, sizeof(block))) > 0)
		for (ssize_t i = 0; i < got; i++)
			check(block[i] == want++);
	check(got == 0);
	close(fd[0]);
	return NULL;
}

static void *pong(void *arg)
{
	const int *fd = arg;
	unsigned char block[1000], next = 0;

	for (int round = 0; round < 300; round++) {
		size_t size = 1 + (size_t)round * 37 % sizeof(block), done = 0;

		for (size_t i = 0; i < size; i++)
			block[i] = next++;
		while (done < size) {
			ssize_t put = write(fd[1], block + done, size - done);

			check(put > 0);
			done += (size_t)put;
		}
	}
	close(fd[1]);
	return NULL;
}

static void test_streams(void)
{
	pthread_t thread[6];
	int fd[3][2];

	check(pipe(fd[0]) == 0 && socketpair(AF_UNIX, SOCK_STREAM, 0, fd[1]) == 0 &&
	      pipe(fd[2]) == 0);
	for (int i = 0; i < 3; i++) {
		check(pthread_create(&thread[2 * i], NULL, ping, fd[i]) == 0);
		check(pthread_create(&thread[2 * i + 1], NULL, pong, fd[i]) == 0);
	}
	for (int i = 0; i < 6; i++)
		pthread_join(thread[i], NULL);
	done("streams");
}

static int event[THREADS], poller;
static _Atomic long events;

static void *tell(void *arg)
{
	uint64_t one = 1;

	for (int i = 0; i < 300; i++)
		check(write(event[(long)arg], &one, sizeof(one)) == sizeof(one));
	return NULL;
}

static void *listen_to(void *arg)
{
	struct epoll_event e[4];

	(void)arg;
	while (events < 300l * THREADS) {
		int count = epoll_wait(poller, e, 4, 50);

		for (int i = 0; i < count; i++) {
			uint64_t value;

			if (read(e[i].data.fd, &value, sizeof(value)) == sizeof(value))
				events += (long)value;
			else
				check(errno == EAGAIN);
		}
	}
	return NULL;
}

static void test_events(void)
{
	pthread_t listener[2];

	poller = epoll_create1(0);
	for (int i = 0; i < THREADS; i++) {
		event[i] = eventfd(0, EFD_NONBLOCK);
		struct epoll_event e = { .events = EPOLLIN, .data.fd = event[i] };
		check(event[i] >= 0 && epoll_ctl(poller, EPOLL_CTL_ADD, event[i], &e) == 0);
	}
	for (int i = 0; i < 2; i++)
		check(pthread_create(&listener[i], NULL, listen_to, NULL) == 0);
	run(tell, THREADS);
	for (int i = 0; i < 2; i++)
		pthread_join(listener[i], NULL);
	printf("events %ld\n", (long)events);
}

/* Signals to threads that compute, and so must be interrupted where they run. */
static _Atomic int answers;
static _Thread_local volatile sig_atomic_t hit;

static void on_signal(int signo)
{
	(void)signo;
	hit++;
	answers++;
}

static _Atomic int ready;
static void *compute(void *arg)
{
	double x = (double)(long)arg, start = x;

	ready++;
	while (hit < 20) {
		for (int i = 0; i < 1000; i++)
			x += 0.25;
		x -= 250;
		check(x == start);
	}
	return NULL;
}

static void test_signals(void)
{
	struct sigaction action = { .sa_handler = on_signal };
	pthread_t thread[4];

	sigaction(SIGUSR1, &action, NULL);
	for (long i = 0; i < 4; i++)
		check(pthread_create(&thread[i], NULL, compute, (void *)i) == 0);
	while (ready < 4)
		sched_yield();
	for (int round = 1; round <= 20; round++) {
		for (int i = 0; i < 4; i++)
			check(pthread_kill(thread[i], SIGUSR1) == 0);
		while (answers < 4 * round)
			sched_yield();
	}
	for (int i = 0; i < 4; i++)
		pthread_join(thread[i], NULL);
	printf("answers %d\n", answers);
}

/* Many that begin and end at once. */
static void *brief(void *arg)
{
	return arg;
}

static void *make_brief(void *arg)
{
	(void)arg;
	for (long i = 0; i < 40; i++) {
		pthread_t thread;
		void *result;

		check(pthread_create(&thread, NULL, brief, (void *)i) == 0);
		check(pthread_join(thread, &result) == 0 && (long)result == i);
	}
	return NULL;
}

static void *nap(void *arg)
{
	for (int i = 0; i < 20; i++) {
		struct timespec t = { 0, 100000 + 50000 * (long)arg }, before, after;

		clock_gettime(CLOCK_MONOTONIC, &before);
		check(nanosleep(&t, NULL) == 0);
		clock_gettime(CLOCK_MONOTONIC, &after);
		check((after.tv_sec - before.tv_sec) * 1000000000 + after.tv_nsec -
			      before.tv_nsec >=
		      t.tv_nsec);
	}
	return NULL;
}

int main(void)
{
	run(count, THREADS);
	printf("counted %ld %ld %ld\n", counted, (long)atomic, by_atomic);
	run(exchange, THREADS);
	printf("taken %ld\n", taken_sum);
	run(map_and_unmap, THREADS);
	done("memory");
	test_stale();
	first_store =
		mmap(NULL, 60 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	pthread_barrier_init(&barrier, NULL, 4);
	run(store_first, 4);
	done("first stores");
	test_streams();
	test_events();
	test_signals();
	run(make_brief, THREADS);
	done("brief ones");
	run(nap, THREADS);
	done("naps");
	return 0;
}
