/*
 * Mounts: which file system stands on which folder. Each super is mounted once, so a dentry alone
 * says where one is. What a live volume's mount shows may be replaced; what came with a disk that
 * was plugged in may go with it.
 */
#include <uk/log.h>
#include <uk/vfs.h>

#include "fs.h"

struct uk_list fs_mounts = UK_LIST_INIT(fs_mounts);
struct uk_mutex fs_mounts_lock = UK_MUTEX_INIT(fs_mounts_lock);
static struct uk_spinlock lock = UK_SPINLOCK_INIT;
static struct uk_dentry *root;

struct uk_dentry *fs_mount_root(void)
{
	fs_tree_need();
	return root;
}

int fs_mount_add(struct uk_dentry *point, struct uk_super *super, const char *source)
{
	struct fs_mount *mount = uk_alloc(sizeof(*mount));
	uint64_t state;

	if (mount == NULL)
		return -UK_ENOMEM;
	uk_inode_get(super->root);
	mount->root = fs_dentry_new(NULL, "/", 1, super->root);
	if (mount->root == NULL) {
		uk_free(mount);
		return -UK_ENOMEM;
	}
	mount->super = super;
	mount->root->mount = mount;
	uk_strlcpy(mount->source, source, sizeof(mount->source));
	uk_mutex_lock(&fs_mounts_lock);
	uk_list_push_back(&fs_mounts, &mount->item);
	uk_mutex_unlock(&fs_mounts_lock);
	state = uk_spin_lock(&lock);
	if (point != NULL) {
		mount->point = point;
		fs_dentry_get(point);
		point->mounted = mount;
	} else {
		root = mount->root;
	}
	uk_spin_unlock(&lock, state);
	return 0;
}

struct uk_dentry *fs_mount_cross(struct uk_dentry *dentry)
{
	struct fs_mount *mount;

	while ((mount = dentry->mounted) != NULL) {
		uint64_t state = uk_spin_lock(&lock);
		struct uk_dentry *below = mount->root;

		fs_dentry_get(below);
		uk_spin_unlock(&lock, state);
		fs_dentry_put(dentry);
		dentry = below;
	}
	return dentry;
}

/* Mounts come and go by one thread, which alone looks for them here. */
struct fs_mount *fs_mount_of(const struct uk_super *super)
{
	uk_list_each (item, &fs_mounts) {
		struct fs_mount *mount = uk_list_entry(item, struct fs_mount, item);

		if (mount->super == super)
			return mount;
	}
	return NULL;
}

struct fs_mount *fs_mount_with(const uint8_t uuid[16])
{
	static const uint8_t none[16];

	uk_list_each (item, &fs_mounts) {
		struct fs_mount *mount = uk_list_entry(item, struct fs_mount, item);

		if (memcmp(mount->uuid, uuid, sizeof(none)) == 0 && memcmp(uuid, none, 16) != 0)
			return mount;
	}
	return NULL;
}

int fs_mount_replace(struct fs_mount *mount, struct uk_super *super, struct fs_mount **before)
{
	struct fs_mount *old = uk_alloc(sizeof(*old));
	struct uk_dentry *below;
	uint64_t state;

	if (old == NULL)
		return -UK_ENOMEM;
	uk_inode_get(super->root);
	below = fs_dentry_new(NULL, "/", 1, super->root);
	if (below == NULL) {
		uk_free(old);
		return -UK_ENOMEM;
	}
	super->type = mount->super->type;
	below->mount = mount;
	state = uk_spin_lock(&lock);
	*old = *mount;
	uk_list_init(&old->item);
	old->root->mount = old;
	mount->super = super;
	mount->root = below;
	uk_spin_unlock(&lock, state);
	*before = old;
	return 0;
}

bool fs_mount_release(struct fs_mount *old)
{
	fs_dentry_prune(old->super);
	if (!fs_dentry_is_last(old->root))
		return false;
	fs_dentry_put(old->root);
	old->super->ops->unmount(old->super);
	uk_free(old);
	return true;
}

static void set_mounted(struct uk_dentry *point, struct fs_mount *mount)
{
	uint64_t state = uk_spin_lock(&lock);

	point->mounted = mount;
	uk_spin_unlock(&lock, state);
}

static bool is_in_use(const struct fs_mount *mount)
{
	fs_dentry_prune(mount->super);
	return !fs_dentry_is_last(mount->root);
}

int fs_mount_remove(struct fs_mount *mount)
{
	struct uk_super *super = mount->super;
	int error = 0;

	/* Twice: who came in before nobody could any more is still there. */
	if (is_in_use(mount))
		return -UK_EBUSY;
	set_mounted(mount->point, NULL);
	if (is_in_use(mount)) {
		set_mounted(mount->point, mount);
		return -UK_EBUSY;
	}
	fs_notify_gone(super);
	uk_mutex_lock(&fs_mounts_lock);
	uk_list_remove(&mount->item);
	uk_mutex_unlock(&fs_mounts_lock);
	if (super->ops->stop != NULL)
		error = super->ops->stop(super);
	fs_dentry_put(mount->root);
	fs_dentry_put(mount->point);
	super->ops->unmount(super);
	uk_free(mount);
	return error;
}

void uk_vfs_stop(void)
{
	if (uk_list_empty(&fs_mounts))
		return;
	uk_mutex_lock(&fs_mounts_lock);
	uk_list_each (item, &fs_mounts) {
		struct uk_super *super = uk_list_entry(item, struct fs_mount, item)->super;

		if (super->ops->stop != NULL && super->ops->stop(super) != 0)
			uk_log(UK_LOG_ERROR, "%s: not everything could be written", super->type);
	}
	uk_mutex_unlock(&fs_mounts_lock);
}

void uk_vfs_sync(void)
{
	uk_mutex_lock(&fs_mounts_lock);
	uk_list_each (item, &fs_mounts) {
		struct uk_super *super = uk_list_entry(item, struct fs_mount, item)->super;

		if (super->ops->sync != NULL && super->ops->sync(super) != 0)
			uk_log(UK_LOG_ERROR, "%s: not everything could be written", super->type);
	}
	uk_mutex_unlock(&fs_mounts_lock);
}
