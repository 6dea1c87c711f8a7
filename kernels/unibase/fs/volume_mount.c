/*
 * From a mount in the boot configuration to a file system: which device carries the volume, and
 * whether it is what the configuration says. A program without its files must not run, so what does
 * not fit ends the machine, with the reason.
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

void fs_volume_mount(const struct uni_config_mount *what, const char *path, char *source,
		     size_t room, struct uk_super **super)
{
	struct fs_volume *volume;
	struct uk_block_dev *dev;
	char uuid[40];
	int error;

	register_embedded();
	uuid_text(what->uuid, uuid);
	dev = fs_volume_find(what);
	if (dev == NULL)
		uk_panic("volume %s: no device carries %s", path, uuid);
	uk_snprintf(source, room, "/dev/%s", dev->name);
	error = fs_volume_open(dev, what, path, &volume);
	if (error != 0)
		uk_panic("volume %s: the hash tree on %s is not the one configured (error %d)",
			 path, dev->name, -error);
	error = fs_squashfs_mount(volume, super);
	if (error != 0)
		uk_panic("volume %s: no sound squashfs on %s (error %d)", path, dev->name, -error);
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

void fs_ext4_volume_mount(const struct uni_config_mount *what, const char *path, char *source,
			  size_t room, struct uk_super **super)
{
	bool read_only = (what->flags & UNI_MOUNT_READ_ONLY) != 0;
	struct uk_block_dev *dev;
	char uuid[40];
	int error;

	uuid_text(what->uuid, uuid);
	dev = find_ext4(what);
	if (dev == NULL)
		uk_panic("volume %s: no device carries %s", path, uuid);
	uk_snprintf(source, room, "/dev/%s", dev->name);
	error = fs_ext4_mount(dev, read_only, super);
	if (error != 0)
		uk_panic("volume %s: no sound ext4 on %s (error %d)", path, dev->name, -error);
	if (!read_only && (*super)->read_only)
		uk_log(UK_LOG_WARN, "volume %s: %s can only be read", path, dev->name);
}
