/*
 * Many threads at a volume with little memory: reads and mappings at random places of files whose
 * bytes follow from their place, while others fill and empty a tmpfs. With an argument "make" it
 * writes these files instead.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { FILES = 6, SIZE = 3000001, READERS = 6, ROUNDS = 150, PAGE = 4096 };

static const char *folder;

static unsigned char expected(unsigned file, size_t at)
{
	/* Compressible, but no two pages the same. */
	return (unsigned char)((at / PAGE * 7 + file * 31 + at % 64) & 0xff);
}

static void path_of(char *path, size_t room, unsigned file)
{
	snprintf(path, room, "%s/pattern-%u", folder, file);
}

static void fail(const char *what, unsigned file, size_t at)
{
	printf("%s: file %u at %zu\n", what, file, at);
	exit(1);
}

static int make(void)
{
	static unsigned char bytes[SIZE];
	char path[256];

	for (unsigned i = 0; i < FILES; i++) {
		FILE *file;

		path_of(path, sizeof(path), i);
		file = fopen(path, "wb");
		for (size_t at = 0; at < SIZE; at++)
			bytes[at] = expected(i, at);
		if (file == NULL || fwrite(bytes, 1, SIZE, file) != SIZE || fclose(file) != 0)
			return 1;
	}
	return 0;
}

static unsigned pick(uint64_t *state, unsigned below)
{
	*state = *state * 6364136223846793005ull + 1442695040888963407ull;
	return (unsigned)(*state >> 33) % below;
}

static void check(const unsigned char *bytes, unsigned file, size_t at, size_t size)
{
	for (size_t i = 0; i < size; i++)
		if (bytes[i] != expected(file, at + i))
			fail("wrong byte", file, at + i);
}

static void *reader(void *arg)
{
	uint64_t state = (uintptr_t)arg;
	unsigned char bytes[9000];

	for (unsigned round = 0; round < ROUNDS; round++) {
		unsigned file = pick(&state, FILES);
		size_t at = pick(&state, SIZE - sizeof(bytes));
		char path[256];
		int fd;

		path_of(path, sizeof(path), file);
		fd = open(path, O_RDONLY);
		if (fd < 0)
			fail("open", file, 0);
		if (pick(&state, 2) == 0) {
			size_t size = pick(&state, sizeof(bytes));

			if (pread(fd, bytes, size, (off_t)at) != (ssize_t)size)
				fail("read", file, at);
			check(bytes, file, at, size);
		} else {
			unsigned char *map;

			at -= at % PAGE;
			map = mmap(NULL, sizeof(bytes), PROT_READ, MAP_SHARED, fd, (off_t)at);
			if (map == MAP_FAILED)
				fail("map", file, at);
			check(map, file, at, sizeof(bytes));
			munmap(map, sizeof(bytes));
		}
		close(fd);
	}
	return NULL;
}

static void *writer(void *arg)
{
	static unsigned char bytes[200000];
	char path[64];

	snprintf(path, sizeof(path), "/tmp/churn-%p", arg);
	for (unsigned round = 0; round < 20; round++) {
		int fd = open(path, O_CREAT | O_RDWR | O_TRUNC, 0600);

		for (size_t i = 0; i < sizeof(bytes); i++)
			bytes[i] = expected(round, i);
		if (fd < 0 || write(fd, bytes, sizeof(bytes)) != sizeof(bytes))
			fail("write", round, 0);
		memset(bytes, 0, sizeof(bytes));
		if (pread(fd, bytes, sizeof(bytes), 0) != sizeof(bytes))
			fail("read back", round, 0);
		check(bytes, round, 0, sizeof(bytes));
		close(fd);
		unlink(path);
	}
	return NULL;
}

int main(int argc, char **argv)
{
	pthread_t threads[READERS + 1];

	folder = argv[argc - 1];
	if (argc > 2 && strcmp(argv[1], "make") == 0)
		return make();
	for (uintptr_t i = 0; i <= READERS; i++)
		if (pthread_create(&threads[i], NULL, i < READERS ? reader : writer,
				   (void *)(i + 1)) != 0)
			fail("thread", (unsigned)i, 0);
	for (unsigned i = 0; i <= READERS; i++)
		pthread_join(threads[i], NULL);
	puts("all bytes right");
	return 0;
}
