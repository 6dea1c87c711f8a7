/*
 * A kernel without inotify: the calls are not there, and nobody ever watches.
 */
#include "../fs/fs.h"

uint32_t fs_watches;

void fs_notify_watchers(struct uk_dentry *dentry, uint32_t mask)
{
	(void)dentry;
	(void)mask;
}

void fs_notify_self(struct uk_inode *inode, uint32_t mask)
{
	(void)inode;
	(void)mask;
}

void fs_notify_entry(struct uk_inode *dir, const struct fs_entry *entry, uint32_t mask,
		     uint32_t cookie)
{
	(void)dir;
	(void)entry;
	(void)mask;
	(void)cookie;
}

uint32_t fs_notify_cookie(void)
{
	return 0;
}

void fs_notify_gone(const struct uk_super *super)
{
	(void)super;
}
