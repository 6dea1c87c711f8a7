/*
 * Reading VHD, fixed and dynamic. The bitmaps of a dynamic disk's blocks say nothing more: a sector
 * that was never written is zero in its block as well.
 */
#include "mapped.h"
#include "vhd.h"

struct vhd_image {
	struct disk_mapped mapped;
	uint64_t table_at;
	uint64_t entries;
	uint64_t bitmap_size;
};

enum { ENTRIES_AT_ONCE = 1024 };

static bool has_footer(const struct disk_image *image, uint64_t at, struct vhd_footer *footer)
{
	struct uni_err ignored = UNI_ERR_INIT;

	return disk_image_read(image, footer, sizeof(*footer), at, "", &ignored) == 0 &&
	       memcmp(footer->cookie, VHD_COOKIE, sizeof(footer->cookie)) == 0;
}

/* A dynamic disk has a copy in front, a fixed one only what stands at its end. */
static bool find_footer(const struct disk_image *image, struct vhd_footer *footer)
{
	return has_footer(image, 0, footer) ||
	       (image->length > sizeof(*footer) &&
		has_footer(image, image->length - sizeof(*footer), footer));
}

static bool probe(const struct disk_image *image)
{
	struct vhd_footer footer;

	return find_footer(image, &footer);
}

/* The table is read in pieces: that of a large disk is not kept in memory. */
static int map(struct disk_mapped *mapped, uint64_t index, struct disk_extent *extent,
	       struct uni_err *err)
{
	const struct vhd_image *vhd = (struct vhd_image *)mapped;
	uint64_t first = index / ENTRIES_AT_ONCE * ENTRIES_AT_ONCE;
	uint64_t count =
		vhd->entries - first < ENTRIES_AT_ONCE ? vhd->entries - first : ENTRIES_AT_ONCE;
	const uint8_t *table = disk_mapped_table(mapped, vhd->table_at + first * 4,
						 (size_t)count * 4, "its block table", err);
	uint32_t entry;

	if (table == NULL)
		return err->code;
	entry = get_be32(table + (index - first) * 4);
	if (entry == VHD_NO_BLOCK)
		return 0;
	extent->kind = DISK_EXTENT_PLAIN;
	extent->at = (uint64_t)entry * 512 + vhd->bitmap_size;
	return 0;
}

static const struct disk_mapped_ops vhd_ops = { .map = map };

static int open_dynamic(struct uni_disk_source **source, const struct disk_image *image,
			uint64_t header_at, uint64_t size, struct uni_err *err)
{
	struct vhd_dynamic header;
	struct vhd_image *vhd;
	uint64_t block;
	int rc = disk_image_read(image, &header, sizeof(header), header_at, "its header", err);

	if (rc != 0)
		return rc;
	if (memcmp(header.cookie, VHD_DYNAMIC_COOKIE, sizeof(header.cookie)) != 0 ||
	    get_be32(header.checksum) != vhd_checksum(&header, sizeof(header), header.checksum))
		return disk_corrupt(image, err, "its dynamic disk header is damaged");
	block = get_be32(header.block_size);
	if (block < 4096 || block > (256 << 20) || (block & (block - 1)) != 0)
		return disk_corrupt(image, err, "has blocks of %llu bytes",
				    (unsigned long long)block);
	if (get_be32(header.entries) < (size + block - 1) / block)
		return disk_corrupt(image, err, "has a block table that does not fit its size");
	vhd = disk_mapped_new(sizeof(*vhd), &vhd_ops, "vhd", size, (size_t)block, image);
	vhd->table_at = get_be64(header.table_offset);
	vhd->entries = (size + block - 1) / block;
	vhd->bitmap_size = vhd_bitmap_size(block);
	*source = &vhd->mapped.base;
	return 0;
}

static int open_fixed(struct uni_disk_source **source, const struct disk_image *image,
		      uint64_t size, struct uni_err *err)
{
	if (size > image->length - sizeof(struct vhd_footer))
		return disk_corrupt(image, err, "is shorter than its disk; it may be truncated");
	*source = uni_disk_source_from_fd(image->fd, image->start, size, image->name);
	(*source)->form = "vhd";
	return 0;
}

static int vhd_open(struct uni_disk_source **source, const struct disk_image *image,
		    struct uni_err *err)
{
	struct vhd_footer footer;
	uint64_t size;

	if (!find_footer(image, &footer) ||
	    get_be32(footer.checksum) != vhd_checksum(&footer, sizeof(footer), footer.checksum))
		return disk_corrupt(image, err, "its footer is damaged");
	size = get_be64(footer.current_size);
	if (size == 0 || size % 512 != 0 || size > UNI_DISK_SIZE_MAX)
		return disk_corrupt(image, err, "has a disk of %llu bytes",
				    (unsigned long long)size);
	switch (get_be32(footer.type)) {
	case VHD_FIXED:
		return open_fixed(source, image, size, err);
	case VHD_DYNAMIC:
		return open_dynamic(source, image, get_be64(footer.data_offset), size, err);
	case VHD_DIFFERENCING:
		return disk_unsupported(image, err, "stands on another image");
	default:
		return disk_unsupported(image, err, "is a VHD of type %u", get_be32(footer.type));
	}
}

const struct disk_reader disk_read_vhd = {
	.form = "vhd",
	.probe = probe,
	.open = vhd_open,
};
