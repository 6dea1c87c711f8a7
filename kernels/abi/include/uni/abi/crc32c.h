/*
 * CRC-32C (Castagnoli; RFC 3720 appendix B.4), shared by tool, loaders and kernels, so that a
 * record written by one is checked the same way by the others. Half a byte at a time: records are
 * small, and loaders have no room for a large table.
 */
#ifndef UNI_ABI_CRC32C_H
#define UNI_ABI_CRC32C_H

#include <stddef.h>
#include <stdint.h>

/* Continues `crc` (0 at the start) over `size` bytes. */
static inline uint32_t uni_crc32c(uint32_t crc, const void *data, size_t size)
{
	static const uint32_t table[16] = {
		0x00000000, 0x105ec76f, 0x20bd8ede, 0x30e349b1, 0x417b1dbc, 0x5125dad3,
		0x61c69362, 0x7198540d, 0x82f63b78, 0x92a8fc17, 0xa24bb5a6, 0xb21572c9,
		0xc38d26c4, 0xd3d3e1ab, 0xe330a81a, 0xf36e6f75,
	};
	const uint8_t *p = (const uint8_t *)data;

	crc = ~crc;
	while (size-- != 0) {
		crc ^= *p++;
		crc = crc >> 4 ^ table[crc & 15u];
		crc = crc >> 4 ^ table[crc & 15u];
	}
	return ~crc;
}

#endif
