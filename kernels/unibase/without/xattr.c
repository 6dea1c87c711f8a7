/*
 * A kernel without extended attributes.
 */
#include <uk/errno.h>
#include <uk/syscall.h>

#include "../fs/fs.h"

int64_t uk_sys_setxattr(const struct uk_sysargs *s)
{
	(void)s;
	return -UK_EOPNOTSUPP;
}

#define SAME(call)                                                                                 \
	int64_t call(const struct uk_sysargs *s) __attribute__((alias("uk_sys_setxattr")))
SAME(uk_sys_lsetxattr);
SAME(uk_sys_fsetxattr);
SAME(uk_sys_getxattr);
SAME(uk_sys_lgetxattr);
SAME(uk_sys_fgetxattr);
SAME(uk_sys_listxattr);
SAME(uk_sys_llistxattr);
SAME(uk_sys_flistxattr);
SAME(uk_sys_removexattr);
SAME(uk_sys_lremovexattr);
SAME(uk_sys_fremovexattr);

int64_t fs_xattr_get(const struct fs_xattr *x, const char *name, void *value, size_t room)
{
	(void)x;
	(void)name;
	(void)value;
	(void)room;
	return -UK_EOPNOTSUPP;
}

int fs_xattr_set(struct fs_xattr **list, const char *name, const void *value, size_t size,
		 unsigned flags)
{
	(void)list;
	(void)name;
	(void)value;
	(void)size;
	(void)flags;
	return -UK_EOPNOTSUPP;
}

void fs_xattr_free(struct fs_xattr *list)
{
	(void)list;
}
