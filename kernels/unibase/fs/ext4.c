/*
 * ext4: opening a volume, which must be sound as far as its superblock tells; everything else is
 * checked where it is read. Written to only with features that are all known; with others that
 * Linux calls compatible for reading, read-only.
 */
#include <uk/log.h>

#include "ext4.h"

enum {
	MAGIC = UNI_EXT4_MAGIC,
	BUF_MIN = 256,
	BUF_MAX = 4096,
	GROUPS_MAX = 1 << 20,
	SETTLE_NS = 1000000,
};

static const uint32_t known_incompat = UNI_EXT4_FILETYPE | UNI_EXT4_RECOVER | UNI_EXT4_EXTENTS |
				       UNI_EXT4_64BIT | UNI_EXT4_FLEX_BG | UNI_EXT4_CSUM_SEED |
				       UNI_EXT4_LARGEDIR;
static const uint32_t known_ro_compat =
	UNI_EXT4_SPARSE_SUPER | UNI_EXT4_LARGE_FILE | UNI_EXT4_HUGE_FILE | UNI_EXT4_GDT_CSUM |
	UNI_EXT4_DIR_NLINK | UNI_EXT4_EXTRA_FIELDS | UNI_EXT4_METADATA_CSUM;

static int take_features(struct e4 *fs, const struct uni_ext4_super *s)
{
	fs->compat = s->feature_compat;
	fs->incompat = s->feature_incompat;
	fs->ro_compat = s->feature_ro_compat;
	if (s->rev_level > 1 || (fs->incompat & ~known_incompat) != 0) {
		uk_log(UK_LOG_ERROR, "ext4 %s: features 0x%x are not known", fs->name,
		       fs->incompat & ~known_incompat);
		return -UK_EOPNOTSUPP;
	}
	if ((fs->ro_compat & ~known_ro_compat) != 0 || (fs->incompat & UNI_EXT4_EXTENTS) == 0)
		fs->super->read_only = true;
	fs->sums = (fs->ro_compat & UNI_EXT4_METADATA_CSUM) != 0;
	fs->old_sums = !fs->sums && (fs->ro_compat & UNI_EXT4_GDT_CSUM) != 0;
	if (fs->sums && s->checksum_type != UNI_EXT4_CRC32C)
		return -UK_EOPNOTSUPP;
	fs->seed = (fs->incompat & UNI_EXT4_CSUM_SEED) != 0
			   ? s->checksum_seed
			   : e4_sum(UINT32_MAX, s->uuid, sizeof(s->uuid));
	fs->hash_unsigned = (s->flags & UNI_EXT4_UNSIGNED_HASH) != 0;
	memcpy(fs->hash_seed, s->hash_seed, sizeof(fs->hash_seed));
	return 0;
}

static bool take_shape(struct e4 *fs, const struct uni_ext4_super *s)
{
	bool wide = (fs->incompat & UNI_EXT4_64BIT) != 0;
	uint64_t groups;

	if (s->log_block_size > 2)
		return false;
	fs->block_bits = 10 + s->log_block_size;
	fs->block_size = 1u << fs->block_bits;
	fs->sectors = fs->block_size / 512;
	fs->blocks = s->blocks_count | (wide ? (uint64_t)s->blocks_count_hi << 32 : 0);
	fs->first_block = s->first_data_block;
	fs->group_blocks = s->blocks_per_group;
	fs->group_inodes = s->inodes_per_group;
	fs->inodes = s->inodes_count;
	fs->inode_size = s->rev_level == 0 ? UNI_EXT4_INODE_MIN : s->inode_size;
	fs->desc_size = wide ? s->desc_size : 32;
	if (fs->first_block != (fs->block_size == 1024) || fs->blocks <= fs->first_block ||
	    fs->blocks > fs->dev->size >> fs->block_bits || fs->group_blocks == 0 ||
	    fs->group_blocks > fs->block_size * 8 || fs->group_blocks % 8 != 0 ||
	    fs->group_inodes == 0 || fs->group_inodes > fs->block_size * 8 ||
	    fs->group_inodes % 8 != 0 || s->first_ino > fs->group_inodes)
		return false;
	if (fs->inode_size < UNI_EXT4_INODE_MIN || fs->inode_size > fs->block_size ||
	    (fs->inode_size & (fs->inode_size - 1)) != 0 || fs->desc_size < 32 ||
	    fs->desc_size > fs->block_size || (fs->desc_size & (fs->desc_size - 1)) != 0 ||
	    (wide && fs->desc_size < 64))
		return false;
	groups = (fs->blocks - fs->first_block + fs->group_blocks - 1) / fs->group_blocks;
	fs->groups = (uint32_t)groups;
	return groups <= GROUPS_MAX && groups * fs->group_inodes == fs->inodes;
}

static int load_super(struct e4 *fs)
{
	uint32_t block, offset;
	int error;

	block = fs->block_size == UNI_EXT4_SUPER_AT ? 1 : 0;
	offset = UNI_EXT4_SUPER_AT % fs->block_size;
	error = e4_buf_get(fs, block, E4_SUPER, 0, &fs->super_buf);
	if (error == 0)
		fs->disk = (struct uni_ext4_super *)(void *)(fs->super_buf->data + offset);
	return error;
}

static int open_super(struct e4 *fs)
{
	struct uni_ext4_super *s = uk_alloc(sizeof(*s));
	int error;

	if (s == NULL)
		return -UK_ENOMEM;
	error = e4_read(fs, UNI_EXT4_SUPER_AT, s, sizeof(*s));
	if (error == 0 && s->magic != MAGIC)
		error = -UK_EINVAL;
	if (error == 0)
		error = take_features(fs, s);
	if (error == 0 && !take_shape(fs, s))
		error = e4_bad(fs, "the superblock");
	if (error == 0 && (s->state & UNI_EXT4_STATE_ERROR) != 0)
		uk_log(UK_LOG_WARN, "ext4 %s: is marked as damaged; it should be checked",
		       fs->name);
	uk_free(s);
	return error != 0 ? error : load_super(fs);
}

/* What the groups say; the superblock's totals may be older. */
static int count_free(struct e4 *fs)
{
	fs->free_blocks = 0;
	fs->free_inodes = 0;
	for (uint32_t i = 0; i < fs->groups; i++) {
		struct uni_ext4_group *g;
		struct e4_buf *buf;
		int error = e4_group_get(fs, i, &buf, &g);

		if (error != 0)
			return error;
		fs->free_blocks += g->free_blocks;
		fs->free_inodes += g->free_inodes;
		if (fs->desc_size >= 64) {
			fs->free_blocks += (uint64_t)g->free_blocks_hi << 16;
			fs->free_inodes += (uint32_t)g->free_inodes_hi << 16;
		}
		e4_buf_put(fs, buf);
	}
	return 0;
}

/* Under the lock. What was read before the replay is not true any more. */
static int open_journal(struct e4 *fs)
{
	bool has = (fs->compat & UNI_EXT4_HAS_JOURNAL) != 0 && fs->disk->journal_inum != 0;
	int error;

	if (!has)
		return (fs->incompat & UNI_EXT4_RECOVER) != 0
			       ? e4_bad(fs, "a journal elsewhere must be replayed")
			       : 0;
	if (fs->dev->read_only ||
	    (fs->super->read_only && (fs->incompat & UNI_EXT4_RECOVER) == 0)) {
		if ((fs->incompat & UNI_EXT4_RECOVER) == 0)
			return 0;
		uk_log(UK_LOG_ERROR, "ext4 %s: its journal must be replayed, and it is read-only",
		       fs->name);
		return -UK_EROFS;
	}
	error = e4_journal_open(fs);
	if (error == 0)
		error = e4_journal_replay(fs);
	if (error == 0)
		error = e4_journal_super(fs, 0);
	if (error == 0)
		error = e4_flush(fs);
	if (error != 0)
		return error;
	e4_buf_put(fs, fs->super_buf);
	e4_bufs_free(fs);
	fs->journaled = true;
	return load_super(fs);
}

/* The superblock at once, past the journal: whether that must be replayed. */
static int write_state(struct e4 *fs, bool in_use)
{
	if (!fs->journaled)
		return 0;
	if (in_use)
		fs->disk->feature_incompat |= UNI_EXT4_RECOVER;
	else
		fs->disk->feature_incompat &= ~(uint32_t)UNI_EXT4_RECOVER;
	fs->disk->mtime = (uint32_t)(uk_time_real() / 1000000000);
	e4_buf_sum(fs, fs->super_buf);
	return e4_write(fs, fs->super_buf->block << fs->block_bits, fs->super_buf->data,
			fs->block_size);
}

static int e4_statfs(struct uk_super *super, struct uk_linux_statfs *out)
{
	const struct e4 *fs = super->data;
	uint64_t reserved = UK_MIN(fs->reserved, fs->free_blocks);

	out->type = MAGIC;
	out->bsize = out->frsize = fs->block_size;
	out->blocks = fs->blocks;
	out->bfree = out->bavail = fs->free_blocks - reserved;
	out->files = fs->inodes;
	out->ffree = fs->free_inodes;
	out->namelen = UK_NAME_MAX;
	return 0;
}

/* The machine goes off: nothing is left to replay. */
static int e4_stop(struct uk_super *super)
{
	struct e4 *fs = super->data;
	int error;

	if (super->read_only && !fs->failed)
		return 0;
	error = e4_super_sync(super);
	if (error == 0)
		error = e4_orphans_end(fs);
	uk_mutex_lock(&fs->lock);
	if (error == 0)
		error = e4_checkpoint(fs);
	if (error == 0)
		error = write_state(fs, false);
	if (error == 0)
		error = e4_flush(fs);
	/* Who still runs meanwhile must not start another transaction. */
	super->read_only = true;
	uk_mutex_unlock(&fs->lock);
	return error;
}

void e4_pause(void)
{
	struct uk_waitq nobody = UK_WAITQ_INIT(nobody);

	(void)uk_wait_event(&nobody, false, uk_time_mono() + SETTLE_NS, false);
}

/* Files that were deleted and nobody has open are on their way out: no other change begins, and
 * they are waited for a moment, so that a copy does not have half of one. Takes the lock. */
static void settle(struct e4 *fs)
{
	fs->freezing = true;
	for (unsigned try = 0;; try++) {
		uk_mutex_lock(&fs->lock);
		if (fs->disk->last_orphan == 0 || try == E4_SETTLE_TRIES)
			break;
		uk_mutex_unlock(&fs->lock);
		e4_pause();
	}
	fs->freezing = false;
	uk_wake_all(&fs->thawed);
}

/* Everything is in its place and the journal empty: a copy of the disk needs no replay. The lock is
 * kept, so that no change begins meanwhile. */
static int e4_freeze(struct uk_super *super)
{
	struct e4 *fs = super->data;
	int error = e4_super_sync(super);

	settle(fs);
	if (error == 0 && super->read_only)
		error = -UK_EROFS;
	if (error == 0)
		error = e4_checkpoint(fs);
	if (error == 0)
		error = write_state(fs, false);
	if (error == 0)
		error = e4_flush(fs);
	if (error != 0)
		uk_mutex_unlock(&fs->lock);
	return error;
}

static void e4_thaw(struct uk_super *super)
{
	struct e4 *fs = super->data;
	int error = write_state(fs, true);

	if (error == 0)
		error = e4_flush(fs);
	if (error != 0)
		(void)e4_fail(fs, error);
	uk_mutex_unlock(&fs->lock);
}

static void e4_free_all(struct e4 *fs)
{
	if (fs->super_buf != NULL)
		e4_buf_put(fs, fs->super_buf);
	e4_bufs_free(fs);
	uk_free(fs->journal.runs);
	uk_free(fs->journal.super);
	uk_free(fs->ios);
	uk_free(fs->super);
	uk_free(fs);
}

/* Stopped before, or never written to. */
static void e4_unmount(struct uk_super *super)
{
	struct e4 *fs = super->data;

	e4_flush_end(fs);
	uk_inode_put(super->root);
	e4_free_all(fs);
}

static const struct uk_super_ops super_ops = {
	.statfs = e4_statfs,
	.sync = e4_super_sync,
	.balance = e4_balance,
	.stop = e4_stop,
	.freeze = e4_freeze,
	.thaw = e4_thaw,
	.unmount = e4_unmount,
};

static struct e4 *e4_new(struct uk_block_dev *dev, bool read_only)
{
	struct e4 *fs = uk_alloc(sizeof(*fs));
	struct uk_super *super = uk_alloc(sizeof(*super));

	if (fs == NULL || super == NULL) {
		uk_free(fs);
		uk_free(super);
		return NULL;
	}
	fs->dev = dev;
	fs->super = super;
	fs->tid = 1;
	uk_strlcpy(fs->name, dev->name, sizeof(fs->name));
	uk_mutex_init(&fs->lock);
	uk_mutex_init(&fs->flushing);
	for (unsigned i = 0; i < E4_BUCKETS; i++)
		uk_list_init(&fs->buckets[i]);
	uk_list_init(&fs->lru);
	uk_list_init(&fs->spare);
	uk_list_init(&fs->txn);
	uk_list_init(&fs->home);
	uk_list_init(&fs->dirty);
	uk_list_init(&fs->orphans);
	uk_waitq_init(&fs->wake);
	uk_waitq_init(&fs->thawed);
	uk_mutex_init(&fs->ios_lock);
	super->ops = &super_ops;
	super->type = "ext4";
	super->read_only = read_only || dev->read_only;
	super->dev = uk_super_dev();
	super->data = fs;
	uk_mutex_init(&super->names);
	return fs;
}

static int open_root(struct e4 *fs)
{
	struct uk_inode *root;
	int error = e4_inode_get(fs, UNI_EXT4_INO_ROOT, &root);

	if (error != 0)
		return error;
	if (!UK_S_IS(root->mode, DIR)) {
		uk_inode_put(root);
		return e4_bad(fs, "its root");
	}
	fs->super->root = root;
	return 0;
}

int fs_ext4_mount(struct uk_block_dev *dev, bool read_only, struct uk_super **out)
{
	struct e4 *fs = e4_new(dev, read_only);
	int error;

	if (fs == NULL)
		return -UK_ENOMEM;
	fs->buf_max = (uint32_t)(uk_mem_total() / 8 >> UK_PAGE_SHIFT);
	fs->buf_max = UK_MIN(UK_MAX(fs->buf_max, (uint32_t)BUF_MIN), (uint32_t)BUF_MAX);
	uk_mutex_lock(&fs->lock);
	/* Until the shape is known, nothing lies behind the end. */
	fs->block_bits = 10;
	fs->super->size_max = INT64_MAX & ~UK_PAGE_MASK;
	error = e4_ios_start(fs);
	if (error == 0)
		error = open_super(fs);
	if (error == 0) {
		fs->super->size_max = ((uint64_t)UINT32_MAX - 1) << fs->block_bits & ~UK_PAGE_MASK;
		error = open_journal(fs);
	}
	if (error == 0)
		error = count_free(fs);
	if (error == 0)
		error = open_root(fs);
	if (error == 0 && !fs->super->read_only) {
		error = e4_bufs_start(fs);
		if (error == 0)
			error = write_state(fs, true);
		if (error == 0)
			error = e4_flush(fs);
	}
	uk_mutex_unlock(&fs->lock);
	if (error == 0 && !fs->super->read_only)
		error = e4_orphans(fs);
	if (error != 0) {
		uk_inode_put(fs->super->root);
		e4_free_all(fs);
		return error;
	}
	*out = fs->super;
	return 0;
}
