/*
 * Live volumes: content that is replaced while its readers run. docs/live-volume.md tells all of
 * it.
 *
 * In blocks of 4096 bytes: blocks 0 and 1 are two copies of the superblock below, each at the start
 * of its block, the rest zero; generation g is written to block g mod 2. Then two slots, on 1 MiB,
 * each a file system with a dm-verity hash tree (verity.h). The writer voids the older superblock
 * (zeros), flushes, writes the slot that nobody serves from, flushes, checks, writes the
 * superblock, flushes. A reader takes the sound superblock of the highest generation.
 * Machines are told by their doorbell (bell.h).
 */
#ifndef UNI_ABI_LIVE_H
#define UNI_ABI_LIVE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uni/abi/crc32c.h>

#define UNI_LIVE_MAGIC "UNILIVE" /* 8 bytes with its NUL */
#define UNI_LIVE_VERSION 1u
#define UNI_LIVE_BLOCK 4096u
#define UNI_LIVE_ALIGN (1u << 20) /* slots begin on this, and their size is a multiple */
#define UNI_LIVE_KEY 32u	  /* bytes of an Ed25519 public key */
#define UNI_LIVE_SIGNATURE 64u

enum { UNI_LIVE_SIGNED = 1 }; /* flag: key_id and signature hold */

struct uni_live_super {
	char magic[8];
	uint32_t version;
	uint32_t size; /* of this struct */
	uint8_t uuid[16];
	uint64_t generation;  /* from 1 */
	int64_t time;	      /* seconds since 1970, always greater than the generation's before */
	uint32_t slot;	      /* 0 or 1 */
	uint32_t fs;	      /* enum uni_config_fs: UNI_FS_SQUASHFS */
	uint64_t slot_offset; /* bytes, from the volume's start, of this slot */
	uint64_t slot_size;   /* bytes, of either slot */
	uint64_t data_blocks; /* of 4096 bytes, under the hash tree: all in front of it */
	uint64_t hash_offset; /* bytes, from the slot's start, of the verity superblock */
	uint64_t fs_size;     /* bytes that file system and placement take, from the slot's start */
	uint32_t salt_size;   /* 32 */
	uint32_t flags;	      /* UNI_LIVE_* */
	uint8_t root_hash[32];
	uint8_t salt[32];
	char label[64];	   /* for people: UTF-8, padded with zeros */
	uint8_t key_id[8]; /* first bytes of the public key's SHA-256 */
	uint8_t reserved[200];
	uint8_t signature[UNI_LIVE_SIGNATURE]; /* Ed25519 (RFC 8032), over all before it */
	uint32_t reserved2;
	uint32_t crc32c; /* over all before it */
};

_Static_assert(sizeof(struct uni_live_super) == 512, "wire format");
_Static_assert(offsetof(struct uni_live_super, root_hash) == 104, "wire format");
_Static_assert(offsetof(struct uni_live_super, signature) == 440, "wire format");
_Static_assert(offsetof(struct uni_live_super, crc32c) == 508, "wire format");

enum uni_live_state {
	UNI_LIVE_SOUND = 0,
	UNI_LIVE_VOID = 1,  /* none: zeros, or torn */
	UNI_LIVE_NEWER = 2, /* a superblock of a version that is not known here */
};

/*
 * What the 512 bytes at `super` (on 8), read from block `block` of a volume of `size` bytes, are.
 * Only a sound one may be looked into. The signature is the caller's to check.
 */
static inline enum uni_live_state uni_live_check(const struct uni_live_super *s, unsigned block,
						 uint64_t size)
{
	for (size_t i = 0; i < sizeof(s->magic); i++)
		if (s->magic[i] != UNI_LIVE_MAGIC[i])
			return UNI_LIVE_VOID;
	if (s->crc32c != uni_crc32c(0, s, offsetof(struct uni_live_super, crc32c)))
		return UNI_LIVE_VOID;
	if (s->version != UNI_LIVE_VERSION)
		return UNI_LIVE_NEWER;
	if (s->size != sizeof(*s) || s->generation == 0 || s->generation % 2 != block ||
	    s->slot > 1 || s->salt_size != sizeof(s->salt) || s->slot_size == 0 ||
	    s->slot_size % UNI_LIVE_ALIGN != 0 || s->slot_offset % UNI_LIVE_ALIGN != 0 ||
	    s->slot_offset == 0 || s->slot_offset > size || s->slot_size > size - s->slot_offset)
		return UNI_LIVE_VOID;
	if (s->data_blocks == 0 || s->data_blocks > s->slot_size / UNI_LIVE_BLOCK ||
	    s->hash_offset != s->data_blocks * UNI_LIVE_BLOCK || s->hash_offset >= s->slot_size ||
	    s->fs_size > s->hash_offset)
		return UNI_LIVE_VOID;
	return UNI_LIVE_SOUND;
}

#endif
