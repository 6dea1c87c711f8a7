/*
 * A kernel without ext4.
 */
#include <uk/start.h>

#include "../fs/fs.h"

int fs_ext4_volume_mount(struct fs_mounting *m)
{
	return fs_mounting_fails(m, -UK_EOPNOTSUPP, "this kernel has no ext4 (%s)", uk_words);
}
