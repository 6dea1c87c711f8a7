/*
 * Reading the ISO images that the writer here makes: the disk in them, without the file system
 * around it. Others' CDs hold no disk.
 */
#include <string.h>
#include <uni/base/file.h>

#include "bytes.h"
#include "iso.h"
#include "mapped.h"

enum { PREPARER_AT = 446, SECTORS_AT = 80 };

static bool read_head(const struct disk_image *image, uint8_t head[ISO_SECTOR])
{
	struct uni_err ignored = UNI_ERR_INIT;

	return disk_image_read(image, head, ISO_SECTOR, ISO_START, "", &ignored) == 0;
}

static bool probe(const struct disk_image *image)
{
	uint8_t head[ISO_SECTOR];

	return read_head(image, head) && memcmp(head, "\1" ISO_MAGIC, 6) == 0 &&
	       memcmp(head + PREPARER_AT, ISO_PREPARER, strlen(ISO_PREPARER)) == 0;
}

/* What stands in front of the file system: the disk's first bytes, or nothing. */
static int starts_disk(const struct disk_image *image, bool *starts, struct uni_err *err)
{
	uint8_t front[4096];
	int rc = 0;

	*starts = false;
	for (uint64_t at = 0; rc == 0 && !*starts && at < ISO_START; at += sizeof(front)) {
		rc = disk_image_read(image, front, sizeof(front), at, "its front", err);
		*starts = rc == 0 && !uni_all_zero(front, sizeof(front));
	}
	return rc;
}

static int iso_open(struct uni_disk_source **source, const struct disk_image *image,
		    struct uni_err *err)
{
	uint8_t head[ISO_SECTOR];
	struct disk_composed *disk;
	uint64_t size;
	bool front;
	int rc = starts_disk(image, &front, err);

	if (rc != 0)
		return rc;
	if (!read_head(image, head))
		return disk_corrupt(image, err, "its volume descriptor cannot be read");
	size = (uint64_t)get_le32(head + SECTORS_AT) * ISO_SECTOR;
	if (size <= ISO_ROOM || size > image->length)
		return disk_corrupt(image, err, "is shorter than its volume; it may be truncated");
	if (!front) {
		*source = uni_disk_source_from_fd(image->fd, image->start + ISO_ROOM,
						  size - ISO_ROOM, image->name);
		(*source)->form = "iso";
		return 0;
	}
	disk = disk_composed_new("iso", size);
	disk_composed_add(disk, 0, ISO_START,
			  uni_disk_source_from_fd(image->fd, image->start, ISO_START, image->name),
			  0, true);
	disk_composed_add(disk, ISO_ROOM, size - ISO_ROOM,
			  uni_disk_source_from_fd(image->fd, image->start + ISO_ROOM,
						  size - ISO_ROOM, image->name),
			  0, true);
	*source = disk_composed_source(disk);
	return 0;
}

const struct disk_reader disk_read_iso = {
	.form = "iso",
	.probe = probe,
	.open = iso_open,
};
