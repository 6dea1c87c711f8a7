/*
 * System calls on names: making, linking, moving and removing them, links' targets, the working
 * folder, the entries of folders.
 */
#include "calls.h"

static int64_t make_node(int dirfd, uint64_t user_path, uint32_t mode, uint64_t rdev)
{
	struct fs_path path;
	int error = fs_path_get(&path, user_path);

	if (error != 0)
		return error;
	error = fs_make_node(dirfd, path.text, mode, rdev);
	fs_path_put(&path);
	return error;
}

static int64_t make_folder(int dirfd, uint64_t user_path, uint64_t mode)
{
	const uint32_t bits = 0777 | UK_S_ISVTX;

	return make_node(dirfd, user_path, UK_S_IFDIR | ((uint32_t)mode & bits), 0);
}

int64_t uk_sys_mkdir(const struct uk_sysargs *s)
{
	return make_folder(UK_AT_FDCWD, s->a[0], s->a[1]);
}

int64_t uk_sys_mkdirat(const struct uk_sysargs *s)
{
	return make_folder(fs_arg_int(s->a[0]), s->a[1], s->a[2]);
}

static int64_t make_special(int dirfd, uint64_t user_path, uint64_t mode, uint64_t rdev)
{
	uint32_t bits = (uint32_t)mode & (UK_S_IFMT | UK_S_ALL);

	switch (bits & UK_S_IFMT) {
	case 0:
		bits |= UK_S_IFREG;
		break;
	case UK_S_IFREG:
	case UK_S_IFCHR:
	case UK_S_IFBLK:
	case UK_S_IFIFO:
	case UK_S_IFSOCK:
		break;
	case UK_S_IFDIR:
		return -UK_EPERM;
	default:
		return -UK_EINVAL;
	}
	return make_node(dirfd, user_path, bits,
			 UK_S_IS(bits, CHR) || UK_S_IS(bits, BLK) ? (uint32_t)rdev : 0);
}

int64_t uk_sys_mknod(const struct uk_sysargs *s)
{
	return make_special(UK_AT_FDCWD, s->a[0], s->a[1], s->a[2]);
}

int64_t uk_sys_mknodat(const struct uk_sysargs *s)
{
	return make_special(fs_arg_int(s->a[0]), s->a[1], s->a[2], s->a[3]);
}

static int64_t remove_name(int dirfd, uint64_t user_path, bool folder)
{
	struct fs_path path;
	int error = fs_path_get(&path, user_path);

	if (error != 0)
		return error;
	error = fs_remove(dirfd, path.text, folder);
	fs_path_put(&path);
	return error;
}

int64_t uk_sys_unlink(const struct uk_sysargs *s)
{
	return remove_name(UK_AT_FDCWD, s->a[0], false);
}

int64_t uk_sys_rmdir(const struct uk_sysargs *s)
{
	return remove_name(UK_AT_FDCWD, s->a[0], true);
}

int64_t uk_sys_unlinkat(const struct uk_sysargs *s)
{
	uint32_t flags = (uint32_t)s->a[2];

	if ((flags & ~(uint32_t)UK_AT_REMOVEDIR) != 0)
		return -UK_EINVAL;
	return remove_name(fs_arg_int(s->a[0]), s->a[1], flags != 0);
}

/* Two paths of the program's for one operation. */
static int paths_get(struct fs_path *a, uint64_t user_a, struct fs_path *b, uint64_t user_b)
{
	int error = fs_path_get(a, user_a);

	if (error != 0)
		return error;
	error = fs_path_get(b, user_b);
	if (error != 0)
		fs_path_put(a);
	return error;
}

static int64_t rename_name(int old_dirfd, uint64_t old, int dirfd, uint64_t new, uint64_t flags)
{
	struct fs_path from, to;
	int error = paths_get(&from, old, &to, new);

	if (error != 0)
		return error;
	error = fs_rename(old_dirfd, from.text, dirfd, to.text, (uint32_t)flags);
	fs_path_put(&from);
	fs_path_put(&to);
	return error;
}

int64_t uk_sys_rename(const struct uk_sysargs *s)
{
	return rename_name(UK_AT_FDCWD, s->a[0], UK_AT_FDCWD, s->a[1], 0);
}

int64_t uk_sys_renameat(const struct uk_sysargs *s)
{
	return rename_name(fs_arg_int(s->a[0]), s->a[1], fs_arg_int(s->a[2]), s->a[3], 0);
}

int64_t uk_sys_renameat2(const struct uk_sysargs *s)
{
	return rename_name(fs_arg_int(s->a[0]), s->a[1], fs_arg_int(s->a[2]), s->a[3], s->a[4]);
}

/* The inode that a link is to be made to; descriptors without a name count as well. */
static int link_source(int dirfd, const char *path, uint32_t flags, struct uk_inode **out)
{
	struct uk_dentry *dentry;
	int error = fs_walk_path(dirfd, path,
				 ((flags & UK_AT_SYMLINK_FOLLOW) != 0 ? FS_FOLLOW : 0u) |
					 ((flags & UK_AT_EMPTY_PATH) != 0 ? FS_EMPTY : 0u),
				 &dentry);

	if (error != 0)
		return error;
	*out = dentry->inode;
	uk_inode_get(*out);
	fs_dentry_put(dentry);
	return 0;
}

static int64_t make_link(int old_dirfd, uint64_t old, int dirfd, uint64_t new, uint32_t flags)
{
	struct fs_path from, to;
	struct uk_inode *inode;
	int error;

	if ((flags & ~(uint32_t)(UK_AT_SYMLINK_FOLLOW | UK_AT_EMPTY_PATH)) != 0)
		return -UK_EINVAL;
	error = paths_get(&from, old, &to, new);
	if (error != 0)
		return error;
	error = link_source(old_dirfd, from.text, flags, &inode);
	if (error == 0) {
		error = fs_make_link_to(inode, dirfd, to.text);
		uk_inode_put(inode);
	}
	fs_path_put(&from);
	fs_path_put(&to);
	return error;
}

int64_t uk_sys_link(const struct uk_sysargs *s)
{
	return make_link(UK_AT_FDCWD, s->a[0], UK_AT_FDCWD, s->a[1], 0);
}

int64_t uk_sys_linkat(const struct uk_sysargs *s)
{
	return make_link(fs_arg_int(s->a[0]), s->a[1], fs_arg_int(s->a[2]), s->a[3],
			 (uint32_t)s->a[4]);
}

static int64_t make_symlink(uint64_t target, int dirfd, uint64_t user_path)
{
	struct fs_path to, path;
	int error = paths_get(&to, target, &path, user_path);

	if (error != 0)
		return error;
	error = fs_make_symlink(to.text, dirfd, path.text);
	fs_path_put(&to);
	fs_path_put(&path);
	return error;
}

int64_t uk_sys_symlink(const struct uk_sysargs *s)
{
	return make_symlink(s->a[0], UK_AT_FDCWD, s->a[1]);
}

int64_t uk_sys_symlinkat(const struct uk_sysargs *s)
{
	return make_symlink(s->a[0], fs_arg_int(s->a[1]), s->a[2]);
}

static int64_t target_to_user(const struct uk_dentry *dentry, bool by_descriptor, uint64_t user,
			      int room)
{
	struct uk_inode *inode = dentry->inode;
	char *target;
	int size;

	if (!UK_S_IS(inode->mode, LNK) || inode->ops->readlink == NULL)
		return by_descriptor ? -UK_ENOENT : -UK_EINVAL;
	target = uk_alloc(UK_PATH_MAX);
	if (target == NULL)
		return -UK_ENOMEM;
	size = inode->ops->readlink(inode, target, UK_PATH_MAX);
	if (size > 0) {
		size = UK_MIN(size, room);
		if (uk_copy_to_user(user, target, (size_t)size) != 0)
			size = -UK_EFAULT;
	}
	uk_free(target);
	return size;
}

static int64_t read_link(int dirfd, uint64_t user_path, uint64_t user, int room)
{
	struct uk_dentry *dentry;
	struct fs_path path;
	int64_t result;

	if (room <= 0)
		return -UK_EINVAL;
	result = fs_path_get(&path, user_path);
	if (result != 0)
		return result;
	/* An empty path means the link that the descriptor itself was opened for. */
	result = path.text[0] == '\0' && dirfd == UK_AT_FDCWD
			 ? -UK_ENOENT
			 : fs_walk_path(dirfd, path.text, FS_EMPTY, &dentry);
	if (result == 0) {
		result = target_to_user(dentry, path.text[0] == '\0', user, room);
		fs_dentry_put(dentry);
	}
	fs_path_put(&path);
	return result;
}

int64_t uk_sys_readlink(const struct uk_sysargs *s)
{
	return read_link(UK_AT_FDCWD, s->a[0], s->a[1], fs_arg_int(s->a[2]));
}

int64_t uk_sys_readlinkat(const struct uk_sysargs *s)
{
	return read_link(fs_arg_int(s->a[0]), s->a[1], s->a[2], fs_arg_int(s->a[3]));
}

/* -- the working folder -- */

int64_t uk_sys_chdir(const struct uk_sysargs *s)
{
	struct uk_dentry *dentry;
	struct fs_path path;
	int error = fs_path_get(&path, s->a[0]);

	if (error != 0)
		return error;
	error = fs_walk_path(UK_AT_FDCWD, path.text, FS_FOLLOW | FS_DIRECTORY, &dentry);
	fs_path_put(&path);
	if (error != 0)
		return error;
	error = uk_permit(dentry->inode, UK_X_OK);
	if (error == 0)
		fs_cwd_set(dentry);
	else
		fs_dentry_put(dentry);
	return error;
}

int64_t uk_sys_fchdir(const struct uk_sysargs *s)
{
	struct uk_file *file = uk_fd_get(fs_arg_int(s->a[0]));
	int error = 0;

	if (file == NULL)
		return -UK_EBADF;
	if (file->dentry == NULL || !fs_is_dir(file->dentry)) {
		error = -UK_ENOTDIR;
	} else {
		error = uk_permit(file->inode, UK_X_OK);
	}
	if (error == 0) {
		fs_dentry_get(file->dentry);
		fs_cwd_set(file->dentry);
	}
	uk_file_put(file);
	return error;
}

int64_t uk_sys_getcwd(const struct uk_sysargs *s)
{
	struct uk_dentry *dentry;
	char *path = uk_alloc(UK_PATH_MAX);
	int64_t size;

	if (path == NULL)
		return -UK_ENOMEM;
	dentry = fs_cwd_get();
	size = fs_dentry_path(dentry, path, UK_PATH_MAX);
	fs_dentry_put(dentry);
	if (size >= 0) {
		size++;
		if ((uint64_t)size > s->a[1])
			size = -UK_ERANGE;
		else if (uk_copy_to_user(s->a[0], path, (size_t)size) != 0)
			size = -UK_EFAULT;
	}
	uk_free(path);
	return size;
}

/* -- entries of a folder -- */

/* Records for the program collect in the kernel: the folder is locked meanwhile. */
struct collect {
	struct uk_dirent_sink sink;
	uint8_t *at;
	size_t used, room;
	bool full;
};

static int collect_add(struct uk_dirent_sink *sink, const char *name, size_t size, uint64_t ino,
		       unsigned type, uint64_t next)
{
	struct collect *c = uk_container(sink, struct collect, sink);
	size_t need = UK_ALIGN_UP(offsetof(struct uk_linux_dirent64, name) + size + 1, (size_t)8);
	struct uk_linux_dirent64 *entry = (void *)(c->at + c->used);

	if (need > c->room - c->used) {
		c->full = true;
		return 1;
	}
	memset(entry, 0, need);
	entry->ino = ino;
	entry->off = (int64_t)next;
	entry->reclen = (uint16_t)need;
	entry->type = (uint8_t)type;
	memcpy(entry->name, name, size);
	c->used += need;
	return 0;
}

static int64_t entries(struct uk_file *file, uint64_t user, size_t room)
{
	enum { ROOM_MAX = 32 << 10 };
	struct collect c = { .sink = { collect_add }, .room = UK_MIN(room, (size_t)ROOM_MAX) };
	int64_t result;

	if (file->ops->readdir == NULL)
		return -UK_ENOTDIR;
	c.at = uk_alloc(c.room);
	if (c.at == NULL)
		return -UK_ENOMEM;
	uk_mutex_lock(&file->lock);
	result = file->ops->readdir(file, &c.sink);
	uk_mutex_unlock(&file->lock);
	if (result == 0 && c.used == 0 && c.full)
		result = -UK_EINVAL;
	if (result == 0 && uk_copy_to_user(user, c.at, c.used) != 0)
		result = -UK_EFAULT;
	uk_free(c.at);
	return result != 0 ? result : (int64_t)c.used;
}

int64_t uk_sys_getdents64(const struct uk_sysargs *s)
{
	struct uk_file *file = fs_fd_real(fs_arg_int(s->a[0]));
	int64_t result;

	if (file == NULL)
		return -UK_EBADF;
	result = entries(file, s->a[1], (uint32_t)s->a[2]);
	uk_file_put(file);
	return result;
}
