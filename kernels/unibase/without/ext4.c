/*
 * A kernel without ext4.
 */
#include <uk/log.h>
#include <uk/start.h>

#include "../fs/fs.h"

void fs_ext4_volume_mount(const struct uni_config_mount *what, const char *path, char *source,
			  size_t room, struct uk_super **super)
{
	(void)what;
	(void)source;
	(void)room;
	*super = NULL;
	uk_panic("mount %s: this kernel has no ext4 (%s)", path, uk_words);
}
