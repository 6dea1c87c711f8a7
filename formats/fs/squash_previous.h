/* Internal: what is known of the image before, for those who make the next one. */
#ifndef UNI_FS_SQUASH_PREVIOUS_INTERNAL_H
#define UNI_FS_SQUASH_PREVIOUS_INTERNAL_H

#include <uni/base/digest.h>
#include <uni/fs/squash.h>

#include "squash.h"

/*
 * Behind the file system, on the next 4 KiB: this header, then a SHA-256 for each inode by its
 * number less one, that of a file's content, zeros for everything else.
 */
#define SQUASH_PLACED_MAGIC "UNIPLACE"
#define SQUASH_PLACED_VERSION 1u
struct squash_placed_header {
	char magic[8];
	uint32_t version;
	uint32_t count;
	uint8_t reserved[48];
};
_Static_assert(sizeof(struct squash_placed_header) == 64, "wire format");

struct squash_before {
	char *path;
	char *target;	 /* of a link */
	uint32_t number; /* of the inode */
	uint32_t mtime;
	uint16_t mode;
	uint16_t type;
	uint32_t children; /* of a folder */
	uint64_t size;
	uint64_t start; /* of a file's blocks; */
	uint64_t stored;
	size_t word; /* in words */
	uint32_t words;
	bool placed; /* its blocks can be kept where they are */
	struct uni_digest digest;
};

struct uni_squash_previous {
	struct uni_fs_reader *reader;
	int fd;
	uint64_t offset;
	struct squash_before *entries; /* sorted as paths are */
	size_t count, room;
	uint32_t *by_digest; /* files that are placed, by digest */
	size_t placed;
	uint32_t *words;
	size_t word_count, word_room;
	uint64_t meta_start; /* where its metadata begins */
};

const struct squash_before *squash_before_path(const struct uni_squash_previous *previous,
					       const char *path);
const struct squash_before *squash_before_digest(const struct uni_squash_previous *previous,
						 const struct uni_digest *digest, uint64_t size);
/* Whether blocks can be taken over into an image of these options. */
bool squash_before_fits(const struct uni_squash_previous *previous, uint16_t compression,
			uint32_t block_size);

#endif
