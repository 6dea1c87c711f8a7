/*
 * Calls that a signal breaks off: started again with SA_RESTART, EINTR without it, always EINTR
 * where Linux says so; a write to a pipe nobody reads is SIGPIPE.
 */
#include "t.h"
#include <poll.h>
#include <pthread.h>
#include <sys/select.h>

static volatile int count;
static void note(int signo)
{
	(void)signo;
	count++;
}

static int ends[2];
static pthread_t main_thread;
static volatile int broken_off;

/* A signal, and a little later a byte. */
static void *disturb(void *arg)
{
	(void)arg;
	usleep(30000);
	pthread_kill(main_thread, SIGUSR1);
	usleep(30000);
	check(write(ends[1], "x", 1) == 1);
	return NULL;
}

/* Signals until one has broken the call off: who comes before the call does not. Then the byte. */
static void *break_off(void *arg)
{
	(void)arg;
	while (!broken_off) {
		usleep(30000);
		pthread_kill(main_thread, SIGUSR1);
	}
	check(write(ends[1], "x", 1) == 1);
	return NULL;
}

static void with(int flags, pthread_t *helper, void *(*fn)(void *))
{
	struct sigaction sa = { .sa_handler = note, .sa_flags = flags };

	count = broken_off = 0;
	sigaction(SIGUSR1, &sa, NULL);
	check(pthread_create(helper, NULL, fn, NULL) == 0);
}

static void drain(pthread_t helper)
{
	char c;

	broken_off = 1;
	pthread_join(helper, NULL);
	check(read(ends[0], &c, 1) == 1 && count >= 1);
}

int main(void)
{
	struct pollfd poll_fd = { .events = POLLIN };
	struct timespec ten = { .tv_sec = 10 };
	sigset_t set, none;
	pthread_t helper;
	fd_set fds;
	char c;

	main_thread = pthread_self();
	check(pipe(ends) == 0);
	poll_fd.fd = ends[0];

	with(SA_RESTART, &helper, disturb);
	check(read(ends[0], &c, 1) == 1 && c == 'x' && count == 1);
	pthread_join(helper, NULL);
	done("read restarts");

	with(0, &helper, break_off);
	fails(read(ends[0], &c, 1), EINTR);
	drain(helper);
	done("read breaks off");

	with(SA_RESTART, &helper, break_off);
	fails(poll(&poll_fd, 1, -1), EINTR);
	drain(helper);
	done("poll breaks off");

	with(SA_RESTART, &helper, break_off);
	FD_ZERO(&fds);
	FD_SET(ends[0], &fds);
	fails(select(ends[0] + 1, &fds, NULL, NULL, NULL), EINTR);
	drain(helper);
	done("select breaks off");

	/* The mask of ppoll holds for its time alone. */
	sigemptyset(&none);
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigprocmask(SIG_BLOCK, &set, NULL);
	with(0, &helper, break_off);
	fails(ppoll(&poll_fd, 1, &ten, &none), EINTR);
	check(count == 1);
	drain(helper);
	check(count == 1);
	count = 0;
	raise(SIGUSR1);
	check(count == 0 && ppoll(&poll_fd, 1, &(struct timespec){ .tv_nsec = 1 }, NULL) == 0);
	check(count == 0);
	fails(ppoll(&poll_fd, 1, &ten, &none), EINTR);
	check(count == 1);
	sigprocmask(SIG_UNBLOCK, &set, NULL);
	done("ppoll's mask");

	count = 0;
	signal(SIGPIPE, note);
	close(ends[0]);
	fails(write(ends[1], "x", 1), EPIPE);
	check(count == 1);
	done("pipe");
	return 0;
}
