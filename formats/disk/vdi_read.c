/*
 * Reading VDI, dynamic and fixed: both have a map.
 */
#include <uni/base/file.h>

#include "mapped.h"
#include "vdi.h"

struct vdi_image {
	struct disk_mapped mapped;
	uint64_t map_at;
	uint64_t data_at;
	uint64_t blocks;
	uint64_t stride; /* bytes from block to block in the image */
	uint64_t extra;
};

enum { ENTRIES_AT_ONCE = 16384 };

static bool probe(const struct disk_image *image)
{
	struct uni_err ignored = UNI_ERR_INIT;
	uint8_t signature[4];

	return disk_image_read(image, signature, sizeof(signature),
			       offsetof(struct vdi_header, signature), "", &ignored) == 0 &&
	       get_le32(signature) == VDI_SIGNATURE;
}

static int map(struct disk_mapped *mapped, uint64_t index, struct disk_extent *extent,
	       struct uni_err *err)
{
	const struct vdi_image *vdi = (struct vdi_image *)mapped;
	uint64_t first = index / ENTRIES_AT_ONCE * ENTRIES_AT_ONCE;
	uint64_t count = vdi->blocks - first;
	const uint8_t *table;
	uint32_t entry;

	if (count > ENTRIES_AT_ONCE)
		count = ENTRIES_AT_ONCE;
	table = disk_mapped_table(mapped, vdi->map_at + first * 4, (size_t)count * 4,
				  "its block map", err);
	if (table == NULL)
		return err->code;
	entry = get_le32(table + (index - first) * 4);
	if (entry == VDI_FREE || entry == VDI_ZERO)
		return 0;
	extent->kind = DISK_EXTENT_PLAIN;
	extent->at = vdi->data_at + entry * vdi->stride + vdi->extra;
	return 0;
}

static const struct disk_mapped_ops vdi_ops = { .map = map };

static int check_header(const struct disk_image *image, const struct vdi_header *h,
			struct uni_err *err)
{
	uint64_t size = get_le64(h->disk_size);
	uint32_t block = get_le32(h->block_size);
	uint32_t type = get_le32(h->type);

	if (get_le32(h->version) != VDI_VERSION)
		return disk_unsupported(image, err, "is of VDI version %u.%u",
					get_le32(h->version) >> 16, get_le32(h->version) & 0xffff);
	if (type == VDI_UNDO || type == VDI_DIFFERENCING ||
	    !uni_all_zero(h->parent, sizeof(h->parent)))
		return disk_unsupported(image, err, "stands on another image");
	if (type != VDI_DYNAMIC && type != VDI_FIXED)
		return disk_unsupported(image, err, "is a VDI of type %u", type);
	if (size == 0 || size > UNI_DISK_SIZE_MAX)
		return disk_corrupt(image, err, "has a disk of %llu bytes",
				    (unsigned long long)size);
	if (block < 4096 || block > (256u << 20) || (block & (block - 1)) != 0)
		return disk_corrupt(image, err, "has blocks of %u bytes", block);
	if (get_le32(h->block_extra) > block)
		return disk_corrupt(image, err, "has %u bytes between its blocks",
				    get_le32(h->block_extra));
	if (get_le32(h->blocks) < (size + block - 1) / block)
		return disk_corrupt(image, err, "has a block map that does not fit its size");
	return 0;
}

static int vdi_open(struct uni_disk_source **source, const struct disk_image *image,
		    struct uni_err *err)
{
	struct vdi_header h;
	struct vdi_image *vdi;
	uint32_t block;
	int rc = disk_image_read(image, &h, sizeof(h), 0, "its header", err);

	if (rc == 0)
		rc = check_header(image, &h, err);
	if (rc != 0)
		return rc;
	block = get_le32(h.block_size);
	vdi = disk_mapped_new(sizeof(*vdi), &vdi_ops, "vdi", get_le64(h.disk_size), block, image);
	vdi->map_at = get_le32(h.map_offset);
	vdi->data_at = get_le32(h.data_offset);
	vdi->extra = get_le32(h.block_extra);
	vdi->stride = block + vdi->extra;
	vdi->blocks = (vdi->mapped.base.size + block - 1) / block;
	*source = &vdi->mapped.base;
	return 0;
}

const struct disk_reader disk_read_vdi = {
	.form = "vdi",
	.probe = probe,
	.open = vdi_open,
};
