/*
 * Our own writer of squashfs 4.0, with its codecs linked in: the bytes depend on the tree, the
 * options and uni alone, on any number of threads, and memory does not grow with the content.
 *
 * Two layouts. Packed, as mksquashfs has it: small files share fragments, everything is compressed.
 * Placed, for volumes that change: every file starts on 4 KiB, there are no fragments, inodes and
 * folders are not compressed, so that a small change of the tree is a small change of the image.
 * Given the image before, content that is in it already keeps its place and its compressed blocks.
 * Metadata comes behind all data, and behind that, outside the file system, the digests of the
 * contents (see docs/live-volume.md), by which the next image knows what it can keep.
 */
#ifndef UNI_FS_SQUASH_H
#define UNI_FS_SQUASH_H

#include <stdbool.h>
#include <stdint.h>
#include <uni/base/digest.h>
#include <uni/base/text.h>

struct uni_tree;
struct uni_squash_image;
struct uni_squash_previous;

struct uni_squash_options {
	const char *compression; /* "zstd", "lz4", "gzip", "none" */
	uint32_t level;		 /* as uni_fs_options once resolved */
	uint32_t block_size;
	int64_t epoch; /* the file system's own time; placed: also that of files that changed */
	bool placed;
	bool exact_times; /* placed: files have the tree's times, not those of their last change */
	uint64_t limit;	  /* bytes that the image takes where it can, 0: none */
	unsigned threads; /* 0: all processors */
};

/* UNI_E_LIMIT tells the bytes that are needed and those that there are. */
int uni_squash_write(const struct uni_tree *tree, const struct uni_squash_options *options, int fd,
		     uint64_t *size, struct uni_err *err);

/*
 * A placed image made in two steps: everything is packed and placed, so that its size is known,
 * before a byte of the target is touched. `previous` may be NULL.
 */
int uni_squash_prepare(struct uni_squash_image **out, const struct uni_tree *tree,
		       const struct uni_squash_options *options,
		       const struct uni_squash_previous *previous, struct uni_err *err);
void uni_squash_image_free(struct uni_squash_image *image);
UNI_AUTO_DEFINE(uni_squash_image)
uint64_t uni_squash_image_size(const struct uni_squash_image *image); /* a multiple of 4096 */

/* Whether the image before is this one but for the file system's own time: nothing has changed. */
int uni_squash_image_same(const struct uni_squash_image *image,
			  const struct uni_squash_previous *previous, bool *same,
			  struct uni_err *err);

/* Called in the order of `at`, on 4 KiB, sizes multiples of 4096; what is not named is zero. */
struct uni_squash_target {
	int (*put)(void *user, uint64_t at, const void *data, size_t size, struct uni_err *err);
	/* The bytes that the image before has at the same place. */
	int (*keep)(void *user, uint64_t at, uint64_t size, struct uni_err *err);
	void *user;
};
int uni_squash_emit(const struct uni_squash_image *image,
		    const struct uni_squash_previous *previous,
		    const struct uni_squash_target *target, struct uni_err *err);

/*
 * The image before, in [offset, offset + size) of `fd`, which is borrowed. All of it is taken for
 * hostile. One that was not placed by us is UNI_E_UNSUPPORTED.
 */
int uni_squash_previous_open(struct uni_squash_previous **out, int fd, uint64_t offset,
			     uint64_t size, const char *name, struct uni_err *err);
/* From here on to its end lies all that opening it read, but for the superblock in front. */
uint64_t uni_squash_previous_metadata(const struct uni_squash_previous *previous);
void uni_squash_previous_free(struct uni_squash_previous *previous);
UNI_AUTO_DEFINE(uni_squash_previous)

#endif
