/*
 * The Internet checksum (RFC 1071) over what one buffer holds, in place of lwIP's, which takes two
 * bytes at a time: where a device computes none, this is most of what it takes to send a page.
 */
#include <uk/types.h>

#include "lwipopts.h"

typedef uint64_t __attribute__((may_alias, aligned(1))) word;
typedef uint16_t __attribute__((may_alias, aligned(1))) half;

enum { STEP = 64 };

static uint64_t fold(uint64_t sum, unsigned bits)
{
	uint64_t mask = (1ull << bits) - 1;

	sum = (sum & mask) + (sum >> bits);
	return (sum & mask) + (sum >> bits);
}

uint16_t uk_lwip_checksum(const void *data, int size)
{
	const uint8_t *at = data;
	uint64_t sum = 0;

	/* Halves of words, so that there is no carry to look after: their sum has room for 16 GB.
	 */
	for (; size >= STEP; size -= STEP, at += STEP)
#pragma GCC unroll 8
		for (int i = 0; i < STEP; i += (int)sizeof(word)) {
			uint64_t both = *(const word *)(at + i);

			sum += (both & UINT32_MAX) + (both >> 32);
		}
	for (; size >= 2; size -= 2, at += 2)
		sum += *(const half *)at;
	if (size == 1)
		sum += *at;
	return (uint16_t)fold(fold(sum, 32), 16);
}
