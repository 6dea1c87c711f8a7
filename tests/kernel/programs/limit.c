/*
 * The configured limit of memory: what would go beyond it is refused with ENOMEM, by whichever call
 * asks, and the program goes on. What cannot be written to, or is not the program's alone, is no
 * data.
 * @option --limit memory=16777216
 */
#include "t.h"

#include <sys/resource.h>

enum { MIB = 1 << 20 };
#define RW (PROT_READ | PROT_WRITE)
#define OWN (MAP_PRIVATE | MAP_ANONYMOUS)

static char *map(size_t size, int prot, int flags)
{
	char *at = mmap(NULL, size, prot, flags, -1, 0);

	return at == MAP_FAILED ? NULL : at;
}

int main(void)
{
	struct rlimit limit;
	char *reserved, *most, *grown;
	void *blocks[64];
	int count = 0;

	/* Linux has no configuration to take it from. */
	check(getrlimit(RLIMIT_DATA, &limit) == 0);
	if (limit.rlim_cur == RLIM_INFINITY) {
		limit.rlim_cur = 16 * MIB;
		check(setrlimit(RLIMIT_DATA, &limit) == 0);
	}
	check(limit.rlim_cur == 16 * MIB);
	check(map(17 * MIB, RW, OWN) == NULL && errno == ENOMEM);
	reserved = map(64 * MIB, PROT_NONE, OWN);
	check(reserved != NULL);
	check(map(64 * MIB, PROT_READ, OWN) != NULL);
	check(map(17 * MIB, RW, MAP_SHARED | MAP_ANONYMOUS) != NULL);

	most = map(12 * MIB, RW, OWN);
	check(most != NULL);
	memset(most, 1, 12 * MIB);
	check(map(4 * MIB, RW, OWN) == NULL && errno == ENOMEM);
	check(mprotect(reserved, 4 * MIB, RW) == -1 && errno == ENOMEM);
	check(mremap(most, 12 * MIB, 17 * MIB, MREMAP_MAYMOVE) == MAP_FAILED && errno == ENOMEM);
	check(sbrk(8 * MIB) == (void *)-1 && errno == ENOMEM);

	/* Given back is to be had again. */
	check(mprotect(most, 8 * MIB, PROT_READ) == 0);
	check(mprotect(reserved, 4 * MIB, RW) == 0);
	check(munmap(most, 12 * MIB) == 0);
	grown = mremap(reserved, 4 * MIB, 10 * MIB, MREMAP_MAYMOVE);
	check(grown != MAP_FAILED);
	memset(grown, 2, 10 * MIB);
	check(munmap(grown, 10 * MIB) == 0);

	while (count < 64 && (blocks[count] = malloc(MIB)) != NULL)
		memset(blocks[count++], 3, MIB);
	check(errno == ENOMEM && count >= 12 && count <= 16);
	while (count > 0)
		free(blocks[--count]);
	check((blocks[0] = malloc(8 * MIB)) != NULL);
	memset(blocks[0], 4, 8 * MIB);
	return 0;
}
