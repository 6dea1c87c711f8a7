/*
 * Calls that this kernel refuses on purpose (sys/table.def says what to do instead), and those on
 * extended attributes, which only squashfs has.
 */
#include "calls.h"

int64_t uk_sys_mount(const struct uk_sysargs *s)
{
	(void)s;
	return -UK_EPERM;
}

int64_t uk_sys_umount2(const struct uk_sysargs *s)
{
	(void)s;
	return -UK_EPERM;
}

int64_t uk_sys_pivot_root(const struct uk_sysargs *s)
{
	(void)s;
	return -UK_EPERM;
}

int64_t uk_sys_chroot(const struct uk_sysargs *s)
{
	(void)s;
	return -UK_EPERM;
}

/* As a kernel without inotify: programs then look by themselves. */
int64_t uk_sys_inotify_init(const struct uk_sysargs *s)
{
	(void)s;
	return -UK_ENOSYS;
}

int64_t uk_sys_inotify_init1(const struct uk_sysargs *s)
{
	(void)s;
	return -UK_ENOSYS;
}

int64_t uk_sys_inotify_add_watch(const struct uk_sysargs *s)
{
	(void)s;
	return -UK_ENOSYS;
}

int64_t uk_sys_inotify_rm_watch(const struct uk_sysargs *s)
{
	(void)s;
	return -UK_ENOSYS;
}

/* -EINVAL is what Linux says of descriptors that cannot be spliced: programs fall back. */
int64_t uk_sys_splice(const struct uk_sysargs *s)
{
	(void)s;
	return -UK_EINVAL;
}

int64_t uk_sys_tee(const struct uk_sysargs *s)
{
	(void)s;
	return -UK_EINVAL;
}

int64_t uk_sys_vmsplice(const struct uk_sysargs *s)
{
	(void)s;
	return -UK_EINVAL;
}

/* -- extended attributes -- */

enum { NAME_ROOM = 256, VALUE_MAX = 65536 };

static int inode_by_path(uint64_t user_path, bool follow, struct uk_inode **out)
{
	struct uk_dentry *dentry;
	struct fs_path path;
	int error = fs_path_get(&path, user_path);

	if (error != 0)
		return error;
	error = fs_walk_path(UK_AT_FDCWD, path.text, follow ? (unsigned)FS_FOLLOW : 0, &dentry);
	fs_path_put(&path);
	if (error != 0)
		return error;
	*out = dentry->inode;
	uk_inode_get(*out);
	fs_dentry_put(dentry);
	return 0;
}

static int inode_by_fd(uint64_t fd, struct uk_inode **out)
{
	struct uk_file *file = fs_fd_real(fs_arg_int(fd));

	if (file == NULL)
		return -UK_EBADF;
	*out = fs_file_inode(file);
	uk_file_put(file);
	return *out != NULL ? 0 : -UK_ENOMEM;
}

/* The value of an attribute, or the list of names when `user_name` is 0. Takes the inode. */
static int64_t get(struct uk_inode *inode, uint64_t user_name, uint64_t user, uint64_t room)
{
	char name[NAME_ROOM];
	int64_t size = -UK_EOPNOTSUPP;
	void *value = NULL;

	if (user_name != 0)
		size = uk_string_from_user(name, user_name, sizeof(name));
	if (user_name != 0 && size <= 0) {
		uk_inode_put(inode);
		return size == 0 || size == -UK_ENAMETOOLONG ? -UK_ERANGE : size;
	}
	room = UK_MIN(room, (uint64_t)VALUE_MAX);
	value = room != 0 ? uk_alloc(room) : NULL;
	if (room != 0 && value == NULL)
		size = -UK_ENOMEM;
	else if (inode->ops->xattr != NULL)
		size = inode->ops->xattr(inode, user_name != 0 ? name : NULL, value, room);
	else
		size = user_name != 0 ? -UK_EOPNOTSUPP : 0;
	if (size > 0 && room != 0 && uk_copy_to_user(user, value, (size_t)size) != 0)
		size = -UK_EFAULT;
	uk_free(value);
	uk_inode_put(inode);
	return size;
}

static int64_t get_by_path(const struct uk_sysargs *s, bool follow)
{
	struct uk_inode *inode;
	int error = inode_by_path(s->a[0], follow, &inode);

	return error != 0 ? error : get(inode, s->a[1], s->a[2], s->a[3]);
}

int64_t uk_sys_getxattr(const struct uk_sysargs *s)
{
	return get_by_path(s, true);
}

int64_t uk_sys_lgetxattr(const struct uk_sysargs *s)
{
	return get_by_path(s, false);
}

int64_t uk_sys_fgetxattr(const struct uk_sysargs *s)
{
	struct uk_inode *inode;
	int error = inode_by_fd(s->a[0], &inode);

	return error != 0 ? error : get(inode, s->a[1], s->a[2], s->a[3]);
}

static int64_t list_by_path(const struct uk_sysargs *s, bool follow)
{
	struct uk_inode *inode;
	int error = inode_by_path(s->a[0], follow, &inode);

	return error != 0 ? error : get(inode, 0, s->a[1], s->a[2]);
}

int64_t uk_sys_listxattr(const struct uk_sysargs *s)
{
	return list_by_path(s, true);
}

int64_t uk_sys_llistxattr(const struct uk_sysargs *s)
{
	return list_by_path(s, false);
}

int64_t uk_sys_flistxattr(const struct uk_sysargs *s)
{
	struct uk_inode *inode;
	int error = inode_by_fd(s->a[0], &inode);

	return error != 0 ? error : get(inode, 0, s->a[1], s->a[2]);
}

/* No file system here keeps new ones; what there is nothing of cannot be removed either. */
static int64_t refuse_by_path(const struct uk_sysargs *s, bool follow)
{
	struct uk_inode *inode;
	int error = inode_by_path(s->a[0], follow, &inode);

	if (error != 0)
		return error;
	error = fs_may_write(inode);
	uk_inode_put(inode);
	return error != 0 ? error : -UK_EOPNOTSUPP;
}

static int64_t refuse_by_fd(const struct uk_sysargs *s)
{
	struct uk_inode *inode;
	int error = inode_by_fd(s->a[0], &inode);

	if (error != 0)
		return error;
	error = fs_may_write(inode);
	uk_inode_put(inode);
	return error != 0 ? error : -UK_EOPNOTSUPP;
}

int64_t uk_sys_setxattr(const struct uk_sysargs *s)
{
	return refuse_by_path(s, true);
}

int64_t uk_sys_lsetxattr(const struct uk_sysargs *s)
{
	return refuse_by_path(s, false);
}

int64_t uk_sys_fsetxattr(const struct uk_sysargs *s)
{
	return refuse_by_fd(s);
}

int64_t uk_sys_removexattr(const struct uk_sysargs *s)
{
	return refuse_by_path(s, true);
}

int64_t uk_sys_lremovexattr(const struct uk_sysargs *s)
{
	return refuse_by_path(s, false);
}

int64_t uk_sys_fremovexattr(const struct uk_sysargs *s)
{
	return refuse_by_fd(s);
}
