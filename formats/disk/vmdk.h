/*
 * VMDK, sparse extents (VMware, Virtual Disk Format 5.0, "Hosted Sparse Extents" and "Stream-
 * Optimized Compressed Sparse Extents"). Numbers are little endian; places are in sectors.
 */
#ifndef UNI_DISK_VMDK_INTERNAL_H
#define UNI_DISK_VMDK_INTERNAL_H

#include <stdint.h>

#include "bytes.h"

#define VMDK_MAGIC 0x564d444bu /* "KDMV" */
#define VMDK_AT_END UINT64_MAX /* gd_offset: the footer says it */
#define VMDK_NO_PARENT "ffffffff"

#define VMDK_NEWLINES (1u << 0) /* flags */
#define VMDK_REDUNDANT (1u << 1)
#define VMDK_ZERO_GRAINS (1u << 2)
#define VMDK_COMPRESSED (1u << 16)
#define VMDK_MARKERS (1u << 17)

enum {
	VMDK_DEFLATE = 1, /* compress_algorithm */
	VMDK_GTES = 512,  /* entries of a grain table */
	VMDK_TABLE = VMDK_GTES * 4,
	VMDK_GRAIN = 64 << 10,
	VMDK_MARKER = 12, /* in front of a compressed grain: u64 sector, u32 size */
};

enum vmdk_marker {
	VMDK_MARK_END = 0,
	VMDK_MARK_TABLE = 1,
	VMDK_MARK_DIRECTORY = 2,
	VMDK_MARK_FOOTER = 3
};

struct vmdk_header {
	uint8_t magic[4];
	uint8_t version[4];
	uint8_t flags[4];
	uint8_t capacity[8];
	uint8_t grain_size[8];
	uint8_t descriptor_offset[8];
	uint8_t descriptor_size[8];
	uint8_t gtes[4];
	uint8_t rgd_offset[8];
	uint8_t gd_offset[8];
	uint8_t overhead[8];
	uint8_t unclean;
	char newlines[4]; /* "\n \r\n" tells a file that was moved as text */
	uint8_t compress_algorithm[2];
	uint8_t padding[433];
};
_Static_assert(sizeof(struct vmdk_header) == 512, "Virtual Disk Format 5.0, SparseExtentHeader");

#endif
