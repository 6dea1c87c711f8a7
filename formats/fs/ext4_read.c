/*
 * Reading ext2, ext3 and ext4: superblock, inodes, folders, links, files by extents or block maps.
 * The journal is not looked at: a volume that was not unmounted is shown as it lies on the disk.
 */
#include <string.h>
#include <uni/abi/ext4.h>
#include <uni/base/mem.h>
#include <uni/base/system.h>

#include "reader.h"

enum { READ_STEP = 1 << 16, DEPTH_MAX = UNI_EXT4_EXTENT_DEPTH_MAX };

static const uint32_t known_incompat = UNI_EXT4_FILETYPE | UNI_EXT4_RECOVER | UNI_EXT4_EXTENTS |
				       UNI_EXT4_64BIT | UNI_EXT4_FLEX_BG | UNI_EXT4_CSUM_SEED |
				       UNI_EXT4_LARGEDIR;

struct ext4_reader {
	struct uni_fs_reader reader;
	struct uni_ext4_super super;
	uint32_t block_size;
	uint32_t desc_size;
	uint64_t blocks;
	uint8_t *blocks_of[DEPTH_MAX + 1]; /* one for each level of a tree or a map */
	uint8_t *data;			   /* READ_STEP */
};

struct run { /* of a file's blocks */
	uint64_t count;
	uint64_t start; /* 0: a hole */
};

static struct ext4_reader *ext4_of(struct uni_fs_reader *reader)
{
	return (struct ext4_reader *)reader;
}

static bool ext4_probe(const uint8_t *head, size_t size)
{
	uint16_t magic;

	if (size < READER_HEAD)
		return false;
	memcpy(&magic, head + UNI_EXT4_SUPER_AT + offsetof(struct uni_ext4_super, magic),
	       sizeof(magic));
	return magic == UNI_EXT4_MAGIC;
}

static int read_block(struct ext4_reader *r, uint64_t block, void *to, struct uni_err *err)
{
	if (block == 0 || block >= r->blocks)
		return reader_corrupt(&r->reader, "number of a block", err);
	return reader_pread(&r->reader, block * r->block_size, to, r->block_size, err);
}

static int check_super(struct ext4_reader *r, struct uni_err *err)
{
	const struct uni_ext4_super *s = &r->super;
	uint32_t unknown = s->feature_incompat & ~known_incompat;

	if (s->rev_level > 1 || (s->rev_level == 1 && unknown != 0))
		return uni_err_set(err, UNI_E_UNSUPPORTED,
				   "%s: is an ext4 with features 0x%x that are not supported",
				   r->reader.name, unknown);
	if (s->log_block_size > 6)
		return reader_corrupt(&r->reader, "size of its blocks", err);
	r->block_size = 1024u << s->log_block_size;
	r->desc_size = (s->feature_incompat & UNI_EXT4_64BIT) != 0 ? s->desc_size : 32;
	r->blocks = s->blocks_count;
	if ((s->feature_incompat & UNI_EXT4_64BIT) != 0)
		r->blocks |= (uint64_t)s->blocks_count_hi << 32;
	if (s->rev_level == 0)
		r->super.inode_size = UNI_EXT4_INODE_MIN;
	if (s->inode_size < UNI_EXT4_INODE_MIN || s->inode_size > r->block_size ||
	    (s->inode_size & (s->inode_size - 1)) != 0 || r->desc_size < 32 ||
	    r->desc_size > 1024 || s->inodes_per_group == 0 || s->blocks_per_group == 0)
		return reader_corrupt(&r->reader, "shape of its groups", err);
	if (r->blocks > r->reader.size / r->block_size)
		return uni_err_set(err, UNI_E_CORRUPT,
				   "%s: is truncated: %llu bytes of %llu blocks of %u are there",
				   r->reader.name, (unsigned long long)r->reader.size,
				   (unsigned long long)r->blocks, r->block_size);
	return 0;
}

static int read_inode(struct ext4_reader *r, uint64_t ino, struct uni_ext4_inode *inode,
		      struct uni_err *err)
{
	const struct uni_ext4_super *s = &r->super;
	uint64_t group = (ino - 1) / s->inodes_per_group, at = (ino - 1) % s->inodes_per_group;
	uint64_t descs = (uint64_t)(s->first_data_block + 1) * r->block_size;
	struct uni_ext4_group g = { .flags = 0 };
	size_t size = r->desc_size < sizeof(g) ? r->desc_size : sizeof(g);
	uint64_t table;
	int rc;

	memset(inode, 0, sizeof(*inode));
	if (ino == 0 || ino > s->inodes_count)
		return reader_corrupt(&r->reader, "number of an inode", err);
	rc = reader_pread(&r->reader, descs + group * r->desc_size, &g, size, err);
	if (rc != 0)
		return rc;
	table = g.inode_table;
	if (r->desc_size >= sizeof(g))
		table |= (uint64_t)g.inode_table_hi << 32;
	if (table >= r->blocks)
		return reader_corrupt(&r->reader, "place of a table of inodes", err);
	size = s->inode_size < sizeof(*inode) ? s->inode_size : sizeof(*inode);
	return reader_pread(&r->reader, table * r->block_size + at * s->inode_size, inode, size,
			    err);
}

static uint64_t size_of(const struct uni_ext4_inode *inode)
{
	return inode->size_lo | (uint64_t)inode->size_hi << 32;
}

static int ext4_open(struct uni_fs_reader *reader, struct uni_err *err)
{
	struct ext4_reader *r = ext4_of(reader);
	struct uni_ext4_inode root;
	int rc = reader_pread(reader, UNI_EXT4_SUPER_AT, &r->super, sizeof(r->super), err);

	if (rc == 0)
		rc = check_super(r, err);
	if (rc != 0)
		return rc;
	for (size_t i = 0; i < UNI_COUNT(r->blocks_of); i++)
		r->blocks_of[i] = uni_alloc(r->block_size);
	r->data = uni_alloc(READ_STEP);
	rc = read_inode(r, UNI_EXT4_INO_ROOT, &root, err);
	if (rc == 0 && (root.mode & 0170000) != 0040000)
		rc = reader_corrupt(reader, "its root is not a folder", err);
	return rc;
}

static void ext4_close(struct uni_fs_reader *reader)
{
	struct ext4_reader *r = ext4_of(reader);

	for (size_t i = 0; i < UNI_COUNT(r->blocks_of); i++)
		free(r->blocks_of[i]);
	free(r->data);
}

static void ext4_about(const struct uni_fs_reader *reader, struct uni_fs_about *about)
{
	const struct ext4_reader *r = (const struct ext4_reader *)reader;
	const struct uni_ext4_super *s = &r->super;
	uint64_t free_blocks = s->free_blocks_count;

	if ((s->feature_incompat & UNI_EXT4_64BIT) != 0)
		free_blocks |= (uint64_t)s->free_blocks_count_hi << 32;
	about->format = (s->feature_incompat & UNI_EXT4_EXTENTS) != 0	  ? "ext4"
			: (s->feature_compat & UNI_EXT4_HAS_JOURNAL) != 0 ? "ext3"
									  : "ext2";
	about->block_size = r->block_size;
	about->used = free_blocks <= r->blocks ? (r->blocks - free_blocks) * r->block_size : 0;
	about->inodes = s->inodes_count - s->free_inodes_count;
	about->mtime = s->mkfs_time;
}

static reader_node ext4_root(const struct uni_fs_reader *reader)
{
	(void)reader;
	return UNI_EXT4_INO_ROOT;
}

static int ext4_stat(struct uni_fs_reader *reader, reader_node node, struct uni_fs_stat *stat,
		     struct uni_err *err)
{
	struct uni_ext4_inode inode;
	int rc = read_inode(ext4_of(reader), node, &inode, err);

	if (rc != 0)
		return rc;
	*stat = (struct uni_fs_stat){
		.mode = inode.mode & 07777u,
		.uid = inode.uid | (uint32_t)inode.uid_hi << 16,
		.gid = inode.gid | (uint32_t)inode.gid_hi << 16,
		.size = size_of(&inode),
		.mtime = (int64_t)(int32_t)inode.mtime +
			 (int64_t)((uint64_t)(inode.mtime_extra & 3) << 32),
		.device = inode.block[0] != 0 ? inode.block[0] : inode.block[1],
	};
	switch (inode.mode & 0170000) {
	case 0100000:
		stat->type = UNI_FS_TYPE_FILE;
		return 0;
	case 0040000:
		stat->type = UNI_FS_TYPE_FOLDER;
		stat->size = 0;
		return 0;
	case 0120000:
		stat->type = UNI_FS_TYPE_LINK;
		return 0;
	case 0060000:
		stat->type = UNI_FS_TYPE_BLOCK;
		return 0;
	case 0020000:
		stat->type = UNI_FS_TYPE_CHAR;
		return 0;
	case 0010000:
		stat->type = UNI_FS_TYPE_FIFO;
		return 0;
	case 0140000:
		stat->type = UNI_FS_TYPE_SOCKET;
		return 0;
	default:
		return reader_corrupt(reader, "type of an inode", err);
	}
}

/* --- where a file lies --- */

/* The entry that covers `at`, the last that starts at or before it; -1: none. And where the next
 * one starts. */
static int find_entry(const uint8_t *entries, uint32_t count, uint64_t at, uint64_t *next)
{
	int found = -1;

	for (uint32_t i = 0; i < count; i++) {
		uint32_t block;

		memcpy(&block, entries + (size_t)i * 12, sizeof(block));
		if (block > at) {
			*next = block < *next ? block : *next;
			break;
		}
		found = (int)i;
	}
	return found;
}

static void take_extent(const struct uni_ext4_extent *e, uint64_t at, uint64_t next,
			struct run *run)
{
	bool written = e->len <= UNI_EXT4_EXTENT_MAX;
	uint32_t len = written ? e->len : e->len - UNI_EXT4_EXTENT_MAX;
	uint64_t inside = at - e->block;

	run->start = 0;
	run->count = next - at;
	if (inside >= len)
		return;
	run->count = len - inside;
	if (written)
		run->start = (e->start_lo | (uint64_t)e->start_hi << 32) + inside;
}

static int find_extent(struct ext4_reader *r, const struct uni_ext4_inode *inode, uint64_t at,
		       struct run *run, struct uni_err *err)
{
	uint8_t root[60];
	const uint8_t *node = root;
	uint64_t next = 1ull << 32;
	size_t room = sizeof(root);
	uint32_t depth = DEPTH_MAX + 1;

	memcpy(root, inode->block, sizeof(root));
	for (;;) {
		struct uni_ext4_extent_header h;
		struct uni_ext4_extent_index index;
		struct uni_ext4_extent extent;
		int found, rc;

		memcpy(&h, node, sizeof(h));
		if (h.magic != UNI_EXT4_EXTENT_MAGIC || h.depth >= depth ||
		    h.entries > (room - sizeof(h)) / sizeof(extent))
			return reader_corrupt(&r->reader, "tree of extents", err);
		depth = h.depth;
		found = find_entry(node + sizeof(h), h.entries, at, &next);
		if (found < 0) {
			*run = (struct run){ .count = next - at };
			return 0;
		}
		if (depth == 0) {
			memcpy(&extent, node + sizeof(h) + (size_t)found * 12, sizeof(extent));
			take_extent(&extent, at, next, run);
			return 0;
		}
		memcpy(&index, node + sizeof(h) + (size_t)found * 12, sizeof(index));
		rc = read_block(r, index.leaf_lo | (uint64_t)index.leaf_hi << 32,
				r->blocks_of[depth], err);
		if (rc != 0)
			return rc;
		node = r->blocks_of[depth];
		room = r->block_size;
	}
}

/* ext2's: twelve blocks, then blocks of pointers, one to three deep. */
static int find_mapped(struct ext4_reader *r, const struct uni_ext4_inode *inode, uint64_t at,
		       struct run *run, struct uni_err *err)
{
	uint64_t per = r->block_size / 4, width = 1;
	uint32_t block;
	unsigned level = 0;

	*run = (struct run){ .count = 1 };
	if (at < 12) {
		run->start = inode->block[at];
		return 0;
	}
	at -= 12;
	for (level = 1; level <= 3; level++) {
		width *= per;
		if (at < width)
			break;
		at -= width;
	}
	if (level > 3)
		return reader_corrupt(&r->reader, "size of a file", err);
	block = inode->block[11 + level];
	for (; level != 0 && block != 0; level--) {
		int rc = read_block(r, block, r->blocks_of[level], err);

		if (rc != 0)
			return rc;
		width /= per;
		memcpy(&block, r->blocks_of[level] + at / width * 4, sizeof(block));
		at %= width;
	}
	run->start = block;
	return 0;
}

/* By way of `room`, READ_STEP bytes. */
static int read_content(struct ext4_reader *r, const struct uni_ext4_inode *inode, uint8_t *room,
			uni_fs_data_fn *fn, void *user, struct uni_err *err)
{
	uint64_t size = size_of(inode), offset = 0;

	if ((inode->flags & UNI_EXT4_FL_INLINE) != 0)
		return uni_err_set(err, UNI_E_UNSUPPORTED, "%s: has files inside of inodes",
				   r->reader.name);
	if (size > (uint64_t)UINT32_MAX * r->block_size)
		return reader_corrupt(&r->reader, "size of a file", err);
	while (offset < size) {
		bool extents = (inode->flags & UNI_EXT4_FL_EXTENTS) != 0;
		struct run run = { .count = 0 };
		uint64_t end;
		int rc = extents ? find_extent(r, inode, offset / r->block_size, &run, err)
				 : find_mapped(r, inode, offset / r->block_size, &run, err);

		if (rc == 0 && run.start != 0 &&
		    (run.start >= r->blocks || run.count > r->blocks - run.start))
			rc = reader_corrupt(&r->reader, "place of a file", err);
		end = offset + run.count * r->block_size;
		end = end < size ? end : size;
		for (uint64_t at = run.start * r->block_size; rc == 0 && offset < end;) {
			size_t part = end - offset < READ_STEP ? (size_t)(end - offset) : READ_STEP;

			rc = uni_check_cancel(err);
			if (rc == 0 && run.start != 0)
				rc = reader_pread(&r->reader, at, room, part, err);
			else
				memset(room, 0, part);
			if (rc == 0)
				rc = fn(user, room, part, err);
			offset += part;
			at += part;
		}
		if (rc != 0)
			return rc;
	}
	return 0;
}

static int ext4_read(struct uni_fs_reader *reader, reader_node file, uni_fs_data_fn *fn, void *user,
		     struct uni_err *err)
{
	struct uni_ext4_inode inode;
	int rc = read_inode(ext4_of(reader), file, &inode, err);

	return rc == 0 ? read_content(ext4_of(reader), &inode, ext4_of(reader)->data, fn, user, err)
		       : rc;
}

static int add_text(void *user, const void *data, size_t size, struct uni_err *err)
{
	(void)err;
	uni_buf_add(user, data, size);
	return 0;
}

static int ext4_readlink(struct uni_fs_reader *reader, reader_node link, struct uni_buf *target,
			 struct uni_err *err)
{
	UNI_AUTO_BUF struct uni_buf text = UNI_BUF_INIT;
	struct ext4_reader *r = ext4_of(reader);
	struct uni_ext4_inode inode;
	int rc = read_inode(r, link, &inode, err);

	if (rc != 0)
		return rc;
	if (size_of(&inode) >= r->block_size)
		return reader_corrupt(reader, "target of a link", err);
	if (size_of(&inode) < UNI_EXT4_FAST_LINK && (inode.flags & UNI_EXT4_FL_EXTENTS) == 0)
		uni_buf_add(&text, inode.block, (size_t)size_of(&inode));
	else
		rc = read_content(r, &inode, r->data, add_text, &text, err);
	if (rc == 0 && strlen(uni_buf_text(&text)) != size_of(&inode))
		rc = reader_corrupt(reader, "target of a link", err);
	if (rc == 0)
		uni_buf_add(target, text.data, text.size);
	return rc;
}

/* --- folders --- */

struct listing {
	struct ext4_reader *r;
	reader_each_fn *fn;
	void *user;
};

static int list_entry(struct listing *l, const uint8_t *at, const struct uni_ext4_entry *e,
		      struct uni_err *err)
{
	char name[UNI_EXT4_NAME_MAX + 1];

	memcpy(name, at + sizeof(*e), e->name_len);
	name[e->name_len] = '\0';
	if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
		return 0;
	if (strlen(name) != e->name_len || e->name_len == 0 || strchr(name, '/') != NULL)
		return reader_corrupt(&l->r->reader, "a name", err);
	return l->fn(l->user, name, e->inode, err);
}

static int list_block(struct listing *l, const uint8_t *block, struct uni_err *err)
{
	size_t size = l->r->block_size;
	int rc = 0;

	for (size_t at = 0; at < size && rc == 0;) {
		struct uni_ext4_entry e;
		size_t rec;

		if (size - at < sizeof(e))
			return reader_corrupt(&l->r->reader, "entry of a folder", err);
		memcpy(&e, block + at, sizeof(e));
		rec = e.rec_len == 0 || e.rec_len == 65535 ? 65536 : e.rec_len;
		if (rec > size - at || rec % 4 != 0 || rec < sizeof(e) + e.name_len)
			return reader_corrupt(&l->r->reader, "entry of a folder", err);
		if (e.inode != 0)
			rc = list_entry(l, block + at, &e, err);
		at += rec;
	}
	return rc;
}

static int list_data(void *user, const void *data, size_t size, struct uni_err *err)
{
	struct listing *l = user;
	const uint8_t *bytes = data;
	int rc = 0;

	/* Pieces are whole blocks: READ_STEP holds every size of them. */
	for (size_t at = 0; at + l->r->block_size <= size && rc == 0; at += l->r->block_size)
		rc = list_block(l, bytes + at, err);
	return rc;
}

static int ext4_each(struct uni_fs_reader *reader, reader_node folder, reader_each_fn *fn,
		     void *user, struct uni_err *err)
{
	struct ext4_reader *r = ext4_of(reader);
	struct listing l = { .r = r, .fn = fn, .user = user };
	uint8_t *room UNI_AUTO_FREE = uni_alloc(READ_STEP); /* what is called may read files */
	struct uni_ext4_inode inode;
	int rc = read_inode(r, folder, &inode, err);

	if (rc == 0)
		rc = read_content(r, &inode, room, list_data, &l, err);
	return rc;
}

const struct uni_fs_reader_ops reader_ext4 = {
	.probe = ext4_probe,
	.reader_size = sizeof(struct ext4_reader),
	.open = ext4_open,
	.close = ext4_close,
	.about = ext4_about,
	.root = ext4_root,
	.stat = ext4_stat,
	.each = ext4_each,
	.readlink = ext4_readlink,
	.read = ext4_read,
};
