/*
 * ext4 as it lies on a disk: what the tool writes and the kernel reads and writes. Little endian
 * but for the journal, which is big endian. Facts from the kernel's documentation, "ext4 Data
 * Structures and Algorithms", and "Journal (jbd2)" there.
 */
#ifndef UNI_ABI_EXT4_H
#define UNI_ABI_EXT4_H

#include <stddef.h>
#include <stdint.h>

#define UNI_EXT4_MAGIC 0xef53
#define UNI_EXT4_SUPER_AT 1024 /* bytes from the volume's start */
#define UNI_EXT4_INODE_MIN 128

enum {
	UNI_EXT4_INO_ROOT = 2,
	UNI_EXT4_INO_JOURNAL = 8,
	UNI_EXT4_INO_FIRST = 11, /* of those that files get */
	UNI_EXT4_NAME_MAX = 255,
	UNI_EXT4_LINK_MAX = 65000,
	UNI_EXT4_FAST_LINK = 60, /* a target below this many bytes lies in the inode */
	UNI_EXT4_CRC32C = 1,	 /* checksum_type */
};

enum { /* state */
       UNI_EXT4_STATE_CLEAN = 1,
       UNI_EXT4_STATE_ERROR = 2,
};

enum { /* super->feature_compat */
       UNI_EXT4_HAS_JOURNAL = 0x4,
       UNI_EXT4_EXT_ATTR = 0x8,
       UNI_EXT4_DIR_INDEX = 0x20,
};
enum { /* super->feature_incompat */
       UNI_EXT4_FILETYPE = 0x2,
       UNI_EXT4_RECOVER = 0x4,
       UNI_EXT4_EXTENTS = 0x40,
       UNI_EXT4_64BIT = 0x80,
       UNI_EXT4_FLEX_BG = 0x200,
       UNI_EXT4_CSUM_SEED = 0x2000,
       UNI_EXT4_LARGEDIR = 0x4000,
};
enum { /* super->feature_ro_compat */
       UNI_EXT4_SPARSE_SUPER = 0x1,
       UNI_EXT4_LARGE_FILE = 0x2,
       UNI_EXT4_HUGE_FILE = 0x8,
       UNI_EXT4_GDT_CSUM = 0x10,
       UNI_EXT4_DIR_NLINK = 0x20,
       UNI_EXT4_EXTRA_FIELDS = 0x40,
       UNI_EXT4_METADATA_CSUM = 0x400,
       UNI_EXT4_RO_READONLY = 0x1000,
};
enum { /* super->flags */
       UNI_EXT4_SIGNED_HASH = 0x1,
       UNI_EXT4_UNSIGNED_HASH = 0x2,
};

struct uni_ext4_super {
	uint32_t inodes_count;
	uint32_t blocks_count;
	uint32_t r_blocks_count;
	uint32_t free_blocks_count;
	uint32_t free_inodes_count;
	uint32_t first_data_block; /* 1 where blocks have 1024 bytes, else 0 */
	uint32_t log_block_size;   /* of block size / 1024 */
	uint32_t log_cluster_size;
	uint32_t blocks_per_group;
	uint32_t clusters_per_group;
	uint32_t inodes_per_group;
	uint32_t mtime;
	uint32_t wtime;
	uint16_t mnt_count;
	uint16_t max_mnt_count;
	uint16_t magic;
	uint16_t state;
	uint16_t errors;
	uint16_t minor_rev_level;
	uint32_t lastcheck;
	uint32_t checkinterval;
	uint32_t creator_os;
	uint32_t rev_level;
	uint16_t def_resuid;
	uint16_t def_resgid;
	uint32_t first_ino;
	uint16_t inode_size;
	uint16_t block_group_nr;
	uint32_t feature_compat;
	uint32_t feature_incompat;
	uint32_t feature_ro_compat;
	uint8_t uuid[16];
	char volume_name[16];
	char last_mounted[64];
	uint32_t algorithm_usage_bitmap;
	uint8_t prealloc_blocks;
	uint8_t prealloc_dir_blocks;
	uint16_t reserved_gdt_blocks;
	uint8_t journal_uuid[16];
	uint32_t journal_inum;
	uint32_t journal_dev;
	uint32_t last_orphan; /* first of the inodes that are to be freed or cut at mount */
	uint32_t hash_seed[4];
	uint8_t def_hash_version;
	uint8_t jnl_backup_type;
	uint16_t desc_size;
	uint32_t default_mount_opts;
	uint32_t first_meta_bg;
	uint32_t mkfs_time;
	uint32_t jnl_blocks[17];
	uint32_t blocks_count_hi;
	uint32_t r_blocks_count_hi;
	uint32_t free_blocks_count_hi;
	uint16_t min_extra_isize;
	uint16_t want_extra_isize;
	uint32_t flags;
	uint16_t raid_stride;
	uint16_t mmp_update_interval;
	uint64_t mmp_block;
	uint32_t raid_stripe_width;
	uint8_t log_groups_per_flex;
	uint8_t checksum_type;
	uint16_t reserved_pad;
	uint64_t kbytes_written;
	uint8_t unused[232];
	uint32_t lpf_ino;
	uint32_t prj_quota_inum;
	uint32_t checksum_seed;
	uint8_t times_hi[8];
	uint16_t encoding;
	uint16_t encoding_flags;
	uint32_t orphan_file_inum;
	uint32_t reserved[94];
	uint32_t checksum;
};

enum { /* group->flags */
       UNI_EXT4_INODE_UNINIT = 1,
       UNI_EXT4_BLOCK_UNINIT = 2,
       UNI_EXT4_INODE_ZEROED = 4,
};

struct uni_ext4_group { /* 32 bytes, or desc_size with 64BIT */
	uint32_t block_bitmap;
	uint32_t inode_bitmap;
	uint32_t inode_table;
	uint16_t free_blocks;
	uint16_t free_inodes;
	uint16_t used_dirs;
	uint16_t flags;
	uint32_t exclude_bitmap;
	uint16_t block_bitmap_csum;
	uint16_t inode_bitmap_csum;
	uint16_t itable_unused;
	uint16_t checksum;
	uint32_t block_bitmap_hi;
	uint32_t inode_bitmap_hi;
	uint32_t inode_table_hi;
	uint16_t free_blocks_hi;
	uint16_t free_inodes_hi;
	uint16_t used_dirs_hi;
	uint16_t itable_unused_hi;
	uint32_t exclude_bitmap_hi;
	uint16_t block_bitmap_csum_hi;
	uint16_t inode_bitmap_csum_hi;
	uint32_t reserved;
};

enum { /* inode->flags */
       UNI_EXT4_FL_SYNC = 0x8,
       UNI_EXT4_FL_IMMUTABLE = 0x10,
       UNI_EXT4_FL_APPEND = 0x20,
       UNI_EXT4_FL_INDEX = 0x1000,
       UNI_EXT4_FL_HUGE_FILE = 0x40000,
       UNI_EXT4_FL_EXTENTS = 0x80000,
       UNI_EXT4_FL_EA_INODE = 0x200000,
       UNI_EXT4_FL_INLINE = 0x10000000,
};

struct uni_ext4_inode {
	uint16_t mode;
	uint16_t uid;
	uint32_t size_lo;
	uint32_t atime;
	uint32_t ctime;
	uint32_t mtime;
	uint32_t dtime; /* of a deleted one; the next orphan in the list of these */
	uint16_t gid;
	uint16_t links_count;
	uint32_t blocks_lo; /* of 512 bytes */
	uint32_t flags;
	uint32_t version;
	uint32_t block[15]; /* extent tree, block map, short link, device */
	uint32_t generation;
	uint32_t file_acl_lo; /* block of extended attributes */
	uint32_t size_hi;
	uint32_t faddr;
	uint16_t blocks_hi;
	uint16_t file_acl_hi;
	uint16_t uid_hi;
	uint16_t gid_hi;
	uint16_t checksum_lo;
	uint16_t reserved;
	/* Behind the first 128 bytes, of which extra_isize are used: */
	uint16_t extra_isize;
	uint16_t checksum_hi;
	uint32_t ctime_extra; /* two more bits of seconds, 30 of nanoseconds */
	uint32_t mtime_extra;
	uint32_t atime_extra;
	uint32_t crtime;
	uint32_t crtime_extra;
	uint32_t version_hi;
	uint32_t projid;
};
#define UNI_EXT4_EXTRA_ISIZE 32 /* what ours use: all of the above */

#define UNI_EXT4_EXTENT_MAGIC 0xf30a
enum {
	UNI_EXT4_EXTENT_MAX = 32768, /* blocks of a written extent; one more bit: unwritten */
	UNI_EXT4_EXTENT_DEPTH_MAX = 5,
	UNI_EXT4_EXTENT_ROOM = 4, /* entries in an inode */
};

struct uni_ext4_extent_header {
	uint16_t magic;
	uint16_t entries;
	uint16_t max;
	uint16_t depth; /* 0: extents follow, else indexes */
	uint32_t generation;
};
struct uni_ext4_extent {
	uint32_t block; /* first of the file */
	uint16_t len;	/* above UNI_EXT4_EXTENT_MAX: that many more, unwritten */
	uint16_t start_hi;
	uint32_t start_lo;
};
struct uni_ext4_extent_index {
	uint32_t block; /* everything below it is at or behind this one */
	uint32_t leaf_lo;
	uint16_t leaf_hi;
	uint16_t unused;
};

enum { /* entry->type */
       UNI_EXT4_FT_UNKNOWN = 0,
       UNI_EXT4_FT_FILE = 1,
       UNI_EXT4_FT_FOLDER = 2,
       UNI_EXT4_FT_CHAR = 3,
       UNI_EXT4_FT_BLOCK = 4,
       UNI_EXT4_FT_FIFO = 5,
       UNI_EXT4_FT_SOCKET = 6,
       UNI_EXT4_FT_LINK = 7,
       UNI_EXT4_FT_TAIL = 0xde,
};

struct uni_ext4_entry { /* the name follows; on 4 bytes */
	uint32_t inode;
	uint16_t rec_len; /* 65535 and 0: a block of 64 KiB */
	uint8_t name_len;
	uint8_t type;
};
struct uni_ext4_entry_tail { /* at a leaf block's end, with METADATA_CSUM */
	uint32_t inode;	     /* 0 */
	uint16_t rec_len;    /* 12 */
	uint8_t name_len;    /* 0 */
	uint8_t type;	     /* UNI_EXT4_FT_TAIL */
	uint32_t checksum;
};

enum { /* hash_version; three more: characters are unsigned */
       UNI_EXT4_HASH_LEGACY = 0,
       UNI_EXT4_HASH_HALF_MD4 = 1,
       UNI_EXT4_HASH_TEA = 2,
};
struct uni_ext4_dx_info { /* in an indexed folder's first block, behind "." and ".." (byte 24) */
	uint32_t reserved;
	uint8_t hash_version;
	uint8_t info_len; /* 8 */
	uint8_t levels;	  /* of blocks between this one and the leaves */
	uint8_t flags;
};
/* The entries follow; in the blocks between, behind an empty entry of 8 bytes. The first has the
 * count in the place of its hash. */
struct uni_ext4_dx_entry {
	uint32_t hash; /* the block has names of this one and above; bit 0: goes on from before */
	uint32_t block;
};
struct uni_ext4_dx_count {
	uint16_t limit;
	uint16_t count;
	uint32_t block;
};
struct uni_ext4_dx_tail { /* behind the entries' room, with METADATA_CSUM */
	uint32_t reserved;
	uint32_t checksum;
};

#define UNI_EXT4_XATTR_MAGIC 0xea020000u
struct uni_ext4_xattr_header { /* of a block; in an inode only the magic */
	uint32_t magic;
	uint32_t refcount;
	uint32_t blocks;
	uint32_t hash;
	uint32_t checksum;
	uint32_t reserved[3];
};
struct uni_ext4_xattr_entry { /* the name follows; on 4 bytes; four zero bytes end the list */
	uint8_t name_len;
	uint8_t name_index;
	uint16_t value_offs; /* from the first entry in an inode, else from the block's start */
	uint32_t value_inum;
	uint32_t value_size;
	uint32_t hash;
};

/* --- the journal: big endian --- */

#define UNI_JBD2_MAGIC 0xc03b3998u
enum { /* header.type */
       UNI_JBD2_DESCRIPTOR = 1,
       UNI_JBD2_COMMIT = 2,
       UNI_JBD2_SUPER_V1 = 3,
       UNI_JBD2_SUPER_V2 = 4,
       UNI_JBD2_REVOKE = 5,
};
enum { /* super.feature_compat */
       UNI_JBD2_COMPAT_CHECKSUM = 1,
};
enum { /* super.feature_incompat */
       UNI_JBD2_INCOMPAT_REVOKE = 1,
       UNI_JBD2_INCOMPAT_64BIT = 2,
       UNI_JBD2_INCOMPAT_ASYNC = 4,
       UNI_JBD2_INCOMPAT_CSUM_V2 = 8,
       UNI_JBD2_INCOMPAT_CSUM_V3 = 16,
};
enum {			       /* tag.flags */
       UNI_JBD2_ESCAPED = 1,   /* the block began with the journal's magic, now zero */
       UNI_JBD2_SAME_UUID = 2, /* no UUID follows */
       UNI_JBD2_DELETED = 4,
       UNI_JBD2_LAST = 8,
};
enum { UNI_JBD2_BLOCKS_MIN = 1024 };

struct uni_jbd2_header {
	uint32_t magic;
	uint32_t type;
	uint32_t sequence;
};
struct uni_jbd2_super {
	struct uni_jbd2_header header;
	uint32_t block_size;
	uint32_t blocks; /* with this one */
	uint32_t first;	 /* block of the log */
	uint32_t sequence;
	uint32_t start; /* block of the log's first transaction; 0: empty */
	uint32_t error;
	uint32_t feature_compat;
	uint32_t feature_incompat;
	uint32_t feature_ro_compat;
	uint8_t uuid[16];
	uint32_t users;
	uint32_t dynsuper;
	uint32_t max_transaction;
	uint32_t max_trans_data;
	uint8_t checksum_type;
	uint8_t padding2[3];
	uint32_t fc_blocks;
	uint32_t head;
	uint32_t padding[40];
	uint32_t checksum;
	uint8_t user_uuids[16 * 48];
};
struct uni_jbd2_tag3 { /* with CSUM_V3; else tag, below */
	uint32_t block;
	uint32_t flags;
	uint32_t block_hi;
	uint32_t checksum;
};
struct uni_jbd2_tag { /* the last field only with 64BIT */
	uint32_t block;
	uint16_t checksum;
	uint16_t flags;
	uint32_t block_hi;
};
struct uni_jbd2_tail { /* at a descriptor's or revocation's end, with a checksum feature */
	uint32_t checksum;
};
struct uni_jbd2_commit {
	struct uni_jbd2_header header;
	uint8_t checksum_type;
	uint8_t checksum_size;
	uint8_t padding[2];
	uint32_t checksum[8];
	uint64_t seconds;
	uint32_t nanoseconds;
};
struct uni_jbd2_revoke {
	struct uni_jbd2_header header;
	uint32_t size; /* bytes used, with this header */
};

_Static_assert(sizeof(struct uni_ext4_super) == 1024, "disk format");
_Static_assert(offsetof(struct uni_ext4_super, hash_seed) == 0xec, "disk format");
_Static_assert(offsetof(struct uni_ext4_super, checksum_seed) == 0x270, "disk format");
_Static_assert(offsetof(struct uni_ext4_super, checksum) == 0x3fc, "disk format");
_Static_assert(sizeof(struct uni_ext4_group) == 64, "disk format");
_Static_assert(sizeof(struct uni_ext4_inode) == 160, "disk format");
_Static_assert(offsetof(struct uni_ext4_inode, extra_isize) == 128, "disk format");
_Static_assert(sizeof(struct uni_ext4_extent) == 12, "disk format");
_Static_assert(sizeof(struct uni_ext4_extent_index) == 12, "disk format");
_Static_assert(sizeof(struct uni_ext4_extent_header) == 12, "disk format");
_Static_assert(sizeof(struct uni_ext4_entry_tail) == 12, "disk format");
_Static_assert(sizeof(struct uni_ext4_xattr_header) == 32, "disk format");
_Static_assert(sizeof(struct uni_ext4_xattr_entry) == 16, "disk format");
_Static_assert(sizeof(struct uni_jbd2_super) == 1024, "disk format");
_Static_assert(offsetof(struct uni_jbd2_super, checksum) == 0xfc, "disk format");
_Static_assert(sizeof(struct uni_jbd2_tag3) == 16, "disk format");
_Static_assert(sizeof(struct uni_jbd2_commit) == 64, "disk format");

#endif
