/*
 * VHDX ([MS-VHDX], version 1). Numbers are little endian, GUIDs as GPT has them. Regions stand on
 * multiples of 1 MiB.
 */
#ifndef UNI_DISK_VHDX_INTERNAL_H
#define UNI_DISK_VHDX_INTERNAL_H

#include <stdint.h>
#include <uni/base/digest.h>

#include "bytes.h"

#define VHDX_MIB (UINT64_C(1) << 20)
#define VHDX_REGION_BAT "2dc27766-f623-4200-9d64-115e9bfd4a08"
#define VHDX_REGION_METADATA "8b7ca206-4790-4b9a-b8fe-575f050f886e"
#define VHDX_ITEM_PARAMETERS "caa16737-fa36-4d43-b3b6-33f0aa44e76b"
#define VHDX_ITEM_SIZE "2fa54224-cd1b-4876-b211-5dbed83bf4b8"
#define VHDX_ITEM_PAGE83 "beca12ab-b2e6-4523-93ef-c309e000c746"
#define VHDX_ITEM_LOGICAL "8141bf1d-a96f-4709-ba47-f233a8faab5f"
#define VHDX_ITEM_PHYSICAL "cda348c7-445d-4471-9cc9-e9885251c556"

enum {
	VHDX_HEADER_SIZE = 4096,
	VHDX_HEADER_AT = 64 << 10, /* and at twice that */
	VHDX_REGIONS_SIZE = 64 << 10,
	VHDX_REGIONS_AT = 192 << 10, /* and one size behind it */
	VHDX_REGIONS_MOST = 2047,
	VHDX_METADATA_TABLE = 64 << 10,
	VHDX_ITEMS_MOST = 2047,
	VHDX_HAS_PARENT = 2, /* in the file parameters' flags */
	VHDX_ITEM_VIRTUAL = 2,
	VHDX_ITEM_REQUIRED = 4,
};

enum vhdx_state {
	VHDX_NOT_PRESENT = 0,
	VHDX_UNDEFINED = 1,
	VHDX_ZERO = 2,
	VHDX_UNMAPPED = 3,
	VHDX_FULLY_PRESENT = 6,
	VHDX_PARTIALLY_PRESENT = 7,
};

struct vhdx_header {
	char signature[4]; /* "head" */
	uint8_t checksum[4];
	uint8_t sequence[8];
	uint8_t file_write[16];
	uint8_t data_write[16];
	uint8_t log[16]; /* zeros: nothing to replay */
	uint8_t log_version[2];
	uint8_t version[2];
	uint8_t log_length[4];
	uint8_t log_offset[8];
	uint8_t reserved[4016];
};
_Static_assert(sizeof(struct vhdx_header) == VHDX_HEADER_SIZE, "MS-VHDX 2.2.2");

struct vhdx_region {
	uint8_t guid[16];
	uint8_t offset[8];
	uint8_t length[4];
	uint8_t required[4];
};

struct vhdx_regions {
	char signature[4]; /* "regi" */
	uint8_t checksum[4];
	uint8_t count[4];
	uint8_t reserved[4];
	struct vhdx_region regions[VHDX_REGIONS_MOST];
	uint8_t padding[16];
};
_Static_assert(sizeof(struct vhdx_regions) == VHDX_REGIONS_SIZE, "MS-VHDX 2.2.3");

struct vhdx_item {
	uint8_t guid[16];
	uint8_t offset[4]; /* from the region's start */
	uint8_t length[4];
	uint8_t flags[4];
	uint8_t reserved[4];
};

struct vhdx_metadata {
	char signature[8]; /* "metadata" */
	uint8_t reserved[2];
	uint8_t count[2];
	uint8_t reserved2[20];
	struct vhdx_item items[VHDX_ITEMS_MOST];
};
_Static_assert(sizeof(struct vhdx_metadata) == VHDX_METADATA_TABLE, "MS-VHDX 2.6.1");

/* As uni_crc32c, half a byte at a time: here it covers 64 KiB. */
static inline uint32_t vhdx_crc32c(uint32_t crc, const uint8_t *bytes, size_t size)
{
	static const uint32_t table[16] = {
		0x00000000, 0x105ec76f, 0x20bd8ede, 0x30e349b1, 0x417b1dbc, 0x5125dad3,
		0x61c69362, 0x7198540d, 0x82f63b78, 0x92a8fc17, 0xa24bb5a6, 0xb21572c9,
		0xc38d26c4, 0xd3d3e1ab, 0xe330a81a, 0xf36e6f75,
	};

	crc = ~crc;
	for (size_t i = 0; i < size; i++) {
		crc ^= bytes[i];
		crc = crc >> 4 ^ table[crc & 15];
		crc = crc >> 4 ^ table[crc & 15];
	}
	return ~crc;
}

/* Over a structure whose second four bytes, the checksum, count as zeros. */
static inline uint32_t vhdx_checksum(const void *data, size_t size)
{
	static const uint8_t zero[4];
	const uint8_t *bytes = data;
	uint32_t crc = vhdx_crc32c(0, bytes, 4);

	crc = vhdx_crc32c(crc, zero, sizeof(zero));
	return vhdx_crc32c(crc, bytes + 8, size - 8);
}

/* After so many entries of blocks the allocation table has one for a bitmap of sectors. */
static inline uint64_t vhdx_chunk_ratio(uint64_t block, uint64_t sector)
{
	return (sector << 23) / block;
}

static inline void vhdx_guid(uint8_t out[16], const char *text)
{
	struct uni_uuid uuid = { .bytes = { 0 } };

	(void)uni_uuid_parse(text, &uuid);
	uuid = uni_uuid_swap(&uuid);
	memcpy(out, uuid.bytes, sizeof(uuid.bytes));
}

#endif
