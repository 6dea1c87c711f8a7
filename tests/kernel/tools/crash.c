/*
 * Changes files on a volume, a step at a time, and says what must hold from then on whatever
 * happens: "will WORDS" before a step, "done" once it is synced. Then it waits for a line, so that
 * nothing of the next step is under way while the other side notes how far the disk has come.
 *
 *   crash FOLDER SEED STEPS
 */
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

enum { RWF_DSYNC = 2 }; /* as Linux has it; the C library need not know it */
enum { FOLDERS = 3, NAMES = 5, MOST = 20000 };

static uint32_t state;
static unsigned char bytes[MOST];

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

static void one(uint32_t step)
{
	char path[64];
	struct stat st;
	size_t size = 1 + below(MOST), at;

	snprintf(path, sizeof(path), "d%u/f%u", below(FOLDERS), below(NAMES));
	switch (stat(path, &st) == 0 && st.st_size > 1 ? below(6) : below(2)) {
	case 0:
		printf("will append log %u %zu\n", step, size);
		append(step, size);
		break;
	case 2:
		printf("will unlink %s\n", path);
		need(unlink(path) == 0, "unlink");
		sync_folder(path);
		break;
	case 3:
		size = below((uint32_t)st.st_size);
		printf("will cut %s %zu\n", path, size);
		cut(path, size);
		break;
	case 4:
		at = below((uint32_t)st.st_size);
		size = 1 + below((uint32_t)((size_t)st.st_size - at));
		printf("will patch %s %u %zu %zu\n", path, step, at, size);
		patch(path, step, at, size);
		break;
	default:
		printf("will replace %s %u %zu\n", path, step, size);
		replace(path, step, size);
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
