/*
 * Writes to a volume while the program's own memory leaves next to nothing: all of it must arrive,
 * for what is dirty can always be written out.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysinfo.h>
#include <unistd.h>

enum { PIECE = 64 << 10, LEFT = 1 << 20, FILES = 150, BIG = 12 << 20 };

static char piece[PIECE];

static void die(const char *what)
{
	perror(what);
	exit(1);
}

/* All but LEFT bytes of what is free, as often as caches give something back. */
static void eat(void)
{
	struct sysinfo info;
	size_t eaten = 0;

	while (sysinfo(&info) == 0 && info.freeram > LEFT) {
		char *more = mmap(NULL, PIECE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
				  -1, 0);

		if (more == MAP_FAILED)
			die("mmap");
		memset(more, 0x5a, PIECE);
		eaten += PIECE;
	}
	printf("eaten: %s\n", eaten > LEFT ? "much" : "little");
}

static void fill(int n)
{
	for (size_t i = 0; i < PIECE; i += sizeof(int))
		memcpy(piece + i, &(int){ n + (int)i }, sizeof(int));
}

static void put(const char *path, int n, size_t size, int sync)
{
	int fd = open(path, O_CREAT | O_TRUNC | O_WRONLY, 0644);

	if (fd < 0)
		die(path);
	fill(n);
	for (size_t done = 0; done < size; done += PIECE)
		if (write(fd, piece, PIECE) != PIECE)
			die("write");
	if (sync && fsync(fd) != 0)
		die("fsync");
	if (close(fd) != 0)
		die("close");
}

static void get(const char *path, int n, size_t size)
{
	static char came[PIECE];
	int fd = open(path, O_RDONLY);

	if (fd < 0)
		die(path);
	fill(n);
	for (size_t done = 0; done < size; done += PIECE)
		if (read(fd, came, PIECE) != PIECE || memcmp(came, piece, PIECE) != 0)
			die("content");
	close(fd);
}

int main(int argc, char **argv)
{
	char path[64];

	if (argc < 2 || chdir(argv[1]) != 0)
		die("folder");
	eat();
	for (int i = 0; i < FILES; i++) {
		snprintf(path, sizeof(path), "d%d", i % 7);
		mkdir(path, 0755);
		snprintf(path, sizeof(path), "d%d/file%d", i % 7, i);
		put(path, i, PIECE, i % 10 == 0);
	}
	put("big", 77, BIG, 0);
	sync();
	for (int i = 0; i < FILES; i++) {
		snprintf(path, sizeof(path), "d%d/file%d", i % 7, i);
		get(path, i, PIECE);
	}
	get("big", 77, BIG);
	puts("all there");
	return 0;
}
