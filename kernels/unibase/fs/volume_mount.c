/*
 * From what the configuration, or an order, says of a volume to a file system: which device carries
 * it, and whether it is what was said.
 */
#include <uk/block.h>
#include <uk/log.h>
#include <uk/start.h>
#include <uni/abi/ext4.h>

#include "fs.h"

/* Volumes inside the image become block devices, once. */
static void register_embedded(void)
{
	static bool done;
	const struct uni_part *part;
	char name[16];

	if (done)
		return;
	done = true;
	for (unsigned i = 0; (part = uk_part(i)) != NULL; i++) {
		if (part->kind != UNI_PART_VOLUME)
			continue;
		uk_snprintf(name, sizeof(name), "image%u", i);
		if (uk_block_memory(name, uk_part_data(part), part->size, part->uuid) == NULL)
			uk_panic("no memory for an embedded volume");
	}
}

static void uuid_text(const uint8_t uuid[16], char text[40])
{
	size_t at = 0;

	for (unsigned i = 0; i < 16; i++)
		at += (size_t)uk_snprintf(text + at, 40 - at, "%s%02x",
					  i == 4 || i == 6 || i == 8 || i == 10 ? "-" : "",
					  uuid[i]);
}

int fs_mounting_fails(struct fs_mounting *m, int error, const char *format, ...)
{
	__builtin_va_list args;

	__builtin_va_start(args, format);
	uk_vsnprintf(m->why, sizeof(m->why), format, args);
	__builtin_va_end(args);
	return error;
}

static int no_device(struct fs_mounting *m)
{
	char uuid[40];

	uuid_text(m->what->uuid, uuid);
	return fs_mounting_fails(m, -UK_ENODEV, "no device carries %s", uuid);
}

static int mount_squashfs(struct fs_mounting *m)
{
	struct fs_volume *volume;
	int error;

	register_embedded();
	m->dev = fs_volume_find(m->what);
	if (m->dev == NULL)
		return no_device(m);
	error = fs_volume_open(m->dev, m->what, m->path, &volume);
	if (error != 0)
		return fs_mounting_fails(m, error,
					 "the hash tree on %s is not the one configured (error %d)",
					 m->dev->name, -error);
	error = fs_squashfs_mount(volume, &m->super);
	return error == 0 ? 0
			  : fs_mounting_fails(m, error, "no sound squashfs on %s (error %d)",
					      m->dev->name, -error);
}

/* The UUID of an ext4 on the whole device, in the order of GPT; false: there is none. */
static bool ext4_uuid(struct uk_block_dev *dev, struct uni_ext4_super *room, uint8_t uuid[16])
{
	if (dev->size < 2 * UNI_EXT4_SUPER_AT ||
	    uk_block_read(dev, UNI_EXT4_SUPER_AT, room, sizeof(*room)) != 0 ||
	    room->magic != UNI_EXT4_MAGIC)
		return false;
	fs_gpt_order(room->uuid, uuid);
	return true;
}

/* By partition, else a disk of its own. */
static struct uk_block_dev *find_ext4(const struct uni_config_mount *what)
{
	struct uk_block_dev *dev = uk_block_find(what->uuid);
	struct uni_ext4_super *room;
	uint8_t uuid[16];

	if (dev != NULL)
		return dev;
	room = uk_alloc(sizeof(*room));
	while (room != NULL && (dev = uk_block_next(dev)) != NULL)
		if (ext4_uuid(dev, room, uuid) && memcmp(uuid, what->uuid, sizeof(uuid)) == 0)
			break;
	uk_free(room);
	return dev;
}

static int mount_ext4(struct fs_mounting *m)
{
	bool read_only = (m->what->flags & UNI_MOUNT_READ_ONLY) != 0;
	int error;

	m->dev = find_ext4(m->what);
	if (m->dev == NULL)
		return no_device(m);
	error = fs_ext4_mount(m->dev, read_only, &m->super);
	if (error != 0)
		return fs_mounting_fails(m, error, "no sound ext4 on %s (error %d)", m->dev->name,
					 -error);
	if (!read_only && m->super->read_only)
		uk_log(UK_LOG_WARN, "volume %s: %s can only be read", m->path, m->dev->name);
	return 0;
}

static int mount_tmpfs(struct fs_mounting *m)
{
	m->super = fs_tmpfs_new(m->what->size);
	return m->super != NULL ? 0 : fs_mounting_fails(m, -UK_ENOMEM, "no memory");
}

int fs_volume_mount(struct fs_mounting *m)
{
	switch (m->what->fs) {
	case UNI_FS_TMPFS:
		return mount_tmpfs(m);
	case UNI_FS_SQUASHFS:
		return mount_squashfs(m);
	case UNI_FS_LIVE:
		return fs_live_mount(m);
	case UNI_FS_EXT4:
		return mount_ext4(m);
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
