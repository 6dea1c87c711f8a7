/*
 * Data over streams: looking ahead, waiting for all of it, time limits, vectors, files, options.
 */
#include "sockets.h"
#include <sys/time.h>

static void test_flags(int family)
{
	char text[16] = "";
	int end[2], waiting = -1;

	connection(family, end);
	fails(recv(end[1], text, 4, MSG_DONTWAIT), EAGAIN);
	check(send(end[0], "abcdef", 6, 0) == 6);
	events_with(end[1], POLLIN);
	try(recv(end[1], text, 4, MSG_PEEK));
	printf("peeked %.4s\n", text);
	check(ioctl(end[1], FIONREAD, &waiting) == 0);
	printf("waiting %d\n", waiting);
	try(recv(end[1], text, 3, MSG_TRUNC));
	try(recv(end[1], text, 0, 0));
	try(recv(end[1], text, sizeof(text), MSG_PEEK | MSG_DONTWAIT));
	try(recv(end[1], text, sizeof(text), MSG_DONTWAIT));
	printf("left %.3s\n", text);
	fails(recv(end[1], text, 0, MSG_DONTWAIT), EAGAIN);
	try(send(end[0], text, 0, 0));
	fails(recv(end[1], text, 1, MSG_OOB), EINVAL);
	fails(send(end[0], NULL, 4, 0), EFAULT);
	fails(recv(end[1], text, sizeof(text), MSG_DONTWAIT), EAGAIN);
	check(send(end[0], "gh", 2, 0) == 2);
	events_with(end[1], POLLIN);
	fails(recv(end[1], NULL, 2, 0), EFAULT);
	try(recv(end[1], text, 2, 0));
	/* A stream's data has no sender's name. */
	struct name from = { .size = sizeof(from.room) };
	check(send(end[0], "ij", 2, 0) == 2);
	try(recvfrom(end[1], text, 2, 0, &from.any, &from.size));
	printf("name size %u\n", from.size);
	/* And a name given when sending means nothing. */
	from = loopback(family, 1);
	try(sendto(end[0], "kl", 2, 0, &from.any, from.size));
	try(recv(end[1], text, 2, 0));
	int on = 1;
	check(ioctl(end[1], FIONBIO, &on) == 0);
	fails(read(end[1], text, 1), EAGAIN);
	close(end[0]);
	close(end[1]);
}

static void *send_slowly(void *arg)
{
	for (int i = 0; i < 10; i++) {
		usleep(10000);
		check(send(*(int *)arg, "0123456789", 10, 0) == 10);
	}
	usleep(10000);
	check(shutdown(*(int *)arg, SHUT_WR) == 0);
	return NULL;
}

static void test_wait_all(int family)
{
	char text[128];
	pthread_t thread;
	int end[2];

	connection(family, end);
	check(pthread_create(&thread, NULL, send_slowly, &end[0]) == 0);
	try(recv(end[1], text, 95, MSG_WAITALL));
	printf("ends with %.5s\n", text + 90);
	try(recv(end[1], text, 95, MSG_WAITALL));
	pthread_join(thread, NULL);
	close(end[0]);
	close(end[1]);
}

static long elapsed_ms(struct timespec from)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (now.tv_sec - from.tv_sec) * 1000 + (now.tv_nsec - from.tv_nsec) / 1000000;
}

/* How long it waited for data. Linux counts ticks, and has too few just after it stood still. */
static long waited_ms(int fd)
{
	struct timespec start;
	char c;

	clock_gettime(CLOCK_MONOTONIC, &start);
	fails(recv(fd, &c, 1, 0), EAGAIN);
	return elapsed_ms(start);
}

static void test_time_limits(int family)
{
	struct timeval t;
	socklen_t size = sizeof(t);
	struct name name;
	int end[2], listener = bound(family, SOCK_STREAM, &name);
	static char block[100000];
	char text[16];

	connection(family, end);
	set_time(end[1], SO_RCVTIMEO, 60);
	check(getsockopt(end[1], SOL_SOCKET, SO_RCVTIMEO, &t, &size) == 0);
	printf("limit %ld.%06ld size %u\n", (long)t.tv_sec, (long)t.tv_usec, size);
	check(in_time(waited_ms(end[1]) >= 50));
	check(send(end[0], "ab", 2, 0) == 2);
	events_with(end[1], POLLIN);
	try(recv(end[1], text, 4, MSG_WAITALL));
	set_time(end[0], SO_SNDTIMEO, 60);
	while (send(end[0], block, sizeof(block), 0) > 0)
		;
	printf("full: errno %d\n", errno);
	set_time(listener, SO_RCVTIMEO, 30);
	fails(accept(listener, NULL, NULL), EAGAIN);
	t = (struct timeval){ 0, 1000000 };
	fails(setsockopt(end[1], SOL_SOCKET, SO_RCVTIMEO, &t, sizeof(t)), EDOM);
	fails(setsockopt(end[1], SOL_SOCKET, SO_RCVTIMEO, &t, 4), EINVAL);
	close(end[0]);
	close(end[1]);
	close(listener);
}

static void on_alarm(int signal)
{
	(void)signal;
}

/* A signal ends waiting; what was received until then counts. One that comes before the waiting
 * does not, so it comes again. */
static void test_signals(int family)
{
	const struct itimerval soon = { { 0, 40000 }, { 0, 40000 } },
			       never = { { 0, 0 }, { 0, 0 } };
	struct sigaction action = { .sa_handler = on_alarm };
	char text[16];
	int end[2];

	connection(family, end);
	check(sigaction(SIGALRM, &action, NULL) == 0);
	setitimer(ITIMER_REAL, &soon, NULL);
	fails(recv(end[1], text, 4, 0), EINTR);
	setitimer(ITIMER_REAL, &never, NULL);
	check(send(end[0], "ab", 2, 0) == 2);
	events_with(end[1], POLLIN);
	setitimer(ITIMER_REAL, &soon, NULL);
	try(recv(end[1], text, 4, MSG_WAITALL));
	action.sa_flags = SA_RESTART;
	check(sigaction(SIGALRM, &action, NULL) == 0);
	set_time(end[1], SO_RCVTIMEO, 100000);
	fails(recv(end[1], text, 4, 0), EINTR);
	setitimer(ITIMER_REAL, &never, NULL);
	close(end[0]);
	close(end[1]);
}

static void test_vectors(int family)
{
	char a[4] = "", b[8] = "";
	struct iovec out[3] = { { "one", 3 }, { "", 0 }, { "twothree", 8 } };
	struct iovec in[2] = { { a, 3 }, { b, 8 } };
	struct msghdr message = { .msg_iov = out, .msg_iovlen = 3 };
	int end[2];

	connection(family, end);
	try(writev(end[0], out, 3));
	events_with(end[1], POLLIN);
	try(readv(end[1], in, 2));
	printf("%.3s %.8s\n", a, b);
	try(sendmsg(end[0], &message, 0));
	events_with(end[1], POLLIN);
	struct name from = { .size = sizeof(from.room) };
	message = (struct msghdr){ .msg_iov = in,
				   .msg_iovlen = 1,
				   .msg_name = &from.any,
				   .msg_namelen = from.size,
				   .msg_flags = -1 };
	try(recvmsg(end[1], &message, 0));
	printf("name size %u flags %x\n", message.msg_namelen, message.msg_flags);
	message = (struct msghdr){ .msg_iov = out, .msg_iovlen = 2000 };
	fails(sendmsg(end[0], &message, 0), EMSGSIZE);
	struct mmsghdr several[2] = { { .msg_hdr = { .msg_iov = out, .msg_iovlen = 1 } },
				      { .msg_hdr = { .msg_iov = out + 2, .msg_iovlen = 1 } } };
	try(sendmmsg(end[0], several, 2, 0));
	printf("each %u %u\n", several[0].msg_len, several[1].msg_len);
	fails(pread(end[1], a, 1, 0), ESPIPE);
	fails(lseek(end[1], 0, SEEK_SET), ESPIPE);
	close(end[0]);
	close(end[1]);
}

static void *drain(void *arg)
{
	static char block[65536];
	long total = 0, sum = 0;
	ssize_t got;

	while ((got = read(*(int *)arg, block, sizeof(block))) > 0) {
		for (ssize_t i = 0; i < got; i++)
			sum += (unsigned char)block[i] * ((total + i) % 251 + 1);
		total += got;
	}
	check(got == 0);
	printf("drained %ld sum %ld\n", total, sum);
	return NULL;
}

static void test_sendfile(int family)
{
	enum { SIZE = 1000000 };
	int file = memfd_create("content", 0), end[2];
	unsigned char *content = malloc(SIZE);
	off_t offset = 1000;
	pthread_t thread;

	for (int i = 0; i < SIZE; i++)
		content[i] = (unsigned char)(i * 7 + i / 1000);
	check(write(file, content, SIZE) == SIZE);
	check(lseek(file, 0, SEEK_SET) == 0);
	connection(family, end);
	check(pthread_create(&thread, NULL, drain, &end[1]) == 0);
	check(sendfile(end[0], file, &offset, 5000) == 5000);
	printf("offset %ld, position %ld\n", (long)offset, (long)lseek(file, 0, SEEK_CUR));
	for (long left = SIZE; left > 0;) {
		ssize_t sent = sendfile(end[0], file, NULL, (size_t)left);

		check(sent > 0);
		left -= sent;
	}
	try(sendfile(end[0], file, NULL, 10));
	fails(sendfile(file, end[0], NULL, 10), EINVAL);
	shutdown(end[0], SHUT_WR);
	pthread_join(thread, NULL);
	close(end[0]);
	close(end[1]);
	close(file);
	free(content);
}

#define OPTION(level, name, value)                                                                 \
	{                                                                                          \
		level, name, value, #name                                                          \
	}
static const struct {
	int level, name, value;
	const char *text;
} options[] = {
	OPTION(SOL_SOCKET, SO_REUSEADDR, 1),
	OPTION(SOL_SOCKET, SO_REUSEPORT, 1),
	OPTION(SOL_SOCKET, SO_KEEPALIVE, 1),
	OPTION(SOL_SOCKET, SO_BROADCAST, 1),
	OPTION(SOL_SOCKET, SO_SNDBUF, 32768),
	OPTION(SOL_SOCKET, SO_RCVBUF, 40000),
	OPTION(SOL_SOCKET, SO_RCVLOWAT, 1),
	OPTION(SOL_SOCKET, SO_OOBINLINE, 1),
	OPTION(SOL_SOCKET, SO_PRIORITY, 3),
	OPTION(IPPROTO_TCP, TCP_NODELAY, 1),
	OPTION(IPPROTO_TCP, TCP_CORK, 1),
	OPTION(IPPROTO_TCP, TCP_CORK, 0),
	OPTION(IPPROTO_TCP, TCP_KEEPIDLE, 30),
	OPTION(IPPROTO_TCP, TCP_KEEPINTVL, 5),
	OPTION(IPPROTO_TCP, TCP_KEEPCNT, 4),
	OPTION(IPPROTO_TCP, TCP_USER_TIMEOUT, 9000),
	OPTION(IPPROTO_TCP, TCP_DEFER_ACCEPT, 1),
	OPTION(IPPROTO_TCP, TCP_QUICKACK, 1),
	OPTION(IPPROTO_TCP, TCP_SYNCNT, 3),
	OPTION(IPPROTO_TCP, TCP_LINGER2, 7),
	OPTION(IPPROTO_TCP, TCP_KEEPIDLE, 0),
	OPTION(IPPROTO_TCP, TCP_KEEPCNT, 200),
	OPTION(IPPROTO_TCP, TCP_KEEPINTVL, 40000),
	OPTION(IPPROTO_TCP, 9999, 1),
	OPTION(SOL_SOCKET, 9999, 1),
	OPTION(IPPROTO_IP, IP_TOS, 0x10),
	OPTION(IPPROTO_IP, IP_TTL, 33),
	OPTION(IPPROTO_IP, IP_MTU_DISCOVER, 2),
	OPTION(9999, 1, 1),
};

static void test_options(int family)
{
	int fd = socket(family, SOCK_STREAM, 0), value;
	socklen_t size;
	char c = 0;

	for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++) {
		int set = set_option(fd, options[i].level, options[i].name, options[i].value) == 0
				  ? 0
				  : -errno;

		printf("%s %d: %d %d\n", options[i].text, options[i].value, set,
		       option(fd, options[i].level, options[i].name));
	}
	if (family == AF_INET6) {
		printf("V6ONLY %d\n", option(fd, IPPROTO_IPV6, IPV6_V6ONLY));
		check(set_option(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1) == 0);
		printf("V6ONLY %d\n", option(fd, IPPROTO_IPV6, IPV6_V6ONLY));
	}
	struct linger linger = { 1, 5 };
	check(setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger)) == 0);
	memset(&linger, 0, sizeof(linger));
	size = sizeof(linger);
	check(getsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, &size) == 0);
	printf("linger %d %d size %u\n", linger.l_onoff, linger.l_linger, size);
	fails(setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &c, 1), EINVAL);
	fails(setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, NULL, 4), EFAULT);
	fails(setsockopt(0, SOL_SOCKET, SO_KEEPALIVE, &value, 4), ENOTSOCK);
	fails(listen(open("/", O_PATH), 1), EBADF);
	fails(setsockopt(99, SOL_SOCKET, SO_KEEPALIVE, &value, 4), EBADF);
	size = 1;
	check(getsockopt(fd, SOL_SOCKET, SO_TYPE, &c, &size) == 0);
	printf("short %d size %u\n", c, size);
	close(fd);
}

/* What a listener was told holds for what it accepts. */
static void test_inherited(int family)
{
	struct name name;
	int listener = bound(family, SOCK_STREAM, &name), fd, end;

	set_option(listener, SOL_SOCKET, SO_KEEPALIVE, 1);
	set_option(listener, IPPROTO_TCP, TCP_NODELAY, 1);
	set_option(listener, IPPROTO_TCP, TCP_KEEPIDLE, 77);
	set_option(listener, IPPROTO_TCP, TCP_KEEPCNT, 3);
	fd = socket(family, SOCK_STREAM, 0);
	check(connect(fd, &name.any, name.size) == 0);
	end = accept(listener, NULL, NULL);
	printf("inherited: keep-alive %d no-delay %d idle %d count %d non-blocking %d\n",
	       option(end, SOL_SOCKET, SO_KEEPALIVE), option(end, IPPROTO_TCP, TCP_NODELAY),
	       option(end, IPPROTO_TCP, TCP_KEEPIDLE), option(end, IPPROTO_TCP, TCP_KEEPCNT),
	       fcntl(end, F_GETFL) & O_NONBLOCK);
	struct tcp_info info;
	socklen_t size = sizeof(info);
	memset(&info, 0xff, sizeof(info));
	check(getsockopt(end, IPPROTO_TCP, TCP_INFO, &info, &size) == 0);
	printf("state %d\n", info.tcpi_state);
	close(fd);
	close(end);
	close(listener);
}

/* One socket for both versions, unless it is told otherwise. */
static void test_both_versions(void)
{
	struct name name = loopback(AF_INET6, 0), four, from = { .size = sizeof(from.room) };
	int listener = socket(AF_INET6, SOCK_STREAM, 0), fd = socket(AF_INET, SOCK_STREAM, 0), end;

	name.in6.sin6_addr = in6addr_any;
	check(bind(listener, &name.any, name.size) == 0 && listen(listener, 5) == 0);
	name = own_name(listener);
	four = loopback(AF_INET, ntohs(name.in6.sin6_port));
	check(connect(fd, &four.any, four.size) == 0);
	end = accept(listener, &from.any, &from.size);
	check(end >= 0);
	print_name("mapped peer", from);
	print_name("mapped own", own_name(end));
	close(end);
	close(fd);
	/* A mapped address from an IPv6 socket. */
	fd = socket(AF_INET6, SOCK_STREAM, 0);
	inet_pton(AF_INET6, "::ffff:127.0.0.1", &name.in6.sin6_addr);
	check(connect(fd, &name.any, name.size) == 0);
	print_name("mapped client", own_name(fd));
	print_name("its peer", peer_name(fd));
	close(fd);
	close(listener);
	listener = socket(AF_INET6, SOCK_STREAM, 0);
	check(set_option(listener, IPPROTO_IPV6, IPV6_V6ONLY, 1) == 0);
	name = loopback(AF_INET6, 0);
	name.in6.sin6_addr = in6addr_any;
	check(bind(listener, &name.any, name.size) == 0 && listen(listener, 5) == 0);
	name = own_name(listener);
	four = loopback(AF_INET, ntohs(name.in6.sin6_port));
	fd = socket(AF_INET, SOCK_STREAM, 0);
	fails(connect(fd, &four.any, four.size), ECONNREFUSED);
	close(fd);
	/* The other version's port is free. */
	fd = socket(AF_INET, SOCK_STREAM, 0);
	four.in.sin_addr.s_addr = 0;
	check(bind(fd, &four.any, four.size) == 0 && listen(fd, 5) == 0);
	close(fd);
	close(listener);
	fd = socket(AF_INET, SOCK_STREAM, 0);
	name = loopback(AF_INET6, 9);
	fails(connect(fd, &name.any, name.size), EAFNOSUPPORT);
	name = loopback(AF_INET, 0);
	name.in.sin_addr.s_addr = htonl(0xc0000201);
	fails(bind(fd, &name.any, name.size), EADDRNOTAVAIL);
	close(fd);
	fails(socket(AF_INET, SOCK_STREAM, IPPROTO_UDP), EPROTONOSUPPORT);
	fails(socket(AF_INET, 15, 0), EINVAL);
	fails(socket(99, SOCK_STREAM, 0), EAFNOSUPPORT);
}

int main(void)
{
	signal(SIGPIPE, SIG_IGN);
	for (int i = 0; i < 2; i++) {
		int family = i == 0 ? AF_INET : AF_INET6;

		printf("-- IPv%d\n", i == 0 ? 4 : 6);
		test_flags(family);
		test_wait_all(family);
		test_time_limits(family);
		test_signals(family);
		test_vectors(family);
		test_sendfile(family);
		test_options(family);
		test_inherited(family);
	}
	test_both_versions();
	return 0;
}
