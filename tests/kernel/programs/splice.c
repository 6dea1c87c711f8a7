/*
 * splice, tee and vmsplice between pipes, files and sockets.
 * @option --tmpfs /tmp:16777216
 */
#include "t.h"
#include <fcntl.h>
#include <pthread.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "sockets.h"

enum { BIG = 300000 };

static char data[BIG], got[BIG];
static int a[2], b[2];

static void pipes(void)
{
	check(pipe(a) == 0 && pipe(b) == 0);
}

static void close_pipes(void)
{
	check(close(a[0]) == 0 && close(a[1]) == 0 && close(b[0]) == 0 && close(b[1]) == 0);
}

static void errors(int file)
{
	int folder = open("/tmp", O_RDONLY), event = (int)syscall(SYS_eventfd2, 1, 0);
	int append = open("/tmp/splice-file", O_WRONLY | O_APPEND);
	struct iovec byte = { data, 1 };
	loff_t at = 0;

	pipes();
	check(splice(-1, NULL, -1, NULL, 0, 99) == 0);
	fails(splice(a[0], NULL, b[1], NULL, 1, 99), EINVAL);
	fails(splice(-1, NULL, b[1], NULL, 1, 0), EBADF);
	fails(splice(a[0], NULL, -1, NULL, 1, 0), EBADF);
	fails(splice(a[1], NULL, b[1], NULL, 1, 0), EBADF);
	fails(splice(a[0], NULL, b[0], NULL, 1, 0), EBADF);
	fails(splice(a[0], &at, b[1], NULL, 1, 0), ESPIPE);
	fails(splice(file, &at, b[1], &at, 1, 0), ESPIPE);
	fails(splice(a[0], NULL, a[1], NULL, 1, 0), EINVAL);
	fails(splice(file, NULL, file, NULL, 1, 0), EINVAL);
	fails(splice(folder, NULL, b[1], NULL, 1, 0), EINVAL);
	fails(splice(event, NULL, b[1], NULL, 1, 0), EINVAL);
	fails(splice(a[0], NULL, append, NULL, 1, 0), EINVAL);
	fails(splice(a[0], NULL, b[1], NULL, 1, SPLICE_F_NONBLOCK), EAGAIN);
	fails(tee(a[0], b[1], 1, 99), EINVAL);
	fails(tee(a[0], file, 1, 0), EINVAL);
	fails(tee(a[0], a[1], 1, 0), EINVAL);
	fails(tee(-1, a[1], 1, 0), EBADF);
	fails(tee(a[0], b[1], 1, SPLICE_F_NONBLOCK), EAGAIN);
	check(tee(a[0], b[1], 0, 0) == 0);
	check(vmsplice(file, NULL, 0, 0) == 0);
	fails(vmsplice(file, &byte, 1, 0), EBADF);
	fails(vmsplice(-1, NULL, 0, 0), EBADF);
	fails(vmsplice(a[1], NULL, 0, 99), EINVAL);
	fails(vmsplice(a[1], (struct iovec *)data, 1025, 0), EINVAL);
	check(vmsplice(a[1], NULL, 0, 0) == 0);
	close_pipes();
	check(close(folder) == 0 && close(event) == 0 && close(append) == 0);
	done("errors");
}

/* By the file's own offset and by a given one; no more than a pipe holds, no less than is there. */
static void files(int file)
{
	int out = open("/tmp/splice-out", O_RDWR | O_CREAT | O_TRUNC, 0600);
	loff_t from = 1000, to = 5;
	long moved;

	pipes();
	check(write(file, data, BIG) == BIG);
	check(splice(file, &from, a[1], NULL, 5000, 0) == 5000 && from == 6000);
	check(lseek(file, 0, SEEK_CUR) == BIG);
	check(splice(file, NULL, a[1], NULL, 5000, 0) == 0);
	check(splice(a[0], NULL, out, &to, 100000, 0) == 5000 && to == 5005);
	check(lseek(out, 0, SEEK_CUR) == 0);
	check(pread(out, got, BIG, 5) == 5000 && memcmp(got, data + 1000, 5000) == 0);
	from = 0;
	moved = splice(file, &from, a[1], NULL, BIG, 0);
	printf("a pipe takes %ld of a file\n", moved);
	fails(splice(file, &from, a[1], NULL, 1, SPLICE_F_NONBLOCK), EAGAIN);
	check(splice(a[0], NULL, out, NULL, BIG, 0) == moved && lseek(out, 0, SEEK_CUR) == moved);
	check(pread(out, got, BIG, 0) == moved && memcmp(got, data, (size_t)moved) == 0);
	check(lseek(file, BIG - 10, SEEK_SET) == BIG - 10);
	check(splice(file, NULL, a[1], NULL, 4096, 0) == 10 && read(a[0], got, 4096) == 10);
	check(memcmp(got, data + BIG - 10, 10) == 0);
	close_pipes();
	check(close(out) == 0 && unlink("/tmp/splice-out") == 0);
	done("files");
}

static void between_pipes(void)
{
	struct iovec v[2] = { { data, 3 }, { data + 3, 70000 } };

	pipes();
	check(write(a[1], data, 10000) == 10000);
	check(tee(a[0], b[1], 20000, 0) == 10000);
	check(tee(a[0], b[1], 100, 0) == 100);
	check(read(b[0], got, BIG) == 10100 && memcmp(got, data, 10000) == 0);
	check(memcmp(got + 10000, data, 100) == 0);
	check(splice(a[0], NULL, b[1], NULL, 6000, 0) == 6000);
	check(splice(a[0], NULL, b[1], NULL, 6000, 0) == 4000);
	check(read(b[0], got, BIG) == 10000 && memcmp(got, data, 10000) == 0);
	check(vmsplice(a[1], v, 1, 0) == 3);
	v[0].iov_base = got;
	v[0].iov_len = 100;
	check(vmsplice(a[0], v, 1, 0) == 3 && memcmp(got, data, 3) == 0);
	v[0].iov_base = data;
	check(vmsplice(a[1], &v[1], 1, 0) > 60000);
	fails(vmsplice(a[1], v, 1, SPLICE_F_NONBLOCK), EAGAIN);
	check(close(a[1]) == 0);
	check(splice(a[0], NULL, b[1], NULL, BIG, 0) > 60000);
	check(splice(a[0], NULL, b[1], NULL, BIG, SPLICE_F_NONBLOCK) <= 0);
	while (read(b[0], got, BIG) == BIG)
		;
	check(tee(a[0], b[1], 10, 0) >= 0);
	a[1] = dup(0);
	close_pipes();
	done("between pipes");
}

static void no_readers(int file)
{
	loff_t at = 0;

	pipes();
	check(signal(SIGPIPE, SIG_IGN) != SIG_ERR);
	check(close(b[0]) == 0 && write(a[1], "x", 1) == 1);
	fails(splice(a[0], NULL, b[1], NULL, 1, 0), EPIPE);
	fails(splice(file, &at, b[1], NULL, 1, 0), EPIPE);
	fails(tee(a[0], b[1], 1, 0), EPIPE);
	b[0] = dup(0);
	close_pipes();
	done("nobody reads");
}

/* What a proxy does: from one socket to another through a pipe. */
static int from, to;

static void *feed(void *arg)
{
	(void)arg;
	for (long at = 0, part; at < BIG; at += part) {
		part = write(from, data + at, BIG - (size_t)at);
		check(part > 0);
	}
	check(shutdown(from, SHUT_WR) == 0);
	return NULL;
}

static void *fetch(void *arg)
{
	long at = 0, part;

	(void)arg;
	while ((part = read(to, got + at, BIG - (size_t)at)) > 0)
		at += part;
	check(at == BIG);
	return NULL;
}

static void proxy(int in, int out)
{
	pthread_t threads[2];
	long part, moved;

	pipes();
	memset(got, 0, sizeof(got));
	check(pthread_create(&threads[0], NULL, feed, NULL) == 0);
	check(pthread_create(&threads[1], NULL, fetch, NULL) == 0);
	while ((part = splice(in, NULL, a[1], NULL, 1 << 20, SPLICE_F_MOVE | SPLICE_F_MORE)) > 0) {
		for (; part > 0; part -= moved) {
			moved = splice(a[0], NULL, out, NULL, (size_t)part, SPLICE_F_MOVE);
			check(moved > 0);
		}
	}
	check(part == 0 && shutdown(out, SHUT_WR) == 0);
	check(pthread_join(threads[0], NULL) == 0 && pthread_join(threads[1], NULL) == 0);
	check(memcmp(got, data, BIG) == 0);
	check(fcntl(in, F_SETFL, O_NONBLOCK) == 0);
	close_pipes();
}

static void sockets(void)
{
	int s[2], t[2];
	loff_t at = 0;

	check(socketpair(AF_UNIX, SOCK_STREAM, 0, s) == 0);
	check(socketpair(AF_UNIX, SOCK_STREAM, 0, t) == 0);
	pipes();
	fails(splice(s[0], &at, a[1], NULL, 1, 0), EINVAL);
	check(fcntl(s[0], F_SETFL, O_NONBLOCK) == 0);
	fails(splice(s[0], NULL, a[1], NULL, 1, 0), EAGAIN);
	check(fcntl(s[0], F_SETFL, 0) == 0);
	close_pipes();
	from = s[0];
	to = t[1];
	proxy(s[1], t[0]);
	for (int i = 0; i < 2; i++)
		check(close(s[i]) == 0 && close(t[i]) == 0);
	done("unix sockets");
}

static void tcp(void)
{
	int s[2], t[2];

	connection(AF_INET, s);
	connection(AF_INET, t);
	from = s[0];
	to = t[1];
	proxy(s[1], t[0]);
	done("tcp");
}

static void *move_one(void *from)
{
	long moved = splice(*(int *)from, NULL, a[1], NULL, 1, 0);

	check(moved == 1 || errno == EPIPE);
	return (void *)moved;
}

static void *close_reader(void *arg)
{
	(void)arg;
	check(close(a[0]) == 0);
	return NULL;
}

/* While one pipe is spliced into and closed, others come and go. Whether it was waited in before it
 * was closed. */
static int long_wait(void)
{
	pthread_t mover, closer;
	void *moved;
	int s[2];

	check(socketpair(AF_UNIX, SOCK_STREAM, 0, s) == 0 && pipe(a) == 0);
	check(pthread_create(&mover, NULL, move_one, &s[0]) == 0);
	usleep(20000);
	check(pthread_create(&closer, NULL, close_reader, NULL) == 0);
	usleep(20000);
	check(pipe(b) == 0 && write(b[1], "b", 1) == 1 && close(b[0]) == 0 && close(b[1]) == 0);
	check(write(s[1], "a", 1) == 1);
	check(pthread_join(mover, &moved) == 0 && pthread_join(closer, NULL) == 0);
	check(close(a[1]) == 0 && close(s[0]) == 0 && close(s[1]) == 0);
	return (long)moved == 1;
}

int main(void)
{
	int file = open("/tmp/splice-file", O_RDWR | O_CREAT | O_TRUNC, 0600);

	check(file >= 0);
	for (int i = 0; i < BIG; i++)
		data[i] = (char)(i * 7 + i / 251);
	errors(file);
	files(file);
	between_pipes();
	no_readers(file);
	sockets();
	tcp();
	check(in_time(long_wait()));
	done("long wait");
	check(unlink("/tmp/splice-file") == 0);
	return 0;
}
