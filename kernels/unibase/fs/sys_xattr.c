/*
 * System calls about extended attributes: what squashfs, ext4 and tmpfs have, and the latter two
 * take.
 */
#include "calls.h"

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

/* Whether the process may read or change this one (xattr(7)). Those of users are for what has
 * content: for other things they would be nobody's. */
static int may(const struct uk_inode *inode, const char *name, bool change)
{
	if (strncmp(name, "trusted.", 8) == 0)
		return fs_is_root() ? 0 : change ? -UK_EPERM : -UK_ENODATA;
	if (strncmp(name, "security.", 9) == 0)
		return fs_is_root() || !change ? 0 : -UK_EPERM;
	if (strncmp(name, "user.", 5) != 0)
		return 0;
	if (name[5] == '\0')
		return -UK_EINVAL;
	if (!UK_S_IS(inode->mode, REG) && !UK_S_IS(inode->mode, DIR))
		return change ? -UK_EPERM : -UK_ENODATA;
	if (change && (inode->mode & UK_S_ISVTX) != 0 && UK_S_IS(inode->mode, DIR) &&
	    !fs_owns(inode))
		return -UK_EPERM;
	return uk_permit(inode, change ? UK_W_OK : UK_R_OK);
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
	size = user_name != 0 ? may(inode, name, false) : 0;
	if (size != 0)
		room = 0;
	else if (room != 0 && value == NULL)
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

/* An attribute to be set, out of the program's memory. */
struct change {
	char name[NAME_ROOM];
	void *value; /* NULL: to be removed */
	size_t size;
	unsigned flags;
};

static int may_change(const struct uk_inode *inode, const char *name)
{
	int error = fs_may_write(inode);

	if (error != 0 || inode->ops->xattr_set == NULL)
		return error != 0 ? error : -UK_EOPNOTSUPP;
	return may(inode, name, true);
}

/* Takes the inode. */
static int apply(struct uk_inode *inode, const struct change *c)
{
	int error = may_change(inode, c->name);

	if (error == 0) {
		uk_mutex_lock(&inode->lock);
		error = inode->ops->xattr_set(inode, c->name, c->value, c->size, c->flags);
		uk_mutex_unlock(&inode->lock);
	}
	uk_inode_put(inode);
	return error;
}

static int take_name(struct change *c, uint64_t user)
{
	int64_t size = uk_string_from_user(c->name, user, sizeof(c->name));

	if (size == 0 || size == -UK_ENAMETOOLONG)
		return -UK_ERANGE;
	return size < 0 ? (int)size : 0;
}

static int take_value(struct change *c, const struct uk_sysargs *s)
{
	c->size = s->a[3];
	c->flags = (unsigned)s->a[4];
	if ((s->a[4] & ~(uint64_t)(UK_XATTR_CREATE | UK_XATTR_REPLACE)) != 0)
		return -UK_EINVAL;
	if (s->a[3] > VALUE_MAX)
		return -UK_E2BIG;
	c->value = uk_alloc(UK_MAX(c->size, (size_t)1));
	if (c->value == NULL)
		return -UK_ENOMEM;
	return c->size != 0 ? uk_copy_from_user(c->value, s->a[2], c->size) : 0;
}

enum who { BY_PATH, BY_LINK, BY_FD };

static int change(const struct uk_sysargs *s, enum who who, bool set)
{
	struct change c = { .flags = UK_XATTR_REPLACE };
	struct uk_inode *inode;
	int error = take_name(&c, s->a[1]);

	if (error == 0 && set)
		error = take_value(&c, s);
	if (error == 0)
		error = who == BY_FD ? inode_by_fd(s->a[0], &inode)
				     : inode_by_path(s->a[0], who == BY_PATH, &inode);
	if (error == 0)
		error = apply(inode, &c);
	uk_free(c.value);
	return error;
}

int64_t uk_sys_setxattr(const struct uk_sysargs *s)
{
	return change(s, BY_PATH, true);
}

int64_t uk_sys_lsetxattr(const struct uk_sysargs *s)
{
	return change(s, BY_LINK, true);
}

int64_t uk_sys_fsetxattr(const struct uk_sysargs *s)
{
	return change(s, BY_FD, true);
}

int64_t uk_sys_removexattr(const struct uk_sysargs *s)
{
	return change(s, BY_PATH, false);
}

int64_t uk_sys_lremovexattr(const struct uk_sysargs *s)
{
	return change(s, BY_LINK, false);
}

int64_t uk_sys_fremovexattr(const struct uk_sysargs *s)
{
	return change(s, BY_FD, false);
}
