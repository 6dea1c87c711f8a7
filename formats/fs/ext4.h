/*
 * Internal: writing ext4 (and ext2) in one pass over the content. Nodes are collected first, which
 * says how many inodes and how much room there must be; then content goes out block after block in
 * the order of the tree; folders, inodes and all that carries checksums come last, since a volume's
 * UUID, which seeds them, may depend on what was read.
 */
#ifndef UNI_FS_EXT4_INTERNAL_H
#define UNI_FS_EXT4_INTERNAL_H

#include <stdbool.h>
#include <uni/abi/ext4.h>
#include <uni/base/digest.h>
#include <uni/base/mem.h>
#include <uni/base/text.h>
#include <uni/io/entry.h>

enum {
	EXT4_BLOCK = 4096,
	EXT4_GROUP = 8 * EXT4_BLOCK, /* blocks; one bit each in one block */
	EXT4_NONE = -1,
};

struct ext4_extent {
	uint32_t at; /* block of the file */
	uint32_t count;
	uint64_t start;
};

struct ext4_node {
	uint32_t name; /* where in ext4->names */
	uint8_t name_size;
	uint8_t type; /* enum uni_entry_type */
	bool indexed;
	uint32_t ino;
	uint32_t parent, first, last, next; /* nodes; 0 is the root, and nobody's child */
	uint32_t children, folders;
	uint32_t mode, uid, gid, links;
	int64_t mtime;
	uint64_t size;
	uint64_t blocks; /* of EXT4_BLOCK, all that it occupies */
	uint32_t map[15];
	uint64_t acl;			/* block of extended attributes */
	uint32_t extents, extent_count; /* where in ext4->extents; until it is mapped */
	uint32_t xattrs;		/* where in ext4->xattrs */
	uint32_t xattr_size;		/* bytes of their list; 0: none */
};

struct ext4_shape {
	uint64_t size; /* bytes of the volume, 0: what the content needs */
	bool journal;
	bool ext2; /* inodes of 128 bytes, block maps, nothing newer */
	int64_t epoch;
	uint32_t owner, group; /* not 0: whose all of it is */
	char label[17];
};

struct ext4 {
	struct ext4_shape shape;
	int fd;
	struct ext4_node *nodes;
	uint32_t node_count, node_room;
	struct uni_buf names, targets, xattrs;
	struct ext4_extent *extents;
	uint32_t extent_count, extent_room;
	uint32_t *paths; /* nodes by hash of their path, for hard links */
	uint32_t path_room;
	uint32_t stack[257]; /* folders on the way to the last entry */
	uint32_t depth;

	/* The shape of the volume, by ext4_layout. */
	uint64_t blocks;
	uint32_t groups, group_inodes, inode_size, desc_size, desc_blocks;
	uint32_t
		flex; /* groups whose bitmaps and inode tables lie together; 1: each with its own */
	uint32_t journal_blocks;
	uint32_t inodes_used; /* the highest number */
	uint64_t cursor;      /* everything below is in use */

	/* Blocks on their way to the file. */
	uint8_t *staged;
	uint64_t staged_at;
	uint32_t staged_count;

	uint8_t uuid[16];
	uint32_t seed; /* of all checksums */
	uint32_t hash_seed[4];
};

/* ext4_node.c */
/* Entries in the order of a tree: a folder before what is in it, the root (".") first. The node's
 * number, or negative. */
int ext4_add(struct ext4 *fs, const struct uni_entry *entry, struct uni_err *err);
void ext4_clear(struct ext4 *fs);

/* ext4_write.c */
/* When all is added: the shape, and room for the journal. */
int ext4_begin(struct ext4 *fs, struct uni_err *err);
/* When all content is there: everything else. */
int ext4_end(struct ext4 *fs, const struct uni_uuid *uuid, struct uni_err *err);

/* ext4_layout.c */
int ext4_layout(struct ext4 *fs, struct uni_err *err);
/* When all is added, instead of that: the size of a volume that is sure to hold it. */
int ext4_enough(struct ext4 *fs, uint64_t *size, struct uni_err *err);
bool ext4_group_has_super(const struct ext4 *fs, uint32_t group);
/* Blocks at a group's start that are no file's. */
uint32_t ext4_group_head(const struct ext4 *fs, uint32_t group);
uint64_t ext4_bitmaps(const struct ext4 *fs, uint32_t group); /* two blocks: blocks, inodes */
uint64_t ext4_inode_table(const struct ext4 *fs, uint32_t group);
/* The next free block, and how many lie behind it in one piece, `wanted` at most. */
int ext4_allocate(struct ext4 *fs, uint32_t wanted, uint64_t *start, uint32_t *count,
		  struct uni_err *err);
/* Descriptors, bitmaps, superblocks; when all else is allocated and written. */
int ext4_write_groups(struct ext4 *fs, struct uni_err *err);

/* ext4_data.c */
/* A file's content, in pieces of whole blocks but for the last; blocks of zeros become holes. */
int ext4_data(struct ext4 *fs, uint32_t node, uint64_t offset, const void *data, size_t size,
	      struct uni_err *err);
/* Block `at` of a node's content is *block from now on, which is the caller's to write. */
int ext4_append(struct ext4 *fs, uint32_t node, uint32_t at, uint64_t *block, struct uni_err *err);
/* A block that is written in its turn. */
int ext4_put(struct ext4 *fs, uint64_t block, const void *data, struct uni_err *err);
int ext4_flush(struct ext4 *fs, struct uni_err *err);
/* Room for the journal as the node's content; and an empty log, whose blocks may hold anything
 * since its superblock, at `block`, says that none of it counts. */
int ext4_journal(struct ext4 *fs, uint32_t node, struct uni_err *err);
int ext4_write_journal(struct ext4 *fs, uint64_t block, struct uni_err *err);

/* ext4_map.c: where a node's content lies, from its extents into its inode */
int ext4_map(struct ext4 *fs, uint32_t node, struct uni_err *err);

/* ext4_dir.c */
int ext4_write_folder(struct ext4 *fs, uint32_t node, struct uni_err *err);

/* ext4_inode.c */
int ext4_write_xattrs(struct ext4 *fs, uint32_t node, struct uni_err *err);
int ext4_write_link(struct ext4 *fs, uint32_t node, struct uni_err *err);
int ext4_write_inodes(struct ext4 *fs, struct uni_err *err);

/* ext4_sum.c: CRC-32C as ext4 chains it, without a complement at either end */
uint32_t ext4_sum(uint32_t seed, const void *data, size_t size);
uint32_t ext4_inode_seed(const struct ext4 *fs, uint32_t ino);

#endif
