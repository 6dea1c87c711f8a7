/*
 * dm-verity's superblock and hash tree, as veritysetup writes them (cryptsetup wiki, "DMVerity:
 * on-disk format"). Here always: hash type 1, SHA-256, data and hash blocks of 4096 bytes. The
 * superblock fills one block of its own; the tree follows, its top level first. A digest is
 * SHA-256(salt || block); digests fill a hash block 128 to a block, zero padded. The root hash is
 * that of the one top block (of the one data block when there is only one).
 */
#ifndef UNI_ABI_VERITY_H
#define UNI_ABI_VERITY_H

#include <stdint.h>

#define UNI_VERITY_MAGIC "verity\0" /* 8 bytes with its NUL */
#define UNI_VERITY_BLOCK 4096u
#define UNI_VERITY_DIGEST 32u
#define UNI_VERITY_PER_BLOCK (UNI_VERITY_BLOCK / UNI_VERITY_DIGEST)
#define UNI_VERITY_LEVELS_MAX 9

struct uni_verity_superblock {
	char magic[8];
	uint32_t version;   /* 1 */
	uint32_t hash_type; /* 1 */
	uint8_t uuid[16];   /* the volume's */
	char algorithm[32]; /* "sha256" */
	uint32_t data_block_size;
	uint32_t hash_block_size;
	uint64_t data_blocks;
	uint16_t salt_size;
	uint8_t pad1[6];
	uint8_t salt[256];
	uint8_t pad2[168];
};

_Static_assert(sizeof(struct uni_verity_superblock) == 512, "dm-verity");

#endif
