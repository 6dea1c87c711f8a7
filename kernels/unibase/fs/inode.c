/*
 * Inodes in memory. Those of file systems with numbers of their own are found again by number, so
 * that two names of one file share its pages and its locks.
 */
#include <uk/log.h>
#include <uk/process.h>
#include <uk/vfs.h>

#include "fs.h"

enum { BUCKETS = 256 };

static struct uk_spinlock hash_lock = UK_SPINLOCK_INIT;
static struct uk_list buckets[BUCKETS];
static bool buckets_ready;

static struct uk_list *bucket_of(const struct uk_super *super, uint64_t ino)
{
	uint64_t mixed = ((uintptr_t)super / 64 + ino) * 0x9e3779b97f4a7c15ull;

	return &buckets[mixed >> 56];
}
_Static_assert(BUCKETS == 256, "bucket_of takes eight bits");

uint64_t uk_super_dev(void)
{
	static uint64_t last = FS_FIRST_COUNT;

	return __atomic_add_fetch(&last, 1, __ATOMIC_RELAXED);
}

struct uk_inode *uk_inode_new(struct uk_super *super, const struct uk_inode_ops *ops, uint32_t mode)
{
	struct uk_inode *inode = uk_alloc(sizeof(*inode));

	if (inode == NULL)
		return NULL;
	inode->refs = 1;
	inode->super = super;
	inode->ops = ops;
	inode->mode = mode;
	inode->nlink = 1;
	uk_mutex_init(&inode->lock);
	uk_list_init(&inode->hash);
	uk_list_init(&inode->pages.dirty_list);
	return inode;
}

void fs_inode_own(struct uk_inode *inode, const struct uk_inode *dir)
{
	bool root = fs_is_kernel();

	inode->uid = root ? 0 : uk_process.uid.fs;
	inode->gid = root ? 0 : uk_process.gid.fs;
	if (dir != NULL && (dir->mode & UK_S_ISGID) != 0) {
		inode->gid = dir->gid;
		if (UK_S_IS(inode->mode, DIR))
			inode->mode |= UK_S_ISGID;
		else if ((inode->mode & 010) != 0 && !fs_in_group(dir->gid) && !fs_is_root())
			inode->mode &= ~(uint32_t)UK_S_ISGID;
	}
}

void uk_inode_put(struct uk_inode *inode)
{
	uint64_t state;
	bool last;

	if (inode == NULL)
		return;
	state = uk_spin_lock(&hash_lock);
	last = __atomic_sub_fetch(&inode->refs, 1, __ATOMIC_ACQ_REL) == 0;
	if (last)
		uk_list_remove(&inode->hash);
	uk_spin_unlock(&hash_lock, state);
	if (!last)
		return;
	uk_cache_truncate(inode, 0);
	if (inode->ops->release != NULL)
		inode->ops->release(inode);
	uk_assert(inode->locks == NULL);
	uk_free(inode);
}

static struct uk_inode *find_locked(const struct uk_super *super, uint64_t ino)
{
	if (!buckets_ready)
		return NULL;
	uk_list_each (item, bucket_of(super, ino)) {
		struct uk_inode *inode = uk_list_entry(item, struct uk_inode, hash);

		if (inode->super == super && inode->ino == ino) {
			uk_inode_get(inode);
			return inode;
		}
	}
	return NULL;
}

struct uk_inode *fs_inode_find(const struct uk_super *super, uint64_t ino)
{
	uint64_t state = uk_spin_lock(&hash_lock);
	struct uk_inode *inode = find_locked(super, ino);

	uk_spin_unlock(&hash_lock, state);
	return inode;
}

struct uk_inode *fs_inode_share(struct uk_inode *inode)
{
	uint64_t state = uk_spin_lock(&hash_lock);
	struct uk_inode *other = find_locked(inode->super, inode->ino);

	for (unsigned i = 0; !buckets_ready && i < BUCKETS; i++)
		uk_list_init(&buckets[i]);
	buckets_ready = true;
	if (other == NULL)
		uk_list_push_front(bucket_of(inode->super, inode->ino), &inode->hash);
	uk_spin_unlock(&hash_lock, state);
	if (other == NULL)
		return inode;
	uk_inode_put(inode);
	return other;
}
