/*
 * Any memory map at all: what comes out is in order, disjoint, whole pages, and RAM by the told
 * map.
 */
#include <stdlib.h>
#include <string.h>
#include <uk/layout.h>
#include <uk/memmap.h>

#define TOLD_MAX 64
#define ROOM 16

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Whether the page at `addr` touches an entry that is not RAM. */
static int spoiled(const struct uni_hvm_memmap_entry *told, uint32_t count, uint64_t addr)
{
	for (uint32_t i = 0; i < count; i++) {
		uint64_t end = told[i].addr + told[i].size;

		if (end < told[i].addr)
			end = UINT64_MAX;
		if (told[i].type != 1 && told[i].addr < addr + 4096 && end > addr)
			return 1;
	}
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct uni_hvm_memmap_entry told[TOLD_MAX], out[ROOM];
	uint32_t count = (uint32_t)(size / sizeof(told[0]));
	uint64_t last = 0;

	if (count > TOLD_MAX)
		count = TOLD_MAX;
	memcpy(told, data, count * sizeof(told[0]));
	uint32_t made = uk_memmap_make(out, ROOM, told, count);

	if (made > ROOM)
		abort();
	for (uint32_t i = 0; i < made; i++) {
		uint64_t end = out[i].addr + out[i].size;

		if (out[i].size == 0 || (out[i].addr | out[i].size) % 4096 != 0 ||
		    out[i].addr <= last || end > UK_DIRECT_SIZE)
			abort();
		if (spoiled(told, count, out[i].addr) || spoiled(told, count, end - 4096))
			abort();
		last = end;
	}
	return 0;
}
