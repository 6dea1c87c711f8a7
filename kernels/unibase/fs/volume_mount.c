/*
 * From what the configuration, or an order, says of a volume to a file system at its place.
 */
#include <uk/block.h>
#include <uk/start.h>

#include "fs.h"

int fs_mounting_fails(struct fs_mounting *m, int error, const char *format, ...)
{
	__builtin_va_list args;

	__builtin_va_start(args, format);
	uk_vsnprintf(m->why, sizeof(m->why), format, args);
	__builtin_va_end(args);
	return error;
}

int fs_mounting_no_device(struct fs_mounting *m)
{
	char uuid[UK_UUID_TEXT];

	fs_uuid_text(m->what->uuid, uuid);
	return fs_mounting_fails(m, -UK_ENODEV, "no device carries %s (kernel: %s)", uuid,
				 uk_words);
}

static int mount_tmpfs(struct fs_mounting *m)
{
	m->super = fs_tmpfs_new(m->what->size);
	if (m->super == NULL)
		return fs_mounting_fails(m, -UK_ENOMEM, "no memory");
	m->super->root->mode = UK_S_IFDIR | UK_S_ISVTX | 0777; /* as on Linux */
	return 0;
}

int fs_volume_mount(struct fs_mounting *m)
{
	switch (m->what->fs) {
	case UNI_FS_TMPFS:
		return mount_tmpfs(m);
	case UNI_FS_SQUASHFS:
		return fs_squashfs_volume_mount(m);
	case UNI_FS_LIVE:
		return fs_live_mount(m);
	case UNI_FS_EXT4:
		return fs_ext4_volume_mount(m);
	default:
		return fs_mounting_fails(m, -UK_EOPNOTSUPP,
					 "this kernel has no file system of kind %u", m->what->fs);
	}
}

static const char *type_of(const struct uni_config_mount *what)
{
	return what->fs == UNI_FS_TMPFS ? "tmpfs" : what->fs == UNI_FS_EXT4 ? "ext4" : "squashfs";
}

int fs_volume_place(struct fs_mounting *m, struct uk_dentry *point)
{
	char source[24] = "tmpfs";
	struct fs_mount *mount;
	int error;

	if (m->dev != NULL)
		uk_snprintf(source, sizeof(source), "/dev/%s", m->dev->name);
	m->super->type = type_of(m->what);
	error = fs_mount_add(point, m->super, source);
	fs_dentry_put(point);
	if (error != 0)
		return error;
	mount = fs_mount_of(m->super);
	memcpy(mount->uuid, m->what->uuid, sizeof(mount->uuid));
	fs_live_mounted(m->super);
	return 0;
}
