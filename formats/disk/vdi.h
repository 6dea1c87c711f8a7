/*
 * VDI (VirtualBox, VDICore.h: VDIPREHEADER and VDIHEADER1PLUS). Numbers are little endian; UUIDs as
 * GPT has them.
 */
#ifndef UNI_DISK_VDI_INTERNAL_H
#define UNI_DISK_VDI_INTERNAL_H

#include <stdint.h>

#include "bytes.h"

#define VDI_SIGNATURE 0xbeda107fu
#define VDI_VERSION 0x00010001u
#define VDI_FREE UINT32_MAX	  /* entry of the block map: never written */
#define VDI_ZERO (UINT32_MAX - 1) /* reads as zeros */

enum { VDI_DYNAMIC = 1, VDI_FIXED = 2, VDI_UNDO = 3, VDI_DIFFERENCING = 4, VDI_HEADER_SIZE = 400 };

struct vdi_header {
	char text[64];
	uint8_t signature[4];
	uint8_t version[4];
	uint8_t header_size[4];
	uint8_t type[4];
	uint8_t flags[4];
	char comment[256];
	uint8_t map_offset[4];
	uint8_t data_offset[4];
	uint8_t cylinders[4];
	uint8_t heads[4];
	uint8_t sectors[4];
	uint8_t sector_size[4];
	uint8_t unused[4];
	uint8_t disk_size[8];
	uint8_t block_size[4];
	uint8_t block_extra[4]; /* bytes in front of each block */
	uint8_t blocks[4];
	uint8_t blocks_allocated[4];
	uint8_t uuid[16];
	uint8_t modification[16];
	uint8_t parent[16];
	uint8_t parent_modification[16];
	uint8_t geometry[16]; /* logical; zeros: unknown */
	uint8_t padding[40];
};
_Static_assert(sizeof(struct vdi_header) == 512, "VDICore.h, in one sector");

#endif
