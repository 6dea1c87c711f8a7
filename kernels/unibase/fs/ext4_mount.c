/*
 * From what the configuration, or an order, says of a volume to an ext4: which device carries it.
 */
#include <uk/block.h>
#include <uk/log.h>
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

int fs_ext4_volume_mount(struct fs_mounting *m)
{
	bool read_only = (m->what->flags & UNI_MOUNT_READ_ONLY) != 0;
	int error;

	m->dev = find_ext4(m->what);
	if (m->dev == NULL)
		return fs_mounting_no_device(m);
	error = fs_ext4_mount(m->dev, read_only, &m->super);
	if (error != 0)
		return fs_mounting_fails(m, error, "no sound ext4 on %s (error %d)", m->dev->name,
					 -error);
	if (!read_only && m->super->read_only)
		uk_log(UK_LOG_WARN, "volume %s: %s can only be read", m->path, m->dev->name);
	return 0;
}
