/*
 * Streams over IPv4 and IPv6: names, connecting and being refused, accepting, closing by halves and
 * by force.
 */
#include "sockets.h"

static void test_names(int family)
{
	struct name name, child, from = { .size = sizeof(from.room) };
	int listener, fd = socket(family, SOCK_STREAM, 0);

	print_name("unbound", own_name(fd));
	fails(getpeername(fd, &from.any, &from.size), ENOTCONN);
	fails(accept(fd, NULL, NULL), EINVAL);
	fails(recv(fd, &from, 1, 0), ENOTCONN);
	fails(send(fd, &from, 1, MSG_NOSIGNAL), EPIPE);
	listener = bound(family, SOCK_STREAM, &name);
	print_name("listener", name);
	fails(bind(fd, &name.any, name.size), EADDRINUSE);
	fails(bind(fd, &name.any, 4), EINVAL);
	fails(connect(fd, &name.any, 4), EINVAL);
	fails(getpeername(listener, &from.any, &from.size), ENOTCONN);
	fails(recv(listener, &from, 1, 0), ENOTCONN);
	check(connect(fd, &name.any, name.size) == 0);
	fails(connect(fd, &name.any, name.size), EISCONN);
	print_name("client", own_name(fd));
	check(same_name(peer_name(fd), name));
	from.size = sizeof(from.room);
	memset(&from.room, 0, sizeof(from.room));
	int end = accept4(listener, &from.any, &from.size, SOCK_CLOEXEC | SOCK_NONBLOCK);
	check(end >= 0);
	check(same_name(from, own_name(fd)) && same_name(from, peer_name(end)));
	check(same_name(own_name(end), name));
	printf("flags %x %x\n", fcntl(end, F_GETFL), fcntl(end, F_GETFD));
	fails(read(end, &from, 1), EAGAIN);
	fails(syscall(SYS_accept4, listener, NULL, NULL, 4), EINVAL);
	fails(listen(fd, 1), EINVAL);
	/* A name is cut to the room that is there. */
	child.size = 2;
	check(getpeername(end, &child.any, &child.size) == 0);
	printf("whole size %u\n", child.size);
	no_wait(listener);
	fails(accept(listener, NULL, NULL), EAGAIN);
	printf("listens %d %d, type %d, family %d, protocol %d\n",
	       option(listener, SOL_SOCKET, SO_ACCEPTCONN), option(fd, SOL_SOCKET, SO_ACCEPTCONN),
	       option(fd, SOL_SOCKET, SO_TYPE), option(fd, SOL_SOCKET, SO_DOMAIN),
	       option(fd, SOL_SOCKET, SO_PROTOCOL));
	close(fd);
	close(end);
	close(listener);
	fd = socket(family, SOCK_STREAM, 0);
	fails(shutdown(fd, SHUT_RD), ENOTCONN);
	fails(shutdown(fd, 3), EINVAL);
	close(fd);
}

static void test_refused(int family)
{
	struct name name;
	struct pollfd p = { .events = POLLIN | POLLOUT | POLLRDHUP };
	int closed = bound(family, SOCK_DGRAM, &name); /* no stream listens on this port */
	int fd = socket(family, SOCK_STREAM, 0);

	fails(connect(fd, &name.any, name.size), ECONNREFUSED);
	printf("error %d\n", option(fd, SOL_SOCKET, SO_ERROR));
	fails(connect(fd, &name.any, name.size), ECONNREFUSED);
	close(fd);
	fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK, 0);
	int first = connect(fd, &name.any, name.size);
	check(first == -1 && errno == EINPROGRESS);
	p.fd = fd;
	check(poll(&p, 1, 5000) == 1);
	printf("refused: events %x error %d", p.revents, option(fd, SOL_SOCKET, SO_ERROR));
	printf(" then %d\n", option(fd, SOL_SOCKET, SO_ERROR));
	try(recv(fd, &name, 1, 0));
	close(fd);
	close(closed);
}

static void test_nonblocking(int family)
{
	struct name name;
	int listener = bound(family, SOCK_STREAM, &name);
	int fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK, 0);
	int end;

	printf("new: events %x\n", events(fd, 0));
	fails(connect(fd, &name.any, name.size), EINPROGRESS);
	printf("connected: events %x", events_with(fd, POLLOUT));
	printf(" error %d\n", option(fd, SOL_SOCKET, SO_ERROR));
	check(connect(fd, &name.any, name.size) == 0 || errno == EISCONN);
	fails(connect(fd, &name.any, name.size), EISCONN);
	printf("listener: events %x\n", events_with(listener, POLLIN));
	end = accept(listener, NULL, NULL);
	check(end >= 0);
	printf("blocking: %x\n", fcntl(end, F_GETFL));
	fails(recv(end, &name, 1, MSG_DONTWAIT), EAGAIN);
	check(send(fd, "abc", 3, 0) == 3);
	printf("data: events %x\n", events_with(end, POLLIN));
	close(fd);
	close(end);
	close(listener);
}

static void test_half_close(int family)
{
	char text[16];
	int end[2];

	connection(family, end);
	check(write(end[0], "question", 8) == 8);
	check(shutdown(end[0], SHUT_WR) == 0);
	fails(send(end[0], "x", 1, MSG_NOSIGNAL), EPIPE);
	printf("half closed: events %x", events_with(end[1], POLLRDHUP));
	printf(" and %x\n", events(end[0], 0));
	try(read(end[1], text, sizeof(text)));
	try(read(end[1], text, sizeof(text)));
	printf("after the end: events %x\n", events(end[1], 0));
	check(write(end[1], "answer", 6) == 6);
	printf("answer: events %x\n", events_with(end[0], POLLIN));
	try(read(end[0], text, sizeof(text)));
	check(shutdown(end[1], SHUT_RDWR) == 0);
	printf("closed: events %x", events_with(end[0], POLLHUP));
	printf(" and %x\n", events_with(end[1], POLLHUP));
	try(read(end[0], text, sizeof(text)));
	try(read(end[1], text, sizeof(text)));
	close(end[0]);
	close(end[1]);
	/* Reading shut here: nothing to read, the other may still send. */
	connection(family, end);
	check(shutdown(end[0], SHUT_RD) == 0);
	printf("reading shut: events %x\n", events(end[0], 0));
	try(read(end[0], text, sizeof(text)));
	try(write(end[0], text, 4));
	try(read(end[1], text, sizeof(text)));
	close(end[0]);
	close(end[1]);
}

static volatile int pipes;
static void on_pipe(int signal)
{
	(void)signal;
	pipes++;
}

/* Closed with data unread, or with a linger time of 0: the other side's connection breaks. */
static void test_reset(int family, bool linger)
{
	struct linger now = { 1, 0 };
	char text[16];
	int end[2];

	connection(family, end);
	if (linger)
		check(setsockopt(end[1], SOL_SOCKET, SO_LINGER, &now, sizeof(now)) == 0);
	else
		check(write(end[0], "unread", 6) == 6);
	if (!linger)
		events_with(end[1], POLLIN);
	close(end[1]);
	printf("reset: events %x\n", events_with(end[0], POLLHUP | POLLERR));
	try(read(end[0], text, sizeof(text)));
	try(read(end[0], text, sizeof(text)));
	printf("after the error: events %x\n", events(end[0], 0));
	pipes = 0;
	try(write(end[0], text, 1));
	printf("signals %d\n", pipes);
	fails(getpeername(end[0], NULL, NULL), ENOTCONN);
	close(end[0]);
	connection(family, end);
	if (linger)
		check(setsockopt(end[1], SOL_SOCKET, SO_LINGER, &now, sizeof(now)) == 0);
	else
		check(write(end[0], "unread", 6) == 6);
	if (!linger)
		events_with(end[1], POLLIN);
	close(end[1]);
	events_with(end[0], POLLHUP | POLLERR);
	printf("error %d", option(end[0], SOL_SOCKET, SO_ERROR));
	printf(" then %d\n", option(end[0], SOL_SOCKET, SO_ERROR));
	close(end[0]);
}

static void test_pipe(int family)
{
	char text[64] = "";
	int end[2];
	ssize_t got;

	connection(family, end);
	check(shutdown(end[0], SHUT_WR) == 0);
	pipes = 0;
	try(write(end[0], text, 1));
	try(send(end[0], text, 1, 0));
	printf("signals %d\n", pipes);
	try(send(end[0], text, 1, MSG_NOSIGNAL));
	printf("signals %d\n", pipes);
	close(end[0]);
	close(end[1]);
	/* To a peer that closed: the first goes out, a later one fails. */
	connection(family, end);
	close(end[1]);
	events_with(end[0], POLLRDHUP);
	try(send(end[0], text, 1, MSG_NOSIGNAL));
	events_with(end[0], POLLHUP);
	got = send(end[0], text, 1, MSG_NOSIGNAL);
	printf("later: %zd errno %d\n", got, errno);
	close(end[0]);
}

static void test_accept_queue(int family)
{
	struct name name, from = { .size = sizeof(from.room) };
	int listener = bound(family, SOCK_STREAM, &name), fd[5], end;
	char c;

	for (int i = 0; i < 5; i++) {
		fd[i] = socket(family, SOCK_STREAM, 0);
		check(connect(fd[i], &name.any, name.size) == 0);
		c = (char)('a' + i);
		check(write(fd[i], &c, 1) == 1);
	}
	close(fd[1]);
	for (int i = 0; i < 4; i++) {
		from.size = sizeof(from.room);
		memset(&from.room, 0, sizeof(from.room));
		end = accept(listener, &from.any, &from.size);
		check(end >= 0);
		if (i != 1)
			check(same_name(from, own_name(fd[i])));
		check(read(end, &c, 1) == 1);
		printf("%c ", c);
		if (i == 1)
			try(read(end, &c, 1));
		close(end);
	}
	/* Who was never accepted when the listener goes is cut off. */
	close(listener);
	printf("cut off: events %x\n", events_with(fd[4], POLLHUP | POLLERR));
	try(read(fd[4], &c, 1));
	for (int i = 0; i < 5; i++)
		if (i != 1)
			close(fd[i]);
}

static void test_reuse(int family)
{
	struct name name = loopback(family, 0);
	int listener = socket(family, SOCK_STREAM, 0), fd, end, again;

	check(set_option(listener, SOL_SOCKET, SO_REUSEADDR, 1) == 0);
	check(bind(listener, &name.any, name.size) == 0 && listen(listener, 5) == 0);
	name = own_name(listener);
	fd = socket(family, SOCK_STREAM, 0);
	check(connect(fd, &name.any, name.size) == 0);
	end = accept(listener, NULL, NULL);
	close(listener);
	/* This side closes first and keeps the port for a while. */
	close(end);
	events_with(fd, POLLRDHUP);
	close(fd);
	usleep(50000);
	again = socket(family, SOCK_STREAM, 0);
	fails(bind(again, &name.any, name.size), EADDRINUSE);
	check(set_option(again, SOL_SOCKET, SO_REUSEADDR, 1) == 0);
	check(bind(again, &name.any, name.size) == 0);
	check(listen(again, 5) == 0);
	check(listen(again, 50) == 0);
	/* While one listens, nobody else does, whatever both say. */
	fd = socket(family, SOCK_STREAM, 0);
	check(set_option(fd, SOL_SOCKET, SO_REUSEADDR, 1) == 0);
	fails(bind(fd, &name.any, name.size), EADDRINUSE);
	close(fd);
	close(again);
	fd = socket(family, SOCK_STREAM, 0);
	check(listen(fd, 1) == 0);
	print_name("bound by listen", own_name(fd));
	close(fd);
}

/* Another descriptor holds the connection open; closing while another thread waits in it. */
static void test_dup(int family)
{
	char c = 0;
	int end[2], other;

	connection(family, end);
	other = dup(end[0]);
	close(end[0]);
	check(write(other, "d", 1) == 1 && read(end[1], &c, 1) == 1);
	printf("over a copy: %c\n", c);
	close(other);
	try(read(end[1], &c, 1));
	close(end[1]);
}

static void *shut_later(void *arg)
{
	usleep(50000);
	check(shutdown(*(int *)arg, SHUT_RDWR) == 0);
	return NULL;
}

static void test_shut_while_waiting(int family)
{
	struct name name;
	int listener = bound(family, SOCK_STREAM, &name), end[2];
	pthread_t thread;
	char c;

	connection(family, end);
	check(pthread_create(&thread, NULL, shut_later, &end[0]) == 0);
	try(read(end[0], &c, 1));
	pthread_join(thread, NULL);
	check(pthread_create(&thread, NULL, shut_later, &listener) == 0);
	try(accept(listener, NULL, NULL));
	pthread_join(thread, NULL);
	close(end[0]);
	close(end[1]);
	close(listener);
}

int main(void)
{
	signal(SIGPIPE, on_pipe);
	for (int i = 0; i < 2; i++) {
		int family = i == 0 ? AF_INET : AF_INET6;

		printf("-- IPv%d\n", i == 0 ? 4 : 6);
		test_names(family);
		test_refused(family);
		test_nonblocking(family);
		test_half_close(family);
		test_reset(family, false);
		test_reset(family, true);
		test_pipe(family);
		test_accept_queue(family);
		test_reuse(family);
		test_dup(family);
		test_shut_while_waiting(family);
	}
	return 0;
}
