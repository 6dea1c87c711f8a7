/*
 * Where heap, mappings and stack of the program go: the places that Linux uses, each moved by a
 * random number of pages.
 */
#include "proc.h"
#include <uk/io.h>
#include <uk/map.h>
#include <uk/mem.h>

enum {
	STACK_SPREAD = 1 << 18, /* pages: 1 GiB */
	MMAP_SPREAD = 1 << 24,
	STACK_ROOM_MIN = 128 << 20, /* mappings keep away that far, whatever the limit says */
};

uint64_t uk_layout_random(uint64_t pages)
{
	return uk_random_word() % pages * UK_PAGE_SIZE;
}

void uk_layout_start(void)
{
	uint64_t random = uk_random_word();
	uint64_t top = UK_USER_END - random % STACK_SPREAD * UK_PAGE_SIZE;
	uint64_t size = uk_process.limit[UK_RLIMIT_STACK].soft;
	uint64_t room = UK_MAX(size + UK_LAYOUT_GUARD, (uint64_t)STACK_ROOM_MIN);

	uk_map.stack_high = top;
	uk_map.stack_low = top - size;
	uk_map.low = 0x10000;
	uk_map.high = top - room - random / STACK_SPREAD % MMAP_SPREAD * UK_PAGE_SIZE;
}
