/*
 * Signals read from a descriptor: one by one and several at once, with their values, waited for by
 * poll and by a sleeping read; the set may change.
 */
#include "t.h"
#include <poll.h>
#include <pthread.h>
#include <sys/signalfd.h>

static void *send_later(void *arg)
{
	usleep(20000);
	kill(getpid(), (int)(long)arg);
	return NULL;
}

int main(void)
{
	struct signalfd_siginfo info[4];
	struct pollfd p = { .events = POLLIN };
	pthread_t thread;
	sigset_t set;
	int fd;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigaddset(&set, SIGUSR2);
	sigaddset(&set, SIGRTMIN);
	sigprocmask(SIG_BLOCK, &set, NULL);
	fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
	check(fd >= 0);
	p.fd = fd;
	fails(read(fd, info, sizeof(info)), EAGAIN);
	fails(read(fd, info, 100), EINVAL);
	check(poll(&p, 1, 0) == 0);
	sigqueue(getpid(), SIGRTMIN, (union sigval){ .sival_int = 5 });
	sigqueue(getpid(), SIGRTMIN, (union sigval){ .sival_int = 6 });
	raise(SIGUSR1);
	check(poll(&p, 1, 0) == 1 && p.revents == POLLIN);
	check(read(fd, info, sizeof(info)) == 3 * sizeof(info[0]));
	for (int i = 0; i < 3; i++)
		printf("%d code %d value %d own %d\n", (int)info[i].ssi_signo, info[i].ssi_code,
		       info[i].ssi_int, info[i].ssi_pid == (uint32_t)getpid());
	check(poll(&p, 1, 0) == 0);
	check(pthread_create(&thread, NULL, send_later, (void *)SIGUSR2) == 0);
	check(poll(&p, 1, 5000) == 1);
	check(read(fd, info, sizeof(info)) == sizeof(info[0]) && info[0].ssi_signo == SIGUSR2);
	pthread_join(thread, NULL);
	close(fd);

	fd = signalfd(-1, &set, 0);
	sigdelset(&set, SIGUSR1);
	check(signalfd(fd, &set, 0) == fd);
	check(pthread_create(&thread, NULL, send_later, (void *)SIGUSR2) == 0);
	raise(SIGUSR1);
	check(read(fd, info, sizeof(info)) == sizeof(info[0]) && info[0].ssi_signo == SIGUSR2);
	pthread_join(thread, NULL);
	fails(signalfd(0, &set, 0), EINVAL);
	fails(signalfd(77, &set, 0), EBADF);
	fails(signalfd(-1, &set, 1), EINVAL);
	return 0;
}
