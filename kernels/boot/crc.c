/*
 * CRC by eight tables ("slicing by 8"): eight bytes a step. One set of tables serves both
 * polynomials, one after the other.
 */
#include "boot.h"

static uint32_t table[8][256];

void crc_start(uint32_t polynomial)
{
	/* Each power of two's entry from the one above it, the rest by adding: 8 shifts in all. */
	uint32_t crc = 1;

	table[0][0] = 0;
	for (unsigned i = 128; i != 0; i >>= 1) {
		crc = (crc >> 1) ^ (polynomial & (0u - (crc & 1u)));
		for (unsigned j = 0; j < 256; j += 2 * i)
			table[0][i + j] = crc ^ table[0][j];
	}
	for (unsigned i = 0; i < 256; i++)
		for (unsigned t = 1; t < 8; t++)
			table[t][i] = (table[t - 1][i] >> 8) ^ table[0][table[t - 1][i] & 0xff];
}

static uint32_t step8(uint32_t a, uint32_t b)
{
	return table[7][a & 0xff] ^ table[6][a >> 8 & 0xff] ^ table[5][a >> 16 & 0xff] ^
	       table[4][a >> 24] ^ table[3][b & 0xff] ^ table[2][b >> 8 & 0xff] ^
	       table[1][b >> 16 & 0xff] ^ table[0][b >> 24];
}

uint32_t crc_copy(uint32_t crc, void *to, const void *from, size_t size)
{
	const uint8_t *p = from;
	uint8_t *q = to;

	crc = ~crc;
	for (; size >= 8; size -= 8, p += 8) {
		uint32_t word[2];

		__builtin_memcpy(word, p, 8);
		if (q != NULL) {
			__builtin_memcpy(q, word, 8);
			q += 8;
		}
		crc = step8(crc ^ word[0], word[1]);
	}
	for (; size != 0; size--, p++) {
		crc = (crc >> 8) ^ table[0][(crc ^ *p) & 0xff];
		if (q != NULL)
			*q++ = *p;
	}
	return ~crc;
}
