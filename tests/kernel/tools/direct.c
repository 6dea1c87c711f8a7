/*
 * O_DIRECT beside ordinary descriptors and mappings of the same file: whatever way bytes take, all
 * ways agree. The argument is a folder.
 */
#include "../programs/t.h"
#include <fcntl.h>
#include <sys/stat.h>

enum { PAGE = 4096, SIZE = 80 * PAGE };

static char *memory;
static uint8_t model[SIZE + 4 * PAGE], seen[SIZE + 4 * PAGE];
static size_t model_size;

static void put(int fd, off_t offset, size_t size, int byte, const void *from)
{
	memset(model + offset, byte, size);
	memset(memory, byte, size);
	check(pwrite(fd, from != NULL ? from : memory, size, offset) == (ssize_t)size);
	if (offset + size > model_size)
		model_size = offset + size;
}

static void agree(int direct, int plain)
{
	struct stat st;
	size_t room = sizeof(seen);

	check(fstat(plain, &st) == 0 && (size_t)st.st_size == model_size);
	memset(memory, 0xee, room);
	check(pread(direct, memory, room, 0) == (ssize_t)model_size);
	check(memcmp(memory, model, model_size) == 0);
	check(pread(plain, seen, room, 0) == (ssize_t)model_size);
	check(memcmp(seen, model, model_size) == 0);
}

static void bounds(int direct)
{
	fails(pwrite(direct, memory, 100, 0), EINVAL);
	fails(pwrite(direct, memory, 512, 100), EINVAL);
	fails(pread(direct, memory, 100, 0), EINVAL);
	fails(pread(direct, memory, 512, 100), EINVAL);
	check(pread(direct, memory, 512, SIZE * 100) == 0);
	fails(pwrite(direct, (void *)4096, PAGE, 0), EFAULT);
	done("bounds");
}

int main(int argc, char **argv)
{
	int direct, plain;
	uint8_t *map;

	check(argc == 2 && chdir(argv[1]) == 0);
	direct = open("d", O_RDWR | O_CREAT | O_TRUNC | O_DIRECT, 0644);
	plain = open("d", O_RDWR);
	check(direct >= 0 && plain >= 0);
	memory = aligned_alloc(PAGE, sizeof(seen));
	put(direct, 0, SIZE, 1, NULL); /* more than goes at once */
	agree(direct, plain);
	put(plain, 5 * PAGE + 7, 3 * PAGE, 2, NULL); /* the cache is newer */
	agree(direct, plain);
	put(direct, 6 * PAGE, PAGE, 3, NULL); /* the disk is */
	agree(direct, plain);
	put(direct, 7 * PAGE + 512, PAGE + 1024, 4, NULL); /* sectors that are no pages */
	agree(direct, plain);
	map = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, plain, 0);
	check(map != MAP_FAILED && map[0] == 1);
	map[9 * PAGE] = model[9 * PAGE] = 5;
	agree(direct, plain);
	put(direct, 9 * PAGE, 2 * PAGE, 6, NULL);
	check(map[9 * PAGE] == 6 && map[10 * PAGE] == 6);
	agree(direct, plain);
	put(direct, SIZE + 2 * PAGE, PAGE, 7, NULL); /* a hole before it */
	agree(direct, plain);
	check(ftruncate(plain, SIZE - 100) == 0);
	model_size = SIZE - 100;
	memset(model + model_size, 0, sizeof(model) - model_size);
	agree(direct, plain);
	put(direct, SIZE, 2 * PAGE, 8, NULL); /* behind an end inside of a page */
	agree(direct, plain);
	/* From memory that is the file itself. */
	memcpy(model, model + 9 * PAGE, PAGE);
	check(pwrite(direct, map + 9 * PAGE, PAGE, 0) == PAGE);
	agree(direct, plain);
	bounds(direct);
	check(fsync(direct) == 0);
	agree(direct, plain);
	done("all ways agree");
	return 0;
}
