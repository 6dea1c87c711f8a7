/*
 * Free blocks and inodes: bitmaps and descriptors of groups. A block is looked for behind the goal,
 * first a run as long as wanted, then whatever there is; inodes lie in their folder's group,
 * folders in the group with the most room.
 */
#include "ext4.h"

int e4_group_get(struct e4 *fs, uint32_t group, struct e4_buf **buf, struct uni_ext4_group **g)
{
	uint32_t per_block = fs->block_size / fs->desc_size;
	uint32_t first = group / per_block * per_block;
	int error = e4_buf_get(fs, fs->first_block + 1 + group / per_block, E4_GROUPS, first, buf);

	if (error == 0)
		*g = (struct uni_ext4_group *)(void *)((*buf)->data +
						       (size_t)(group - first) * fs->desc_size);
	return error;
}

static uint64_t wide(const struct e4 *fs, uint32_t low, uint32_t high)
{
	return fs->desc_size >= 64 ? low | (uint64_t)high << 32 : low;
}

static uint32_t count16(const struct e4 *fs, uint16_t low, uint16_t high)
{
	return fs->desc_size >= 64 ? low | (uint32_t)high << 16 : low;
}

static void change16(const struct e4 *fs, uint16_t *low, uint16_t *high, int32_t by)
{
	uint32_t value = count16(fs, *low, fs->desc_size >= 64 ? *high : 0) + (uint32_t)by;

	*low = (uint16_t)value;
	if (fs->desc_size >= 64)
		*high = (uint16_t)(value >> 16);
}

static uint32_t blocks_in(const struct e4 *fs, uint32_t group)
{
	uint64_t left = fs->blocks - fs->first_block - (uint64_t)group * fs->group_blocks;

	return left < fs->group_blocks ? (uint32_t)left : fs->group_blocks;
}

static uint64_t group_start(const struct e4 *fs, uint32_t group)
{
	return fs->first_block + (uint64_t)group * fs->group_blocks;
}

static bool bit(const uint8_t *map, uint32_t at)
{
	return (map[at / 8] >> at % 8 & 1) != 0;
}

static void set_bits(uint8_t *map, uint32_t at, uint32_t count, bool on)
{
	for (; count != 0; at++, count--) {
		if (on)
			map[at / 8] |= (uint8_t)(1u << at % 8);
		else
			map[at / 8] &= (uint8_t) ~(1u << at % 8);
	}
}

/* --- bitmaps --- */

static bool group_has_super(const struct e4 *fs, uint32_t group)
{
	if (group <= 1 || (fs->ro_compat & UNI_EXT4_SPARSE_SUPER) == 0)
		return true;
	for (uint32_t base = 3; base <= 7; base += 2) {
		uint64_t power = base;

		while (power < group)
			power *= base;
		if (power == group)
			return true;
	}
	return false;
}

/* What of [start, start + count) lies in the group is in use. */
static void mark_inside(const struct e4 *fs, uint8_t *map, uint32_t group, uint64_t start,
			uint64_t count)
{
	uint64_t first = group_start(fs, group), end = first + blocks_in(fs, group);
	uint64_t from = UK_MAX(start, first), to = UK_MIN(start + count, end);

	if (from < to)
		set_bits(map, (uint32_t)(from - first), (uint32_t)(to - from), true);
}

/* The bitmap of a group in which nothing was allocated yet: only its own metadata is. */
static void first_block_map(struct e4 *fs, uint32_t group, const struct uni_ext4_group *g,
			    uint8_t *map)
{
	uint32_t per = fs->block_size / fs->desc_size;
	uint64_t table = ((uint64_t)fs->group_inodes * fs->inode_size + fs->block_size - 1) >>
			 fs->block_bits;

	if (group_has_super(fs, group))
		mark_inside(fs, map, group, group_start(fs, group),
			    1 + (fs->groups + per - 1) / per + fs->disk->reserved_gdt_blocks);
	mark_inside(fs, map, group, wide(fs, g->block_bitmap, g->block_bitmap_hi), 1);
	mark_inside(fs, map, group, wide(fs, g->inode_bitmap, g->inode_bitmap_hi), 1);
	mark_inside(fs, map, group, wide(fs, g->inode_table, g->inode_table_hi), table);
	set_bits(map, blocks_in(fs, group), fs->block_size * 8 - blocks_in(fs, group), true);
}

struct group {
	struct e4_buf *desc_buf, *map;
	struct uni_ext4_group *desc;
};

static void group_close(struct e4 *fs, struct group *g)
{
	e4_buf_put(fs, g->map);
	e4_buf_put(fs, g->desc_buf);
}

/* The descriptor and one of the bitmaps, made when the volume does not have it yet. */
static int group_open(struct e4 *fs, uint32_t group, enum e4_kind kind, struct group *g)
{
	uint16_t uninit = kind == E4_BLOCK_MAP ? UNI_EXT4_BLOCK_UNINIT : UNI_EXT4_INODE_UNINIT;
	uint64_t block;
	int error;

	*g = (struct group){ .map = NULL };
	error = e4_group_get(fs, group, &g->desc_buf, &g->desc);
	if (error != 0)
		return error;
	block = kind == E4_BLOCK_MAP ? wide(fs, g->desc->block_bitmap, g->desc->block_bitmap_hi)
				     : wide(fs, g->desc->inode_bitmap, g->desc->inode_bitmap_hi);
	if ((g->desc->flags & uninit) == 0 || !(fs->sums || fs->old_sums)) {
		error = e4_buf_get(fs, block, kind, group, &g->map);
	} else {
		error = block >= fs->blocks ? e4_bad(fs, "place of a bitmap")
					    : e4_buf_new(fs, block, kind, group, &g->map);
		if (error == 0 && kind == E4_BLOCK_MAP)
			first_block_map(fs, group, g->desc, g->map->data);
		else if (error == 0)
			set_bits(g->map->data, fs->group_inodes,
				 fs->block_size * 8 - fs->group_inodes, true);
		if (error == 0) {
			g->desc->flags &= (uint16_t)~uninit;
			e4_buf_dirty(fs, g->desc_buf);
		}
	}
	if (error != 0)
		group_close(fs, g);
	return error;
}

/* --- blocks --- */

/* Whether [start, start + *count) was freed too lately; else *count is cut before what was. *skip:
 * where to go on. */
static bool too_fresh(const struct e4 *fs, uint64_t start, uint32_t *count, uint64_t *skip)
{
	for (unsigned i = 0; i < fs->freed_count; i++) {
		const struct e4_freed *f = &fs->freed[i];

		if (start + *count <= f->start || f->start + f->count <= start)
			continue;
		if (start >= f->start) {
			*skip = f->start + f->count;
			return true;
		}
		*count = (uint32_t)(f->start - start);
	}
	return false;
}

/* The first run of free blocks at or behind `at`, `wanted` long at most, at least `least`. */
static uint32_t find_run(const struct e4 *fs, uint32_t group, const uint8_t *map, uint32_t at,
			 uint32_t wanted, uint32_t least, uint32_t *found)
{
	uint32_t end = blocks_in(fs, group);

	while (at < end) {
		uint32_t count = 0;
		uint64_t skip = 0;

		if (at % 8 == 0 && map[at / 8] == 0xff) {
			at += 8;
			continue;
		}
		if (bit(map, at)) {
			at++;
			continue;
		}
		while (count < wanted && at + count < end && !bit(map, at + count))
			count++;
		if (too_fresh(fs, group_start(fs, group) + at, &count, &skip)) {
			at = (uint32_t)UK_MIN(skip - group_start(fs, group), (uint64_t)end);
			continue;
		}
		if (count >= least) {
			*found = at;
			return count;
		}
		at += count;
	}
	return 0;
}

static int take(struct e4 *fs, uint32_t group, uint32_t at, uint32_t wanted, uint32_t least,
		uint64_t *start, uint32_t *count)
{
	struct group g;
	uint32_t found = 0;
	int error = group_open(fs, group, E4_BLOCK_MAP, &g);

	if (error != 0)
		return error;
	*count = 0;
	if (count16(fs, g.desc->free_blocks, g.desc->free_blocks_hi) >= least)
		*count = find_run(fs, group, g.map->data, at, wanted, least, &found);
	if (*count != 0) {
		*start = group_start(fs, group) + found;
		set_bits(g.map->data, found, *count, true);
		change16(fs, &g.desc->free_blocks, &g.desc->free_blocks_hi, -(int32_t)*count);
		e4_buf_dirty(fs, g.map);
		e4_buf_dirty(fs, g.desc_buf);
		fs->free_blocks -= UK_MIN(*count, fs->free_blocks);
	}
	group_close(fs, &g);
	return *count != 0 ? 0 : -UK_ENOSPC;
}

static bool group_may_have(struct e4 *fs, uint32_t group, uint32_t least)
{
	struct uni_ext4_group *g;
	struct e4_buf *buf;
	bool may;

	if (e4_group_get(fs, group, &buf, &g) != 0)
		return false;
	may = count16(fs, g->free_blocks, g->free_blocks_hi) >= least;
	e4_buf_put(fs, buf);
	return may;
}

int e4_alloc(struct e4 *fs, uint64_t goal, uint32_t wanted, uint64_t *start, uint32_t *count)
{
	uint32_t group, least = UK_MIN(wanted, 64u), groups = UK_MAX(fs->groups, 1u), first;

	if (goal < fs->first_block || goal >= fs->blocks)
		goal = fs->first_block;
	first = (uint32_t)((goal - fs->first_block) / fs->group_blocks);
	for (unsigned turn = 0; turn < 2; turn++, least = 1) {
		for (uint32_t i = 0; i <= groups; i++) {
			uint32_t at =
				i == 0 ? (uint32_t)((goal - fs->first_block) % fs->group_blocks)
				       : 0;
			int error;

			group = (first + i) % groups;
			if (!group_may_have(fs, group, least))
				continue;
			error = take(fs, group, at, wanted, least, start, count);
			if (error != -UK_ENOSPC)
				return error;
		}
	}
	return -UK_ENOSPC;
}

int e4_free(struct e4 *fs, uint64_t start, uint32_t count, bool metadata)
{
	if (start < fs->first_block || start >= fs->blocks || count > fs->blocks - start)
		return e4_bad(fs, "a file has blocks of no volume");
	for (uint32_t i = 0; metadata && i < count; i++)
		e4_buf_forget(fs, start + i);
	while (count != 0) {
		uint32_t group = (uint32_t)((start - fs->first_block) / fs->group_blocks);
		uint32_t at = (uint32_t)((start - fs->first_block) % fs->group_blocks);
		uint32_t some = UK_MIN(count, fs->group_blocks - at);
		struct group g;
		int error = group_open(fs, group, E4_BLOCK_MAP, &g);

		if (error != 0)
			return error;
		if (fs->freed_count == E4_FREED_MAX) {
			group_close(fs, &g);
			return -UK_EIO;
		}
		fs->freed[fs->freed_count++] = (struct e4_freed){ start, some, metadata };
		set_bits(g.map->data, at, some, false);
		change16(fs, &g.desc->free_blocks, &g.desc->free_blocks_hi, (int32_t)some);
		e4_buf_dirty(fs, g.map);
		e4_buf_dirty(fs, g.desc_buf);
		fs->free_blocks += some;
		group_close(fs, &g);
		start += some;
		count -= some;
	}
	return 0;
}

void e4_freed_drop(struct e4 *fs, bool metadata_too)
{
	unsigned kept = 0;

	for (unsigned i = 0; i < fs->freed_count; i++)
		if (fs->freed[i].metadata && !metadata_too)
			fs->freed[kept++] = fs->freed[i];
	fs->freed_count = kept;
}

/* --- inodes --- */

/* The group for a folder's inode: the one with the most free blocks of those that have room. */
static uint32_t folder_group(struct e4 *fs, uint32_t near)
{
	uint32_t best = near, best_free = 0;

	for (uint32_t i = 0; i < UK_MIN(fs->groups, 64u); i++) {
		uint32_t group = (near + i) % fs->groups, blocks;
		struct uni_ext4_group *g;
		struct e4_buf *buf;

		if (e4_group_get(fs, group, &buf, &g) != 0)
			break;
		blocks = count16(fs, g->free_blocks, g->free_blocks_hi);
		if (count16(fs, g->free_inodes, g->free_inodes_hi) != 0 && blocks > best_free) {
			best = group;
			best_free = blocks;
		}
		e4_buf_put(fs, buf);
	}
	return best;
}

static int take_inode(struct e4 *fs, uint32_t group, bool folder, uint32_t *ino)
{
	uint32_t first = group == 0 ? fs->disk->first_ino - 1 : 0, unused, at;
	struct group g;
	int error = group_open(fs, group, E4_INODE_MAP, &g);

	if (error != 0)
		return error;
	at = first;
	while (at < fs->group_inodes && bit(g.map->data, at))
		at++;
	if (at >= fs->group_inodes ||
	    count16(fs, g.desc->free_inodes, g.desc->free_inodes_hi) == 0) {
		group_close(fs, &g);
		return -UK_ENOSPC;
	}
	set_bits(g.map->data, at, 1, true);
	change16(fs, &g.desc->free_inodes, &g.desc->free_inodes_hi, -1);
	if (folder)
		change16(fs, &g.desc->used_dirs, &g.desc->used_dirs_hi, 1);
	unused = count16(fs, g.desc->itable_unused, g.desc->itable_unused_hi);
	if ((fs->sums || fs->old_sums) && at + unused >= fs->group_inodes)
		change16(fs, &g.desc->itable_unused, &g.desc->itable_unused_hi,
			 (int32_t)(fs->group_inodes - at - 1) - (int32_t)unused);
	e4_buf_dirty(fs, g.map);
	e4_buf_dirty(fs, g.desc_buf);
	fs->free_inodes--;
	*ino = group * fs->group_inodes + at + 1;
	group_close(fs, &g);
	return 0;
}

int e4_inode_alloc(struct e4 *fs, const struct uk_inode *dir, bool folder, uint32_t *ino)
{
	uint32_t near = (uint32_t)((dir->ino - 1) / fs->group_inodes);

	if (fs->free_inodes == 0)
		return -UK_ENOSPC;
	if (folder)
		near = folder_group(fs, near);
	for (uint32_t i = 0; i < fs->groups; i++) {
		uint32_t group = (near + i) % fs->groups;
		struct uni_ext4_group *g;
		struct e4_buf *buf;
		uint32_t some;
		int error = e4_group_get(fs, group, &buf, &g);

		if (error != 0)
			return error;
		some = count16(fs, g->free_inodes, g->free_inodes_hi);
		e4_buf_put(fs, buf);
		if (some == 0)
			continue;
		error = take_inode(fs, group, folder, ino);
		if (error != -UK_ENOSPC)
			return error;
	}
	return -UK_ENOSPC;
}

int e4_inode_free(struct e4 *fs, uint32_t ino, bool folder)
{
	uint32_t group = (ino - 1) / fs->group_inodes, at = (ino - 1) % fs->group_inodes;
	struct group g;
	int error = group_open(fs, group, E4_INODE_MAP, &g);

	if (error != 0)
		return error;
	set_bits(g.map->data, at, 1, false);
	change16(fs, &g.desc->free_inodes, &g.desc->free_inodes_hi, 1);
	if (folder)
		change16(fs, &g.desc->used_dirs, &g.desc->used_dirs_hi, -1);
	e4_buf_dirty(fs, g.map);
	e4_buf_dirty(fs, g.desc_buf);
	fs->free_inodes++;
	group_close(fs, &g);
	return 0;
}
