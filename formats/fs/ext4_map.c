/*
 * Where a node's content lies: the extent tree of ext4, the block map of ext2. Blocks of the tree
 * and of the map come behind all content.
 */
#include <string.h>

#include "ext4.h"

enum {
	TREE_ENTRIES = (EXT4_BLOCK - sizeof(struct uni_ext4_extent_header) - 4) /
		       sizeof(struct uni_ext4_extent),
	MAP_DIRECT = 12,
	MAP_ENTRIES = EXT4_BLOCK / 4,
};

static void put_header(void *to, uint32_t entries, uint32_t max, uint32_t depth)
{
	const struct uni_ext4_extent_header header = {
		.magic = UNI_EXT4_EXTENT_MAGIC,
		.entries = (uint16_t)entries,
		.max = (uint16_t)max,
		.depth = (uint16_t)depth,
	};

	memcpy(to, &header, sizeof(header));
}

/* An entry of the level `depth`: extents at 0, indexes above; both have 12 bytes. */
static void put_entry(uint8_t *to, uint32_t depth, const struct ext4_extent *e)
{
	if (depth == 0) {
		const struct uni_ext4_extent extent = { .block = e->at,
							.len = (uint16_t)e->count,
							.start_hi = (uint16_t)(e->start >> 32),
							.start_lo = (uint32_t)e->start };
		memcpy(to, &extent, sizeof(extent));
	} else {
		const struct uni_ext4_extent_index index = { .block = e->at,
							     .leaf_lo = (uint32_t)e->start,
							     .leaf_hi =
								     (uint16_t)(e->start >> 32) };
		memcpy(to, &index, sizeof(index));
	}
}

/* What of a level of the tree goes into one block. */
struct level_part {
	const struct ext4_extent *entries;
	uint32_t count, depth;
};

/* One block of the tree; what stands for it a level higher goes into *up. */
static int write_tree_block(struct ext4 *fs, const struct ext4_node *n,
			    const struct level_part *part, struct ext4_extent *up,
			    struct uni_err *err)
{
	const size_t tail = EXT4_BLOCK - sizeof(uint32_t);
	uint8_t block[EXT4_BLOCK] = { 0 };
	uint64_t start;
	uint32_t one, sum;
	int rc = ext4_allocate(fs, 1, &start, &one, err);

	if (rc != 0)
		return rc;
	put_header(block, part->count, TREE_ENTRIES, part->depth);
	for (uint32_t i = 0; i < part->count; i++)
		put_entry(block + 12 + (size_t)i * 12, part->depth, &part->entries[i]);
	sum = ext4_sum(ext4_inode_seed(fs, n->ino), block, tail);
	memcpy(block + tail, &sum, sizeof(sum));
	*up = (struct ext4_extent){ .at = part->entries[0].at, .start = start };
	return ext4_put(fs, start, block, err);
}

static int map_extents(struct ext4 *fs, struct ext4_node *n, struct uni_err *err)
{
	uint32_t count = n->extent_count, depth = 0;
	struct ext4_extent *level UNI_AUTO_FREE = uni_alloc_array(count + 1, sizeof(*level));
	uint8_t root[60] = { 0 };

	if (count != 0)
		memcpy(level, fs->extents + n->extents, count * sizeof(*level));
	while (count > UNI_EXT4_EXTENT_ROOM) {
		uint32_t blocks = 0;

		for (uint32_t at = 0; at < count; at += TREE_ENTRIES) {
			const struct level_part part = {
				.entries = level + at,
				.count = count - at < TREE_ENTRIES ? count - at : TREE_ENTRIES,
				.depth = depth,
			};
			struct ext4_extent up;
			int rc = write_tree_block(fs, n, &part, &up, err);

			if (rc != 0)
				return rc;
			level[blocks++] = up;
			n->blocks++;
		}
		count = blocks;
		depth++;
	}
	put_header(root, count, UNI_EXT4_EXTENT_ROOM, depth);
	for (uint32_t i = 0; i < count; i++)
		put_entry(root + 12 + (size_t)i * 12, depth, &level[i]);
	memcpy(n->map, root, sizeof(root));
	return 0;
}

/* --- ext2 --- */

struct mapping {
	struct ext4 *fs;
	struct ext4_node *n;
	uint32_t extent; /* that the next block may lie in */
};

/* The first of the content's blocks from `at` on that is no hole. Asked for in rising order. */
static uint64_t next_data(struct mapping *m, uint64_t at)
{
	const struct ext4_extent *e = &m->fs->extents[m->n->extents];

	while (m->extent < m->n->extent_count && e[m->extent].at + e[m->extent].count <= at)
		m->extent++;
	if (m->extent == m->n->extent_count)
		return UINT64_MAX;
	return e[m->extent].at > at ? e[m->extent].at : at;
}

/* The block behind `at` of the content, 0: a hole. Asked for in rising order. */
static uint32_t block_at(struct mapping *m, uint64_t at)
{
	const struct ext4_extent *e = &m->fs->extents[m->n->extents];

	if (next_data(m, at) != at)
		return 0;
	return (uint32_t)(e[m->extent].start + (at - e[m->extent].at));
}

/* A block of pointers that stands for content from `at` on; 0 where that is all hole. */
static int map_level(struct mapping *m, unsigned level, uint64_t at, uint32_t *out,
		     struct uni_err *err)
{
	uint32_t pointers[MAP_ENTRIES] = { 0 };
	uint64_t width = 1, start;
	bool some = false;
	uint32_t one;
	int rc = 0;

	*out = 0;
	for (unsigned i = 1; i < level; i++)
		width *= MAP_ENTRIES;
	if (next_data(m, at) >= at + width * MAP_ENTRIES)
		return 0;
	for (uint32_t i = 0; i < MAP_ENTRIES && rc == 0; i++) {
		if (level == 1)
			pointers[i] = block_at(m, at + i);
		else if ((at + i * width) * EXT4_BLOCK < m->n->size)
			rc = map_level(m, level - 1, at + i * width, &pointers[i], err);
		some |= pointers[i] != 0;
	}
	if (rc != 0 || !some)
		return rc;
	rc = ext4_allocate(m->fs, 1, &start, &one, err);
	if (rc != 0)
		return rc;
	*out = (uint32_t)start;
	m->n->blocks++;
	return ext4_put(m->fs, start, pointers, err);
}

static int map_blocks(struct ext4 *fs, struct ext4_node *n, struct uni_err *err)
{
	struct mapping m = { .fs = fs, .n = n };
	uint64_t at = MAP_DIRECT, width = MAP_ENTRIES;
	int rc = 0;

	for (uint32_t i = 0; i < MAP_DIRECT; i++)
		n->map[i] = block_at(&m, i);
	for (unsigned level = 1; level <= 3 && at * EXT4_BLOCK < n->size && rc == 0; level++) {
		rc = map_level(&m, level, at, &n->map[MAP_DIRECT + level - 1], err);
		at += width;
		width *= MAP_ENTRIES;
	}
	return rc;
}

int ext4_map(struct ext4 *fs, uint32_t node, struct uni_err *err)
{
	struct ext4_node *n = &fs->nodes[node];

	if (n->type == UNI_ENTRY_CHAR || n->type == UNI_ENTRY_BLOCK || n->type == UNI_ENTRY_FIFO ||
	    n->type == UNI_ENTRY_HARDLINK)
		return 0;
	if (n->type == UNI_ENTRY_SYMLINK && n->size < UNI_EXT4_FAST_LINK) {
		memcpy(n->map, fs->targets.data + n->extents, (size_t)n->size);
		return 0;
	}
	return fs->shape.ext2 ? map_blocks(fs, n, err) : map_extents(fs, n, err);
}
