/*
 * From a mount in the boot configuration to a squashfs: which device carries the volume, and
 * whether it is what the configuration says. A program without its files must not run, so what does
 * not fit ends the machine, with the reason.
 */
#include <uk/block.h>
#include <uk/log.h>
#include <uk/start.h>

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

void fs_volume_mount(const struct uni_config_mount *what, const char *path, char *source,
		     size_t room, struct uk_super **super)
{
	struct fs_volume *volume;
	struct uk_block_dev *dev;
	char uuid[UK_UUID_TEXT];
	int error;

	register_embedded();
	fs_uuid_text(what->uuid, uuid);
	dev = fs_volume_find(what);
	if (dev == NULL)
		uk_panic("volume %s: no device carries %s (kernel: %s)", path, uuid, uk_words);
	uk_snprintf(source, room, "/dev/%s", dev->name);
	error = fs_volume_open(dev, what, path, &volume);
	if (error != 0)
		uk_panic("volume %s: the hash tree on %s is not the one configured (error %d)",
			 path, dev->name, -error);
	error = fs_squashfs_mount(volume, super);
	if (error != 0)
		uk_panic("volume %s: no sound squashfs on %s (error %d)", path, dev->name, -error);
}
