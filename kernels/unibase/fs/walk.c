/*
 * From a path to a name (path_resolution(7)): symbolic links with their bound, "..", mounts, and
 * slashes at the end. A walk stops in the folder before the last component, because what to do with
 * that one is the caller's: look it up, follow it, make it or remove it.
 */
#include <uk/log.h>
#include <uk/vfs.h>

#include "fs.h"

enum { LINKS_MAX = 40 };

/* A symbolic link being walked through: where to go on behind it, and its target. */
struct fs_link {
	struct fs_link *up;
	const char *rest;
	char target[];
};

int fs_lookup_locked(struct uk_dentry *dir, const char *name, size_t size, struct uk_dentry **out)
{
	struct uk_inode *inode = NULL;
	int error;

	*out = fs_dentry_find(dir, name, size);
	if (*out != NULL)
		return 0;
	if (dir->inode->ops->lookup == NULL)
		return -UK_ENOTDIR;
	error = dir->inode->ops->lookup(dir->inode, name, size, &inode);
	if (error != 0 && error != -UK_ENOENT)
		return error;
	*out = fs_dentry_new(dir, name, size, inode);
	return *out != NULL ? 0 : -UK_ENOMEM;
}

int fs_lookup(struct uk_dentry *dir, const char *name, size_t size, struct uk_dentry **out)
{
	int error;

	*out = fs_dentry_find(dir, name, size);
	if (*out != NULL)
		return 0;
	uk_mutex_lock(&dir->inode->lock);
	error = fs_lookup_locked(dir, name, size, out);
	uk_mutex_unlock(&dir->inode->lock);
	return error;
}

static void walk_set(struct fs_walk *walk, struct uk_dentry *at)
{
	fs_dentry_put(walk->at);
	walk->at = at;
}

static void walk_to_root(struct fs_walk *walk)
{
	struct uk_dentry *root = fs_mount_root();

	fs_dentry_get(root);
	walk_set(walk, fs_mount_cross(root));
}

int fs_walk_begin(struct fs_walk *walk, int dirfd, const char *path)
{
	struct uk_dentry *base = NULL;

	*walk = (struct fs_walk){ .rest = path };
	if (path[0] == '/') {
		walk_to_root(walk);
		return 0;
	}
	if (dirfd == UK_AT_FDCWD) {
		walk->at = fs_cwd_get();
		return 0;
	}
	{
		struct uk_file *file = uk_fd_get(dirfd);

		if (file == NULL)
			return -UK_EBADF;
		if (file->dentry == NULL)
			fs_tree_need(); /* the console's comes with it */
		if (file->dentry != NULL) {
			base = file->dentry;
			fs_dentry_get(base);
		}
		uk_file_put(file);
	}
	if (base == NULL || (path[0] != '\0' && !fs_is_dir(base))) {
		fs_dentry_put(base);
		return -UK_ENOTDIR;
	}
	walk->at = base;
	return 0;
}

void fs_walk_end(struct fs_walk *walk)
{
	fs_dentry_put(walk->at);
	walk->at = NULL;
	while (walk->links != NULL) {
		struct fs_link *link = walk->links;

		walk->links = link->up;
		uk_free(link);
	}
}

static const char *skip_slashes(const char *p)
{
	while (*p == '/')
		p++;
	return p;
}

/* Whether the present component is the last one of all; slashes behind it are noted. */
static bool is_last(struct fs_walk *walk)
{
	const char *rest = walk->rest;

	for (const struct fs_link *link = walk->links;; link = link->up) {
		if (*rest == '/')
			walk->trailing = true;
		if (*skip_slashes(rest) != '\0')
			return false;
		if (link == NULL)
			return true;
		rest = link->rest;
	}
}

/* The next component into walk->last; false when the path is at its end. */
static bool next_component(struct fs_walk *walk)
{
	for (;;) {
		const char *start = skip_slashes(walk->rest);
		const char *end = start;
		struct fs_link *link = walk->links;

		while (*end != '\0' && *end != '/')
			end++;
		if (end != start) {
			walk->last = start;
			walk->size = (size_t)(end - start);
			walk->rest = end;
			return true;
		}
		if (link == NULL)
			return false;
		walk->rest = link->rest;
		walk->links = link->up;
		uk_free(link);
	}
}

static enum fs_last kind_of(const char *name, size_t size)
{
	if (name[0] == '.' && size == 1)
		return FS_LAST_DOT;
	if (name[0] == '.' && size == 2 && name[1] == '.')
		return FS_LAST_UP;
	return FS_LAST_NAME;
}

int fs_walk_follow(struct fs_walk *walk, struct uk_dentry *dentry)
{
	struct uk_inode *inode = dentry->inode;
	struct fs_link *link;
	int size;

	if (++walk->link_count > LINKS_MAX)
		return -UK_ELOOP;
	if (inode->ops->jump != NULL) {
		struct uk_dentry *to = inode->ops->jump(inode);

		if (uk_is_err(to))
			return (int)uk_ptr_err(to);
		walk_set(walk, to);
		walk->kind = FS_LAST_DOT;
		return 0;
	}
	if (inode->ops->readlink == NULL)
		return -UK_EINVAL;
	link = uk_alloc(sizeof(*link) + UK_PATH_MAX);
	if (link == NULL)
		return -UK_ENOMEM;
	size = inode->ops->readlink(inode, link->target, UK_PATH_MAX - 1);
	if (size <= 0) {
		uk_free(link);
		return size < 0 ? size : -UK_ENOENT;
	}
	link->target[size] = '\0';
	link->rest = walk->rest;
	link->up = walk->links;
	walk->links = link;
	walk->rest = link->target;
	if (link->target[0] == '/')
		walk_to_root(walk);
	return 0;
}

/* One component that is not the last: into the folder. */
static int walk_step(struct fs_walk *walk)
{
	struct uk_dentry *next;
	int error;

	if (walk->kind == FS_LAST_DOT)
		return 0;
	if (walk->kind == FS_LAST_UP) {
		walk_set(walk, fs_dentry_parent(walk->at));
		return 0;
	}
	error = fs_lookup(walk->at, walk->last, walk->size, &next);
	if (error != 0)
		return error;
	next = fs_mount_cross(next);
	if (next->inode == NULL)
		error = -UK_ENOENT;
	else if (UK_S_IS(next->inode->mode, LNK))
		error = fs_walk_follow(walk, next);
	else if (!fs_is_dir(next))
		error = -UK_ENOTDIR;
	else {
		walk_set(walk, next);
		return 0;
	}
	fs_dentry_put(next);
	/* A jump may have led to a file. */
	return error == 0 && !fs_is_dir(walk->at) ? -UK_ENOTDIR : error;
}

int fs_walk_parent(struct fs_walk *walk)
{
	for (;;) {
		int error;

		if (!next_component(walk)) {
			walk->kind = FS_LAST_ROOT;
			walk->size = 0;
			return 0;
		}
		if (!fs_is_dir(walk->at))
			return -UK_ENOTDIR;
		error = uk_permit(walk->at->inode, UK_X_OK);
		if (error != 0)
			return error;
		if (walk->size > UK_NAME_MAX)
			return -UK_ENAMETOOLONG;
		walk->kind = kind_of(walk->last, walk->size);
		if (is_last(walk))
			return 0;
		error = walk_step(walk);
		if (error != 0)
			return error;
		walk->trailing = false;
	}
}

int fs_walk_last(struct fs_walk *walk, struct uk_dentry **out)
{
	int error;

	switch (walk->kind) {
	case FS_LAST_DOT:
	case FS_LAST_ROOT:
		fs_dentry_get(walk->at);
		*out = walk->at;
		return 0;
	case FS_LAST_UP:
		*out = fs_dentry_parent(walk->at);
		return 0;
	case FS_LAST_NAME:
		break;
	}
	error = fs_lookup(walk->at, walk->last, walk->size, out);
	if (error != 0)
		return error;
	*out = fs_mount_cross(*out);
	if ((*out)->inode != NULL)
		return 0;
	fs_dentry_put(*out);
	return -UK_ENOENT;
}

static int walk_whole(struct fs_walk *walk, unsigned flags, struct uk_dentry **out)
{
	int error = fs_walk_parent(walk);

	while (error == 0) {
		error = fs_walk_last(walk, out);
		if (error != 0 || !UK_S_IS((*out)->inode->mode, LNK) ||
		    ((flags & FS_FOLLOW) == 0 && !walk->trailing))
			break;
		error = fs_walk_follow(walk, *out);
		fs_dentry_put(*out);
		if (error == 0 && walk->kind == FS_LAST_NAME) /* no jump */
			error = fs_walk_parent(walk);
	}
	return error;
}

int fs_walk_path(int dirfd, const char *path, unsigned flags, struct uk_dentry **out)
{
	struct fs_walk walk;
	int error;

	if (path[0] == '\0' && (flags & FS_EMPTY) == 0)
		return -UK_ENOENT;
	error = fs_walk_begin(&walk, dirfd, path);
	if (error != 0)
		return error;
	error = walk_whole(&walk, flags, out);
	if (error == 0 && (walk.trailing || (flags & FS_DIRECTORY) != 0) && !fs_is_dir(*out)) {
		fs_dentry_put(*out);
		error = -UK_ENOTDIR;
	}
	fs_walk_end(&walk);
	return error;
}
