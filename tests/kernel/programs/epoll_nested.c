/*
 * An epoll that another one, poll or select watches.
 */
#include "t.h"
#include <poll.h>
#include <pthread.h>
#include <sys/epoll.h>
#include <sys/select.h>

static int ends[2];

static void watch(int outer, int inner, uint32_t events)
{
	struct epoll_event e = { .events = events, .data.fd = inner };

	check(epoll_ctl(outer, EPOLL_CTL_ADD, inner, &e) == 0);
}

static int ready(int epoll)
{
	struct epoll_event e;
	int count = epoll_wait(epoll, &e, 1, 0);

	check(count >= 0);
	return count == 0 ? -1 : e.data.fd;
}

static void level(void)
{
	int inner = epoll_create1(0), outer = epoll_create1(0);
	struct pollfd p = { .fd = inner, .events = POLLIN };
	char byte;

	watch(outer, inner, EPOLLIN);
	watch(inner, ends[0], EPOLLIN);
	check(ready(outer) == -1 && poll(&p, 1, 0) == 0);
	check(write(ends[1], "x", 1) == 1);
	check(ready(outer) == inner && ready(outer) == inner && ready(inner) == ends[0]);
	check(poll(&p, 1, 0) == 1 && p.revents == POLLIN);
	check(read(ends[0], &byte, 1) == 1);
	check(poll(&p, 1, 0) == 0 && ready(outer) == -1 && ready(inner) == -1);
	check(write(ends[1], "x", 1) == 1 && ready(outer) == inner);
	check(epoll_ctl(inner, EPOLL_CTL_DEL, ends[0], NULL) == 0 && ready(outer) == -1);
	check(read(ends[0], &byte, 1) == 1 && close(inner) == 0 && ready(outer) == -1);
	check(close(outer) == 0);
	done("level");
}

/* Each arrival is told, whether or not the inner one was emptied. */
static void edge(void)
{
	int inner = epoll_create1(0), outer = epoll_create1(0);
	char bytes[4];

	watch(inner, ends[0], EPOLLIN);
	watch(outer, inner, EPOLLIN | EPOLLET);
	check(write(ends[1], "x", 1) == 1);
	check(ready(outer) == inner && ready(outer) == -1);
	check(write(ends[1], "x", 1) == 1);
	check(ready(outer) == inner && ready(outer) == -1);
	check(read(ends[0], bytes, 4) == 2 && ready(inner) == -1);
	check(close(inner) == 0 && close(outer) == 0);
	done("edge");
}

static void *writes_later(void *arg)
{
	struct timespec while_waiting = { 0, 50000000 };

	nanosleep(&while_waiting, NULL);
	check(write(ends[1], arg, 1) == 1);
	return NULL;
}

static void sleeping(void)
{
	int inner = epoll_create1(0), middle = epoll_create1(0), outer = epoll_create1(0);
	struct epoll_event e;
	pthread_t thread;
	fd_set set;
	char byte;

	watch(outer, middle, EPOLLIN);
	watch(middle, inner, EPOLLIN);
	watch(inner, ends[0], EPOLLIN);
	check(pthread_create(&thread, NULL, writes_later, "y") == 0);
	check(epoll_wait(outer, &e, 1, -1) == 1 && e.data.fd == middle);
	check(pthread_join(thread, NULL) == 0 && read(ends[0], &byte, 1) == 1);
	check(pthread_create(&thread, NULL, writes_later, "z") == 0);
	FD_ZERO(&set);
	FD_SET(middle, &set);
	check(select(middle + 1, &set, NULL, NULL, NULL) == 1 && FD_ISSET(middle, &set));
	check(pthread_join(thread, NULL) == 0 && read(ends[0], &byte, 1) == 1);
	check(close(inner) == 0 && close(middle) == 0 && close(outer) == 0);
	done("sleeping");
}

static void loops(void)
{
	struct epoll_event e = { .events = EPOLLIN };
	int chain[8];

	for (int i = 0; i < 8; i++)
		chain[i] = epoll_create1(0);
	fails(epoll_ctl(chain[0], EPOLL_CTL_ADD, chain[0], &e), EINVAL);
	watch(chain[0], chain[1], EPOLLIN);
	fails(epoll_ctl(chain[1], EPOLL_CTL_ADD, chain[0], &e), ELOOP);
	e.events |= EPOLLEXCLUSIVE;
	fails(epoll_ctl(chain[1], EPOLL_CTL_ADD, chain[2], &e), EINVAL);
	for (int i = 1; i < 4; i++)
		watch(chain[i], chain[i + 1], EPOLLIN);
	e.events = EPOLLIN;
	fails(epoll_ctl(chain[4], EPOLL_CTL_ADD, chain[1], &e), ELOOP);
	fails(epoll_ctl(chain[5], EPOLL_CTL_ADD, chain[0], &e), ELOOP);
	watch(chain[4], ends[0], EPOLLIN);
	check(write(ends[1], "x", 1) == 1);
	for (int i = 0; i < 4; i++)
		check(ready(chain[i]) == chain[i + 1]);
	for (int i = 0; i < 8; i++)
		check(close(chain[i]) == 0);
	done("loops");
}

int main(void)
{
	check(pipe(ends) == 0);
	level();
	edge();
	sleeping();
	loops();
	return 0;
}
