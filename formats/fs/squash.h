/*
 * Internal: squashfs 4.0 as it is on disk (Linux, fs/squashfs/squashfs_fs.h and
 * Documentation/filesystems/squashfs.rst), and the reader's own state.
 */
#ifndef UNI_FS_SQUASH_INTERNAL_H
#define UNI_FS_SQUASH_INTERNAL_H

#include "reader.h"
#include "unpack.h"

#define SQUASH_MAGIC 0x73717368u

enum {
	SQUASH_META_SIZE = 8192,
	SQUASH_META_STORED = 0x8000,  /* in a metadata block's size word */
	SQUASH_DATA_STORED = 1 << 24, /* in a data block's */
	SQUASH_BLOCK_MIN = 4096,
	SQUASH_BLOCK_MAX = 1 << 20,
	SQUASH_NAME_MAX = 256,
	SQUASH_LINK_MAX = 65535,
	SQUASH_META_SLOTS = 16,
	SQUASH_UNCOMPRESSED = 0x1 | 0x2 | 0x8, /* flags: inodes, data, fragments */
};
#define SQUASH_NO_FRAGMENT UINT32_MAX
#define SQUASH_NO_TABLE UINT64_MAX

struct squash_super {
	uint32_t magic;
	uint32_t inodes;
	uint32_t mkfs_time;
	uint32_t block_size;
	uint32_t fragments;
	uint16_t compression;
	uint16_t block_log;
	uint16_t flags;
	uint16_t ids;
	uint16_t major;
	uint16_t minor;
	uint64_t root_inode;
	uint64_t bytes_used;
	uint64_t id_table;
	uint64_t xattr_table;
	uint64_t inode_table;
	uint64_t directory_table;
	uint64_t fragment_table;
	uint64_t export_table;
};
_Static_assert(sizeof(struct squash_super) == 96, "squashfs 4.0");

/* A place in a stream of metadata blocks. */
struct squash_place {
	uint64_t block;	 /* of its size word, from the image's start */
	uint32_t offset; /* in the unpacked block */
};

struct squash_meta {
	uint64_t block; /* 0: free, because the superblock is there */
	uint64_t next;
	size_t size;
	uint8_t data[SQUASH_META_SIZE];
};

struct squash {
	struct uni_fs_reader reader;
	struct squash_super super;
	const struct unpack_codec *codec;
	struct squash_meta *meta; /* SQUASH_META_SLOTS, by place */
	/* A table's pointer that was read last, since every inode asks for its owner; 0: none. */
	uint64_t pointer_at, pointer;
	uint8_t *packed;   /* block_size bytes */
	uint8_t *block;	   /* block_size bytes: the data block read last */
	uint8_t *fragment; /* block_size bytes */
	uint32_t fragment_index;
	size_t fragment_size; /* 0: none is held */
};

struct squash_inode {
	uint16_t type; /* basic, 1 to 7 */
	uint16_t mode;
	uint32_t uid;
	uint32_t gid;
	uint32_t mtime;
	uint32_t number; /* 1 to the superblock's count, unless the image is damaged */
	uint64_t size;
	/* folder: its entries */
	struct squash_place entries;
	/* file */
	uint64_t start;
	uint32_t fragment;
	uint32_t fragment_offset;
	uint32_t device;
	struct squash_place rest; /* block list of a file, target of a link */
};

/* squash_meta.c */
int squash_meta_read(struct squash *s, struct squash_place *place, void *data, size_t size,
		     struct uni_err *err);
/* Entry `index`, of `size` bytes, of a table whose list of blocks is at `table`. */
int squash_table_read(struct squash *s, uint64_t table, uint32_t index, void *data, size_t size,
		      struct uni_err *err);
/* A data block or fragment of `word` (size and flag) at `at` into `out`, block_size bytes. */
int squash_block_read(struct squash *s, uint64_t at, uint32_t word, uint8_t *out, size_t *got,
		      struct uni_err *err);

/* squash_inode.c */
int squash_inode_read(struct squash *s, reader_node node, struct squash_inode *inode,
		      struct uni_err *err);

#endif
