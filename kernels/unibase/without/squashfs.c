/*
 * A kernel without squashfs.
 */
#include <uk/start.h>

#include "../fs/fs.h"

int fs_squashfs_volume_mount(struct fs_mounting *m)
{
	return fs_mounting_fails(m, -UK_EOPNOTSUPP, "this kernel has no squashfs (%s)", uk_words);
}
