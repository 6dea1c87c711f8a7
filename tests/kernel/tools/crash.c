/*
 * Changes files on a volume, a step at a time, and says what must hold from then on whatever
 * happens: "will WORDS" before a step, "done" once it is synced. Then it waits for a line, so that
 * nothing of the next step is under way while the other side notes how far the disk has come.
 *
 *   crash FOLDER SEED STEPS
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/xattr.h>
#include <unistd.h>

enum { RWF_DSYNC = 2 };			    /* as Linux has it; the C library need not know it */
enum { FALLOC_KEEP = 1, FALLOC_PUNCH = 2 }; /* FALLOC_FL_*_SIZE, _HOLE */
enum { FOLDERS = 3, NAMES = 3, MOST = 20000, BLOCK = 4096 };

static uint32_t state;
static unsigned char bytes[MOST] __attribute__((aligned(BLOCK)));

static uint32_t below(uint32_t n)
{
	state = state * 1664525u + 1013904223u;
	return (state >> 8) % n;
}

static void need(int ok, const char *what)
{
	if (!ok) {
		perror(what);
		exit(1);
	}
}

static void fill(uint32_t seed, size_t size)
{
	for (size_t i = 0; i < size; i++)
		bytes[i] = (unsigned char)(seed * 131u + i * 7u + (i >> 8));
}

static void sync_folder(const char *path)
{
	char folder[64];
	int fd;

	snprintf(folder, sizeof(folder), "%.2s", path);
	fd = open(folder, O_RDONLY | O_DIRECTORY);
	need(fd >= 0 && fsync(fd) == 0, folder);
	close(fd);
}

static void replace(const char *path, uint32_t seed, size_t size)
{
	int fd = open("d0/tmp", O_CREAT | O_TRUNC | O_WRONLY, 0644);

	fill(seed, size);
	need(fd >= 0 && write(fd, bytes, size) == (ssize_t)size && fsync(fd) == 0, "replace");
	close(fd);
	need(rename("d0/tmp", path) == 0, "rename");
	sync_folder("d0");
	sync_folder(path);
}

static void append(uint32_t seed, size_t size)
{
	int fd = open("log", O_CREAT | O_WRONLY | O_APPEND, 0644);

	fill(seed, size);
	need(fd >= 0 && write(fd, bytes, size) == (ssize_t)size && fdatasync(fd) == 0, "append");
	close(fd);
}

static void cut(const char *path, size_t size)
{
	int fd = open(path, O_WRONLY);

	need(fd >= 0 && ftruncate(fd, (off_t)size) == 0 && fsync(fd) == 0, "cut");
	close(fd);
}

static void patch(const char *path, uint32_t seed, size_t at, size_t size)
{
	int fd = open(path, O_WRONLY);
	struct iovec vec = { bytes, size };

	fill(seed, size);
	need(fd >= 0 && syscall(SYS_pwritev2, fd, &vec, 1, at, 0, RWF_DSYNC) == (long)size,
	     "patch");
	close(fd);
}

/* A write that is synced by how the file was opened. */
static void put(const char *path, int flags, uint32_t seed, size_t at, size_t size)
{
	int fd = open(path, O_WRONLY | flags);

	fill(seed, size);
	need(fd >= 0 && pwrite(fd, bytes, size, (off_t)at) == (ssize_t)size, "put");
	close(fd);
}

/* Past the cache, which alone promises nothing. */
static void direct(const char *path, uint32_t seed, size_t at, size_t size)
{
	int fd;

	if (seed % 2 == 0) {
		put(path, O_DIRECT | O_DSYNC, seed, at, size);
		return;
	}
	put(path, O_DIRECT, seed, at, size);
	fd = open(path, O_WRONLY);
	need(fd >= 0 && fdatasync(fd) == 0, "direct");
	close(fd);
}

static void map(const char *path, uint32_t seed, size_t at, size_t size)
{
	int fd = open(path, O_RDWR);
	unsigned char *p = mmap(NULL, at + size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	fill(seed, size);
	need(fd >= 0 && p != MAP_FAILED, "map");
	memcpy(p + at, bytes, size);
	need(msync(p, at + size, MS_SYNC) == 0 && munmap(p, at + size) == 0, "msync");
	close(fd);
}

static void allocate(const char *path, int mode, size_t at, size_t size)
{
	int fd = open(path, O_WRONLY);

	need(fd >= 0 && fallocate(fd, mode, (off_t)at, (off_t)size) == 0 && fsync(fd) == 0,
	     "fallocate");
	close(fd);
}

static void label(const char *path, uint32_t seed, size_t size)
{
	int fd = open(path, O_WRONLY);

	fill(seed, size);
	need(fd >= 0 && fsetxattr(fd, "user.label", bytes, size, 0) == 0 && fsync(fd) == 0,
	     "label");
	close(fd);
}

/* Never synced: whatever becomes of it, the rest must hold. */
static void noise(uint32_t step)
{
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "d%u/tmp%u", below(FOLDERS), below(NAMES));
	if (below(3) == 0) {
		unlink(path);
		return;
	}
	fd = open(path, O_CREAT | O_WRONLY, 0644);
	fill(step, MOST);
	need(fd >= 0 && pwrite(fd, bytes, 1 + below(MOST), below(3 * MOST)) > 0, "noise");
	close(fd);
}

/* What is done to a file of `had` bytes, besides: all of it in turn, so that few steps see it all.
 */
static void change(const char *path, uint32_t step, size_t had)
{
	static uint32_t turn;
	size_t at = below((uint32_t)had), left = had - at;
	size_t size = 1 + below((uint32_t)(left < MOST ? left : MOST));

	switch (turn++ % 9) {
	case 0:
		printf("will cut %s %zu\n", path, at);
		cut(path, at);
		break;
	case 1:
		printf("will patch %s %u %zu %zu\n", path, step, at, size);
		patch(path, step, at, size);
		break;
	case 2:
		at = at / BLOCK * BLOCK;
		size = (1 + below(MOST / BLOCK)) * BLOCK;
		printf("will direct %s %u %zu %zu\n", path, step, at, size);
		direct(path, step, at, size);
		break;
	case 3:
		/* Also behind the end: what lies between reads as zeros. */
		at = below((uint32_t)had + BLOCK);
		size = 1 + below(MOST);
		printf("will dsync %s %u %zu %zu\n", path, step, at, size);
		put(path, step % 2 == 0 ? O_DSYNC : O_SYNC, step, at, size);
		break;
	case 4:
		printf("will map %s %u %zu %zu\n", path, step, at, size);
		map(path, step, at, size);
		break;
	case 5:
		printf("will punch %s %zu %zu\n", path, at, size);
		allocate(path, FALLOC_PUNCH | FALLOC_KEEP, at, size);
		break;
	case 6:
		size += had;
		printf("will grow %s %zu\n", path, size);
		if (step % 2 == 0)
			allocate(path, 0, at, size - at);
		else
			cut(path, size);
		break;
	case 7:
		printf("will reserve %s\n", path);
		allocate(path, FALLOC_KEEP, at, MOST);
		break;
	default:
		size = 1 + below(600);
		printf("will label %s %u %zu\n", path, step, size);
		label(path, step, size);
	}
}

static void one(uint32_t step)
{
	char path[64];
	struct stat st;
	size_t size = 1 + below(MOST);

	snprintf(path, sizeof(path), "d%u/f%u", below(FOLDERS), below(NAMES));
	switch (stat(path, &st) == 0 && st.st_size > 1 ? 1 + below(9) : below(2)) {
	case 0:
	case 3:
		printf("will append log %u %zu\n", step, size);
		append(step, size);
		break;
	case 1:
		printf("will replace %s %u %zu\n", path, step, size);
		replace(path, step, size);
		break;
	case 2:
		printf("will unlink %s\n", path);
		need(unlink(path) == 0, "unlink");
		sync_folder(path);
		break;
	default:
		change(path, step, (size_t)st.st_size);
	}
}

int main(int argc, char **argv)
{
	char line[16];

	setvbuf(stdout, NULL, _IOLBF, 0);
	if (argc != 4 || chdir(argv[1]) != 0)
		return 2;
	state = (uint32_t)strtoul(argv[2], NULL, 10);
	for (int i = 0; i < FOLDERS; i++) {
		snprintf(line, sizeof(line), "d%d", i);
		mkdir(line, 0755);
	}
	sync();
	for (uint32_t step = 1; step <= strtoul(argv[3], NULL, 10); step++) {
		noise(step);
		one(step);
		puts("done");
		if (fgets(line, sizeof(line), stdin) == NULL)
			return 3;
	}
	puts("end");
	return 0;
}
