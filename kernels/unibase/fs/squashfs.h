/*
 * squashfs 4.0, read only: its structures on disk (Linux Documentation/filesystems/squashfs.rst and
 * the format description by its reimplementation, "squashfs-tools-ng: doc/format.adoc"), and what
 * the reader's files share. Everything is little endian.
 */
#ifndef UK_FS_SQUASHFS_H
#define UK_FS_SQUASHFS_H

#include "fs.h"

#define SQ_MAGIC 0x73717368u
#define SQ_NONE32 0xffffffffu
#define SQ_NONE64 0xffffffffffffffffull
enum {
	SQ_BLOCK_MIN = 4096,
	SQ_BLOCK_MAX = 1 << 20,
	SQ_META_SIZE = 8192,	  /* of a metadata block, unpacked */
	SQ_META_STORED = 0x8000,  /* in its header: not compressed */
	SQ_DATA_STORED = 1 << 24, /* in a data block's size */
	SQ_DIR_RUN = 256,	  /* entries behind one directory header */
	SQ_DIR_EXTRA = 3,	  /* a directory's size counts "." and ".." so */
};

struct UK_PACKED sq_super {
	uint32_t magic, inode_count, mtime, block_size, fragment_count;
	uint16_t compressor, block_log, flags, id_count, major, minor;
	uint64_t root, bytes_used, id_table, xattr_table, inode_table, directory_table,
		fragment_table, export_table;
};

enum sq_type {
	SQ_DIR = 1,
	SQ_REG,
	SQ_LINK,
	SQ_BLOCK_DEV,
	SQ_CHAR_DEV,
	SQ_FIFO,
	SQ_SOCKET,
	SQ_EXTENDED = 7, /* a basic type and this: the extended one */
};
struct UK_PACKED sq_inode_head {
	uint16_t type, mode, uid, gid;
	uint32_t mtime, number;
};
struct UK_PACKED sq_dir {
	uint32_t block, nlink;
	uint16_t size, offset;
	uint32_t parent;
};
struct UK_PACKED sq_dir_ext {
	uint32_t nlink, size, block, parent;
	uint16_t index_count, offset;
	uint32_t xattr;
};
struct UK_PACKED sq_dir_index {
	uint32_t index, block, name_size;
};
struct UK_PACKED sq_reg {
	uint32_t start, fragment, offset, size;
};
struct UK_PACKED sq_reg_ext {
	uint64_t start, size, sparse;
	uint32_t nlink, fragment, offset, xattr;
};
struct UK_PACKED sq_link {
	uint32_t nlink, size;
};
struct UK_PACKED sq_device {
	uint32_t nlink, rdev;
};
struct UK_PACKED sq_dir_head {
	uint32_t count, block, number;
};
struct UK_PACKED sq_dir_entry {
	uint16_t offset;
	int16_t number;
	uint16_t type, name_size;
};
struct UK_PACKED sq_fragment {
	uint64_t start;
	uint32_t size, unused;
};
struct UK_PACKED sq_xattr_table {
	uint64_t start;
	uint32_t count, unused;
};
struct UK_PACKED sq_xattr_id {
	uint64_t place;
	uint32_t count, size;
};

_Static_assert(sizeof(struct sq_super) == 96, "wire format");
_Static_assert(sizeof(struct sq_inode_head) == 16, "wire format");
_Static_assert(sizeof(struct sq_dir) == 16, "wire format");
_Static_assert(sizeof(struct sq_dir_ext) == 24, "wire format");
_Static_assert(sizeof(struct sq_reg) == 16, "wire format");
_Static_assert(sizeof(struct sq_reg_ext) == 40, "wire format");
_Static_assert(sizeof(struct sq_dir_entry) == 8, "wire format");
_Static_assert(sizeof(struct sq_fragment) == 16, "wire format");
_Static_assert(sizeof(struct sq_xattr_id) == 16, "wire format");

/* A place in the metadata: a block's position in the image, and a byte in it once unpacked. */
struct sq_place {
	uint64_t block;
	uint32_t offset;
};

struct sq_meta; /* the cache of unpacked metadata blocks: squashfs_meta.c */

struct sq {
	struct fs_volume *volume;
	struct uk_super *super;
	struct sq_super disk;
	unsigned block_order; /* log2 of pages in a data block */
	struct sq_meta *meta;
	struct uk_mutex work; /* decoder, packed, unpacked */
	struct fs_decoder *decoder;
	void *packed;	/* room for a block as it is stored */
	void *unpacked; /* room for one block where pages in one piece cannot be had */
	struct uk_inode
		*fragments; /* whose pages are those of fragment n from n << block_order on */
	uint64_t xattr_start, xattr_ids; /* xattr_ids 0: there are none */
};

/* Where a file's block list goes on, and its data. */
struct sq_stride {
	struct sq_place place;
	uint64_t start;
};
enum { SQ_STRIDE = 256 };

/* What an inode needs of its disk form. */
struct sq_node {
	struct sq_place list; /* of a file: its block sizes; folder: listing; link: target */
	uint64_t start;	      /* of a file: its first data block */
	uint32_t fragment, fragment_offset;
	uint64_t block_count; /* full ones, not in a fragment */
	uint32_t xattr;
	struct sq_place index; /* of a folder with an index */
	uint32_t index_count;
	/* For blocks 0, SQ_STRIDE, 2 * SQ_STRIDE... of a file; found as they are needed, under the
	 * inode's lock. */
	struct sq_stride *strides;
	uint32_t stride_count, stride_room;
};

static inline struct sq *sq_of(const struct uk_inode *inode)
{
	return inode->super->data;
}
static inline struct sq_node *sq_node_of(const struct uk_inode *inode)
{
	return inode->data;
}

/* squashfs_meta.c: all give 0 or negative errno */
int sq_meta_new(struct sq *sq);
void sq_meta_free(struct sq *sq);
/* Bytes from a place on, which moves behind them; `data` NULL: only moves. */
int sq_meta_read(struct sq *sq, struct sq_place *place, void *data, size_t size);
/* Entry `index` of a table whose blocks' positions stand one behind the other at `table`. */
int sq_table_read(struct sq *sq, uint64_t table, uint64_t index, void *entry, size_t size);

/* squashfs_inode.c */
int sq_inode_get(struct sq *sq, uint64_t block, uint32_t offset, struct uk_inode **out);

/* squashfs_dir.c */
int sq_lookup(struct uk_inode *dir, const char *name, size_t size, struct uk_inode **out);
int sq_readdir(struct uk_inode *dir, uint64_t *position, struct uk_dirent_sink *sink);

/* squashfs_data.c */
int sq_fill(struct uk_inode *inode, uint64_t index, uint64_t first, unsigned count);
int sq_fragments_new(struct sq *sq);

/* squashfs_xattr.c */
int sq_xattr_open(struct sq *sq);
int64_t sq_xattr(struct uk_inode *inode, const char *name, void *value, size_t room);

#endif
