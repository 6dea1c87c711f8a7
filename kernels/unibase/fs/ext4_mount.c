/*
 * From a mount in the boot configuration to an ext4. A program without its files must not run, so
 * what does not fit ends the machine, with the reason.
 */
#include <uk/block.h>
#include <uk/log.h>
#include <uk/start.h>
#include <uni/abi/config.h>
#include <uni/abi/ext4.h>

#include "fs.h"

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
	char uuid[UK_UUID_TEXT];
	int error;

	fs_uuid_text(what->uuid, uuid);
	dev = find_ext4(what);
	if (dev == NULL)
		uk_panic("volume %s: no device carries %s (kernel: %s)", path, uuid, uk_words);
	uk_snprintf(source, room, "/dev/%s", dev->name);
	error = fs_ext4_mount(dev, read_only, super);
	if (error != 0)
		uk_panic("volume %s: no sound ext4 on %s (error %d)", path, dev->name, -error);
	if (!read_only && (*super)->read_only)
		uk_log(UK_LOG_WARN, "volume %s: %s can only be read", path, dev->name);
}
