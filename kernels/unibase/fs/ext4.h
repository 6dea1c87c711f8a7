/*
 * Inside the ext4 driver. One mutex, fs->lock, guards everything that is not a file's data: blocks
 * of metadata, the running transaction, what is known of free space. It is taken behind an inode's
 * lock, and held while blocks are read or written; nothing that touches the program's memory or
 * the page cache's fills happens under it.
 *
 * A change runs between e4_begin and e4_end and marks the blocks that it changes; these gather in
 * one running transaction, which e4_commit writes to the journal as a whole (ext4_commit.c).
 */
#ifndef UK_EXT4_H
#define UK_EXT4_H

#include <uk/block.h>
#include <uni/abi/ext4.h>

#include "fs.h"

enum {
	E4_BUCKETS = 256,
	E4_FREED_MAX = 256,
	E4_OP_FREED = 64, /* pieces that one change may free */
	E4_SETTLE_TRIES = 100,
	E4_CREDITS = 96,  /* blocks that one change may mark */
	E4_RUNS_MAX = 16, /* pieces of a file that one look-up gives */
	E4_GONE = 117,	  /* EUCLEAN: what is on the disk is not sound */
};

struct e4;
struct e4_buf;

/* What a block's checksum is made of, when it is written. */
enum e4_kind {
	E4_PLAIN,
	E4_SUPER,
	E4_GROUPS,
	E4_BLOCK_MAP, /* owner: group */
	E4_INODE_MAP, /* owner: group */
	E4_EXTENTS,   /* owner: the inode's seed, as below */
	E4_LEAF,
	E4_INDEX,
	E4_XATTR,
	E4_DIR, /* asked for: leaf or index, as it looks */
};

struct e4_buf {
	struct uk_list hash;
	struct uk_list lru;  /* those nobody holds and that are as on the disk */
	struct uk_list txn;  /* of the running transaction */
	struct uk_list home; /* committed, and not yet in their place */
	uint64_t block;
	uint8_t *data;
	uint32_t owner;
	uint16_t refs;
	uint8_t kind; /* enum e4_kind */
	bool checked; /* its checksum was right */
	bool dirty;   /* in the running transaction */
	bool due;     /* in `home` */
};

struct e4_freed {
	uint64_t start;
	uint32_t count;
	bool metadata; /* the journal may hold it: not to be used before it is home */
};

struct e4_run {
	uint64_t block; /* 0: a hole */
	uint32_t at;	/* block of the file */
	uint32_t count;
	bool unwritten;
};

struct e4_node { /* inode->data */
	uint32_t map[15];
	uint32_t flags, generation, seed;
	uint64_t disk_size; /* as the disk has it */
	uint64_t acl;
	uint64_t blocks; /* of 512 bytes */
	int64_t crtime;
	uint64_t tid;	    /* of the transaction that last changed it */
	uint64_t next_goal; /* where its next block should lie */
	uint32_t deleted;   /* dtime, or the next orphan */
	uint16_t extra;	    /* extra_isize */
	bool orphan;
	bool attributes; /* changed in memory alone */
	int error;	 /* of writing in the background, for the next who asks */
	struct uk_inode *inode;
	struct uk_list dirty;	/* of fs->dirty, with a reference */
	struct uk_list orphans; /* of fs->orphans while `orphan` */
};

struct e4_journal {
	struct e4_run *runs; /* where the log lies */
	unsigned run_count;
	uint32_t first, blocks; /* of the log: first block, and behind the last */
	uint32_t head;		/* where the next transaction goes */
	uint32_t free;		/* blocks */
	uint32_t sequence;	/* of the next transaction */
	uint32_t seed;
	uint8_t *super;
	bool checksums;
	bool wide; /* 64-bit block numbers */
};

enum { E4_IOS = 8 }; /* requests of a batch that are under way at once */
struct e4_io {
	struct uk_block_seg segs[UK_BLOCK_SEGS];
	struct uk_block_req req;
};

struct e4 {
	struct uk_block_dev *dev;
	struct uk_super *super;
	struct uk_mutex lock;
	char name[32];
	/* Shape. */
	uint32_t block_size, block_bits, sectors; /* sectors of 512 in a block */
	uint64_t blocks;
	uint32_t groups, group_blocks, group_inodes, inodes, inode_size, desc_size, first_block;
	uint32_t compat, incompat, ro_compat;
	uint32_t seed, hash_seed[4];
	uint8_t hash_version;
	bool hash_unsigned, sums, old_sums;
	struct e4_buf *super_buf;
	struct uni_ext4_super *disk; /* inside super_buf */
	/* Blocks of metadata. */
	struct uk_list buckets[E4_BUCKETS];
	struct uk_list lru;
	uint32_t buf_count, buf_max;
	struct uk_list spare; /* of use when memory is out, by `lru` */
	uint32_t spare_count;
	/* Changes. */
	struct uk_list txn, home;
	uint32_t txn_count, home_count;
	uint64_t tid; /* of the running transaction */
	bool journaled, failed, unflushed;
	struct e4_journal journal;
	/* For a batch that finds no memory. */
	struct uk_mutex ios_lock;
	struct e4_io *ios;
	/* Space. */
	uint64_t free_blocks, reserved;
	uint32_t free_inodes;
	struct e4_freed freed[E4_FREED_MAX];
	unsigned freed_count;
	/* Inodes that differ from the disk; under dirty_lock. */
	struct uk_spinlock dirty_lock;
	struct uk_list dirty;
	struct uk_waitq wake;
	volatile bool idle; /* the thread that writes in the background waits for something */
	volatile bool started, closing;
	struct uk_mutex flushing;
	/* Before a freeze nothing begins but what frees deleted files. */
	volatile bool freezing;
	/* The list that the disk has, newest first: a file on its way out is found by number no
	 * more, and is still in the list. Under `lock`. */
	struct uk_list orphans;
	volatile uint32_t releasing; /* files that are being freed */
	struct uk_waitq thawed;
};

static inline struct e4 *e4_of(const struct uk_inode *inode)
{
	return inode->super->data;
}
static inline struct e4_node *e4_node_of(const struct uk_inode *inode)
{
	return inode->data;
}

/* ext4_sum.c */
uint32_t e4_sum(uint32_t seed, const void *data, size_t size);
uint16_t e4_sum16(uint16_t seed, const void *data, size_t size);
uint32_t e4_inode_seed(const struct e4 *fs, uint32_t ino, uint32_t generation);
void e4_buf_sum(struct e4 *fs, struct e4_buf *buf); /* sets what the block's kind has */
bool e4_buf_sound(struct e4 *fs, const struct e4_buf *buf);

/* ext4_buf.c: blocks of metadata; under fs->lock */
int e4_bad(struct e4 *fs, const char *what); /* logs it; -E4_GONE */
int e4_buf_get(struct e4 *fs, uint64_t block, enum e4_kind kind, uint32_t owner,
	       struct e4_buf **out); /* read and checked, with a reference */
/* A block that becomes metadata: zeros, in the running transaction. */
int e4_buf_new(struct e4 *fs, uint64_t block, enum e4_kind kind, uint32_t owner,
	       struct e4_buf **out);
void e4_buf_put(struct e4 *fs, struct e4_buf *buf);
void e4_buf_dirty(struct e4 *fs, struct e4_buf *buf);
void e4_buf_forget(struct e4 *fs, uint64_t block); /* it was freed */
void e4_bufs_free(struct e4 *fs);
/*
 * One that stands for no block, its bytes zeros. When memory is out it is a spare one, or what was
 * not used for longest: a change that is half done, and a commit, cannot do without. NULL: none of
 * these is left.
 */
struct e4_buf *e4_buf_room(struct e4 *fs);
void e4_buf_drop(struct e4 *fs, struct e4_buf *buf);
/* Sets the spare ones aside. */
int e4_bufs_start(struct e4 *fs);

/* ext4_io.c: the disk, past everything; several requests at once */
struct e4_batch {
	struct e4 *fs;
	enum uk_block_op op;
	struct e4_io *ios; /* E4_IOS, or the volume's own */
	unsigned used;
	struct uk_waitq *queue;
	volatile uint32_t pending;
	int error;
};
/* When memory is out one after the other has what is set aside for that: until its end, a batch
 * must wait for nothing but the disk. */
void e4_batch_begin(struct e4_batch *batch, struct e4 *fs, enum uk_block_op op);
int e4_ios_start(struct e4 *fs);
void e4_batch_add(struct e4_batch *batch, uint64_t offset, void *data, uint32_t size); /* bytes */
int e4_batch_end(struct e4_batch *batch); /* waits for all of it; the first error */
int e4_read(struct e4 *fs, uint64_t offset, void *data, size_t size);
int e4_write(struct e4 *fs, uint64_t offset, const void *data, size_t size);
int e4_flush(struct e4 *fs);

/* ext4_journal.c, ext4_replay.c, ext4_commit.c */
int e4_journal_open(struct e4 *fs);
int e4_journal_replay(struct e4 *fs);
int e4_journal_super(struct e4 *fs, uint32_t start); /* writes it; 0: the log is empty */
uint64_t e4_journal_block(const struct e4_journal *j, uint32_t at); /* where the log's block lies */
/* A change that marks at most `credits` blocks. Takes the lock unless it fails. */
int e4_begin(struct e4 *fs, unsigned credits);
void e4_end(struct e4 *fs);
void e4_kick(struct e4 *fs);	       /* something is to be written some time: ext4_flush.c */
int e4_commit(struct e4 *fs);	       /* the running transaction to the disk; under the lock */
int e4_checkpoint(struct e4 *fs);      /* that, and everything to its place */
int e4_fail(struct e4 *fs, int error); /* from now on read-only */

/* ext4_alloc.c */
int e4_group_get(struct e4 *fs, uint32_t group, struct e4_buf **buf, struct uni_ext4_group **g);
/* At most `wanted` blocks in one piece, near `goal`; marks them used. */
int e4_alloc(struct e4 *fs, uint64_t goal, uint32_t wanted, uint64_t *start, uint32_t *count);
int e4_free(struct e4 *fs, uint64_t start, uint32_t count, bool metadata);
int e4_inode_alloc(struct e4 *fs, const struct uk_inode *dir, bool folder, uint32_t *ino);
int e4_inode_free(struct e4 *fs, uint32_t ino, bool folder);
void e4_freed_drop(struct e4 *fs, bool metadata_too);

/* ext4_extent.c: under fs->lock */
int e4_map(struct uk_inode *inode, uint32_t at, uint32_t count, struct e4_run *runs,
	   unsigned *run_count); /* covers all of it, or as much as fits into E4_RUNS_MAX */
int e4_extent_insert(struct uk_inode *inode, uint32_t at, uint32_t count, uint64_t block,
		     bool unwritten);
/* Blocks [from, to) are holes afterwards; frees at most some: 1 when there is more to do. */
int e4_extent_remove(struct uk_inode *inode, uint32_t from, uint32_t to);
/* Unwritten blocks that hold data now. */
int e4_extent_convert(struct uk_inode *inode, uint32_t at, uint32_t count);

/* ext4_inode.c */
struct e4_place {	    /* an inode in its table, of fs->inode_size bytes */
	struct e4_buf *buf; /* with a reference */
	uint8_t *at;
};
int e4_inode_place(struct e4 *fs, uint32_t ino, struct e4_place *place);
int e4_inode_get(struct e4 *fs, uint32_t ino, struct uk_inode **out);
/* A fresh one in memory and on the disk; inside a change. */
int e4_inode_new(struct uk_inode *dir, uint32_t mode, uint64_t rdev, struct uk_inode **out);
int e4_inode_write(struct uk_inode *inode); /* inside a change */
int e4_orphan_add(struct uk_inode *inode);  /* inside a change */
int e4_orphan_remove(struct uk_inode *inode);
void e4_pause(void);		   /* for a moment, in which others go on */
int e4_orphans(struct e4 *fs);	   /* at mount */
int e4_orphans_end(struct e4 *fs); /* the machine goes off: those that are open go now */
void e4_release(struct uk_inode *inode);
void e4_unmark(struct uk_inode *inode); /* what it held in memory alone is not wanted any more */
void e4_mark(struct uk_inode *inode);	/* it differs from the disk: to be written some time */

/* ext4_direct.c */
int64_t e4_read_direct(struct uk_file *file, struct uk_iter *to, uint64_t *offset);
int64_t e4_write_direct(struct uk_inode *inode, struct uk_iter *from, uint64_t *offset);

/* ext4_data.c */
int e4_fill(struct uk_inode *inode, uint64_t index, uint64_t first, unsigned count);
int e4_read_pages(struct uk_inode *inode, uint64_t first, struct uk_page **pages, unsigned count);
int e4_write_pages(struct uk_inode *inode, struct uk_page **pages, unsigned count);
int e4_reserve(struct uk_inode *inode, uint64_t index);
void e4_unreserve(struct uk_inode *inode, uint64_t pages);
int e4_truncate(struct uk_inode *inode, uint64_t size);
int e4_cut(struct uk_inode *inode, uint64_t size); /* frees blocks behind `size` */
int e4_punch(struct uk_inode *inode, uint64_t first, uint64_t end);
int e4_allocate(struct uk_inode *inode, uint64_t offset, uint64_t end, bool keep_size);

/* ext4_flush.c */
int e4_sync(struct uk_inode *inode, bool data_only);
int e4_super_sync(struct uk_super *super);
void e4_balance(struct uk_super *super);
void e4_flush_end(struct e4 *fs);	    /* nobody writes in the background any more */
int e4_inode_flush(struct uk_inode *inode); /* what is changed in memory alone, into the txn */

/* ext4_dir.c, ext4_htree.c: under fs->lock; what changes, inside a change */
struct e4_found {
	struct e4_buf *buf; /* with a reference */
	uint32_t at;	    /* of the entry in its block */
	uint32_t before;    /* of the one before it; the same when it is the first */
	uint32_t ino;
};
int e4_dir_find(struct uk_inode *dir, const char *name, size_t size, struct e4_found *found);
int e4_dir_add(struct uk_inode *dir, const char *name, size_t size, uint32_t ino, uint32_t mode);
void e4_dir_remove(struct uk_inode *dir, const struct e4_found *found);
/* The entry is another file's from now on. */
void e4_dir_set(struct uk_inode *dir, const struct e4_found *found, uint32_t ino, uint32_t mode);
int e4_dir_empty(struct uk_inode *dir); /* 0 or -UK_ENOTEMPTY */
int e4_dir_init(struct uk_inode *inode, uint32_t parent);
int e4_readdir(struct uk_inode *dir, uint64_t *position, struct uk_dirent_sink *sink);
/* Block `at` of a folder; E4_DIR where it may be either. */
int e4_dir_block(struct uk_inode *dir, uint32_t at, enum e4_kind kind, struct e4_buf **buf);
/* A new block at the folder's end; a leaf has one empty entry. */
int e4_dir_append(struct uk_inode *dir, enum e4_kind kind, uint32_t *at, struct e4_buf **buf);
uint32_t e4_dir_room(const struct e4 *fs); /* bytes of entries in a leaf */
uint32_t e4_entry_size(uint32_t name_size);
/* The entry at `at`, which ends at `end` at the latest; NULL: not sound. */
struct uni_ext4_entry *e4_entry(uint8_t *block, uint32_t at, uint32_t end);
void e4_entry_put(uint8_t *block, uint32_t at, uint32_t rec, const char *name, size_t size,
		  uint32_t ino, uint8_t type);
/* -UK_ENOSPC when the block is full. */
int e4_leaf_add(struct e4 *fs, struct e4_buf *buf, const char *name, size_t size, uint32_t ino,
		uint8_t type);
void e4_leaf_init(const struct e4 *fs, struct e4_buf *buf);
/* The leaf to look in, in an indexed folder; the `skip`th when equal hashes run over several.
 * -UK_ENOENT: there is no further one; -UK_EOPNOTSUPP: an unknown hash, look in all. */
int e4_htree_leaf(struct uk_inode *dir, const char *name, size_t size, unsigned skip,
		  uint32_t *leaf);
int e4_htree_add(struct uk_inode *dir, const char *name, size_t size, uint32_t ino, uint8_t type);
int e4_htree_make(struct uk_inode *dir); /* of a folder with one block */

/* ext4_names.c */
int e4_lookup(struct uk_inode *dir, const char *name, size_t size, struct uk_inode **out);
extern const struct uk_inode_ops e4_dir_ops, e4_file_ops, e4_link_ops, e4_special_ops;
int e4_create(struct uk_inode *dir, const char *name, size_t size, uint32_t mode, uint64_t rdev,
	      struct uk_inode **out);
int e4_symlink(struct uk_inode *dir, const char *name, size_t size, const char *target,
	       struct uk_inode **out);
int e4_link(struct uk_inode *dir, const char *name, size_t size, struct uk_inode *inode);
int e4_unlink(struct uk_inode *dir, const char *name, size_t size, struct uk_inode *inode);
int e4_rename(struct uk_inode *dir, const char *name, size_t size, struct uk_inode *inode,
	      struct uk_inode *to_dir, const char *to, size_t to_size, struct uk_inode *over,
	      bool exchange);

/* ext4_xattr.c */
int64_t e4_xattr(struct uk_inode *inode, const char *name, void *value, size_t room);
const char *e4_xattr_prefix(unsigned index); /* NULL: unknown */

/* ext4_xattr_set.c */
int e4_xattr_set(struct uk_inode *inode, const char *name, const void *value, size_t size,
		 unsigned flags);
/* The file's block of attributes is not its own any more; inside a change. */
int e4_xattr_drop(struct uk_inode *inode);

#endif
