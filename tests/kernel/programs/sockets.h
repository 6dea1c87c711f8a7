/*
 * What programs that test sockets share: addresses of loopback, connected pairs, and calls that say
 * what they gave.
 */
#ifndef SOCKETS_H
#define SOCKETS_H

#include "t.h"
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/un.h>

struct name {
	union {
		struct sockaddr any;
		struct sockaddr_in in;
		struct sockaddr_in6 in6;
		struct sockaddr_un un;
		struct sockaddr_storage room;
	};
	socklen_t size;
};

static inline struct name loopback(int family, int port)
{
	struct name n;

	memset(&n, 0, sizeof(n));
	n.any.sa_family = (sa_family_t)family;
	if (family == AF_INET) {
		n.in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
		n.in.sin_port = htons((uint16_t)port);
		n.size = sizeof(n.in);
	} else {
		n.in6.sin6_addr = in6addr_loopback;
		n.in6.sin6_port = htons((uint16_t)port);
		n.size = sizeof(n.in6);
	}
	return n;
}

static inline struct name own_name(int fd)
{
	struct name n = { .size = sizeof(n.room) };

	memset(&n.room, 0, sizeof(n.room));
	check(getsockname(fd, &n.any, &n.size) == 0);
	return n;
}

static inline struct name peer_name(int fd)
{
	struct name n = { .size = sizeof(n.room) };

	memset(&n.room, 0, sizeof(n.room));
	check(getpeername(fd, &n.any, &n.size) == 0);
	return n;
}

static inline bool same_name(struct name a, struct name b)
{
	return a.size == b.size && memcmp(&a.room, &b.room, a.size) == 0;
}

/* Without the port, which differs from run to run. */
static inline void print_name(const char *what, struct name n)
{
	char text[INET6_ADDRSTRLEN] = "";
	bool six = n.any.sa_family == AF_INET6;

	inet_ntop(n.any.sa_family,
		  six ? (const void *)&n.in6.sin6_addr : (const void *)&n.in.sin_addr, text,
		  sizeof(text));
	printf("%s: %s, port %s, size %u\n", what, text,
	       (six ? n.in6.sin6_port : n.in.sin_port) != 0 ? "set" : "0", n.size);
}

/* Bound to a port of loopback that nobody else has; listening if it is a stream. */
static inline int bound(int family, int type, struct name *name)
{
	int fd = socket(family, type, 0);

	*name = loopback(family, 0);
	check(fd >= 0);
	check(bind(fd, &name->any, name->size) == 0);
	if ((type & 0xf) == SOCK_STREAM)
		check(listen(fd, 128) == 0);
	*name = own_name(fd);
	return fd;
}

/* Two ends of a connection: end[0] connected, end[1] accepted. */
static inline void connection(int family, int end[2])
{
	struct name name;
	int listener = bound(family, SOCK_STREAM, &name);

	end[0] = socket(family, SOCK_STREAM, 0);
	check(end[0] >= 0);
	check(connect(end[0], &name.any, name.size) == 0);
	end[1] = accept(listener, NULL, NULL);
	check(end[1] >= 0);
	close(listener);
}

/* What poll says now, or after at most `ms`, of all that can be asked for. */
static inline int events(int fd, int ms)
{
	struct pollfd p = { fd, POLLIN | POLLOUT | POLLPRI | POLLRDHUP, 0 };

	check(poll(&p, 1, ms) >= 0);
	return p.revents;
}

/* The same once all of `wanted` holds: news over loopback may take a moment. */
static inline int events_with(int fd, int wanted)
{
	int now = 0;

	for (int i = 0; i < 1000 && (now & wanted) != wanted; i++) {
		now = events(fd, 0);
		if ((now & wanted) != wanted)
			usleep(5000);
	}
	return now;
}

static inline int option(int fd, int level, int name)
{
	int value = -1;
	socklen_t size = sizeof(value);

	return getsockopt(fd, level, name, &value, &size) == 0 ? value : -errno;
}

static inline int set_option(int fd, int level, int name, int value)
{
	return setsockopt(fd, level, name, &value, sizeof(value));
}

static inline void set_time(int fd, int name, int ms)
{
	struct timeval t = { ms / 1000, ms % 1000 * 1000 };

	check(setsockopt(fd, SOL_SOCKET, name, &t, sizeof(t)) == 0);
}

static inline void no_wait(int fd)
{
	check(fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK) == 0);
}

#endif
