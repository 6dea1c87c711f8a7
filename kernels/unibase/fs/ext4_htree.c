/*
 * The index of a large folder: its first block, and below it perhaps a level of blocks, say from
 * which hash on names are in which leaf. A full leaf is split at the middle of its hashes; equal
 * hashes may run over several leaves, which the lowest bit of the later ones' says.
 */
#include <uni/abi/ext4_hash.h>

#include "ext4.h"

enum { ROOT_AT = 32, NODE_AT = 8, INFO_AT = 24, LEVELS_MAX = 2, DOTS = 12 };

struct frame {
	struct e4_buf *buf;
	struct uni_ext4_dx_entry *entries; /* the first has the count in the place of its hash */
	uint32_t at;
};

struct search {
	struct uk_inode *dir;
	struct e4 *fs;
	struct uni_ext4_hash hash;
	struct frame frames[LEVELS_MAX + 1];
	unsigned last; /* frame */
};

static struct uni_ext4_dx_count *count_of(const struct frame *f)
{
	return (struct uni_ext4_dx_count *)(void *)f->entries;
}

static void search_close(struct search *s)
{
	for (unsigned i = 0; i < UK_COUNT(s->frames); i++)
		e4_buf_put(s->fs, s->frames[i].buf);
}

static bool name_hash(const struct e4 *fs, uint8_t version, const char *name, size_t size,
		      struct uni_ext4_hash *hash)
{
	bool wide = fs->hash_unsigned || version > UNI_EXT4_HASH_TEA;

	if (version > UNI_EXT4_HASH_TEA)
		version -= 3;
	return uni_ext4_hash_name(name, size, version, wide, fs->hash_seed, hash);
}

static int frame_open(struct search *s, unsigned level, uint32_t block)
{
	struct frame *f = &s->frames[level];
	uint32_t at = level == 0 ? ROOT_AT : NODE_AT, low = 1, high;
	int error = e4_dir_block(s->dir, block, E4_INDEX, &f->buf);

	if (error != 0)
		return error;
	f->entries = (struct uni_ext4_dx_entry *)(void *)(f->buf->data + at);
	high = count_of(f)->count;
	if (high == 0 || high > count_of(f)->limit ||
	    count_of(f)->limit > (s->fs->block_size - at) / 8)
		return e4_bad(s->fs, "the index of a folder");
	while (low < high) {
		uint32_t middle = (low + high) / 2;

		if (f->entries[middle].hash <= s->hash.major)
			low = middle + 1;
		else
			high = middle;
	}
	f->at = low - 1;
	return 0;
}

static uint32_t block_of(const struct frame *f)
{
	return f->entries[f->at].block & 0x0fffffff;
}

static int search_open(struct search *s, struct uk_inode *dir, const char *name, size_t size)
{
	struct uni_ext4_dx_info info;
	struct e4_buf *root;
	int error;

	*s = (struct search){ .dir = dir, .fs = e4_of(dir) };
	error = e4_dir_block(dir, 0, E4_DIR, &root);
	if (error != 0)
		return error;
	memcpy(&info, root->data + INFO_AT, sizeof(info));
	error = root->kind == E4_INDEX ? 0 : e4_bad(s->fs, "a folder without its index");
	e4_buf_put(s->fs, root);
	if (error == 0 && (info.info_len != sizeof(info) || info.levels > LEVELS_MAX))
		error = e4_bad(s->fs, "the index of a folder");
	if (error == 0 && !name_hash(s->fs, info.hash_version, name, size, &s->hash))
		error = -UK_EOPNOTSUPP;
	if (error != 0)
		return error;
	s->last = info.levels;
	for (unsigned level = 0; level <= s->last && error == 0; level++)
		error = frame_open(s, level, level == 0 ? 0 : block_of(&s->frames[level - 1]));
	if (error != 0)
		search_close(s);
	return error;
}

/* To the leaf behind, if it goes on with the same hash; -UK_ENOENT. */
static int search_next(struct search *s)
{
	unsigned level = s->last;
	uint32_t hash;

	while (s->frames[level].at + 1 >= count_of(&s->frames[level])->count)
		if (level-- == 0)
			return -UK_ENOENT;
	hash = s->frames[level].entries[s->frames[level].at + 1].hash;
	if ((hash & 1) == 0 || (hash & ~1u) != s->hash.major)
		return -UK_ENOENT;
	s->frames[level].at++;
	while (level != s->last) {
		int error;

		level++;
		e4_buf_put(s->fs, s->frames[level].buf);
		s->frames[level].buf = NULL;
		error = frame_open(s, level, block_of(&s->frames[level - 1]));
		if (error != 0)
			return error;
		s->frames[level].at = 0;
	}
	return 0;
}

int e4_htree_leaf(struct uk_inode *dir, const char *name, size_t size, unsigned skip,
		  uint32_t *leaf)
{
	struct search s;
	int error = search_open(&s, dir, name, size);

	if (error != 0)
		return error;
	while (skip-- != 0 && error == 0)
		error = search_next(&s);
	*leaf = error == 0 ? block_of(&s.frames[s.last]) : 0;
	search_close(&s);
	return error;
}

/* --- adding --- */

static uint32_t limit_of(const struct e4 *fs, uint32_t at)
{
	return (fs->block_size - at) / 8 - (fs->sums ? 1 : 0);
}

static void entry_insert(struct search *s, struct frame *f, uint32_t hash, uint32_t block)
{
	uint32_t count = count_of(f)->count;

	memmove(&f->entries[f->at + 2], &f->entries[f->at + 1],
		(size_t)(count - f->at - 1) * sizeof(*f->entries));
	f->entries[f->at + 1] = (struct uni_ext4_dx_entry){ hash, block };
	count_of(f)->count = (uint16_t)(count + 1);
	e4_buf_dirty(s->fs, f->buf);
}

/* A block between root and leaves, with some entries. */
static int node_new(struct search *s, const struct uni_ext4_dx_entry *from, uint32_t count,
		    uint32_t *block)
{
	struct uni_ext4_dx_count *head;
	struct e4_buf *buf;
	int error = e4_dir_append(s->dir, E4_INDEX, block, &buf);

	if (error != 0)
		return error;
	e4_entry_put(buf->data, 0, s->fs->block_size, "", 0, 0, 0);
	memcpy(buf->data + NODE_AT, from, (size_t)count * sizeof(*from));
	head = (struct uni_ext4_dx_count *)(void *)(buf->data + NODE_AT);
	head->limit = (uint16_t)limit_of(s->fs, NODE_AT);
	head->count = (uint16_t)count;
	e4_buf_put(s->fs, buf);
	return 0;
}

/* Makes room for an entry in the lowest block of the index. */
static int index_grow(struct search *s)
{
	struct frame *full = &s->frames[s->last], *up = full - 1;
	uint32_t count = count_of(full)->count, block, keep = count / 2, hash;
	int error;

	if (s->last == 0) {
		error = node_new(s, full->entries, count, &block);
		if (error != 0)
			return error;
		count_of(full)->count = 1;
		full->entries[0].block = block;
		full->buf->data[INFO_AT + offsetof(struct uni_ext4_dx_info, levels)]++;
		e4_buf_dirty(s->fs, full->buf);
		return 0;
	}
	if (count_of(up)->count == count_of(up)->limit)
		return -UK_ENOSPC;
	hash = full->entries[keep].hash;
	error = node_new(s, full->entries + keep, count - keep, &block);
	if (error != 0)
		return error;
	count_of(full)->count = (uint16_t)keep;
	e4_buf_dirty(s->fs, full->buf);
	entry_insert(s, up, hash, block);
	return 0;
}

struct item {
	uint32_t hash;
	uint16_t at, size;
};

static void sort(struct item *items, unsigned count)
{
	/* By insertion: a block has few hundred entries, and is split seldom. */
	for (unsigned i = 1; i < count; i++) {
		struct item item = items[i];
		unsigned k = i;

		for (; k != 0 && items[k - 1].hash > item.hash; k--)
			items[k] = items[k - 1];
		items[k] = item;
	}
}

static int collect(const struct search *s, uint8_t version, uint8_t *block, struct item *items,
		   unsigned *count)
{
	uint32_t end = e4_dir_room(s->fs);

	*count = 0;
	for (uint32_t at = 0; at < end;) {
		const struct uni_ext4_entry *e = e4_entry(block, at, end);
		struct uni_ext4_hash hash;

		if (e == NULL)
			return e4_bad(s->fs, "an entry of a folder");
		if (e->inode != 0) {
			if (!name_hash(s->fs, version, (const char *)(e + 1), e->name_len, &hash))
				return -UK_EOPNOTSUPP;
			items[(*count)++] = (struct item){ hash.major, (uint16_t)at,
							   (uint16_t)e4_entry_size(e->name_len) };
		}
		at += e->rec_len;
	}
	sort(items, *count);
	return 0;
}

/* The entries one behind the other, the last up to the end. */
static void pack(const struct e4 *fs, struct e4_buf *to, const uint8_t *from,
		 const struct item *items, unsigned count)
{
	uint32_t at = 0;

	e4_leaf_init(fs, to);
	for (unsigned i = 0; i < count; i++) {
		uint16_t rec = (uint16_t)(i + 1 == count ? e4_dir_room(fs) - at : items[i].size);

		memcpy(to->data + at, from + items[i].at, items[i].size);
		memcpy(to->data + at + offsetof(struct uni_ext4_entry, rec_len), &rec, sizeof(rec));
		at += rec;
	}
}

static unsigned middle_of(const struct item *items, unsigned count, uint32_t room)
{
	uint32_t size = 0;
	unsigned i = 0;

	while (i < count - 1 && size < room / 2)
		size += items[i++].size;
	return UK_MAX(i, 1u);
}

/* Room for the copy of a block and its items behind it. */
static int leaf_split_in(struct search *s, struct e4_buf *leaf, uint8_t *room)
{
	struct frame *f = &s->frames[s->last];
	struct item *items = (struct item *)(void *)(room + s->fs->block_size);
	uint8_t version =
		s->frames[0].buf->data[INFO_AT + offsetof(struct uni_ext4_dx_info, hash_version)];
	unsigned count, middle;
	struct e4_buf *other;
	uint32_t block, hash;
	int error = collect(s, version, leaf->data, items, &count);

	if (error != 0 || count < 2)
		return error != 0 ? error : -UK_ENOSPC;
	error = e4_dir_append(s->dir, E4_LEAF, &block, &other);
	if (error != 0)
		return error;
	memcpy(room, leaf->data, s->fs->block_size);
	middle = middle_of(items, count, e4_dir_room(s->fs));
	hash = items[middle].hash | (items[middle].hash == items[middle - 1].hash ? 1 : 0);
	pack(s->fs, leaf, room, items, middle);
	pack(s->fs, other, room, items + middle, count - middle);
	e4_buf_dirty(s->fs, leaf);
	e4_buf_put(s->fs, other);
	entry_insert(s, f, hash, block);
	return 0;
}

static int leaf_split(struct search *s, struct e4_buf *leaf)
{
	uint8_t *room =
		uk_alloc(s->fs->block_size + s->fs->block_size / DOTS * sizeof(struct item));
	int error = room != NULL ? leaf_split_in(s, leaf, room) : -UK_ENOMEM;

	uk_free(room);
	return error;
}

/* One attempt. -UK_EAGAIN: the index changed, again from its start. */
static int add_once(struct search *s, const char *name, size_t size, uint32_t ino, uint8_t type)
{
	struct frame *f = &s->frames[s->last];
	struct e4_buf *leaf;
	int error = e4_dir_block(s->dir, block_of(f), E4_LEAF, &leaf);

	if (error != 0)
		return error;
	error = e4_leaf_add(s->fs, leaf, name, size, ino, type);
	if (error == -UK_ENOSPC) {
		error = count_of(f)->count == count_of(f)->limit ? index_grow(s)
								 : leaf_split(s, leaf);
		error = error == 0 ? -UK_EAGAIN : error;
	}
	e4_buf_put(s->fs, leaf);
	return error;
}

int e4_htree_add(struct uk_inode *dir, const char *name, size_t size, uint32_t ino, uint8_t type)
{
	int error = -UK_EAGAIN;

	for (unsigned tries = 0; tries < 8 && error == -UK_EAGAIN; tries++) {
		struct search s;

		error = search_open(&s, dir, name, size);
		if (error != 0)
			return error;
		error = add_once(&s, name, size, ino, type);
		search_close(&s);
	}
	return error == -UK_EAGAIN ? -UK_ENOSPC : error;
}

int e4_htree_make(struct uk_inode *dir)
{
	struct e4 *fs = e4_of(dir);
	struct uni_ext4_dx_info info = { .hash_version = UNI_EXT4_HASH_HALF_MD4,
					 .info_len = sizeof(info) };
	struct uni_ext4_dx_count head = { .limit = (uint16_t)limit_of(fs, ROOT_AT), .count = 1 };
	struct uni_ext4_entry *last;
	uint32_t room = e4_dir_room(fs), first;
	struct e4_buf *root, *leaf;
	int error = e4_dir_block(dir, 0, E4_LEAF, &root);

	if (error != 0)
		return error;
	/* Entries behind "..", which starts at 12. */
	last = e4_entry(root->data, DOTS, room);
	first = last != NULL ? (uint32_t)DOTS + last->rec_len : room;
	if (last == NULL || first >= room) {
		e4_buf_put(fs, root);
		return e4_bad(fs, "a folder without . and ..");
	}
	error = e4_dir_append(dir, E4_LEAF, &head.block, &leaf);
	if (error != 0) {
		e4_buf_put(fs, root);
		return error;
	}
	memcpy(leaf->data, root->data + first, room - first);
	for (uint32_t at = 0; at < room - first;) {
		last = (struct uni_ext4_entry *)(void *)(leaf->data + at);
		if (last->rec_len == 0 || at + last->rec_len > room - first)
			break;
		at += last->rec_len;
	}
	last->rec_len = (uint16_t)(last->rec_len + first);
	memset(root->data + 2 * DOTS, 0, fs->block_size - 2 * DOTS);
	last = (struct uni_ext4_entry *)(void *)(root->data + DOTS);
	last->rec_len = (uint16_t)(fs->block_size - DOTS);
	memcpy(root->data + INFO_AT, &info, sizeof(info));
	memcpy(root->data + ROOT_AT, &head, sizeof(head));
	root->kind = E4_INDEX;
	e4_buf_dirty(fs, root);
	e4_buf_put(fs, leaf);
	e4_buf_put(fs, root);
	e4_node_of(dir)->flags |= UNI_EXT4_FL_INDEX;
	return e4_inode_write(dir);
}
