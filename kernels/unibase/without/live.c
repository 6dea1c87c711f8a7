/*
 * A kernel without live volumes.
 */
#include <uk/log.h>
#include <uk/start.h>

#include "../fs/fs.h"

void fs_live_mount(const struct uni_config_mount *what, const char *path, char *source, size_t room,
		   struct uk_super **super)
{
	(void)what;
	(void)source;
	(void)room;
	*super = NULL;
	uk_panic("mount %s: this kernel has no live volumes (%s)", path, uk_words);
}

void fs_live_mounted(struct uk_super *super)
{
	(void)super;
}

void fs_live_start(void)
{
}

int fs_live_open(struct uk_inode *inode, struct uk_file *file)
{
	(void)inode;
	(void)file;
	return -UK_ENOENT;
}
