/*
 * Folders of ext4: each is built in memory, its names in the tree's order where one block holds
 * them, else ordered by hash below an index, so that no folder costs more than its names.
 */
#include <string.h>
#include <uni/abi/ext4_hash.h>

#include "ext4.h"

enum {
	DX_ROOT_AT = 32, /* of the entries in the first block */
	DX_NODE_AT = 8,
	DOT_SIZE = 12,
	TAIL_SIZE = sizeof(struct uni_ext4_entry_tail),
};

struct item {
	struct uni_ext4_hash hash;
	uint32_t node;
};

struct folder {
	struct ext4 *fs;
	uint32_t node;
	uint32_t seed;
	size_t room; /* of a block's entries */
	uint8_t block[EXT4_BLOCK];
	size_t used, last; /* bytes, and where the last entry starts */
	struct item *items;
	struct uni_ext4_dx_entry *leaves;
	uint32_t leaf_count, leaf_room;
};

static size_t entry_size(size_t name)
{
	return (sizeof(struct uni_ext4_entry) + name + 3) / 4 * 4;
}

static uint8_t type_of(uint32_t mode)
{
	switch (mode & 0170000) {
	case 0040000:
		return UNI_EXT4_FT_FOLDER;
	case 0120000:
		return UNI_EXT4_FT_LINK;
	case 0020000:
		return UNI_EXT4_FT_CHAR;
	case 0060000:
		return UNI_EXT4_FT_BLOCK;
	case 0010000:
		return UNI_EXT4_FT_FIFO;
	default:
		return UNI_EXT4_FT_FILE;
	}
}

static void put_entry(uint8_t *to, uint32_t ino, size_t rec, const char *name, size_t size,
		      uint8_t type)
{
	const struct uni_ext4_entry entry = {
		.inode = ino, .rec_len = (uint16_t)rec, .name_len = (uint8_t)size, .type = type
	};

	memcpy(to, &entry, sizeof(entry));
	memcpy(to + sizeof(entry), name, size);
}

static void add_entry(struct folder *f, uint32_t ino, const char *name, size_t size, uint8_t type)
{
	put_entry(f->block + f->used, ino, entry_size(size), name, size, type);
	f->last = f->used;
	f->used += entry_size(size);
}

static void add_child(struct folder *f, uint32_t node)
{
	const struct ext4_node *n = &f->fs->nodes[node];

	add_entry(f, n->ino, f->fs->names.data + n->name, n->name_size, type_of(n->mode));
}

/* The last entry reaches to the end of the room; behind it the checksum, where there is one. */
static void close_leaf(struct folder *f)
{
	uint16_t rec = (uint16_t)(f->room - f->last);

	memcpy(f->block + f->last + offsetof(struct uni_ext4_entry, rec_len), &rec, sizeof(rec));
	if (f->room != EXT4_BLOCK) {
		const struct uni_ext4_entry_tail tail = {
			.rec_len = TAIL_SIZE,
			.type = UNI_EXT4_FT_TAIL,
			.checksum = ext4_sum(f->seed, f->block, f->room),
		};
		memcpy(f->block + f->room, &tail, sizeof(tail));
	}
}

static void clear_block(struct folder *f)
{
	memset(f->block, 0, sizeof(f->block));
	f->used = f->last = 0;
}

static int put_block(struct folder *f, uint32_t at, struct uni_err *err)
{
	uint64_t block;
	int rc = ext4_append(f->fs, f->node, at, &block, err);

	return rc != 0 ? rc : ext4_put(f->fs, block, f->block, err);
}

static void add_dots(struct folder *f)
{
	const struct ext4_node *n = &f->fs->nodes[f->node];

	add_entry(f, n->ino, ".", 1, UNI_EXT4_FT_FOLDER);
	add_entry(f, f->fs->nodes[n->parent].ino, "..", 2, UNI_EXT4_FT_FOLDER);
}

/* In the tree's order; `count` of blocks. */
static int write_linear(struct folder *f, uint32_t *count, struct uni_err *err)
{
	const struct ext4 *fs = f->fs;
	int rc = 0;

	*count = 0;
	clear_block(f);
	add_dots(f);
	for (uint32_t i = fs->nodes[f->node].first; i != 0 && rc == 0; i = fs->nodes[i].next) {
		if (f->used + entry_size(fs->nodes[i].name_size) > f->room) {
			close_leaf(f);
			rc = put_block(f, (*count)++, err);
			clear_block(f);
		}
		add_child(f, i);
	}
	close_leaf(f);
	return rc != 0 ? rc : put_block(f, (*count)++, err);
}

static int compare(const void *a, const void *b)
{
	const struct item *x = a, *y = b;

	if (x->hash.major != y->hash.major)
		return x->hash.major < y->hash.major ? -1 : 1;
	if (x->hash.minor != y->hash.minor)
		return x->hash.minor < y->hash.minor ? -1 : 1;
	return x->node < y->node ? -1 : x->node > y->node;
}

static void hash_children(struct folder *f)
{
	const struct ext4 *fs = f->fs;
	uint32_t count = 0;

	f->items = uni_alloc_array(fs->nodes[f->node].children, sizeof(*f->items));
	for (uint32_t i = fs->nodes[f->node].first; i != 0; i = fs->nodes[i].next) {
		struct item *item = &f->items[count++];

		item->node = i;
		(void)uni_ext4_hash_name(fs->names.data + fs->nodes[i].name, fs->nodes[i].name_size,
					 UNI_EXT4_HASH_HALF_MD4, true, fs->hash_seed, &item->hash);
	}
	qsort(f->items, count, sizeof(*f->items), compare);
}

/* Cuts the ordered names into leaves, before any is written: the index comes first on the disk. */
static void plan_leaves(struct folder *f, uint32_t *ends)
{
	uint32_t count = f->fs->nodes[f->node].children, previous = 0;
	size_t used = f->room;

	f->leaf_count = 0;
	for (uint32_t i = 0; i < count; i++) {
		size_t size = entry_size(f->fs->nodes[f->items[i].node].name_size);
		uint32_t major = f->items[i].hash.major;

		if (used + size > f->room) {
			UNI_PUSH_ROOM(f->leaves, f->leaf_count, f->leaf_room);
			f->leaves[f->leaf_count] = (struct uni_ext4_dx_entry){
				.hash = i != 0 && major == previous ? major | 1 : major,
			};
			if (f->leaf_count != 0)
				ends[f->leaf_count - 1] = i;
			f->leaf_count++;
			used = 0;
		}
		used += size;
		previous = major;
	}
	ends[f->leaf_count - 1] = count;
}

/* Entries at `at`, with the count in the place of the first's hash, and the checksum behind. */
static void put_index(struct folder *f, size_t at, const struct uni_ext4_dx_entry *entries,
		      uint32_t count)
{
	uint32_t limit = (uint32_t)((EXT4_BLOCK - at) / 8) - (f->room != EXT4_BLOCK);
	const struct uni_ext4_dx_count head = { .limit = (uint16_t)limit,
						.count = (uint16_t)count,
						.block = entries[0].block };
	static const struct uni_ext4_dx_tail none;
	uint8_t *tail = f->block + at + (size_t)limit * 8;
	uint32_t sum;

	memcpy(f->block + at, &head, sizeof(head));
	memcpy(f->block + at + 8, entries + 1, (size_t)(count - 1) * 8);
	if (f->room == EXT4_BLOCK)
		return;
	sum = ext4_sum(f->seed, f->block, at + (size_t)count * 8);
	sum = ext4_sum(sum, &none, sizeof(none));
	memcpy(tail + offsetof(struct uni_ext4_dx_tail, checksum), &sum, sizeof(sum));
}

static uint32_t index_limit(const struct folder *f, size_t at)
{
	return (uint32_t)((EXT4_BLOCK - at) / 8) - (f->room != EXT4_BLOCK);
}

static int write_root(struct folder *f, const struct uni_ext4_dx_entry *entries, uint32_t count,
		      bool deep, struct uni_err *err)
{
	const struct uni_ext4_dx_info info = { .hash_version = UNI_EXT4_HASH_HALF_MD4,
					       .info_len = sizeof(info),
					       .levels = deep };
	uint16_t rest = EXT4_BLOCK - DOT_SIZE;

	clear_block(f);
	add_dots(f);
	memcpy(f->block + DOT_SIZE + offsetof(struct uni_ext4_entry, rec_len), &rest, sizeof(rest));
	memcpy(f->block + DX_ROOT_AT - sizeof(info), &info, sizeof(info));
	put_index(f, DX_ROOT_AT, entries, count);
	return put_block(f, 0, err);
}

/* The blocks between root and leaves, from block 1 on. */
static int write_nodes(struct folder *f, uint32_t per_node, uint32_t count, struct uni_err *err)
{
	int rc = 0;

	for (uint32_t i = 0; i < count && rc == 0; i++) {
		uint32_t first = i * per_node, some = f->leaf_count - first;

		clear_block(f);
		put_entry(f->block, 0, EXT4_BLOCK, "", 0, 0);
		put_index(f, DX_NODE_AT, f->leaves + first, some < per_node ? some : per_node);
		rc = put_block(f, 1 + i, err);
	}
	return rc;
}

static int write_leaves(struct folder *f, const uint32_t *ends, uint32_t at, struct uni_err *err)
{
	uint32_t next = 0;
	int rc = 0;

	for (uint32_t i = 0; i < f->leaf_count && rc == 0; i++) {
		clear_block(f);
		while (next < ends[i])
			add_child(f, f->items[next++].node);
		close_leaf(f);
		rc = put_block(f, at + i, err);
	}
	return rc;
}

static int write_indexed(struct folder *f, uint32_t *count, struct uni_err *err)
{
	uint32_t per_node = index_limit(f, DX_NODE_AT), nodes = 0;
	uint32_t *ends UNI_AUTO_FREE =
		uni_alloc_array(f->fs->nodes[f->node].children, sizeof(*ends));
	struct uni_ext4_dx_entry *tops UNI_AUTO_FREE = NULL;
	int rc;

	hash_children(f);
	plan_leaves(f, ends);
	if (f->leaf_count > index_limit(f, DX_ROOT_AT))
		nodes = (f->leaf_count + per_node - 1) / per_node;
	if (nodes > index_limit(f, DX_ROOT_AT))
		return uni_err_set(err, UNI_E_LIMIT, "a folder has more names than ext4 indexes");
	for (uint32_t i = 0; i < f->leaf_count; i++)
		f->leaves[i].block = 1 + nodes + i;
	tops = uni_alloc_array(nodes + 1, sizeof(*tops));
	for (uint32_t i = 0; i < nodes; i++)
		tops[i] = (struct uni_ext4_dx_entry){ f->leaves[i * per_node].hash, 1 + i };
	rc = nodes != 0 ? write_root(f, tops, nodes, true, err)
			: write_root(f, f->leaves, f->leaf_count, false, err);
	if (rc == 0)
		rc = write_nodes(f, per_node, nodes, err);
	*count = 1 + nodes + f->leaf_count;
	return rc != 0 ? rc : write_leaves(f, ends, 1 + nodes, err);
}

static bool fits_one(const struct folder *f)
{
	const struct ext4 *fs = f->fs;
	size_t used = (size_t)2 * DOT_SIZE;

	for (uint32_t i = fs->nodes[f->node].first; i != 0; i = fs->nodes[i].next) {
		used += entry_size(fs->nodes[i].name_size);
		if (used > f->room)
			return false;
	}
	return true;
}

int ext4_write_folder(struct ext4 *fs, uint32_t node, struct uni_err *err)
{
	struct folder f = { .fs = fs, .node = node };
	struct ext4_node *n = &fs->nodes[node];
	uint32_t blocks = 0;
	int rc;

	f.seed = ext4_inode_seed(fs, n->ino);
	f.room = fs->shape.ext2 ? EXT4_BLOCK : EXT4_BLOCK - TAIL_SIZE;
	n->indexed = !fs->shape.ext2 && !fits_one(&f);
	rc = n->indexed ? write_indexed(&f, &blocks, err) : write_linear(&f, &blocks, err);
	n->size = (uint64_t)blocks * EXT4_BLOCK;
	/* More than it can count is said by a single link. */
	n->links = n->folders + 2 < UNI_EXT4_LINK_MAX ? n->folders + 2 : 1;
	free(f.items);
	free(f.leaves);
	return rc;
}
