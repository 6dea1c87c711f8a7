/*
 * QCOW2 as the writer and the reader know it (QEMU, docs/interop/qcow2.txt, versions 2 and 3). All
 * numbers are big endian.
 */
#ifndef UNI_DISK_QCOW2_INTERNAL_H
#define UNI_DISK_QCOW2_INTERNAL_H

#include <stdint.h>

#define QCOW2_MAGIC 0x514649fbu /* "QFI" 0xfb */

struct qcow2_header {
	uint32_t magic;
	uint32_t version;
	uint64_t backing_file_offset;
	uint32_t backing_file_size;
	uint32_t cluster_bits;
	uint64_t size;
	uint32_t crypt_method;
	uint32_t l1_size; /* entries */
	uint64_t l1_table_offset;
	uint64_t refcount_table_offset;
	uint32_t refcount_table_clusters;
	uint32_t nb_snapshots;
	uint64_t snapshots_offset;
	/* version 3 */
	uint64_t incompatible_features;
	uint64_t compatible_features;
	uint64_t autoclear_features;
	uint32_t refcount_order;
	uint32_t header_length;
	uint8_t compression_type;
	uint8_t padding[7];
};
_Static_assert(sizeof(struct qcow2_header) == 112, "qcow2.txt, Header");

enum {
	QCOW2_HEADER_V2 = 72,
	QCOW2_HEADER_V3 = 104,
	QCOW2_DEFLATE = 0, /* compression_type */
	QCOW2_ZSTD = 1,
	QCOW2_L1_MOST = 32 << 20, /* bytes, as QEMU has it */
};

#define QCOW2_DIRTY (1u << 0) /* incompatible_features */
#define QCOW2_CORRUPT (1u << 1)
#define QCOW2_EXTERNAL (1u << 2)
#define QCOW2_COMPRESSION (1u << 3)
#define QCOW2_EXTENDED_L2 (1u << 4)

#define QCOW2_COPIED (UINT64_C(1) << 63)
#define QCOW2_COMPRESSED (UINT64_C(1) << 62)
#define QCOW2_OFFSET UINT64_C(0x00fffffffffffe00)
#define QCOW2_ZERO UINT64_C(1) /* version 3: reads as zeros whatever the offset says */

/* Where a compressed cluster's descriptor has the count of further sectors. */
static inline unsigned qcow2_sectors_shift(unsigned cluster_bits)
{
	return 62 - (cluster_bits - 8);
}

#endif
