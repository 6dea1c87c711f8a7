/*
 * File systems of volumes: a registry of formats, each writing a normalised tree into a file, with
 * a dm-verity hash tree behind it where asked for.
 *
 * The same tree and options give the same bytes. The UUID and the salt are derived here, from
 * format, options, volume name and the tree's digest, so that nothing else moves a volume's bytes.
 */
#ifndef UNI_FS_FS_H
#define UNI_FS_FS_H

#include <stdbool.h>
#include <stdint.h>
#include <uni/base/digest.h>
#include <uni/base/event.h>
#include <uni/base/text.h>

struct uni_tree;
struct uni_fs_reader;

struct uni_fs_options {
	const char *volume;	 /* its name; part of UUID and salt */
	const char *compression; /* one of the format's; NULL: its default */
	uint32_t level;		 /* 0: the format's own for that compression */
	uint32_t block_size;	 /* bytes; 0: the format's default */
	int64_t epoch;		 /* seconds since 1970, the file system's own time of making */
	bool verity;		 /* hash tree behind the file system */
	uint64_t size;		 /* bytes of the volume; 0: what the content needs */
	bool writable;		 /* ext4: room for more, and a journal */
	uint32_t owner, group;	 /* of a writable one: whose all of it is */
	const char *image;	 /* of a writable one: with `volume` it decides the UUID */
	bool undigested;	 /* without the result's digest, which costs a pass over the file */
	unsigned threads;	 /* 0: all processors; never changes bytes */
	const struct uni_events *events; /* NULL: nobody listens */
};

struct uni_fs_result {
	uint64_t fs_size;     /* bytes of the file system, padded to 4096 */
	uint64_t data_blocks; /* fs_size / 4096 */
	uint64_t hash_offset; /* of the verity superblock; 0 without */
	uint64_t size;	      /* of the whole file: a multiple of 4096 */
	struct uni_uuid uuid;
	uint8_t salt[32];
	uint32_t salt_size; /* 32, or 0 without verity */
	uint8_t root_hash[32];
	struct uni_digest digest; /* of the whole file, unless undigested */
	struct uni_digest tree;	  /* of the tree that was written */
};

struct uni_fs_format {
	const char *name;		 /* "squashfs", "ext4", "ext2" */
	uint32_t version;		 /* of what it writes; belongs in keys */
	const char *const *compressions; /* NULL-terminated, the default first */
	uint32_t packs; /* bytes of files' content that one byte of a volume holds at most */
	bool holes;	/* blocks of zeros take no room, however many */
	/* UNI_E_INVAL with what is wrong; also fills defaults in, so that keys see them. */
	int (*resolve)(struct uni_fs_options *options, struct uni_err *err);
	/*
	 * Bytes of a volume that `tree` is sure to fit into, however little its content can be
	 * compressed: told by names and sizes, no content is read. NULL where the caller cannot
	 * choose a size.
	 */
	int (*enough)(const struct uni_tree *tree, const struct uni_fs_options *options,
		      uint64_t *size, struct uni_err *err);
	/*
	 * Writes to `path`, which it makes or replaces: the caller's temporary file (and its to
	 * remove when this fails). Nothing is flushed. `options` are resolved. UNI_E_LIMIT where
	 * options->size is too small.
	 */
	int (*write)(const struct uni_tree *tree, const struct uni_fs_options *options,
		     const char *path, struct uni_fs_result *result, struct uni_err *err);
};

/* Of a volume that machines write to: it follows from names, so that a new image takes the disk
 * that is there. */
struct uni_uuid uni_fs_writable_uuid(const char *image, const char *volume);

/*
 * UNI_E_LIMIT where a volume of options->size (resolved; 0 holds everything) has no room for the
 * files of `tree`, told before anything of their content is read: by their data where the format
 * keeps holes, packed better than anything but zeros ever was. What passes here may still not fit
 * when it is written.
 */
int uni_fs_fits(const struct uni_fs_format *format, const struct uni_tree *tree,
		const struct uni_fs_options *options, struct uni_err *err);
/* Gives the UNI_E_LIMIT of a volume with a size that was too small the hint what size would do, if
 * it has none. Returns err->code. */
int uni_fs_hint_size(const struct uni_fs_format *format, const struct uni_tree *tree,
		     const struct uni_fs_options *options, struct uni_err *err);

/* NULL-terminated. */
extern const struct uni_fs_format *const uni_fs_formats[];
/* NULL when there is none of that name. */
const struct uni_fs_format *uni_fs_find(const char *name);

#endif
