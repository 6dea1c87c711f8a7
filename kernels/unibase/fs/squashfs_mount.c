/*
 * From what the configuration, or an order, says of a volume to a squashfs: which device carries
 * it, and whether it is what was said.
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

int fs_squashfs_volume_mount(struct fs_mounting *m)
{
	struct fs_volume *volume;
	int error;

	register_embedded();
	m->dev = fs_volume_find(m->what);
	if (m->dev == NULL)
		return fs_mounting_no_device(m);
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
