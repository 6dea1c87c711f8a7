/*
 * CRC-32C (Castagnoli; RFC 3720 appendix B.4), shared by tool, loaders and kernels, so that a
 * record written by one is checked the same way by the others. Bitwise: records are small, and
 * loaders have no room for a table.
 */
#ifndef UNI_ABI_CRC32C_H
#define UNI_ABI_CRC32C_H

#include <stddef.h>
#include <stdint.h>

/* Continues `crc` (0 at the start) over `size` bytes. */
static inline uint32_t uni_crc32c(uint32_t crc, const void *data, size_t size)
{
	const uint8_t *p = (const uint8_t *)data;

	crc = ~crc;
	while (size-- != 0) {
		crc ^= *p++;
		for (int bit = 0; bit < 8; bit++)
			crc = (crc >> 1) ^ (0x82f63b78u & (0u - (crc & 1u)));
	}
	return ~crc;
}

#endif
