/*
 * The blocks of a disk compressed on all processors, and handed over in order.
 */
#ifndef UNI_DISK_PACK_INTERNAL_H
#define UNI_DISK_PACK_INTERNAL_H

#include "codec.h"
#include "internal.h"

struct disk_packed {
	uint64_t index;	     /* of the block */
	const uint8_t *data; /* of the block itself when it would not become smaller */
	size_t size;
	bool compressed;
	uint32_t crc; /* of the block; 0 unless asked for */
};

struct disk_packing {
	struct uni_disk_source *source;
	size_t block; /* a power of two from 4 to 512 KiB */
	enum disk_codec codec;
	unsigned level;
	unsigned threads;
	bool want_crc;
	bool always; /* also what becomes larger */
	int (*put)(void *user, const struct disk_packed *block, struct uni_err *err);
	void *user;
};

/* Calls `put` for every block that is not all zeros. */
int disk_pack(const struct disk_packing *packing, struct uni_err *err);

#endif
