/*
 * Much at once: ten megabytes both ways, a thousand connections, servers of threads and of epoll.
 */
#include "sockets.h"
#include <sys/resource.h>

enum { MEGABYTES = 10, CONNECTIONS = 1000, BLOCK = 50000 };

/* Byte number `at` of what end `who` sends. */
static unsigned char pattern(unsigned long at, int who)
{
	unsigned long x = (at + (unsigned long)who * 77) * 0x9e3779b97f4a7c15ul;

	return (unsigned char)(x >> 56);
}

struct side {
	int fd, who;
};

static void *sender(void *arg)
{
	const struct side *side = arg;
	unsigned char *block = malloc(BLOCK);
	unsigned long at = 0, all = MEGABYTES << 20;

	while (at < all) {
		/* Pieces of many sizes. */
		size_t size = 1 + (at * 7919 + 13) % BLOCK, done = 0;

		if (size > all - at)
			size = all - at;
		for (size_t i = 0; i < size; i++)
			block[i] = pattern(at + i, side->who);
		while (done < size) {
			ssize_t sent = write(side->fd, block + done, size - done);

			check(sent > 0);
			done += (size_t)sent;
		}
		at += size;
	}
	check(shutdown(side->fd, SHUT_WR) == 0);
	free(block);
	return NULL;
}

static void *receiver(void *arg)
{
	const struct side *side = arg;
	unsigned char *block = malloc(BLOCK);
	unsigned long at = 0;
	ssize_t got;

	while ((got = read(side->fd, block, 1 + (at * 31 + 7) % BLOCK)) > 0) {
		for (ssize_t i = 0; i < got; i++)
			check(block[i] == pattern(at + (unsigned long)i, side->who));
		at += (unsigned long)got;
	}
	check(got == 0);
	free(block);
	return (void *)at;
}

static void test_both_ways(int family)
{
	pthread_t thread[4];
	struct side side[4];
	void *got[2];
	int end[2];

	connection(family, end);
	for (int i = 0; i < 4; i++) {
		/* Who receives at one end knows the pattern of the other. */
		side[i] = (struct side){ end[i % 2], i < 2 ? i : 3 - i };
		check(pthread_create(&thread[i], NULL, i < 2 ? sender : receiver, &side[i]) == 0);
	}
	for (int i = 0; i < 4; i++)
		check(pthread_join(thread[i], i < 2 ? NULL : &got[i - 2]) == 0);
	printf("both ways: %ld %ld\n", (long)got[0], (long)got[1]);
	close(end[0]);
	close(end[1]);
}

static struct name server;
static int listener;

/* Answers each line of each connection, until all have closed. */
static void *epoll_server(void *arg)
{
	struct epoll_event e[64];
	int poller = epoll_create1(0), open = 0, closed = 0;

	(void)arg;
	e[0] = (struct epoll_event){ .events = EPOLLIN, .data.fd = listener };
	check(epoll_ctl(poller, EPOLL_CTL_ADD, listener, &e[0]) == 0);
	while (closed < CONNECTIONS) {
		int count = epoll_wait(poller, e, 64, -1);

		for (int i = 0; i < count; i++) {
			int fd = e[i].data.fd, child;
			char text[64];
			ssize_t got;

			if (fd == listener) {
				child = accept4(listener, NULL, NULL, SOCK_NONBLOCK);
				check(child >= 0);
				struct epoll_event one = { .events = EPOLLIN | EPOLLET,
							   .data.fd = child };
				check(epoll_ctl(poller, EPOLL_CTL_ADD, child, &one) == 0);
				open++;
				continue;
			}
			while ((got = read(fd, text, sizeof(text))) > 0)
				check(write(fd, text, (size_t)got) == got);
			if (got == 0) {
				close(fd);
				closed++;
			} else {
				check(errno == EAGAIN);
			}
		}
	}
	close(poller);
	return (void *)(long)open;
}

static void test_thousand(int family)
{
	static int fd[CONNECTIONS];
	char text[64], back[64];
	pthread_t thread;
	void *served;

	listener = bound(family, SOCK_STREAM | SOCK_NONBLOCK, &server);
	check(pthread_create(&thread, NULL, epoll_server, NULL) == 0);
	for (int i = 0; i < CONNECTIONS; i++) {
		fd[i] = socket(family, SOCK_STREAM, 0);
		check(fd[i] >= 0);
		check(connect(fd[i], &server.any, server.size) == 0);
	}
	for (int round = 0; round < 2; round++)
		for (int i = 0; i < CONNECTIONS; i++) {
			int size = snprintf(text, sizeof(text), "round %d of %d\n", round, i);

			check(write(fd[i], text, (size_t)size) == size);
			check(recv(fd[i], back, (size_t)size, MSG_WAITALL) == size);
			check(memcmp(text, back, (size_t)size) == 0);
		}
	for (int i = 0; i < CONNECTIONS; i++)
		close(fd[i]);
	pthread_join(thread, &served);
	printf("served %ld\n", (long)served);
	close(listener);
}

static void *short_client(void *arg)
{
	char text[8];

	(void)arg;
	for (int i = 0; i < 100; i++) {
		int fd = socket(server.any.sa_family, SOCK_STREAM, 0);

		check(connect(fd, &server.any, server.size) == 0);
		check(write(fd, "hello", 5) == 5);
		check(recv(fd, text, 5, MSG_WAITALL) == 5);
		check(read(fd, text, 1) == 0);
		close(fd);
	}
	return NULL;
}

/* One connection after the other, from several threads. */
static void test_short(int family)
{
	pthread_t thread[5];
	char text[8];

	listener = bound(family, SOCK_STREAM, &server);
	for (int i = 0; i < 5; i++)
		check(pthread_create(&thread[i], NULL, short_client, NULL) == 0);
	for (int i = 0; i < 500; i++) {
		int fd = accept(listener, NULL, NULL);

		check(fd >= 0);
		check(recv(fd, text, 5, MSG_WAITALL) == 5);
		check(write(fd, text, 5) == 5);
		close(fd);
	}
	for (int i = 0; i < 5; i++)
		pthread_join(thread[i], NULL);
	printf("short ones\n");
	close(listener);
}

int main(void)
{
	struct rlimit files;

	signal(SIGPIPE, SIG_IGN);
	check(getrlimit(RLIMIT_NOFILE, &files) == 0);
	files.rlim_cur = 2 * CONNECTIONS + 100;
	check(setrlimit(RLIMIT_NOFILE, &files) == 0);
	for (int i = 0; i < 2; i++) {
		int family = i == 0 ? AF_INET : AF_INET6;

		printf("-- IPv%d\n", i == 0 ? 4 : 6);
		test_both_ways(family);
		test_thousand(family);
		test_short(family);
	}
	return 0;
}
