/*
 * A kernel without live volumes.
 */
#include <uk/start.h>

#include "../fs/fs.h"

int fs_live_mount(struct fs_mounting *m)
{
	return fs_mounting_fails(m, -UK_EOPNOTSUPP, "this kernel has no live volumes (%s)",
				 uk_words);
}

void fs_live_mounted(struct uk_super *super)
{
	(void)super;
}

bool fs_live_any(void)
{
	return false;
}

void fs_live_look(void)
{
}

bool fs_live_let_go(void)
{
	return false;
}

bool fs_live_is_held(const struct uk_super *super)
{
	(void)super;
	return false;
}

void fs_live_forget(const struct uk_super *super)
{
	(void)super;
}

int fs_live_open(struct uk_inode *inode, struct uk_file *file)
{
	(void)inode;
	(void)file;
	return -UK_ENOENT;
}
