/*
 * VHD (Microsoft, Virtual Hard Disk Image Format Specification, 1.0). All numbers are big endian.
 */
#ifndef UNI_DISK_VHD_INTERNAL_H
#define UNI_DISK_VHD_INTERNAL_H

#include <stdint.h>
#include <string.h>

#include "bytes.h"

#define VHD_COOKIE "conectix"
#define VHD_DYNAMIC_COOKIE "cxsparse"
#define VHD_NO_OFFSET UINT64_MAX
#define VHD_NO_BLOCK UINT32_MAX /* entry of the block allocation table */
#define VHD_VERSION 0x00010000u

enum { VHD_FIXED = 2, VHD_DYNAMIC = 3, VHD_DIFFERENCING = 4 };

struct vhd_footer {
	char cookie[8];
	uint8_t features[4];
	uint8_t version[4];
	uint8_t data_offset[8];
	uint8_t time[4]; /* seconds since 2000 */
	char creator[4];
	uint8_t creator_version[4];
	char creator_host[4];
	uint8_t original_size[8];
	uint8_t current_size[8];
	uint8_t cylinders[2];
	uint8_t heads;
	uint8_t sectors;
	uint8_t type[4];
	uint8_t checksum[4];
	uint8_t uuid[16];
	uint8_t saved_state;
	uint8_t reserved[427];
};
_Static_assert(sizeof(struct vhd_footer) == 512, "VHD, Hard Disk Footer Format");

struct vhd_dynamic {
	char cookie[8];
	uint8_t data_offset[8];
	uint8_t table_offset[8];
	uint8_t version[4];
	uint8_t entries[4];
	uint8_t block_size[4];
	uint8_t checksum[4];
	uint8_t parent[736]; /* of differencing disks: identifier, time, name, locators */
	uint8_t reserved[248];
};
_Static_assert(sizeof(struct vhd_dynamic) == 1024, "VHD, Dynamic Disk Header Format");

/* One's complement of the sum of all bytes, the checksum's own left out. */
static inline uint32_t vhd_checksum(const void *data, size_t size, const uint8_t checksum[4])
{
	const uint8_t *bytes = data;
	uint32_t sum = 0;

	for (size_t i = 0; i < size; i++)
		sum += bytes[i];
	for (size_t i = 0; i < 4; i++)
		sum -= checksum[i];
	return ~sum;
}

/* Bytes of the bitmap in front of a block: a bit a sector, in whole sectors. */
static inline uint64_t vhd_bitmap_size(uint64_t block)
{
	return (block / 512 / 8 + 511) / 512 * 512;
}

#endif
