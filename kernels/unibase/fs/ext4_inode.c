/*
 * Inodes of ext4: from the disk and back, new ones, orphans (to be freed, or cut, when nobody has
 * them open, which must be known to the next mount).
 */
#include <uk/io.h>
#include <uk/log.h>

#include "ext4.h"

enum { SECOND = 1000000000, AHEAD = 64, FILL_ORDER = 3 };

int e4_inode_place(struct e4 *fs, uint32_t ino, struct e4_place *place)
{
	uint32_t group = (ino - 1) / fs->group_inodes, at = (ino - 1) % fs->group_inodes;
	uint64_t table, offset = (uint64_t)at * fs->inode_size;
	struct uni_ext4_group *g;
	struct e4_buf *buf;
	int error;

	if (ino == 0 || ino > fs->inodes)
		return e4_bad(fs, "number of an inode");
	error = e4_group_get(fs, group, &buf, &g);
	if (error != 0)
		return error;
	table = g->inode_table;
	if (fs->desc_size >= 64)
		table |= (uint64_t)g->inode_table_hi << 32;
	e4_buf_put(fs, buf);
	error = e4_buf_get(fs, table + (offset >> fs->block_bits), E4_PLAIN, 0, &place->buf);
	if (error == 0)
		place->at = place->buf->data + (offset & (fs->block_size - 1));
	return error;
}

/* --- checksums --- */

static uint32_t inode_sum(const struct e4 *fs, uint32_t seed, const uint8_t *raw)
{
	const size_t low = offsetof(struct uni_ext4_inode, checksum_lo);
	const size_t high = offsetof(struct uni_ext4_inode, checksum_hi);
	static const uint16_t none;
	uint16_t extra = 0;
	uint32_t sum = e4_sum(seed, raw, low);

	sum = e4_sum(sum, &none, sizeof(none));
	sum = e4_sum(sum, raw + low + 2, UNI_EXT4_INODE_MIN - low - 2);
	if (fs->inode_size == UNI_EXT4_INODE_MIN)
		return sum;
	memcpy(&extra, raw + UNI_EXT4_INODE_MIN, sizeof(extra));
	if (extra < 4)
		return e4_sum(sum, raw + UNI_EXT4_INODE_MIN, fs->inode_size - UNI_EXT4_INODE_MIN);
	sum = e4_sum(sum, raw + UNI_EXT4_INODE_MIN, high - UNI_EXT4_INODE_MIN);
	sum = e4_sum(sum, &none, sizeof(none));
	return e4_sum(sum, raw + high + 2, fs->inode_size - high - 2);
}

static bool has_high_sum(const struct e4 *fs, const struct uni_ext4_inode *raw)
{
	return fs->inode_size > UNI_EXT4_INODE_MIN && raw->extra_isize >= 4;
}

static bool sum_right(const struct e4 *fs, uint32_t seed, const uint8_t *at,
		      const struct uni_ext4_inode *raw)
{
	uint32_t sum = inode_sum(fs, seed, at);

	return raw->checksum_lo == (uint16_t)sum &&
	       (!has_high_sum(fs, raw) || raw->checksum_hi == (uint16_t)(sum >> 16));
}

/* --- times --- */

static int64_t time_read(uint32_t seconds, uint32_t extra, bool wide)
{
	int64_t value = (int64_t)(int32_t)seconds;

	if (wide)
		value += (int64_t)((uint64_t)(extra & 3) << 32);
	/* Its last year is 2446, that of nanoseconds since 1970 is 2262. */
	if (value > INT64_MAX / SECOND - 1)
		value = INT64_MAX / SECOND - 1;
	return value * SECOND + (wide ? (int64_t)(extra >> 2) % SECOND : 0);
}

static void time_write(int64_t time, uint32_t *seconds, uint32_t *extra, bool wide)
{
	int64_t whole = time / SECOND, rest = time % SECOND;

	if (rest < 0) {
		rest += SECOND;
		whole--;
	}
	*seconds = (uint32_t)whole;
	if (wide)
		*extra = ((uint32_t)((whole - (int32_t)whole) >> 32) & 3) | (uint32_t)rest << 2;
}

/* --- reading --- */

static const struct uk_inode_ops *ops_of(uint32_t mode)
{
	switch (mode & UK_S_IFMT) {
	case UK_S_IFDIR:
		return &e4_dir_ops;
	case UK_S_IFREG:
		return &e4_file_ops;
	case UK_S_IFLNK:
		return &e4_link_ops;
	default:
		return &e4_special_ops;
	}
}

/* As Linux keeps device numbers on disk, the old way and the new. */
static uint64_t device_read(const uint32_t map[15])
{
	uint32_t major = map[0] >> 8 & 0xff, minor = map[0] & 0xff;

	if (map[0] == 0) {
		major = map[1] >> 8 & 0xfff;
		minor = (map[1] & 0xff) | (map[1] >> 12 & 0xfff00);
	}
	return ((uint64_t)(major & ~0xfffu) << 32) | (major & 0xfff) << 8 | (minor & 0xff) |
	       (uint64_t)(minor & ~0xffu) << 12;
}

static void device_write(uint64_t rdev, uint32_t map[15])
{
	uint32_t major = (rdev >> 8 & 0xfff),
		 minor = (uint32_t)((rdev & 0xff) | (rdev >> 12 & ~0xffull));

	if (major < 256 && minor < 256)
		map[0] = major << 8 | minor;
	else
		map[1] = (minor & 0xff) | major << 8 | (minor & ~0xffu) << 12;
}

static void set_tuning(struct uk_inode *inode)
{
	inode->fill_order = FILL_ORDER;
	inode->ahead = AHEAD;
}

static int take(struct e4 *fs, struct uk_inode *inode, const struct uni_ext4_inode *raw)
{
	struct e4_node *node = e4_node_of(inode);
	bool wide = has_high_sum(fs, raw) && raw->extra_isize >= 24;

	inode->mode = raw->mode;
	inode->ops = ops_of(raw->mode);
	inode->uid = raw->uid | (uint32_t)raw->uid_hi << 16;
	inode->gid = raw->gid | (uint32_t)raw->gid_hi << 16;
	inode->nlink = raw->links_count;
	inode->size = raw->size_lo;
	if (UK_S_IS(raw->mode, REG) || UK_S_IS(raw->mode, DIR))
		inode->size |= (uint64_t)raw->size_hi << 32;
	inode->atime = time_read(raw->atime, raw->atime_extra, wide);
	inode->mtime = time_read(raw->mtime, raw->mtime_extra, wide);
	inode->ctime = time_read(raw->ctime, raw->ctime_extra, wide);
	node->crtime = time_read(raw->crtime, raw->crtime_extra, wide);
	node->flags = raw->flags;
	node->generation = raw->generation;
	node->deleted = raw->dtime;
	node->disk_size = inode->size;
	node->acl = raw->file_acl_lo | (uint64_t)raw->file_acl_hi << 32;
	node->blocks = raw->blocks_lo;
	if ((fs->ro_compat & UNI_EXT4_HUGE_FILE) != 0) {
		node->blocks |= (uint64_t)raw->blocks_hi << 32;
		if ((raw->flags & UNI_EXT4_FL_HUGE_FILE) != 0)
			node->blocks <<= fs->block_bits - 9;
	}
	inode->blocks = node->blocks;
	node->extra = has_high_sum(fs, raw) ? raw->extra_isize : 0;
	memcpy(node->map, raw->block, sizeof(node->map));
	if (UK_S_IS(raw->mode, CHR) || UK_S_IS(raw->mode, BLK))
		inode->rdev = device_read(node->map);
	if (UK_S_IS(raw->mode, REG))
		set_tuning(inode);
	if (inode->size > fs->super->size_max || (raw->mode & UK_S_IFMT) == 0 ||
	    (UK_S_IS(raw->mode, DIR) && (inode->size & (fs->block_size - 1)) != 0))
		return e4_bad(fs, "an inode");
	return 0;
}

static struct uk_inode *inode_alloc(struct e4 *fs, uint32_t ino)
{
	struct e4_node *node = uk_alloc(sizeof(*node));
	struct uk_inode *inode = node != NULL ? uk_inode_new(fs->super, &e4_special_ops, 0) : NULL;

	if (inode == NULL) {
		uk_free(node);
		return NULL;
	}
	node->inode = inode;
	uk_list_init(&node->dirty);
	uk_list_init(&node->orphans);
	inode->ino = ino;
	inode->data = node;
	return inode;
}

static int load(struct e4 *fs, struct uk_inode *inode)
{
	struct uni_ext4_inode raw = { .mode = 0 };
	struct e4_node *node = e4_node_of(inode);
	struct e4_place place;
	bool right;
	int error = e4_inode_place(fs, (uint32_t)inode->ino, &place);

	if (error != 0)
		return error;
	memcpy(&raw, place.at, UK_MIN((size_t)fs->inode_size, sizeof(raw)));
	node->seed = e4_inode_seed(fs, (uint32_t)inode->ino, raw.generation);
	right = !fs->sums || sum_right(fs, node->seed, place.at, &raw);
	e4_buf_put(fs, place.buf);
	if (!right)
		return e4_bad(fs, "the checksum of an inode");
	if (fs->inode_size > UNI_EXT4_INODE_MIN &&
	    raw.extra_isize > fs->inode_size - UNI_EXT4_INODE_MIN)
		return e4_bad(fs, "the size of an inode");
	return take(fs, inode, &raw);
}

int e4_inode_get(struct e4 *fs, uint32_t ino, struct uk_inode **out)
{
	struct uk_inode *inode = fs_inode_find(fs->super, ino);
	int error;

	if (inode == NULL) {
		inode = inode_alloc(fs, ino);
		if (inode == NULL)
			return -UK_ENOMEM;
		error = load(fs, inode);
		if (error != 0) {
			inode->nlink = 1; /* nothing of it is to be freed */
			uk_inode_put(inode);
			return error;
		}
		inode = fs_inode_share(inode);
	}
	*out = inode;
	return 0;
}

/* --- writing --- */

static void give(const struct e4 *fs, const struct uk_inode *inode, struct uni_ext4_inode *raw)
{
	const struct e4_node *node = e4_node_of(inode);
	bool wide = node->extra >= 24;

	raw->mode = (uint16_t)inode->mode;
	raw->uid = (uint16_t)inode->uid;
	raw->uid_hi = (uint16_t)(inode->uid >> 16);
	raw->gid = (uint16_t)inode->gid;
	raw->gid_hi = (uint16_t)(inode->gid >> 16);
	raw->links_count = (uint16_t)inode->nlink;
	raw->size_lo = (uint32_t)node->disk_size;
	raw->size_hi = (uint32_t)(node->disk_size >> 32);
	time_write(inode->atime, &raw->atime, &raw->atime_extra, wide);
	time_write(inode->mtime, &raw->mtime, &raw->mtime_extra, wide);
	time_write(inode->ctime, &raw->ctime, &raw->ctime_extra, wide);
	if (wide)
		time_write(node->crtime, &raw->crtime, &raw->crtime_extra, wide);
	raw->dtime = node->deleted;
	raw->flags = node->flags & ~(uint32_t)UNI_EXT4_FL_HUGE_FILE;
	raw->generation = node->generation;
	raw->file_acl_lo = (uint32_t)node->acl;
	raw->file_acl_hi = (uint16_t)(node->acl >> 32);
	raw->blocks_lo = (uint32_t)node->blocks;
	if ((fs->ro_compat & UNI_EXT4_HUGE_FILE) != 0)
		raw->blocks_hi = (uint16_t)(node->blocks >> 32);
	memcpy(raw->block, node->map, sizeof(raw->block));
}

int e4_inode_write(struct uk_inode *inode)
{
	struct e4 *fs = e4_of(inode);
	struct e4_node *node = e4_node_of(inode);
	struct uni_ext4_inode raw;
	size_t size = UNI_EXT4_INODE_MIN + node->extra;
	struct e4_place place;
	uint32_t sum;
	int error = e4_inode_place(fs, (uint32_t)inode->ino, &place);

	if (error != 0)
		return error;
	size = UK_MIN(size, sizeof(raw));
	memset(&raw, 0, sizeof(raw));
	memcpy(&raw, place.at, size);
	give(fs, inode, &raw);
	if (node->extra != 0)
		raw.extra_isize = node->extra;
	memcpy(place.at, &raw, size);
	if (fs->sums) {
		sum = inode_sum(fs, node->seed, place.at);
		raw.checksum_lo = (uint16_t)sum;
		raw.checksum_hi = (uint16_t)(sum >> 16);
		memcpy(place.at, &raw, size);
	}
	e4_buf_dirty(fs, place.buf);
	e4_buf_put(fs, place.buf);
	inode->blocks = node->blocks;
	node->tid = fs->tid;
	node->attributes = false;
	return 0;
}

static void empty_tree(struct e4_node *node)
{
	const struct uni_ext4_extent_header head = { .magic = UNI_EXT4_EXTENT_MAGIC,
						     .max = UNI_EXT4_EXTENT_ROOM };

	node->flags |= UNI_EXT4_FL_EXTENTS;
	memcpy(node->map, &head, sizeof(head));
}

/* What was in its place before is gone: the whole of it is new. */
static int clear_place(struct e4 *fs, uint32_t ino)
{
	struct e4_place place;
	int error = e4_inode_place(fs, ino, &place);

	if (error != 0)
		return error;
	memset(place.at, 0, fs->inode_size);
	e4_buf_put(fs, place.buf);
	return 0;
}

int e4_inode_new(struct uk_inode *dir, uint32_t mode, uint64_t rdev, struct uk_inode **out)
{
	struct e4 *fs = e4_of(dir);
	struct e4_node *node;
	struct uk_inode *inode;
	uint32_t ino;
	int error = e4_inode_alloc(fs, dir, UK_S_IS(mode, DIR), &ino);

	if (error != 0)
		return error;
	inode = inode_alloc(fs, ino);
	if (inode == NULL) {
		(void)e4_inode_free(fs, ino, UK_S_IS(mode, DIR));
		return -UK_ENOMEM;
	}
	node = e4_node_of(inode);
	inode->mode = mode;
	inode->ops = ops_of(mode);
	inode->rdev = rdev;
	inode->nlink = UK_S_IS(mode, DIR) ? 2 : 1;
	fs_inode_own(inode, dir);
	inode->atime = inode->mtime = inode->ctime = node->crtime = uk_time_real();
	node->extra = fs->inode_size > UNI_EXT4_INODE_MIN ? UNI_EXT4_EXTRA_ISIZE : 0;
	uk_random(&node->generation, sizeof(node->generation));
	node->seed = e4_inode_seed(fs, ino, node->generation);
	node->next_goal =
		fs->first_block + (uint64_t)((ino - 1) / fs->group_inodes) * fs->group_blocks;
	if (UK_S_IS(mode, CHR) || UK_S_IS(mode, BLK))
		device_write(rdev, node->map);
	else if (UK_S_IS(mode, REG) || UK_S_IS(mode, DIR))
		empty_tree(node);
	if (UK_S_IS(mode, REG))
		set_tuning(inode);
	error = clear_place(fs, ino);
	if (error == 0)
		error = e4_inode_write(inode);
	if (error != 0) {
		(void)e4_inode_free(fs, ino, UK_S_IS(mode, DIR));
		uk_inode_put(inode);
		return error;
	}
	*out = fs_inode_share(inode);
	return 0;
}

/* --- orphans: a list from the superblock, each with the next one in the place of its dtime --- */

int e4_orphan_add(struct uk_inode *inode)
{
	struct e4 *fs = e4_of(inode);
	struct e4_node *node = e4_node_of(inode);

	if (node->orphan)
		return 0;
	node->orphan = true;
	uk_list_push_front(&fs->orphans, &node->orphans);
	node->deleted = fs->disk->last_orphan;
	fs->disk->last_orphan = (uint32_t)inode->ino;
	e4_buf_dirty(fs, fs->super_buf);
	return e4_inode_write(inode);
}

/* Whoever pointed to this one on the disk points to the one behind it. */
static int orphan_skip(struct e4 *fs, const struct e4_node *node)
{
	const uint32_t ino = (uint32_t)node->inode->ino;
	struct e4_node *before;

	if (fs->disk->last_orphan == ino) {
		fs->disk->last_orphan = node->deleted;
		e4_buf_dirty(fs, fs->super_buf);
		return 0;
	}
	if (node->orphans.prev == &fs->orphans)
		return e4_bad(fs, "the list of orphans");
	before = uk_list_entry(node->orphans.prev, struct e4_node, orphans);
	if (before->deleted != ino)
		return e4_bad(fs, "the list of orphans");
	before->deleted = node->deleted;
	return e4_inode_write(before->inode);
}

int e4_orphan_remove(struct uk_inode *inode)
{
	struct e4_node *node = e4_node_of(inode);
	int error;

	if (!node->orphan)
		return 0;
	error = orphan_skip(e4_of(inode), node);
	node->orphan = false;
	uk_list_remove(&node->orphans);
	if (error != 0)
		return error;
	node->deleted = 0;
	return e4_inode_write(inode);
}

/* At mount the clock may say 1970 still. A small number here is for e2fsck the next inode of the
 * list, and none an inode that nobody finished. */
static uint32_t time_of_deletion(const struct uk_inode *inode)
{
	int64_t now = UK_MAX(uk_time_real(), inode->ctime) / SECOND;

	return (uint32_t)UK_MAX(now, (int64_t)e4_of(inode)->inodes);
}

/* Its blocks go, then itself. */
static int destroy(struct uk_inode *inode)
{
	struct e4 *fs = e4_of(inode);
	struct e4_node *node = e4_node_of(inode);
	int error = 0;

	if (UK_S_IS(inode->mode, REG) || UK_S_IS(inode->mode, DIR) ||
	    (node->flags & UNI_EXT4_FL_EXTENTS) != 0)
		error = e4_cut(inode, 0);
	if (error == 0)
		error = e4_begin(fs, E4_CREDITS);
	if (error != 0)
		return error;
	error = e4_xattr_drop(inode);
	if (error == 0)
		error = e4_orphan_remove(inode);
	node->deleted = time_of_deletion(inode);
	node->disk_size = 0;
	if (error == 0)
		error = e4_inode_write(inode);
	if (error == 0)
		error = e4_inode_free(fs, (uint32_t)inode->ino, UK_S_IS(inode->mode, DIR));
	e4_end(fs);
	return error;
}

void e4_release(struct uk_inode *inode)
{
	struct e4 *fs = e4_of(inode);

	if (inode->nlink == 0 && e4_node_of(inode)->orphan) {
		__atomic_add_fetch(&fs->releasing, 1, __ATOMIC_SEQ_CST);
		uk_wake_all(&fs->thawed);
		if (destroy(inode) != 0)
			uk_log(UK_LOG_WARN, "ext4 %s: inode %llu could not be freed", fs->name,
			       (unsigned long long)inode->ino);
		uk_mutex_lock(&fs->lock);
		uk_list_remove(&e4_node_of(inode)->orphans); /* where that failed early */
		uk_mutex_unlock(&fs->lock);
		__atomic_sub_fetch(&fs->releasing, 1, __ATOMIC_SEQ_CST);
	}
	uk_free(e4_node_of(inode));
}

int e4_orphans_end(struct e4 *fs)
{
	int error = 0;

	for (unsigned waits = 0; error == 0 && fs->disk->last_orphan != 0;) {
		struct uk_inode *inode = fs_inode_find(fs->super, fs->disk->last_orphan);

		if (inode != NULL && inode->nlink == 0)
			error = destroy(inode);
		else if (waits++ < E4_SETTLE_TRIES)
			e4_pause(); /* somebody else is about to free it, or to cut it */
		else
			error = inode == NULL ? e4_bad(fs, "the list of orphans") : -UK_EBUSY;
		uk_inode_put(inode);
	}
	return error;
}

int e4_orphans(struct e4 *fs)
{
	for (uint32_t steps = 0; steps < fs->inodes && fs->disk->last_orphan != 0; steps++) {
		uint32_t ino = fs->disk->last_orphan;
		struct uk_inode *inode;
		int error;

		uk_mutex_lock(&fs->lock);
		error = e4_inode_get(fs, ino, &inode);
		uk_mutex_unlock(&fs->lock);
		if (error != 0)
			return error;
		e4_node_of(inode)->orphan = true;
		uk_list_push_front(&fs->orphans, &e4_node_of(inode)->orphans);
		if (inode->nlink != 0) {
			error = e4_cut(inode, inode->size);
			if (error == 0)
				error = e4_begin(fs, E4_CREDITS);
			if (error == 0) {
				error = e4_orphan_remove(inode);
				e4_end(fs);
			}
		}
		uk_inode_put(inode);
		if (error != 0 || fs->disk->last_orphan == ino)
			return error != 0 ? error : e4_bad(fs, "the list of orphans");
	}
	return 0;
}
