/*
 * Changes of names: make, link, remove, rename. Checks and their order are Linux's (fs/namei.c),
 * because programs look at the error numbers. The file system itself is asked under its `names`
 * lock and the locks of the folders concerned.
 */
#include <uk/log.h>
#include <uk/vfs.h>

#include "fs.h"

uint32_t fs_umask = 022;

static void folder_lock(struct uk_dentry *dir)
{
	uk_mutex_lock(&dir->inode->super->names);
	uk_mutex_lock(&dir->inode->lock);
}

static void folder_unlock(struct uk_dentry *dir)
{
	uk_mutex_unlock(&dir->inode->lock);
	uk_mutex_unlock(&dir->inode->super->names);
}

/* Up to the locked folder and the name in it, which must not exist. */
static int make_begin(struct fs_walk *walk, int dirfd, const char *path, bool folder,
		      struct uk_dentry **name)
{
	int error;

	if (path[0] == '\0')
		return -UK_ENOENT;
	error = fs_walk_begin(walk, dirfd, path);
	if (error != 0)
		return error;
	error = fs_walk_parent(walk);
	if (error == 0 && walk->kind != FS_LAST_NAME)
		error = -UK_EEXIST;
	if (error != 0) {
		fs_walk_end(walk);
		return error;
	}
	folder_lock(walk->at);
	error = fs_lookup_locked(walk->at, walk->last, walk->size, name);
	if (error != 0)
		goto unlock;
	if ((*name)->inode != NULL)
		error = -UK_EEXIST;
	else if (walk->trailing && !folder)
		error = -UK_ENOENT;
	else if (walk->at->inode->super->read_only)
		error = -UK_EROFS;
	else if (walk->at->inode->nlink == 0)
		error = -UK_ENOENT;
	else
		error = uk_permit(walk->at->inode, UK_W_OK | UK_X_OK);
	if (error == 0)
		return 0;
	fs_dentry_put(*name);
unlock:
	folder_unlock(walk->at);
	fs_walk_end(walk);
	return error;
}

/* Tells who watches the folder what becomes of the name that `walk` ends with. */
static void tell_entry(const struct fs_walk *walk, bool folder, uint32_t mask, uint32_t cookie)
{
	if (uk_unlikely(fs_watches != 0))
		fs_notify_entry(walk->at->inode,
				&(struct fs_entry){ walk->last, walk->size, folder }, mask, cookie);
}

static void make_end(struct fs_walk *walk, struct uk_dentry *name, int error,
		     struct uk_inode *inode)
{
	if (error == 0) {
		fs_dentry_fill(name, inode);
		tell_entry(walk, UK_S_IS(inode->mode, DIR), UK_IN_CREATE, 0);
	}
	folder_unlock(walk->at);
	fs_dentry_put(name);
	fs_walk_end(walk);
}

static bool is_device(uint32_t mode)
{
	return UK_S_IS(mode, CHR) || UK_S_IS(mode, BLK);
}

int fs_make_node(int dirfd, const char *path, uint32_t mode, uint64_t rdev)
{
	struct uk_inode *inode = NULL, *dir;
	struct uk_dentry *name;
	struct fs_walk walk;
	int error = make_begin(&walk, dirfd, path, UK_S_IS(mode, DIR), &name);

	if (error != 0)
		return error;
	dir = walk.at->inode;
	error = dir->ops->create == NULL || (is_device(mode) && !fs_is_root())
			? -UK_EPERM
			: dir->ops->create(dir, walk.last, walk.size, mode & ~fs_umask, rdev,
					   &inode);
	make_end(&walk, name, error, inode);
	return error;
}

int fs_make_symlink(const char *target, int dirfd, const char *path)
{
	struct uk_inode *inode = NULL, *dir;
	struct uk_dentry *name;
	struct fs_walk walk;
	int error;

	if (target[0] == '\0')
		return -UK_ENOENT;
	error = make_begin(&walk, dirfd, path, false, &name);
	if (error != 0)
		return error;
	dir = walk.at->inode;
	error = dir->ops->symlink == NULL
			? -UK_EPERM
			: dir->ops->symlink(dir, walk.last, walk.size, target, &inode);
	make_end(&walk, name, error, inode);
	return error;
}

static int link_check(const struct uk_inode *dir, const struct uk_inode *inode)
{
	if (inode->super != dir->super)
		return -UK_EXDEV;
	if (dir->ops->link == NULL || UK_S_IS(inode->mode, DIR))
		return -UK_EPERM;
	return inode->nlink == 0 && !inode->linkable ? -UK_ENOENT : 0;
}

int fs_make_link_to(struct uk_inode *inode, int dirfd, const char *path)
{
	struct uk_dentry *name;
	struct uk_inode *dir;
	struct fs_walk walk;
	int error = make_begin(&walk, dirfd, path, false, &name);

	if (error != 0)
		return error;
	dir = walk.at->inode;
	error = link_check(dir, inode);
	if (error == 0)
		error = dir->ops->link(dir, walk.last, walk.size, inode);
	if (error == 0)
		uk_inode_get(inode);
	make_end(&walk, name, error, inode);
	return error;
}

int fs_make_file(struct fs_walk *walk, uint32_t mode, bool exclusive, struct uk_dentry **out,
		 bool *created)
{
	struct uk_inode *dir = walk->at->inode, *inode;
	int error;

	*created = false;
	/* The usual case, an existing file, needs no lock of the folder. */
	if (!exclusive) {
		error = fs_lookup(walk->at, walk->last, walk->size, out);
		if (error != 0)
			return error;
		if ((*out)->inode != NULL) {
			*out = fs_mount_cross(*out);
			return 0;
		}
		fs_dentry_put(*out);
	}
	folder_lock(walk->at);
	error = fs_lookup_locked(walk->at, walk->last, walk->size, out);
	if (error != 0)
		goto unlock;
	if ((*out)->inode != NULL)
		error = exclusive ? -UK_EEXIST : 0;
	else if (dir->super->read_only)
		error = -UK_EROFS;
	else if (dir->nlink == 0)
		error = -UK_ENOENT;
	else if (dir->ops->create == NULL)
		error = -UK_EACCES;
	else
		error = uk_permit(dir, UK_W_OK | UK_X_OK);
	if (error == 0 && (*out)->inode == NULL) {
		error = dir->ops->create(dir, walk->last, walk->size,
					 UK_S_IFREG | (mode & UK_S_ALL & ~fs_umask), 0, &inode);
		if (error == 0) {
			fs_dentry_fill(*out, inode);
			tell_entry(walk, false, UK_IN_CREATE, 0);
		}
		*created = error == 0;
	}
	if (error == 0)
		*out = fs_mount_cross(*out);
	else
		fs_dentry_put(*out);
unlock:
	folder_unlock(walk->at);
	return error;
}

/* -- removing -- */

static int remove_kind(enum fs_last kind, bool directory)
{
	if (kind == FS_LAST_NAME)
		return 0;
	if (!directory)
		return -UK_EISDIR;
	return kind == FS_LAST_DOT ? -UK_EINVAL : kind == FS_LAST_UP ? -UK_ENOTEMPTY : -UK_EBUSY;
}

static int remove_check(const struct fs_walk *walk, const struct uk_dentry *name, bool directory)
{
	int error;

	if (name->inode == NULL)
		return -UK_ENOENT;
	error = fs_permit_remove(walk->at->inode, name->inode);
	if (error != 0)
		return error;
	if (!directory && fs_is_dir(name))
		return -UK_EISDIR;
	if ((directory || walk->trailing) && !fs_is_dir(name))
		return -UK_ENOTDIR;
	if (name->mounted != NULL)
		return -UK_EBUSY;
	return walk->at->inode->ops->unlink == NULL ? -UK_EPERM : 0;
}

/* A name of it is gone, and perhaps it with that. */
static void tell_unlinked(struct uk_inode *inode)
{
	const bool folder = UK_S_IS(inode->mode, DIR);

	if (!folder)
		fs_notify_self(inode, UK_IN_ATTRIB);
	if (folder || inode->nlink == 0)
		fs_notify_self(inode, UK_IN_DELETE_SELF);
}

static int remove_locked(struct fs_walk *walk, bool directory)
{
	struct uk_inode *dir = walk->at->inode;
	struct uk_dentry *name;
	int error = fs_lookup_locked(walk->at, walk->last, walk->size, &name);

	if (error != 0)
		return error;
	error = remove_check(walk, name, directory);
	if (error == 0) {
		if (directory)
			uk_mutex_lock(&name->inode->lock);
		error = dir->ops->unlink(dir, walk->last, walk->size, name->inode);
		if (directory)
			uk_mutex_unlock(&name->inode->lock);
	}
	if (error == 0) {
		if (fs_watches != 0)
			tell_unlinked(name->inode);
		tell_entry(walk, directory, UK_IN_DELETE, 0);
		fs_dentry_drop(name);
	}
	fs_dentry_put(name);
	return error;
}

int fs_remove(int dirfd, const char *path, bool directory)
{
	struct fs_walk walk;
	int error;

	if (path[0] == '\0')
		return -UK_ENOENT;
	error = fs_walk_begin(&walk, dirfd, path);
	if (error != 0)
		return error;
	error = fs_walk_parent(&walk);
	if (error == 0)
		error = remove_kind(walk.kind, directory);
	if (error == 0 && walk.at->inode->super->read_only)
		error = -UK_EROFS;
	if (error == 0) {
		folder_lock(walk.at);
		error = remove_locked(&walk, directory);
		folder_unlock(walk.at);
	}
	fs_walk_end(&walk);
	return error;
}

/* -- renaming -- */

static int rename_check(const struct fs_walk *from, const struct uk_dentry *old,
			const struct fs_walk *to, const struct uk_dentry *new, unsigned flags)
{
	bool exchange = (flags & UK_RENAME_EXCHANGE) != 0;

	if (old->inode == NULL)
		return -UK_ENOENT;
	if ((flags & UK_RENAME_NOREPLACE) != 0 && new->inode != NULL)
		return -UK_EEXIST;
	if (exchange && new->inode == NULL)
		return -UK_ENOENT;
	if (exchange && to->trailing && !fs_is_dir(new))
		return -UK_ENOTDIR;
	if (!fs_is_dir(old) && (from->trailing || (!exchange && to->trailing)))
		return -UK_ENOTDIR;
	if (fs_is_dir(old) && fs_dentry_is_below(to->at, old))
		return -UK_EINVAL;
	if (fs_is_dir(new) && fs_dentry_is_below(from->at, new))
		return exchange ? -UK_EINVAL : -UK_ENOTEMPTY;
	if (to->at->inode->nlink == 0)
		return -UK_ENOENT;
	if (new->inode != NULL && !exchange && fs_is_dir(old) != fs_is_dir(new))
		return fs_is_dir(old) ? -UK_ENOTDIR : -UK_EISDIR;
	if (old->mounted != NULL || new->mounted != NULL)
		return -UK_EBUSY;
	return from->at->inode->ops->rename == NULL ? -UK_EPERM : 0;
}

static int rename_permit(const struct fs_walk *from, const struct uk_dentry *old,
			 const struct fs_walk *to, const struct uk_dentry *new)
{
	int error = fs_permit_remove(from->at->inode, old->inode);

	if (error == 0)
		error = new->inode != NULL ? fs_permit_remove(to->at->inode, new->inode)
					   : uk_permit(to->at->inode, UK_W_OK | UK_X_OK);
	/* Its ".." changes. */
	if (error == 0 && fs_is_dir(old) && from->at->inode != to->at->inode)
		error = uk_permit(old->inode, UK_W_OK);
	return error;
}

/* The cache follows what the file system did. */
static void rename_names(struct fs_walk *to, struct uk_dentry *old, struct uk_dentry *new,
			 bool exchange)
{
	if (exchange) {
		fs_dentry_swap(old, new);
	} else if (fs_dentry_move(old, to->at, to->last, to->size) != 0) {
		fs_dentry_drop(old);
		fs_dentry_drop(new);
	}
}

static void tell_moved(const struct fs_walk *from, const struct fs_walk *to, struct uk_inode *inode)
{
	const bool folder = UK_S_IS(inode->mode, DIR);
	const uint32_t cookie = fs_notify_cookie();

	tell_entry(from, folder, UK_IN_MOVED_FROM, cookie);
	tell_entry(to, folder, UK_IN_MOVED_TO, cookie);
	fs_notify_self(inode, UK_IN_MOVE_SELF);
}

static void tell_renamed(const struct fs_walk *from, const struct fs_walk *to,
			 const struct uk_dentry *old, const struct uk_dentry *new, bool exchange)
{
	if (fs_watches == 0)
		return;
	tell_moved(from, to, old->inode);
	if (new->inode == NULL)
		return;
	if (exchange)
		tell_moved(to, from, new->inode);
	else
		tell_unlinked(new->inode);
}

static int rename_locked(struct fs_walk *from, struct fs_walk *to, unsigned flags)
{
	bool exchange = (flags & UK_RENAME_EXCHANGE) != 0;
	struct uk_dentry *old, *new;
	int error = fs_lookup_locked(from->at, from->last, from->size, &old);

	if (error != 0)
		return error;
	error = fs_lookup_locked(to->at, to->last, to->size, &new);
	if (error != 0)
		goto put_old;
	error = rename_check(from, old, to, new, flags);
	if (error == 0 && old->inode != new->inode)
		error = rename_permit(from, old, to, new);
	if (error == 0 && old->inode != new->inode) {
		bool folder = !exchange && fs_is_dir(new);

		if (folder)
			uk_mutex_lock(&new->inode->lock);
		error = from->at->inode->ops->rename(from->at->inode, from->last, from->size,
						     old->inode, to->at->inode, to->last, to->size,
						     new->inode, exchange);
		if (folder)
			uk_mutex_unlock(&new->inode->lock);
		if (error == 0) {
			tell_renamed(from, to, old, new, exchange);
			rename_names(to, old, new, exchange);
		}
	}
	fs_dentry_put(new);
put_old:
	fs_dentry_put(old);
	return error;
}

static int rename_walked(struct fs_walk *from, struct fs_walk *to, unsigned flags)
{
	struct uk_inode *a = from->at->inode, *b = to->at->inode;
	int error;

	if (a->super != b->super)
		return -UK_EXDEV;
	if (from->kind != FS_LAST_NAME)
		return -UK_EBUSY;
	if (to->kind != FS_LAST_NAME)
		return (flags & UK_RENAME_NOREPLACE) != 0 ? -UK_EEXIST : -UK_EBUSY;
	if (a->super->read_only)
		return -UK_EROFS;
	/* `names` is held by everyone who locks two folders, so their order is free. */
	folder_lock(from->at);
	if (a != b)
		uk_mutex_lock(&b->lock);
	error = rename_locked(from, to, flags);
	if (a != b)
		uk_mutex_unlock(&b->lock);
	folder_unlock(from->at);
	return error;
}

int fs_rename(int old_dirfd, const char *old, int dirfd, const char *path, unsigned flags)
{
	struct fs_walk from, to;
	int error;

	if ((flags & ~(unsigned)(UK_RENAME_NOREPLACE | UK_RENAME_EXCHANGE)) != 0 ||
	    flags == (UK_RENAME_NOREPLACE | UK_RENAME_EXCHANGE))
		return -UK_EINVAL;
	if (old[0] == '\0')
		return -UK_ENOENT;
	error = fs_walk_begin(&from, old_dirfd, old);
	if (error != 0)
		return error;
	error = fs_walk_parent(&from);
	if (error == 0)
		error = path[0] == '\0' ? -UK_ENOENT : fs_walk_begin(&to, dirfd, path);
	if (error == 0) {
		error = fs_walk_parent(&to);
		if (error == 0)
			error = rename_walked(&from, &to, flags);
		fs_walk_end(&to);
	}
	fs_walk_end(&from);
	return error;
}

int uk_path_inode(const char *path, struct uk_inode **inode)
{
	struct uk_dentry *dentry;
	int error = fs_walk_path(UK_AT_FDCWD, path, FS_FOLLOW, &dentry);

	if (error != 0)
		return error;
	*inode = dentry->inode;
	uk_inode_get(*inode);
	fs_dentry_put(dentry);
	return 0;
}

int uk_path_make(const char *path, uint32_t mode, struct uk_inode **inode)
{
	int error = fs_make_node(UK_AT_FDCWD, path, mode & ~fs_umask, 0);

	return error != 0 ? error : uk_path_inode(path, inode);
}
