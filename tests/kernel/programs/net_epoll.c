/*
 * epoll, poll and select upon sockets: level and edge, one shot, what is news and what is not.
 */
#include "sockets.h"
#include <sys/select.h>

static int poller;

static int watch(int fd, uint32_t what)
{
	struct epoll_event e = { .events = what, .data.u64 = (uint64_t)fd << 32 | 7 };

	return epoll_ctl(poller, EPOLL_CTL_ADD, fd, &e);
}

static int change(int fd, uint32_t what)
{
	struct epoll_event e = { .events = what, .data.u64 = (uint64_t)fd << 32 | 7 };

	return epoll_ctl(poller, EPOLL_CTL_MOD, fd, &e);
}

/* The events of `fd`, of which there is news within `ms`; 0: none. */
static uint32_t news(int fd, int ms)
{
	struct epoll_event e[8];
	int count = epoll_wait(poller, e, 8, ms);

	check(count >= 0);
	for (int i = 0; i < count; i++)
		if (e[i].data.u64 == ((uint64_t)fd << 32 | 7))
			return e[i].events;
	return 0;
}

static void test_level(int family)
{
	char text[16];
	int end[2];

	connection(family, end);
	check(watch(end[1], EPOLLIN) == 0);
	fails(watch(end[1], EPOLLIN), EEXIST);
	printf("level: %x", news(end[1], 0));
	check(write(end[0], "abc", 3) == 3);
	printf(" %x", news(end[1], 5000));
	printf(" %x", news(end[1], 0));
	check(read(end[1], text, 2) == 2);
	printf(" %x", news(end[1], 0));
	check(read(end[1], text, 2) == 1);
	printf(" %x", news(end[1], 0));
	check(change(end[1], EPOLLOUT | EPOLLRDHUP) == 0);
	printf(" %x", news(end[1], 0));
	check(shutdown(end[0], SHUT_WR) == 0);
	events_with(end[1], POLLRDHUP);
	printf(" %x", news(end[1], 0));
	check(change(end[1], 0) == 0);
	printf(" %x", news(end[1], 0));
	close(end[0]);
	check(shutdown(end[1], SHUT_WR) == 0);
	events_with(end[1], POLLHUP);
	printf(" %x\n", news(end[1], 0));
	close(end[1]); /* forgets it */
	printf("closed: %x\n", news(end[1], 0));
}

static void test_edge(int family)
{
	char text[16];
	int end[2];

	connection(family, end);
	check(watch(end[1], EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET) == 0);
	printf("edge: %x", news(end[1], 5000));
	printf(" %x", news(end[1], 0));
	check(write(end[0], "abc", 3) == 3);
	printf(" %x", news(end[1], 5000));
	printf(" %x", news(end[1], 0));
	/* What was left unread is news again only when more comes. */
	check(read(end[1], text, 1) == 1);
	printf(" %x", news(end[1], 0));
	check(write(end[0], "d", 1) == 1);
	printf(" %x", news(end[1], 5000));
	check(read(end[1], text, 16) == 3);
	printf(" %x", news(end[1], 0));
	check(change(end[1], EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET) == 0);
	printf(" %x", news(end[1], 0));
	check(shutdown(end[0], SHUT_WR) == 0);
	events_with(end[1], POLLRDHUP);
	printf(" %x", news(end[1], 0));
	printf(" %x\n", news(end[1], 0));
	close(end[0]);
	close(end[1]);
}

static void test_one_shot(int family)
{
	int end[2];

	connection(family, end);
	check(watch(end[1], EPOLLIN | EPOLLONESHOT) == 0);
	check(write(end[0], "abc", 3) == 3);
	printf("one shot: %x", news(end[1], 5000));
	check(write(end[0], "abc", 3) == 3);
	printf(" %x", news(end[1], 20));
	check(change(end[1], EPOLLIN | EPOLLONESHOT) == 0);
	printf(" %x", news(end[1], 0));
	printf(" %x\n", news(end[1], 0));
	close(end[0]);
	close(end[1]);
}

/* Room to send comes back with what the other side reads. */
static void test_room(int family)
{
	static char block[65536];
	long sent = 0, got = 0;
	ssize_t size;
	int end[2];

	connection(family, end);
	no_wait(end[0]);
	no_wait(end[1]);
	check(watch(end[0], EPOLLOUT | EPOLLET) == 0);
	printf("room: %x", news(end[0], 0));
	/* Until nothing moves any more. */
	for (int quiet = 0; quiet < 10;) {
		size = write(end[0], block, sizeof(block));
		quiet = size > 0 ? 0 : quiet + 1;
		sent += size > 0 ? size : 0;
		if (size <= 0)
			usleep(1000);
	}
	news(end[0], 0);
	printf(" %x", news(end[0], 0));
	printf(" %x", events(end[0], 0) & POLLOUT);
	while (got < sent) {
		size = read(end[1], block, sizeof(block));
		got += size > 0 ? size : 0;
		if (size <= 0)
			usleep(1000);
	}
	printf(" %x %d\n", news(end[0], 5000), got == sent);
	close(end[0]);
	close(end[1]);
}

static void test_listener(int family)
{
	struct name name;
	int listener = bound(family, SOCK_STREAM | SOCK_NONBLOCK, &name), fd[3];

	check(watch(listener, EPOLLIN | EPOLLET) == 0);
	printf("listener: %x", news(listener, 0));
	for (int i = 0; i < 3; i++) {
		fd[i] = socket(family, SOCK_STREAM, 0);
		check(connect(fd[i], &name.any, name.size) == 0);
		printf(" %x", news(listener, 5000));
	}
	int taken = 0;
	for (int end; (end = accept(listener, NULL, NULL)) >= 0; taken++)
		close(end);
	printf(" took %d, %x\n", taken, news(listener, 0));
	for (int i = 0; i < 3; i++)
		close(fd[i]);
	close(listener);
}

static void test_connecting(int family)
{
	struct name name;
	int closed = bound(family, SOCK_DGRAM, &name),
	    fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK, 0);

	check(watch(fd, EPOLLIN | EPOLLOUT | EPOLLET) == 0);
	printf("connecting: %x", news(fd, 0));
	check(connect(fd, &name.any, name.size) == -1 && errno == EINPROGRESS);
	printf(" %x", news(fd, 5000));
	printf(" error %d\n", option(fd, SOL_SOCKET, SO_ERROR));
	close(fd);
	close(closed);
}

static void test_datagrams(int family)
{
	struct name name;
	int fd = bound(family, SOCK_DGRAM, &name);
	char text[16];

	check(watch(fd, EPOLLIN | EPOLLET) == 0);
	printf("datagrams: %x", news(fd, 0));
	for (int i = 0; i < 3; i++)
		check(sendto(fd, "self", 4, 0, &name.any, name.size) == 4);
	printf(" %x", news(fd, 5000));
	printf(" %x", news(fd, 20));
	check(recv(fd, text, 16, 0) == 4);
	printf(" %x\n", news(fd, 0));
	close(fd);
}

static void test_select(int family)
{
	struct timeval now = { 0, 0 };
	fd_set readable, writable;
	int end[2], count;

	connection(family, end);
	check(write(end[0], "x", 1) == 1);
	events_with(end[1], POLLIN);
	FD_ZERO(&readable);
	FD_ZERO(&writable);
	for (int i = 0; i < 2; i++) {
		FD_SET(end[i], &readable);
		FD_SET(end[i], &writable);
	}
	count = select(end[1] + 1, &readable, &writable, NULL, &now);
	printf("select: %d, readable %d %d, writable %d %d\n", count,
	       FD_ISSET(end[0], &readable) != 0, FD_ISSET(end[1], &readable) != 0,
	       FD_ISSET(end[0], &writable) != 0, FD_ISSET(end[1], &writable) != 0);
	close(end[0]);
	close(end[1]);
}

static void *write_later(void *arg)
{
	usleep(50000);
	check(write(*(int *)arg, "x", 1) == 1);
	return NULL;
}

/* Whoever sleeps in one of the three is woken. */
static void test_waking(int family)
{
	pthread_t thread;
	int end[2];
	char c;

	connection(family, end);
	check(watch(end[1], EPOLLIN) == 0);
	check(pthread_create(&thread, NULL, write_later, &end[0]) == 0);
	printf("woken: %x", news(end[1], -1));
	pthread_join(thread, NULL);
	check(read(end[1], &c, 1) == 1);
	check(pthread_create(&thread, NULL, write_later, &end[0]) == 0);
	struct pollfd p = { end[1], POLLIN, 0 };
	check(poll(&p, 1, -1) == 1);
	printf(" %x", p.revents);
	pthread_join(thread, NULL);
	check(read(end[1], &c, 1) == 1);
	check(pthread_create(&thread, NULL, write_later, &end[0]) == 0);
	fd_set readable;
	FD_ZERO(&readable);
	FD_SET(end[1], &readable);
	printf(" %d\n", select(end[1] + 1, &readable, NULL, NULL, NULL));
	pthread_join(thread, NULL);
	close(end[0]);
	close(end[1]);
}

int main(void)
{
	poller = epoll_create1(EPOLL_CLOEXEC);
	check(poller >= 0);
	for (int i = 0; i < 2; i++) {
		int family = i == 0 ? AF_INET : AF_INET6;

		printf("-- IPv%d\n", i == 0 ? 4 : 6);
		test_level(family);
		test_edge(family);
		test_one_shot(family);
		test_room(family);
		test_listener(family);
		test_connecting(family);
		test_datagrams(family);
		test_select(family);
		test_waking(family);
	}
	return 0;
}
