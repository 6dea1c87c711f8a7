/*
 * Inodes, extended attributes and long links of a volume that is being written.
 */
#include <string.h>
#include <uni/base/file.h>

#include "ext4.h"

enum {
	XATTR_AT = 128 + UNI_EXT4_EXTRA_ISIZE, /* in an inode of 256 bytes */
	INODES_AT_ONCE = 4096,
};

int ext4_write_link(struct ext4 *fs, uint32_t node, struct uni_err *err)
{
	struct ext4_node *n = &fs->nodes[node];
	uint8_t text[EXT4_BLOCK] = { 0 };
	uint64_t block;
	uint32_t from = n->extents;
	int rc;

	if (n->size < UNI_EXT4_FAST_LINK)
		return 0;
	memcpy(text, fs->targets.data + from, (size_t)n->size);
	rc = ext4_append(fs, node, 0, &block, err);
	return rc != 0 ? rc : ext4_put(fs, block, text, err);
}

/* --- extended attributes --- */

struct attribute {
	uint8_t index; /* of its name's prefix, which is left out */
	const char *name;
	uint32_t name_size;
	const char *value;
	uint32_t size;
};

static void split_name(struct attribute *a)
{
	static const struct {
		uint8_t index;
		const char *prefix;
		bool whole;
	} prefixes[] = {
		{ 1, "user.", false },
		{ 2, "system.posix_acl_access", true },
		{ 3, "system.posix_acl_default", true },
		{ 4, "trusted.", false },
		{ 6, "security.", false },
		{ 7, "system.", false },
	};

	for (size_t i = 0; i < UNI_COUNT(prefixes); i++) {
		uint32_t size = (uint32_t)strlen(prefixes[i].prefix);

		if (a->name_size < size || memcmp(a->name, prefixes[i].prefix, size) != 0 ||
		    (prefixes[i].whole && a->name_size != size))
			continue;
		a->index = prefixes[i].index;
		a->name += size;
		a->name_size -= size;
		return;
	}
}

static bool next_attribute(const struct ext4 *fs, const struct ext4_node *n, uint32_t *at,
			   struct attribute *a)
{
	const char *from = fs->xattrs.data + n->xattrs + *at;
	uint32_t sizes[2];

	if (*at == n->xattr_size)
		return false;
	memcpy(sizes, from, sizeof(sizes));
	*a = (struct attribute){ .name = from + sizeof(sizes),
				 .name_size = sizes[0],
				 .value = from + sizeof(sizes) + sizes[0],
				 .size = sizes[1] };
	split_name(a);
	*at += (uint32_t)sizeof(sizes) + sizes[0] + sizes[1];
	return true;
}

/* In a block entries are found by order; in an inode order does not matter. */
static int compare(const void *a, const void *b)
{
	const struct attribute *x = a, *y = b;

	if (x->index != y->index)
		return x->index < y->index ? -1 : 1;
	if (x->name_size != y->name_size)
		return x->name_size < y->name_size ? -1 : 1;
	return memcmp(x->name, y->name, x->name_size);
}

static uint32_t hash_attribute(const struct attribute *a, const uint8_t *value)
{
	uint32_t hash = 0;

	for (uint32_t i = 0; i < a->name_size; i++)
		hash = (hash << 5) ^ (hash >> 27) ^ (uint8_t)a->name[i];
	for (uint32_t i = 0; i < (a->size + 3) / 4; i++) {
		uint32_t word;

		memcpy(&word, value + (size_t)i * 4, sizeof(word));
		hash = (hash << 16) ^ (hash >> 16) ^ word;
	}
	return hash;
}

/*
 * Entries from `at` on, values from the end of `area` downwards; offsets of values count from
 * `base`. 0 when they do not fit.
 */
static size_t lay_out(const struct attribute *list, uint32_t count, uint8_t *area, size_t size,
		      size_t at, size_t base)
{
	size_t end = size;

	for (uint32_t i = 0; i < count; i++) {
		const struct attribute *a = &list[i];
		size_t entry_size =
			(sizeof(struct uni_ext4_xattr_entry) + a->name_size + 3) / 4 * 4;
		size_t value_size = (a->size + 3u) / 4 * 4;
		struct uni_ext4_xattr_entry entry = { .name_len = (uint8_t)a->name_size,
						      .name_index = a->index,
						      .value_size = a->size };

		if (at + entry_size + 4 + value_size > end)
			return 0;
		end -= value_size;
		memcpy(area + end, a->value, a->size);
		entry.value_offs = (uint16_t)(a->size != 0 ? end - base : 0);
		entry.hash = hash_attribute(a, area + end);
		memcpy(area + at, &entry, sizeof(entry));
		memcpy(area + at + sizeof(entry), a->name, a->name_size);
		at += entry_size;
	}
	return at;
}

static struct attribute *collect(const struct ext4 *fs, const struct ext4_node *n, uint32_t *count)
{
	struct attribute *list = NULL, a;
	uint32_t at = 0, room = 0;

	*count = 0;
	while (next_attribute(fs, n, &at, &a)) {
		UNI_PUSH_ROOM(list, *count, room);
		list[(*count)++] = a;
	}
	if (list != NULL)
		qsort(list, *count, sizeof(*list), compare);
	return list;
}

static bool put_inline(const struct ext4 *fs, const struct ext4_node *n, uint8_t *inode)
{
	uint32_t count, magic = UNI_EXT4_XATTR_MAGIC;
	struct attribute *list UNI_AUTO_FREE = collect(fs, n, &count);
	uint8_t *area = inode + XATTR_AT;

	if (fs->shape.ext2 || lay_out(list, count, area, fs->inode_size - XATTR_AT, sizeof(magic),
				      sizeof(magic)) == 0) {
		memset(area, 0, fs->shape.ext2 ? 0 : fs->inode_size - XATTR_AT);
		return false;
	}
	memcpy(area, &magic, sizeof(magic));
	return true;
}

int ext4_write_xattrs(struct ext4 *fs, uint32_t node, struct uni_err *err)
{
	struct ext4_node *n = &fs->nodes[node];
	uint8_t block[EXT4_BLOCK] = { 0 };
	struct uni_ext4_xattr_header header = { .magic = UNI_EXT4_XATTR_MAGIC,
						.refcount = 1,
						.blocks = 1 };
	uint32_t count, one;
	struct attribute *list UNI_AUTO_FREE = collect(fs, n, &count);
	int rc;

	if (count == 0 || put_inline(fs, n, block))
		return 0;
	memset(block, 0, sizeof(block));
	if (lay_out(list, count, block, sizeof(block), sizeof(header), 0) == 0)
		return uni_err_set(err, UNI_E_LIMIT, "the attributes of a file fill over a block");
	rc = ext4_allocate(fs, 1, &n->acl, &one, err);
	if (rc != 0)
		return rc;
	n->blocks++;
	for (size_t at = sizeof(header); block[at] != 0 || block[at + 1] != 0;) {
		struct uni_ext4_xattr_entry entry;

		memcpy(&entry, block + at, sizeof(entry));
		header.hash = (header.hash << 16) ^ (header.hash >> 16) ^ entry.hash;
		at += (sizeof(entry) + entry.name_len + 3u) / 4 * 4;
	}
	memcpy(block, &header, sizeof(header));
	if (!fs->shape.ext2) {
		header.checksum =
			ext4_sum(ext4_sum(fs->seed, &n->acl, sizeof(n->acl)), block, sizeof(block));
		memcpy(block, &header, sizeof(header));
	}
	return ext4_put(fs, n->acl, block, err);
}

/* --- inodes --- */

static uint32_t time_extra(int64_t seconds)
{
	return (uint32_t)((seconds - (int32_t)seconds) >> 32) & 3;
}

static void make_inode(const struct ext4 *fs, const struct ext4_node *n, uint8_t *to)
{
	uint64_t sectors = n->blocks * (EXT4_BLOCK / 512);
	uint32_t seconds = (uint32_t)n->mtime, extra = time_extra(n->mtime), sum;
	struct uni_ext4_inode inode = {
		.mode = (uint16_t)n->mode,
		.uid = (uint16_t)n->uid,
		.uid_hi = (uint16_t)(n->uid >> 16),
		.gid = (uint16_t)n->gid,
		.gid_hi = (uint16_t)(n->gid >> 16),
		.size_lo = (uint32_t)n->size,
		.size_hi = (uint32_t)(n->size >> 32),
		.atime = seconds,
		.ctime = seconds,
		.mtime = seconds,
		.links_count = (uint16_t)n->links,
		.blocks_lo = (uint32_t)sectors,
		.blocks_hi = (uint16_t)(sectors >> 32),
		.file_acl_lo = (uint32_t)n->acl,
		.file_acl_hi = (uint16_t)(n->acl >> 32),
		.extra_isize = UNI_EXT4_EXTRA_ISIZE,
		.ctime_extra = extra,
		.mtime_extra = extra,
		.atime_extra = extra,
		.crtime = seconds,
		.crtime_extra = extra,
	};
	bool mapped = n->type == UNI_ENTRY_FILE || n->type == UNI_ENTRY_DIR ||
		      (n->type == UNI_ENTRY_SYMLINK && n->size >= UNI_EXT4_FAST_LINK);

	memcpy(inode.block, n->map, sizeof(inode.block));
	if (fs->shape.ext2) {
		memcpy(to, &inode, UNI_EXT4_INODE_MIN);
		return;
	}
	if (mapped)
		inode.flags |= UNI_EXT4_FL_EXTENTS;
	if (n->indexed)
		inode.flags |= UNI_EXT4_FL_INDEX;
	memcpy(to, &inode, sizeof(inode));
	if (n->xattr_size != 0 && n->acl == 0)
		(void)put_inline(fs, n, to);
	sum = ext4_sum(ext4_inode_seed(fs, n->ino), to, fs->inode_size);
	inode.checksum_lo = (uint16_t)sum;
	inode.checksum_hi = (uint16_t)(sum >> 16);
	memcpy(to, &inode, sizeof(inode));
}

static int write_run(struct ext4 *fs, uint32_t first, uint32_t count, const uint8_t *inodes,
		     struct uni_err *err)
{
	while (count != 0) {
		uint32_t group = (first - 1) / fs->group_inodes;
		uint32_t at = (first - 1) % fs->group_inodes;
		uint32_t some = fs->group_inodes - at < count ? fs->group_inodes - at : count;
		int rc = uni_pwrite_full(fs->fd, inodes, (size_t)some * fs->inode_size,
					 ext4_inode_table(fs, group) * EXT4_BLOCK +
						 (uint64_t)at * fs->inode_size,
					 "volume", err);

		if (rc != 0)
			return rc;
		inodes += (size_t)some * fs->inode_size;
		first += some;
		count -= some;
	}
	return 0;
}

int ext4_write_inodes(struct ext4 *fs, struct uni_err *err)
{
	uint8_t *inodes UNI_AUTO_FREE = uni_alloc_array(INODES_AT_ONCE, fs->inode_size);
	uint32_t first = 1, node = 0;

	/* Numbers rise with the nodes but for the root's, which stands first, and the journal's. */
	while (first <= fs->inodes_used) {
		uint32_t count = fs->inodes_used - first + 1;
		int rc;

		count = count < INODES_AT_ONCE ? count : INODES_AT_ONCE;
		memset(inodes, 0, (size_t)count * fs->inode_size);
		for (; node < fs->node_count; node++) {
			const struct ext4_node *n = &fs->nodes[node];

			if (n->ino >= first + count)
				break;
			if (n->type != UNI_ENTRY_HARDLINK && n->ino != UNI_EXT4_INO_JOURNAL)
				make_inode(fs, n,
					   inodes + (size_t)(n->ino - first) * fs->inode_size);
		}
		if (first == 1 && fs->journal_blocks != 0)
			make_inode(fs, &fs->nodes[fs->node_count - 1],
				   inodes + (size_t)(UNI_EXT4_INO_JOURNAL - 1) * fs->inode_size);
		rc = write_run(fs, first, count, inodes, err);
		if (rc != 0)
			return rc;
		first += count;
	}
	return 0;
}
