/*
 * The loader's LZ4: the first four bytes choose the unpacked size, the rest is packed. Nothing may
 * be touched outside the room.
 */
#include "boot.h"
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint32_t unpacked;
	size_t stored, room;
	uint8_t *memory;

	if (size < 5)
		return 0;
	memcpy(&unpacked, data, sizeof(unpacked));
	unpacked &= 0xfffff;
	stored = size - 4;
	room = unpacked + (stored >> 8) + 32;
	if (stored > room)
		return 0;
	memory = malloc(room);
	if (memory == NULL)
		return 0;
	memset(memory, 0, room);
	memcpy(memory + room - stored, data + 4, stored);
	(void)lz4_unpack(memory, unpacked, room, stored);
	free(memory);
	return 0;
}
