/*
 * What a disk is known by in forms that ask for an identifier: a digest of its content, made while
 * it is written. It covers the disk's size, and place and CRC-32 of each 64 KiB that is not zero,
 * so it is the same whatever form the disk came from; a SHA-256 of all bytes would cost more than
 * all else that is done to them.
 */
#ifndef UNI_DISK_IDENTITY_INTERNAL_H
#define UNI_DISK_IDENTITY_INTERNAL_H

#include <uni/base/digest.h>
#include <uni/disk/source.h>

enum { DISK_IDENTITY_BLOCK = 64 << 10 };

struct disk_identity {
	struct uni_hash hash;
};

int disk_identity_start(struct disk_identity *identity, uint64_t disk_size, struct uni_err *err);
/* A block that is not zero, in order; `crc` is disk_crc32 of all its DISK_IDENTITY_BLOCK bytes. */
void disk_identity_block(struct disk_identity *identity, uint64_t index, uint32_t crc);
/* A chunk on a multiple of the block; it may have zeros. */
void disk_identity_add(struct disk_identity *identity, uint64_t offset, const void *data,
		       size_t size);
struct uni_digest disk_identity_end(struct disk_identity *identity);
/* An UUID made of it, as Microsoft stores them: the first three fields little endian. */
void disk_identity_uuid(uint8_t out[16], const char *domain, const struct uni_digest *identity);

/* A writer of a form whose blocks stand alone. */
struct disk_blocks {
	struct uni_disk_source *source;
	size_t size; /* of a block; a multiple of DISK_IDENTITY_BLOCK */
	struct disk_identity *identity;
	/* Gets each block that is not zero, in order; zeros behind the disk's end. */
	int (*put)(void *user, uint64_t index, const uint8_t *data, struct uni_err *err);
	void *user;
};

int disk_blocks_each(const struct disk_blocks *blocks, struct uni_err *err);

#endif
