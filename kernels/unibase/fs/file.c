/*
 * Open files: opening by path, what kind of operations a file gets, and the life of its object.
 */
#include <uk/log.h>
#include <uk/sched.h>
#include <uk/vfs.h>

#include "fs.h"

struct uk_file *uk_file_new(const struct uk_file_ops *ops, void *data, uint32_t flags)
{
	struct uk_file *file = uk_alloc(sizeof(*file));

	if (file == NULL)
		return NULL;
	file->refs = 1;
	file->flags = flags;
	file->ops = ops;
	file->data = data;
	uk_mutex_init(&file->lock);
	uk_list_init(&file->watchers);
	return file;
}

/* Everything but the operations' own release, which a file that failed to open must not see. */
static void file_free(struct uk_file *file)
{
	fs_dentry_put(file->dentry);
	uk_inode_put(file->inode);
	if (file != &fs_dev.file)
		uk_free(file);
}

void uk_file_put(struct uk_file *file)
{
	if (__atomic_sub_fetch(&file->refs, 1, __ATOMIC_ACQ_REL) != 0)
		return;
	fs_epoll_forget(file);
	if (file->inode != NULL && file->inode->locks != NULL)
		fs_lock_drop_file(file);
	if (file->ops->release != NULL)
		file->ops->release(file);
	if ((file->flags & UK_O_PATH) == 0)
		fs_notify(file->dentry, fs_can_write(file) ? (uint32_t)UK_IN_CLOSE_WRITE
							   : (uint32_t)UK_IN_CLOSE_NOWRITE);
	file_free(file);
}

int fs_may_write(const struct uk_inode *inode)
{
	return inode->super != NULL && inode->super->read_only ? -UK_EROFS : 0;
}

uint32_t fs_mode_given_away(uint32_t mode)
{
	if (!UK_S_IS(mode, DIR)) {
		mode &= ~(uint32_t)UK_S_ISUID;
		if ((mode & 010) != 0)
			mode &= ~(uint32_t)UK_S_ISGID;
	}
	return mode;
}

void fs_touch(struct uk_inode *inode, bool content)
{
	inode->ctime = uk_time_real();
	if (content)
		inode->mtime = inode->ctime;
	if (content && (inode->mode & (UK_S_ISUID | UK_S_ISGID)) != 0 && !fs_is_root())
		inode->mode = fs_mode_given_away(inode->mode);
	if (inode->ops->setattr != NULL)
		inode->ops->setattr(inode);
}

bool fs_access_counts(const struct uk_file *file)
{
	const int64_t day = 86400 * 1000000000ll;
	struct uk_inode *inode = file->inode;

	if (inode == NULL || (file->flags & UK_O_NOATIME) != 0 || fs_may_write(inode) != 0)
		return false;
	return inode->atime <= inode->mtime || inode->atime <= inode->ctime ||
	       uk_time_real() - inode->atime >= day;
}

void fs_accessed(struct uk_file *file)
{
	struct uk_inode *inode = file->inode;

	if (!fs_access_counts(file))
		return;
	inode->atime = uk_time_real();
	if (inode->ops->setattr != NULL)
		inode->ops->setattr(inode);
}

unsigned fs_poll(struct uk_file *file, struct uk_poll *poll)
{
	if (file->ops->poll == NULL)
		return UK_POLLIN | UK_POLLOUT | UK_POLLRDNORM | UK_POLLWRNORM;
	return file->ops->poll(file, poll);
}

static const struct uk_file_ops path_ops = { .stream = true };

static int open_by_type(struct uk_inode *inode, struct uk_file *file)
{
	switch (inode->mode & UK_S_IFMT) {
	case UK_S_IFREG:
		file->ops = &fs_regular_ops;
		break;
	case UK_S_IFDIR:
		file->ops = &fs_folder_ops;
		break;
	case UK_S_IFCHR:
		return fs_device_open(inode, file);
	case UK_S_IFIFO:
		return fs_pipe_open(inode, file);
	default:
		return -UK_ENXIO;
	}
	return inode->ops->open != NULL ? inode->ops->open(inode, file) : 0;
}

struct uk_file *fs_file_open_dentry(struct uk_dentry *dentry, uint32_t flags)
{
	const uint32_t not_kept = UK_O_CREAT | UK_O_EXCL | UK_O_NOCTTY | UK_O_TRUNC | UK_O_CLOEXEC;
	struct uk_file *file = uk_file_new(&path_ops, NULL, flags & ~not_kept);
	int error;

	if (file == NULL) {
		fs_dentry_put(dentry);
		return uk_err_ptr(-UK_ENOMEM);
	}
	file->dentry = dentry;
	file->inode = dentry->inode;
	uk_inode_get(file->inode);
	if ((flags & UK_O_PATH) != 0)
		return file;
	error = open_by_type(file->inode, file);
	if (error == 0) {
		fs_notify(dentry, UK_IN_OPEN);
		return file;
	}
	file_free(file);
	return uk_err_ptr(error);
}

static struct uk_inode *get_shared(struct uk_inode **shared, uint32_t mode)
{
	static const struct uk_inode_ops none;

	if (*shared == NULL) {
		struct uk_inode *inode = uk_inode_new(NULL, &none, mode);

		if (inode == NULL)
			return NULL;
		if (!__sync_bool_compare_and_swap(shared, NULL, inode))
			uk_inode_put(inode);
	}
	uk_inode_get(*shared);
	return *shared;
}

struct uk_inode *fs_inode_anonymous(void)
{
	static struct uk_inode *shared;

	return get_shared(&shared, 0600);
}

struct uk_inode *fs_file_inode(struct uk_file *file)
{
	static struct uk_inode *sockets;

	if (file->inode == NULL && file->ops->write_pages != NULL)
		return get_shared(&sockets, UK_S_IFSOCK | 0777);
	if (file->inode == NULL)
		return fs_inode_anonymous();
	uk_inode_get(file->inode);
	return file->inode;
}

struct uk_file *fs_file_nameless(struct uk_inode *inode, const char *name, uint32_t flags)
{
	struct uk_dentry *dentry = fs_dentry_new(NULL, name, strlen(name), inode);

	if (dentry == NULL)
		return uk_err_ptr(-UK_ENOMEM);
	return fs_file_open_dentry(dentry, flags);
}

/* -- opening by path -- */

static bool wants_write(uint32_t flags)
{
	return (flags & UK_O_ACCMODE) != UK_O_RDONLY || (flags & UK_O_TRUNC) != 0;
}

static unsigned wanted(uint32_t flags)
{
	return ((flags & UK_O_ACCMODE) != UK_O_WRONLY ? (unsigned)UK_R_OK : 0) |
	       (wants_write(flags) ? (unsigned)UK_W_OK : 0);
}

/* What Linux checks of an existing file, in its order. */
static int may_open(const struct uk_dentry *dentry, uint32_t flags)
{
	const struct uk_inode *inode = dentry->inode;
	int error;

	if ((flags & UK_O_CREAT) != 0 && (flags & UK_O_EXCL) != 0)
		return -UK_EEXIST;
	if ((flags & UK_O_CREAT) != 0 && fs_is_dir(dentry))
		return -UK_EISDIR;
	if ((flags & UK_O_DIRECTORY) != 0 && !fs_is_dir(dentry))
		return -UK_ENOTDIR;
	if ((flags & UK_O_PATH) != 0)
		return 0;
	if (UK_S_IS(inode->mode, LNK))
		return -UK_ELOOP;
	if (fs_is_dir(dentry) && wants_write(flags))
		return -UK_EISDIR;
	if ((UK_S_IS(inode->mode, REG) || fs_is_dir(dentry)) && (flags & UK_O_DIRECT) != 0 &&
	    inode->ops->write_pages == NULL)
		return -UK_EINVAL;
	error = uk_permit(inode, wanted(flags));
	if (error == 0 && (flags & UK_O_NOATIME) != 0 && !fs_owns(inode))
		error = -UK_EPERM;
	if (error != 0)
		return error;
	return UK_S_IS(inode->mode, REG) && wants_write(flags) ? fs_may_write(inode) : 0;
}

/* The name that an open stands before; made when that was asked. */
static int open_last(struct fs_walk *walk, uint32_t flags, uint32_t mode, struct uk_dentry **out,
		     bool *created)
{
	*created = false;
	if ((flags & UK_O_CREAT) == 0 || walk->kind != FS_LAST_NAME)
		return fs_walk_last(walk, out);
	if (walk->trailing)
		return -UK_EISDIR;
	return fs_make_file(walk, mode, (flags & UK_O_EXCL) != 0, out, created);
}

static int open_walk(struct fs_walk *walk, uint32_t flags, uint32_t mode, struct uk_dentry **out,
		     bool *created)
{
	int error = fs_walk_parent(walk);

	while (error == 0) {
		error = open_last(walk, flags, mode, out, created);
		if (error != 0 || !UK_S_IS((*out)->inode->mode, LNK) ||
		    ((flags & UK_O_NOFOLLOW) != 0 && !walk->trailing))
			break;
		error = fs_walk_follow(walk, *out);
		fs_dentry_put(*out);
		if (error == 0 && walk->kind == FS_LAST_NAME)
			error = fs_walk_parent(walk);
	}
	if (error == 0 && walk->trailing && !fs_is_dir(*out)) {
		fs_dentry_put(*out);
		error = -UK_ENOTDIR;
	}
	return error;
}

static struct uk_file *open_nameless(int dirfd, const char *path, uint32_t flags, uint32_t mode)
{
	struct uk_dentry *dir;
	struct uk_inode *inode;
	struct uk_file *file;
	int error;

	if (!wants_write(flags))
		return uk_err_ptr(-UK_EINVAL);
	error = fs_walk_path(dirfd, path, FS_FOLLOW | FS_DIRECTORY, &dir);
	if (error != 0)
		return uk_err_ptr(error);
	error = fs_may_write(dir->inode);
	if (error == 0)
		error = uk_permit(dir->inode, UK_W_OK | UK_X_OK);
	if (error == 0 && dir->inode->ops->nameless == NULL)
		error = -UK_EOPNOTSUPP;
	if (error == 0)
		error = dir->inode->ops->nameless(
			dir->inode, UK_S_IFREG | (mode & UK_S_ALL & ~fs_umask), &inode);
	fs_dentry_put(dir);
	if (error != 0)
		return uk_err_ptr(error);
	inode->linkable = (flags & UK_O_EXCL) == 0;
	file = fs_file_nameless(inode, "/tmp/# (deleted)", flags & ~(uint32_t)UK_O_TMPFILE);
	return file;
}

struct uk_file *fs_file_open_at(int dirfd, const char *path, uint32_t flags, uint32_t mode)
{
	struct uk_dentry *dentry;
	struct uk_file *file;
	struct fs_walk walk;
	bool created;
	int error;

	if ((flags & UK_O_TMPFILE) == UK_O_TMPFILE)
		return open_nameless(dirfd, path, flags, mode);
	if ((flags & UK_O_PATH) != 0)
		flags &= UK_O_PATH | UK_O_DIRECTORY | UK_O_NOFOLLOW | UK_O_CLOEXEC;
	if (path[0] == '\0')
		return uk_err_ptr(-UK_ENOENT);
	error = fs_walk_begin(&walk, dirfd, path);
	if (error != 0)
		return uk_err_ptr(error);
	error = open_walk(&walk, flags, mode, &dentry, &created);
	fs_walk_end(&walk);
	if (error == 0 && !created) {
		error = may_open(dentry, flags);
		if (error != 0)
			fs_dentry_put(dentry);
	}
	if (error != 0)
		return uk_err_ptr(error);
	file = fs_file_open_dentry(dentry, flags);
	if (!uk_is_err(file) && (flags & UK_O_TRUNC) != 0 && !created &&
	    UK_S_IS(file->inode->mode, REG)) {
		error = fs_truncate(file->inode, 0);
		fs_notify(file->dentry, UK_IN_MODIFY);
		if (error != 0) {
			uk_file_put(file);
			return uk_err_ptr(error);
		}
	}
	return file;
}

struct uk_file *uk_file_open(const char *path, int flags, uint32_t mode)
{
	struct uk_thread *self = uk_thread_self();
	bool trusted = self->trusted;
	struct uk_file *file;

	self->trusted = true;
	file = fs_file_open_at(UK_AT_FDCWD, path, (uint32_t)flags, mode);
	self->trusted = trusted;
	return file;
}

int uk_file_may_execute(struct uk_file *file)
{
	if (file->inode == NULL || !UK_S_IS(file->inode->mode, REG))
		return -UK_EACCES;
	return (file->inode->mode & 0111) != 0 ? 0 : -UK_EACCES;
}

int uk_file_path(struct uk_file *file, char *path, size_t room)
{
	int size;

	if (file->dentry != NULL) {
		size = fs_dentry_path(file->dentry, path, room);
		return size == -UK_ENOENT ? (int)strlen(path) : size;
	}
	if (file->ops->describe != NULL)
		return file->ops->describe(file, path, room);
	size = (int)uk_strlcpy(path, "anon_inode:[file]", room);
	return (size_t)size < room ? size : -UK_ERANGE;
}
