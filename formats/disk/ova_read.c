/*
 * Reading OVA: a tar whose first file is the machine's description. The first VMDK in it is the
 * disk, where it stands.
 */
#include <string.h>

#include "mapped.h"
#include "tar.h"

enum { ENTRIES_MOST = 1000 };

static bool read_header(const struct disk_image *image, uint64_t at, struct disk_tar_header *header,
			uint64_t *size)
{
	struct uni_err ignored = UNI_ERR_INIT;

	return disk_image_read(image, header, sizeof(*header), at, "", &ignored) == 0 &&
	       memcmp(header->magic, "ustar", 5) == 0 && disk_tar_sound(header) &&
	       disk_tar_number(header->size, sizeof(header->size), size);
}

static bool name_ends(const struct disk_tar_header *header, const char *ending)
{
	size_t length = strnlen(header->name, sizeof(header->name));
	size_t size = strlen(ending);

	return length >= size && memcmp(header->name + length - size, ending, size) == 0;
}

static bool probe(const struct disk_image *image)
{
	struct disk_tar_header header;
	uint64_t size;

	return read_header(image, 0, &header, &size) && name_ends(&header, ".ovf");
}

static int ova_open(struct uni_disk_source **source, const struct disk_image *image,
		    struct uni_err *err)
{
	struct disk_tar_header header;
	uint64_t at = 0, size;

	for (unsigned i = 0; i < ENTRIES_MOST && read_header(image, at, &header, &size); i++) {
		struct disk_image inner = *image;
		int rc;

		at += sizeof(header);
		if (size > image->length || at > image->length - size)
			return disk_corrupt(image, err, "is shorter than what it holds");
		if (name_ends(&header, ".vmdk")) {
			inner.start += at;
			inner.length = size;
			rc = disk_read_vmdk.probe(&inner)
				     ? disk_read_vmdk.open(source, &inner, err)
				     : disk_unsupported(image, err, "holds a disk that is no VMDK");
			if (rc == 0)
				(*source)->form = "ova";
			return rc;
		}
		at += (size + DISK_TAR - 1) / DISK_TAR * DISK_TAR;
	}
	return disk_corrupt(image, err, "holds no disk");
}

const struct disk_reader disk_read_ova = {
	.form = "ova",
	.probe = probe,
	.open = ova_open,
};
