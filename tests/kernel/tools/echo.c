/*
 * A server that frames are thrown at: what comes to port 7 goes back, over TCP and UDP, IPv4 and
 * IPv6; port 9 takes connections, never reads, and asks in silence whether they are there; port 19
 * sends without end; port 20 sends the program's own file some times. A datagram "quit" ends it,
 * "idle" is answered after a while with the interrupts of some idle seconds, "open" with the number
 * of connections; "join" and "leav" are for two groups, to which "tell" sends what it says.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <unistd.h>

enum { ECHO = 7, DISCARD = 9, CHARGEN = 19, COPIES = 20, TIMES = 64, FILES = 65536 };

#define GROUP "239.9.9.9"
#define GROUP6 "ff02::9:9"

static unsigned short port_of[FILES]; /* 0: no connection */
static bool listens[FILES];
static off_t sent[FILES];    /* of COPIES */
static char *waiting[FILES]; /* of ECHO: what did not go yet */
static size_t waiting_size[FILES];
static int own_file;
static off_t own_size;
static int epoll, open_count;
static char buffer[66000];

static void fail(const char *what)
{
	perror(what);
	exit(1);
}

static void watch(int fd, unsigned events)
{
	struct epoll_event e = { .events = events, .data.fd = fd };

	if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &e) != 0)
		fail("epoll_ctl");
}

static int bound(int type, int port)
{
	struct sockaddr_in6 name = { .sin6_family = AF_INET6,
				     .sin6_port = htons((unsigned short)port) };
	int fd = socket(AF_INET6, type | SOCK_NONBLOCK, 0);

	if (fd < 0 || bind(fd, (struct sockaddr *)&name, sizeof(name)) != 0)
		fail("bind");
	if (type == SOCK_STREAM) {
		if (listen(fd, 512) != 0)
			fail("listen");
		listens[fd] = true;
		port_of[fd] = (unsigned short)port;
	}
	watch(fd, EPOLLIN);
	return fd;
}

static void keep_alive(int fd)
{
	int on = 1, after = 15;

	setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
	setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &after, sizeof(after));
}

static void accept_all(int listener)
{
	int fd;

	while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0) {
		if (fd >= FILES) {
			close(fd);
			continue;
		}
		port_of[fd] = port_of[listener];
		if (port_of[fd] == DISCARD)
			keep_alive(fd);
		open_count++;
		sent[fd] = 0;
		waiting_size[fd] = 0;
		watch(fd, port_of[fd] == CHARGEN || port_of[fd] == COPIES ? EPOLLOUT
			  : port_of[fd] == ECHO				  ? EPOLLIN
									  : EPOLLRDHUP);
	}
}

static long interrupts(void)
{
	char text[4096];
	FILE *f = fopen("/proc/stat", "r");
	size_t size = fread(text, 1, sizeof(text) - 1, f);
	char *line;

	fclose(f);
	text[size] = '\0';
	line = strstr(text, "intr ");
	return line != NULL ? atol(line + 5) : -1;
}

static long interrupts_in(unsigned seconds)
{
	long before = interrupts();

	sleep(seconds);
	return interrupts() - before;
}

/* In some seconds, when nothing was done for a while. A machine that stood still meanwhile sets its
 * timers once more when it goes on: it is looked at a second time, which counts then. */
static long interrupts_while_idle(void)
{
	long seen;

	sleep(30);
	seen = interrupts_in(4);
	return seen <= 3 ? seen : interrupts_in(4);
}

static void join(int fd, bool joins)
{
	struct ip_mreqn four = { .imr_multiaddr.s_addr = inet_addr(GROUP) };
	struct ipv6_mreq six = { .ipv6mr_interface = 0 };
	int off = 0; /* it would echo to itself for ever */

	inet_pton(AF_INET6, GROUP6, &six.ipv6mr_multiaddr);
	if (setsockopt(fd, IPPROTO_IP, IP_MULTICAST_LOOP, &off, sizeof(off)) != 0 ||
	    setsockopt(fd, IPPROTO_IPV6, IPV6_MULTICAST_LOOP, &off, sizeof(off)) != 0 ||
	    setsockopt(fd, IPPROTO_IP, joins ? IP_ADD_MEMBERSHIP : IP_DROP_MEMBERSHIP, &four,
		       sizeof(four)) != 0 ||
	    setsockopt(fd, IPPROTO_IPV6, joins ? IPV6_JOIN_GROUP : IPV6_LEAVE_GROUP, &six,
		       sizeof(six)) != 0)
		fail("group");
}

static void tell(int fd)
{
	static const char *const groups[] = { "::ffff:" GROUP, GROUP6 };
	struct sockaddr_in6 to = { .sin6_family = AF_INET6, .sin6_port = htons(ECHO) };

	for (int i = 0; i < 2; i++) {
		inet_pton(AF_INET6, groups[i], &to.sin6_addr);
		if (sendto(fd, "told", 4, 0, (struct sockaddr *)&to, sizeof(to)) != 4)
			fail("tell");
	}
}

static void command(int fd, const char word[4])
{
	if (memcmp(word, "quit", 4) == 0)
		exit(0);
	if (memcmp(word, "join", 4) == 0 || memcmp(word, "leav", 4) == 0)
		join(fd, *word == 'j');
	if (memcmp(word, "tell", 4) == 0)
		tell(fd);
}

static void datagram(int fd)
{
	struct sockaddr_in6 from;
	socklen_t size = sizeof(from);
	ssize_t got;

	while ((got = recvfrom(fd, buffer, sizeof(buffer), 0, (struct sockaddr *)&from, &size)) >=
	       0) {
		if (got == 4)
			command(fd, buffer);
		if (got == 4 && memcmp(buffer, "idle", 4) == 0)
			got = sprintf(buffer, "%ld", interrupts_while_idle());
		if (got == 4 && memcmp(buffer, "open", 4) == 0)
			got = sprintf(buffer, "%d", open_count);
		sendto(fd, buffer, (size_t)got, 0, (struct sockaddr *)&from, size);
		size = sizeof(from);
	}
}

static void end(int fd)
{
	close(fd);
	open_count--;
}

static void copies(int fd)
{
	while (sent[fd] < own_size * TIMES) {
		off_t at = sent[fd] % own_size;
		ssize_t got = sendfile(fd, own_file, &at, (size_t)(own_size - at));

		if (got < 0 && errno == EAGAIN)
			return;
		if (got <= 0) {
			printf("sendfile at %lld: %zd, %s\n", (long long)sent[fd], got,
			       strerror(errno));
			break;
		}
		sent[fd] += got;
	}
	end(fd);
}

/* What does not go back at once waits, and nothing more is read meanwhile. */
static void echo(int fd)
{
	struct epoll_event e = { .events = EPOLLIN, .data.fd = fd };
	char *from = waiting_size[fd] != 0 ? waiting[fd] : buffer;
	ssize_t got = waiting_size[fd] != 0 ? (ssize_t)waiting_size[fd]
					    : recv(fd, buffer, sizeof(buffer), 0);
	ssize_t gone;

	if (got < 0 && errno == EAGAIN)
		return;
	gone = got > 0 ? send(fd, from, (size_t)got, MSG_NOSIGNAL) : 0;
	if (got <= 0 || (gone < 0 && errno != EAGAIN)) {
		end(fd);
		return;
	}
	if (gone < 0)
		gone = 0;
	if (gone < got && waiting[fd] == NULL)
		waiting[fd] = malloc(sizeof(buffer));
	if (gone < got)
		memmove(waiting[fd], from + gone, (size_t)(got - gone));
	waiting_size[fd] = (size_t)(got - gone);
	if (waiting_size[fd] != 0)
		e.events = EPOLLOUT;
	if (epoll_ctl(epoll, EPOLL_CTL_MOD, fd, &e) != 0)
		fail("epoll_ctl");
}

static void data(int fd)
{
	ssize_t got;

	if (port_of[fd] == COPIES) {
		copies(fd);
	} else if (port_of[fd] == ECHO) {
		echo(fd);
	} else if (port_of[fd] == CHARGEN) {
		got = send(fd, buffer, sizeof(buffer), MSG_NOSIGNAL);
		if (got < 0 && errno != EAGAIN)
			end(fd);
	} else {
		end(fd);
	}
}

int main(void)
{
	struct rlimit most = { FILES, FILES };
	int udp;

	epoll = epoll_create1(0);
	setrlimit(RLIMIT_NOFILE, &most);
	bound(SOCK_STREAM, ECHO);
	bound(SOCK_STREAM, DISCARD);
	bound(SOCK_STREAM, CHARGEN);
	bound(SOCK_STREAM, COPIES);
	own_file = open("/proc/self/exe", O_RDONLY);
	own_size = lseek(own_file, 0, SEEK_END);
	udp = bound(SOCK_DGRAM, ECHO);
	printf("ready\n");
	fflush(stdout);
	for (;;) {
		struct epoll_event events[64];
		int count = epoll_wait(epoll, events, 64, -1);

		for (int i = 0; i < count; i++) {
			int fd = events[i].data.fd;

			if (fd == udp)
				datagram(fd);
			else if (listens[fd])
				accept_all(fd);
			else
				data(fd);
		}
	}
}
