/*
 * The shape of an ext4 volume: groups, where their bitmaps and inode tables lie, which blocks are
 * free; and at the end the descriptors, bitmaps and superblocks that say so.
 *
 * Blocks are given out in order, so that the whole state of allocation is one cursor. Groups behind
 * it are marked as not initialised and cost nothing in the file.
 */
#include <string.h>
#include <uni/base/file.h>

#include "ext4.h"

enum {
	FLEX = 16,
	FLEX_LOG = 4,
	GROUP_INODES_MAX = 24000, /* so that a group holds the tables of FLEX groups */
	BYTES_PER_INODE = 16384,
	LAST_GROUP_MIN = 64, /* blocks behind its head; a smaller last group is left out */
	SLACK = 16,
};

bool ext4_group_has_super(const struct ext4 *fs, uint32_t group)
{
	(void)fs;
	if (group <= 1)
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

static uint32_t table_blocks(const struct ext4 *fs)
{
	return fs->group_inodes / (EXT4_BLOCK / fs->inode_size);
}

static uint32_t super_blocks(const struct ext4 *fs, uint32_t group)
{
	return ext4_group_has_super(fs, group) ? 1 + fs->desc_blocks : 0;
}

uint32_t ext4_group_head(const struct ext4 *fs, uint32_t group)
{
	uint32_t head = super_blocks(fs, group), members = fs->flex;

	if (group % fs->flex != 0)
		return head;
	if (members > fs->groups - group)
		members = fs->groups - group;
	return head + members * (2 + table_blocks(fs));
}

static uint64_t flex_start(const struct ext4 *fs, uint32_t group)
{
	uint32_t first = group - group % fs->flex;

	return (uint64_t)first * EXT4_GROUP + super_blocks(fs, first);
}

uint64_t ext4_bitmaps(const struct ext4 *fs, uint32_t group)
{
	return flex_start(fs, group) + (uint64_t)(group % fs->flex) * 2;
}

uint64_t ext4_inode_table(const struct ext4 *fs, uint32_t group)
{
	uint32_t first = group - group % fs->flex, members = fs->flex;

	if (members > fs->groups - first)
		members = fs->groups - first;
	return flex_start(fs, group) + 2ull * members +
	       (uint64_t)(group - first) * table_blocks(fs);
}

static uint32_t group_blocks(const struct ext4 *fs, uint32_t group)
{
	uint64_t left = fs->blocks - (uint64_t)group * EXT4_GROUP;

	return left < EXT4_GROUP ? (uint32_t)left : EXT4_GROUP;
}

static uint64_t round_up(uint64_t value, uint64_t unit)
{
	return (value + unit - 1) / unit * unit;
}

/* Everything that follows from the number of blocks. */
static void shape_groups(struct ext4 *fs, uint64_t blocks)
{
	uint32_t per_block = EXT4_BLOCK / fs->inode_size;
	uint64_t inodes = fs->inodes_used;

	fs->blocks = blocks;
	fs->groups = (uint32_t)((blocks + EXT4_GROUP - 1) / EXT4_GROUP);
	fs->desc_blocks =
		(uint32_t)(round_up((uint64_t)fs->groups * fs->desc_size, EXT4_BLOCK) / EXT4_BLOCK);
	if (fs->shape.size != 0 && inodes < blocks * EXT4_BLOCK / BYTES_PER_INODE)
		inodes = blocks * EXT4_BLOCK / BYTES_PER_INODE;
	fs->group_inodes = (uint32_t)round_up((inodes + fs->groups - 1) / fs->groups, per_block);
}

static uint64_t heads(const struct ext4 *fs)
{
	uint64_t sum = 0;

	for (uint32_t i = 0; i < fs->groups; i++)
		sum += ext4_group_head(fs, i);
	return sum;
}

/* As mke2fs chooses it. */
static uint32_t journal_for(uint64_t blocks)
{
	return blocks < 32768	 ? UNI_JBD2_BLOCKS_MIN
	       : blocks < 262144 ? 4096
	       : blocks < 524288 ? 8192
				 : 16384;
}

/*
 * What the content may take at most: files without their holes, map blocks, folders. An inode holds
 * four extents; a file in more pieces than that has so many holes, or spans groups.
 */
static uint64_t content_bound(const struct ext4 *fs)
{
	uint64_t sum = SLACK;

	for (uint32_t i = 0; i < fs->node_count; i++) {
		const struct ext4_node *n = &fs->nodes[i];
		uint64_t blocks = round_up(n->size, EXT4_BLOCK) / EXT4_BLOCK;

		if (n->type == UNI_ENTRY_FILE)
			sum += blocks + (fs->shape.ext2		   ? blocks / 512 + 3
					 : blocks > EXT4_GROUP / 2 ? blocks / 4096 + 1
								   : 0);
		else if (n->type == UNI_ENTRY_SYMLINK && n->size >= UNI_EXT4_FAST_LINK)
			sum++;
		sum += n->xattr_size != 0;
		/* At worst a block of names is half empty where two long ones met. */
		if (n->type == UNI_ENTRY_DIR)
			sum += 2;
		sum += (n->name_size + 24u) * 2 / EXT4_BLOCK;
	}
	return sum + fs->names.size / 2048 + fs->node_count / 64;
}

static int shape_to_content(struct ext4 *fs, struct uni_err *err)
{
	uint64_t content = content_bound(fs) + fs->journal_blocks;
	uint64_t blocks = content + 8;

	for (unsigned i = 0; i < 64; i++) {
		uint64_t wanted;

		shape_groups(fs, blocks);
		wanted = content + heads(fs);
		if (blocks % EXT4_GROUP != 0 &&
		    group_blocks(fs, fs->groups - 1) <
			    ext4_group_head(fs, fs->groups - 1) + LAST_GROUP_MIN)
			wanted = blocks + LAST_GROUP_MIN;
		if (wanted <= blocks)
			return 0;
		blocks = wanted;
	}
	return uni_err_set(err, UNI_E_LIMIT, "no shape of an ext4 holds this");
}

static int shape_to_size(struct ext4 *fs, struct uni_err *err)
{
	uint64_t blocks = fs->shape.size / EXT4_BLOCK;
	uint32_t last;

	shape_groups(fs, blocks);
	last = fs->groups - 1;
	if (fs->groups > 1 && group_blocks(fs, last) < ext4_group_head(fs, last) + LAST_GROUP_MIN)
		shape_groups(fs, (uint64_t)last * EXT4_GROUP);
	if (heads(fs) + fs->journal_blocks + SLACK > fs->blocks)
		return uni_err_set(
			err, UNI_E_LIMIT, "%llu bytes are too few for an ext4%s with %u files",
			(unsigned long long)fs->shape.size,
			fs->journal_blocks != 0 ? " and its journal" : "", fs->inodes_used);
	return 0;
}

int ext4_layout(struct ext4 *fs, struct uni_err *err)
{
	uint64_t size = fs->shape.size;
	int rc;

	fs->inode_size = fs->shape.ext2 ? UNI_EXT4_INODE_MIN : 256;
	fs->desc_size = fs->shape.ext2 ? 32 : 64;
	if (fs->shape.journal)
		fs->journal_blocks =
			size != 0 ? journal_for(size / EXT4_BLOCK) : UNI_JBD2_BLOCKS_MIN;
	/* Old readers know no groups that share; and tables of many inodes fill a group. */
	fs->flex = fs->shape.ext2 ? 1 : FLEX;
	if (size / EXT4_BLOCK > UINT32_MAX)
		return uni_err_set(err, UNI_E_LIMIT, "an ext4 of more than 16 TiB");
	rc = size != 0 ? shape_to_size(fs, err) : shape_to_content(fs, err);
	if (rc == 0 && fs->group_inodes > GROUP_INODES_MAX && fs->flex != 1) {
		fs->flex = 1;
		rc = size != 0 ? shape_to_size(fs, err) : shape_to_content(fs, err);
	}
	if (rc == 0 && fs->group_inodes > EXT4_GROUP)
		rc = uni_err_set(err, UNI_E_LIMIT, "%u files are too many for %llu bytes",
				 fs->inodes_used, (unsigned long long)size);
	fs->cursor = rc == 0 ? ext4_group_head(fs, 0) : 0;
	return rc;
}

/* Sizes that are too small fail on the way, which is no error of this search. The steps are small
 * beside what a size is rounded to. */
int ext4_enough(struct ext4 *fs, uint64_t *size, struct uni_err *err)
{
	for (uint64_t blocks = content_bound(fs); blocks <= UINT32_MAX;
	     blocks += 256 + blocks / 32) {
		fs->shape.size = blocks * EXT4_BLOCK;
		if (ext4_layout(fs, err) == 0 &&
		    content_bound(fs) + heads(fs) + fs->journal_blocks <= fs->blocks) {
			*size = fs->shape.size;
			uni_err_clear(err);
			return 0;
		}
	}
	return uni_err_set(err, UNI_E_LIMIT, "no ext4 is so large");
}

int ext4_allocate(struct ext4 *fs, uint32_t wanted, uint64_t *start, uint32_t *count,
		  struct uni_err *err)
{
	uint64_t left;

	while (fs->cursor < fs->blocks) {
		uint32_t group = (uint32_t)(fs->cursor / EXT4_GROUP);
		uint64_t head = (uint64_t)group * EXT4_GROUP + ext4_group_head(fs, group);

		if (fs->cursor < head)
			fs->cursor = head;
		left = (uint64_t)(group + 1) * EXT4_GROUP;
		if (left > fs->blocks)
			left = fs->blocks;
		if (left <= fs->cursor) {
			fs->cursor = (uint64_t)(group + 1) * EXT4_GROUP;
			continue;
		}
		left -= fs->cursor;
		*count = left < wanted ? (uint32_t)left : wanted;
		*start = fs->cursor;
		fs->cursor += *count;
		return 0;
	}
	return uni_err_set(err, UNI_E_LIMIT, "the content does not fit into %llu bytes",
			   (unsigned long long)(fs->blocks * EXT4_BLOCK));
}

/* --- what says so --- */

/* Blocks of a group that are in use: all up to here, or its head alone. */
static uint32_t group_used(const struct ext4 *fs, uint32_t group)
{
	uint64_t start = (uint64_t)group * EXT4_GROUP;
	uint32_t used = ext4_group_head(fs, group);

	if (fs->cursor > start + used)
		used = fs->cursor - start < group_blocks(fs, group) ? (uint32_t)(fs->cursor - start)
								    : group_blocks(fs, group);
	return used;
}

static uint32_t group_inodes_used(const struct ext4 *fs, uint32_t group)
{
	uint64_t first = (uint64_t)group * fs->group_inodes;

	if (fs->inodes_used <= first)
		return 0;
	return fs->inodes_used - first < fs->group_inodes ? (uint32_t)(fs->inodes_used - first)
							  : fs->group_inodes;
}

static void set_bits(uint8_t *map, uint32_t from, uint32_t to)
{
	for (; from < to && from % 8 != 0; from++)
		map[from / 8] |= (uint8_t)(1u << from % 8);
	if (to > from)
		memset(map + from / 8, 0xff, (to - from) / 8);
	for (from += (to - from) / 8 * 8; from < to; from++)
		map[from / 8] |= (uint8_t)(1u << from % 8);
}

static void put_sum(uint16_t *low, uint16_t *high, uint32_t sum)
{
	*low = (uint16_t)sum;
	*high = (uint16_t)(sum >> 16);
}

static int write_bitmaps(struct ext4 *fs, uint32_t group, struct uni_ext4_group *g,
			 struct uni_err *err)
{
	uint8_t maps[2 * EXT4_BLOCK] = { 0 };

	if ((g->flags & UNI_EXT4_BLOCK_UNINIT) == 0) {
		set_bits(maps, 0, group_used(fs, group));
		set_bits(maps, group_blocks(fs, group), EXT4_GROUP);
		if (!fs->shape.ext2)
			put_sum(&g->block_bitmap_csum, &g->block_bitmap_csum_hi,
				ext4_sum(fs->seed, maps, EXT4_BLOCK));
	}
	if ((g->flags & UNI_EXT4_INODE_UNINIT) == 0) {
		set_bits(maps + EXT4_BLOCK, 0, group_inodes_used(fs, group));
		set_bits(maps + EXT4_BLOCK, fs->group_inodes, EXT4_GROUP);
		if (!fs->shape.ext2)
			put_sum(&g->inode_bitmap_csum, &g->inode_bitmap_csum_hi,
				ext4_sum(fs->seed, maps + EXT4_BLOCK, fs->group_inodes / 8));
	}
	if ((g->flags & 3) == 3)
		return 0;
	return uni_pwrite_full(fs->fd, maps, sizeof(maps), ext4_bitmaps(fs, group) * EXT4_BLOCK,
			       "volume", err);
}

static int make_group(struct ext4 *fs, uint32_t group, const uint32_t *folders,
		      struct uni_ext4_group *g, struct uni_err *err)
{
	uint64_t bitmaps = ext4_bitmaps(fs, group), table = ext4_inode_table(fs, group);
	uint32_t free_blocks = group_blocks(fs, group) - group_used(fs, group);
	uint32_t used = group_inodes_used(fs, group);
	int rc;

	*g = (struct uni_ext4_group){
		.block_bitmap = (uint32_t)bitmaps,
		.inode_bitmap = (uint32_t)(bitmaps + 1),
		.inode_table = (uint32_t)table,
		.free_blocks = (uint16_t)free_blocks,
		.free_inodes = (uint16_t)(fs->group_inodes - used),
		.used_dirs = (uint16_t)folders[group],
	};
	if (!fs->shape.ext2) {
		g->flags = UNI_EXT4_INODE_ZEROED;
		g->itable_unused = g->free_inodes;
		if (used == 0)
			g->flags |= UNI_EXT4_INODE_UNINIT;
		if (group % fs->flex != 0 && group != fs->groups - 1 &&
		    fs->cursor <= (uint64_t)group * EXT4_GROUP)
			g->flags |= UNI_EXT4_BLOCK_UNINIT;
	}
	rc = write_bitmaps(fs, group, g, err);
	if (rc == 0 && !fs->shape.ext2)
		g->checksum = (uint16_t)ext4_sum(ext4_sum(fs->seed, &group, sizeof(group)), g,
						 sizeof(*g));
	return rc;
}

static void count_folders(const struct ext4 *fs, uint32_t *folders)
{
	for (uint32_t i = 0; i < fs->node_count; i++)
		if (fs->nodes[i].type == UNI_ENTRY_DIR)
			folders[(fs->nodes[i].ino - 1) / fs->group_inodes]++;
}

static void make_super(const struct ext4 *fs, uint64_t free_blocks, struct uni_ext4_super *s)
{
	uint32_t epoch = fs->shape.epoch < 0 ? 0 : (uint32_t)fs->shape.epoch;

	*s = (struct uni_ext4_super){
		.inodes_count = fs->groups * fs->group_inodes,
		.blocks_count = (uint32_t)fs->blocks,
		.free_blocks_count = (uint32_t)free_blocks,
		.free_inodes_count = fs->groups * fs->group_inodes - fs->inodes_used,
		.log_block_size = 2,
		.log_cluster_size = 2,
		.blocks_per_group = EXT4_GROUP,
		.clusters_per_group = EXT4_GROUP,
		.inodes_per_group = fs->group_inodes,
		.wtime = epoch,
		.max_mnt_count = UINT16_MAX,
		.magic = UNI_EXT4_MAGIC,
		.state = UNI_EXT4_STATE_CLEAN,
		.errors = 1,
		.lastcheck = epoch,
		.rev_level = 1,
		.first_ino = UNI_EXT4_INO_FIRST,
		.inode_size = (uint16_t)fs->inode_size,
		.feature_compat = UNI_EXT4_EXT_ATTR,
		.feature_incompat = UNI_EXT4_FILETYPE,
		.feature_ro_compat = UNI_EXT4_SPARSE_SUPER | UNI_EXT4_LARGE_FILE,
		.def_hash_version = UNI_EXT4_HASH_HALF_MD4,
		.mkfs_time = epoch,
		.flags = UNI_EXT4_UNSIGNED_HASH,
	};
	memcpy(s->uuid, fs->uuid, sizeof(s->uuid));
	memcpy(s->hash_seed, fs->hash_seed, sizeof(s->hash_seed));
	memcpy(s->volume_name, fs->shape.label, sizeof(s->volume_name));
	if (fs->shape.ext2)
		return;
	s->feature_compat |= UNI_EXT4_DIR_INDEX;
	s->feature_incompat |= UNI_EXT4_EXTENTS | UNI_EXT4_64BIT | UNI_EXT4_FLEX_BG;
	s->feature_ro_compat |= UNI_EXT4_HUGE_FILE | UNI_EXT4_DIR_NLINK | UNI_EXT4_EXTRA_FIELDS |
				UNI_EXT4_METADATA_CSUM;
	s->desc_size = (uint16_t)fs->desc_size;
	s->min_extra_isize = UNI_EXT4_EXTRA_ISIZE;
	s->want_extra_isize = UNI_EXT4_EXTRA_ISIZE;
	s->log_groups_per_flex = fs->flex == 1 ? 0 : FLEX_LOG;
	s->checksum_type = UNI_EXT4_CRC32C;
}

static void add_journal(const struct ext4 *fs, const struct ext4_node *journal,
			struct uni_ext4_super *s)
{
	if (fs->journal_blocks == 0)
		return;
	s->feature_compat |= UNI_EXT4_HAS_JOURNAL;
	s->journal_inum = UNI_EXT4_INO_JOURNAL;
	s->jnl_backup_type = 1;
	memcpy(s->jnl_blocks, journal->map, sizeof(journal->map));
	s->jnl_blocks[15] = (uint32_t)(journal->size >> 32);
	s->jnl_blocks[16] = (uint32_t)journal->size;
}

static int write_supers(struct ext4 *fs, struct uni_ext4_super *s, const uint8_t *descs,
			struct uni_err *err)
{
	int rc = 0;

	for (uint32_t i = 0; i < fs->groups && rc == 0; i++) {
		uint64_t at = (uint64_t)i * EXT4_GROUP * EXT4_BLOCK;

		if (!ext4_group_has_super(fs, i))
			continue;
		s->block_group_nr = (uint16_t)i;
		if (!fs->shape.ext2)
			s->checksum =
				ext4_sum(UINT32_MAX, s, offsetof(struct uni_ext4_super, checksum));
		rc = uni_pwrite_full(fs->fd, s, sizeof(*s), i == 0 ? UNI_EXT4_SUPER_AT : at,
				     "volume", err);
		if (rc == 0)
			rc = uni_pwrite_full(fs->fd, descs, (size_t)fs->desc_blocks * EXT4_BLOCK,
					     at + EXT4_BLOCK, "volume", err);
	}
	return rc;
}

int ext4_write_groups(struct ext4 *fs, struct uni_err *err)
{
	uint8_t *descs UNI_AUTO_FREE = uni_alloc_array(fs->desc_blocks, EXT4_BLOCK);
	uint32_t *folders UNI_AUTO_FREE = uni_alloc_array(fs->groups, sizeof(*folders));
	struct uni_ext4_super super;
	uint64_t free_blocks = 0;
	int rc = 0;

	count_folders(fs, folders);
	for (uint32_t i = 0; i < fs->groups && rc == 0; i++) {
		struct uni_ext4_group group;

		rc = make_group(fs, i, folders, &group, err);
		free_blocks += group_blocks(fs, i) - group_used(fs, i);
		memcpy(descs + (size_t)i * fs->desc_size, &group, fs->desc_size);
	}
	make_super(fs, free_blocks, &super);
	/* The journal's node comes last, behind everything of the tree. */
	add_journal(fs, &fs->nodes[fs->node_count - 1], &super);
	return rc != 0 ? rc : write_supers(fs, &super, descs, err);
}
