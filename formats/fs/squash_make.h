/*
 * Internal: our own writer of squashfs 4.0, as its files share it. Content is packed first, into a
 * spool; then every stretch of blocks gets its place; then the metadata is made, which comes last
 * in the image. For an ordinary volume the spool is the image itself.
 */
#ifndef UNI_FS_SQUASH_MAKE_INTERNAL_H
#define UNI_FS_SQUASH_MAKE_INTERNAL_H

#include <stdbool.h>
#include <stdio.h>
#include <uni/base/digest.h>
#include <uni/base/text.h>
#include <uni/fs/squash.h>
#include <uni/tree/tree.h>

#define SQUASH_NONE UINT32_MAX

/* squash_pack.c: the codecs, linked in, so that their versions are ours */
struct squash_packer;
/* By squashfs's name; `level` as uni_fs_options has it once resolved. NULL: out of memory. */
struct squash_packer *squash_packer_new(const char *compression, uint32_t level);
void squash_packer_free(struct squash_packer *packer);
/* Bytes written to `out`, which has squash_packer_bound(size); 0 when packing gains nothing. */
size_t squash_pack(struct squash_packer *packer, const void *data, size_t size, void *out,
		   size_t room);
size_t squash_packer_bound(size_t size);
uint16_t squash_compression_id(const char *compression);

/* squash_pipe.c: blocks packed on several threads, given out in the order they were put in */
struct squash_pipe;
/* `word`: size and flag as squashfs stores them; 0 for a mark, or a block of zeros. */
typedef int squash_pipe_out(void *user, uint64_t tag, const void *data, uint32_t word,
			    struct uni_err *err);
struct squash_pipe *squash_pipe_new(const char *compression, uint32_t level, uint32_t block_size,
				    unsigned threads, squash_pipe_out *out);
/* Who `out` is called for; before anything is pushed. */
void squash_pipe_user(struct squash_pipe *pipe, void *user);
/* Room for the next block: block_size bytes, to be pushed before another is asked for. */
int squash_pipe_room(struct squash_pipe *pipe, uint8_t **room, struct uni_err *err);
/* `sparse`: a block of zeros is not stored. */
void squash_pipe_push(struct squash_pipe *pipe, uint64_t tag, size_t size, bool sparse);
/* Calls `out` in its turn with no data: what was pushed before is complete, or a block of zeros. */
int squash_pipe_mark(struct squash_pipe *pipe, uint64_t tag, struct uni_err *err);
int squash_pipe_drain(struct squash_pipe *pipe, struct uni_err *err);
void squash_pipe_free(struct squash_pipe *pipe); /* ends its threads */
UNI_AUTO_DEFINE(squash_pipe)

/* Blocks of one content, one behind the other. */
struct squash_extent {
	uint64_t from;	      /* in the spool, or in the image before */
	uint64_t to;	      /* in the image */
	uint64_t size;	      /* bytes */
	uint64_t wish;	      /* where the content that it takes the place of lay; 0: none */
	size_t word;	      /* first of its words in the image's list; */
	const uint32_t *kept; /* those of the image before, or NULL */
	uint32_t words;
	bool previous;
};

struct squash_entry {
	char *name;
	char *path;    /* where its time may be that of the image before */
	uint64_t wish; /* as of an extent */
	char *target;
	uint32_t parent;
	uint32_t child; /* first below a folder; 0: none, as the root is below nothing */
	uint32_t last;
	uint32_t next; /* in the same folder */
	uint32_t folders;
	uint32_t mtime;
	uint16_t mode;
	uint8_t type;	  /* squashfs's basic one */
	uint32_t same_as; /* an entry before it with the same content, or SQUASH_NONE */
	uint32_t extent;
	uint32_t fragment;
	uint32_t fragment_offset;
	uint64_t size;
	struct uni_digest digest; /* of a file's content */
	uint64_t inode;		  /* its place: block << 16 | offset */
};

struct squash_fragment {
	uint64_t start;
	uint32_t word;
	uint32_t unused;
};

struct uni_squash_image {
	struct uni_squash_options options;
	struct squash_entry *entries; /* in the tree's order; inode n + 1 */
	size_t count, room;
	struct squash_extent *extents;
	size_t extent_count, extent_room;
	uint32_t *words;
	size_t word_count, word_room;
	struct squash_fragment *fragments;
	size_t fragment_count, fragment_room;
	int spool; /* -1: nothing was packed */
	bool spool_owned;
	uint64_t at; /* end of what the spool holds */
	uint64_t meta_start;
	struct uni_buf meta; /* from meta_start to the end, with the placement behind it */
	uint64_t bytes_used;
	uint8_t super[128]; /* with the codec's options behind it */
};

/* squash_data.c: reads the tree; the entries, and their content into the spool */
int squash_collect(struct uni_squash_image *image, const struct uni_tree *tree,
		   const struct uni_squash_previous *previous, struct uni_err *err);

/* squash_place.c: gives every extent its place; the end of the last. `pack`: one behind the other,
 * whatever was before. */
uint64_t squash_place(struct uni_squash_image *image, bool pack);

/* Bytes of the superblock and what belongs to it: squash_table.c. */
size_t squash_head_size(const struct uni_squash_options *options);
/* Fills meta and super for metadata that begins at `start`. */
int squash_tables(struct uni_squash_image *image, uint64_t start, struct uni_err *err);

#endif
