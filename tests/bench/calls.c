/*
 * What a kernel costs a program: the least call there is, and a file of a disk, in turn and at
 * random. Prints "NAME FIGURE" lines: calls and accesses in nanoseconds each, streams in MiB a
 * second.
 *
 *   calls FOLDER
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum {
	CALLS = 300000,
	SIZE = 48 << 20,
	PIECE = 128 << 10,
	PAGE = 4096,
	ACCESSES = 20000,
	SYNCED = 400
};

static char piece[PIECE];

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void need(int ok, const char *what)
{
	if (!ok) {
		perror(what);
		exit(1);
	}
}

static off_t somewhere(void)
{
	static uint32_t state = 1;

	state = state * 1664525u + 1013904223u;
	return (off_t)((state >> 4) % (SIZE / PAGE)) * PAGE;
}

static void each(const char *name, double since, int count)
{
	printf("%s %.1f\n", name, (now() - since) * 1e9 / count);
}

static void stream(const char *name, double since)
{
	printf("%s %.2f\n", name, SIZE / 1048576.0 / (now() - since));
}

int main(int argc, char **argv)
{
	double since;
	int fd;

	if (argc != 2 || chdir(argv[1]) != 0)
		return 2;
	since = now();
	for (int i = 0; i < CALLS; i++)
		syscall(SYS_getppid);
	each("call", since, CALLS);

	fd = open("file", O_CREAT | O_TRUNC | O_RDWR, 0644);
	need(fd >= 0, "open");
	since = now();
	for (off_t at = 0; at < SIZE; at += PIECE)
		need(write(fd, piece, PIECE) == PIECE, "write");
	need(fsync(fd) == 0, "fsync");
	stream("write", since);
	since = now();
	for (int i = 0; i < SYNCED; i++)
		need(pwrite(fd, piece, PAGE, somewhere()) == PAGE && fdatasync(fd) == 0, "pwrite");
	each("random-write-synced", since, SYNCED);
	since = now();
	for (int i = 0; i < ACCESSES; i++)
		need(pread(fd, piece, PAGE, somewhere()) == PAGE, "pread");
	each("random-read-cached", since, ACCESSES);

	/* From the disk: what is cached is given up first. */
	need(posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED) == 0, "fadvise");
	since = now();
	for (off_t at = 0; at < SIZE; at += PIECE)
		need(pread(fd, piece, PIECE, at) == PIECE, "read");
	stream("read", since);
	need(posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED) == 0, "fadvise");
	since = now();
	for (int i = 0; i < ACCESSES / 4; i++)
		need(pread(fd, piece, PAGE, somewhere()) == PAGE, "pread");
	each("random-read", since, ACCESSES / 4);
	puts("end 0");
	fflush(stdout);
	return 0;
}
