/*
 * Hash trees of dm-verity (uni/abi/verity.h): made for data that lies in a file, and checked.
 * Memory is bounded whatever the size; the result does not depend on the number of threads.
 */
#ifndef UNI_IO_HASHTREE_H
#define UNI_IO_HASHTREE_H

#include <stdint.h>
#include <uni/abi/verity.h>
#include <uni/base/digest.h>

#define UNI_HASHTREE_SALT_MAX 256

struct uni_hashtree {
	int data_fd;
	uint64_t data_offset; /* bytes */
	uint64_t data_blocks; /* of 4096 bytes; at least 1 */
	int hash_fd;	      /* may be data_fd; for making, opened for reading and writing */
	uint64_t hash_offset; /* of the superblock; bytes */
	uint8_t salt[UNI_HASHTREE_SALT_MAX];
	uint32_t salt_size;
	struct uni_uuid uuid;
	const char *name; /* for errors; borrowed */
	unsigned threads; /* 0: all processors */
};

/* Where the parts of a tree lie. */
struct uni_hashtree_shape {
	unsigned levels;
	struct {
		uint64_t blocks; /* level 0 holds the digests of the data */
		uint64_t offset; /* bytes, in the file */
	} level[UNI_VERITY_LEVELS_MAX];
	uint64_t size; /* bytes, with the superblock */
};
int uni_hashtree_shape_of(uint64_t data_blocks, uint64_t hash_offset,
			  struct uni_hashtree_shape *shape, struct uni_err *err);
/* The superblock's block, of salt, UUID and data_blocks. */
void uni_hashtree_superblock(const struct uni_hashtree *tree, uint8_t block[UNI_VERITY_BLOCK]);

/* Bytes of superblock and tree, UNI_E_LIMIT for more data than the format holds. */
int uni_hashtree_size(uint64_t data_blocks, uint64_t *size, struct uni_err *err);

/* Writes superblock and tree. `whole`, if not NULL, is fed the data blocks and then all that was
 * written: the digest of a file that is just both. */
int uni_hashtree_make(const struct uni_hashtree *tree, uint8_t root[UNI_VERITY_DIGEST],
		      struct uni_hash *whole, struct uni_err *err);

/* Checks superblock, tree and data against all fields and `root`; UNI_E_CORRUPT names the first
 * wrong block of the highest wrong level. */
int uni_hashtree_verify(const struct uni_hashtree *tree, const uint8_t root[UNI_VERITY_DIGEST],
			struct uni_err *err);

#endif
