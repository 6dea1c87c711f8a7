/*
 * An image with its holes left out as an input, so that a small one can be an image of megabytes:
 * its size (u32), then pieces: place (u32), size (u16), bytes. All little endian; sparse_input.py
 * makes one of an image.
 */
#ifndef UNI_FUZZ_SPARSE_H
#define UNI_FUZZ_SPARSE_H

#include <endian.h>
#include <string.h>

#include "memory.h"

static inline uint32_t fuzz_get32(const uint8_t *p)
{
	uint32_t value;

	memcpy(&value, p, sizeof(value));
	return le32toh(value);
}

/* Its length, below `most`; the input has 4 bytes at least. */
static inline uint32_t fuzz_image(int fd, uint32_t most, const uint8_t *data, size_t size)
{
	uint32_t length = fuzz_get32(data) % most;

	if (ftruncate(fd, 0) != 0 || ftruncate(fd, length) != 0)
		abort();
	for (size_t at = 4; size - at >= 6;) {
		uint32_t place = fuzz_get32(data + at) % most;
		size_t piece = (size_t)data[at + 4] | (size_t)data[at + 5] << 8;

		at += 6;
		if (piece > size - at)
			piece = size - at;
		if (place + piece <= length &&
		    pwrite(fd, data + at, piece, place) != (ssize_t)piece)
			abort();
		at += piece;
	}
	return length;
}

#endif
