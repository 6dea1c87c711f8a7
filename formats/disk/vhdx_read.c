/*
 * Reading VHDX. An image whose log must be replayed was not closed by its writer, and is refused as
 * one that stands on another.
 */
#include <uni/base/file.h>

#include "mapped.h"
#include "vhdx.h"

enum { ENTRIES_AT_ONCE = 8192 };

struct vhdx_image {
	struct disk_mapped mapped;
	uint64_t bat_at;
	uint64_t entries;
	uint64_t ratio;
};

/* What the metadata says. */
struct facts {
	bool has_block, has_size, has_sector;
	uint32_t block;
	uint32_t flags;
	uint64_t size;
	uint32_t sector;
};

struct place {
	uint64_t at;
	uint64_t length;
};

static bool probe(const struct disk_image *image)
{
	struct uni_err ignored = UNI_ERR_INIT;
	char signature[8];

	return disk_image_read(image, signature, sizeof(signature), 0, "", &ignored) == 0 &&
	       memcmp(signature, "vhdxfile", sizeof(signature)) == 0;
}

static int map(struct disk_mapped *mapped, uint64_t index, struct disk_extent *extent,
	       struct uni_err *err)
{
	const struct vhdx_image *vhdx = (struct vhdx_image *)mapped;
	const struct disk_image image = { .name = mapped->name };
	uint64_t number = index + index / vhdx->ratio;
	uint64_t first = number / ENTRIES_AT_ONCE * ENTRIES_AT_ONCE;
	uint64_t count = vhdx->entries - first;
	const uint8_t *table;
	uint64_t entry;

	if (count > ENTRIES_AT_ONCE)
		count = ENTRIES_AT_ONCE;
	table = disk_mapped_table(mapped, vhdx->bat_at + first * 8, (size_t)count * 8,
				  "its block table", err);
	if (table == NULL)
		return err->code;
	entry = get_le64(table + (number - first) * 8);
	switch (entry & 7) {
	case VHDX_NOT_PRESENT:
	case VHDX_UNDEFINED:
	case VHDX_ZERO:
	case VHDX_UNMAPPED:
		return 0;
	case VHDX_FULLY_PRESENT:
		extent->kind = DISK_EXTENT_PLAIN;
		extent->at = entry & ~(VHDX_MIB - 1);
		return 0;
	case VHDX_PARTIALLY_PRESENT:
		return disk_unsupported(&image, err, "stands on another image");
	default:
		return disk_corrupt(&image, err, "block %llu is in no known state",
				    (unsigned long long)index);
	}
}

static const struct disk_mapped_ops vhdx_ops = { .map = map };

/* The newer of the two that are whole. */
static int read_header(const struct disk_image *image, struct vhdx_header *newest,
		       struct uni_err *err)
{
	struct vhdx_header h;
	bool found = false;

	for (unsigned i = 1; i <= 2; i++) {
		int rc = disk_image_read(image, &h, sizeof(h), (uint64_t)VHDX_HEADER_AT * i,
					 "its header", err);

		if (rc != 0)
			return rc;
		if (memcmp(h.signature, "head", sizeof(h.signature)) != 0 ||
		    get_le32(h.checksum) != vhdx_checksum(&h, sizeof(h)))
			continue;
		if (!found || get_le64(h.sequence) > get_le64(newest->sequence))
			*newest = h;
		found = true;
	}
	if (!found)
		return disk_corrupt(image, err, "both its headers are damaged");
	if (get_le16(newest->version) != 1)
		return disk_unsupported(image, err, "is of VHDX version %u",
					get_le16(newest->version));
	if (!uni_all_zero(newest->log, sizeof(newest->log))) {
		disk_unsupported(image, err, "was not closed: its log has to be replayed");
		return uni_err_hint(err, "qemu-img check -r all IMAGE does that");
	}
	return 0;
}

static bool is(const uint8_t guid[16], const char *text)
{
	uint8_t known[16];

	vhdx_guid(known, text);
	return memcmp(known, guid, sizeof(known)) == 0;
}

static int take_regions(const struct disk_image *image, const struct vhdx_regions *r,
			struct place *bat, struct place *metadata, struct uni_err *err)
{
	uint32_t count = get_le32(r->count);

	if (count > VHDX_REGIONS_MOST)
		return disk_corrupt(image, err, "has %u regions", count);
	for (uint32_t i = 0; i < count; i++) {
		const struct vhdx_region *region = &r->regions[i];
		struct place place = { .at = get_le64(region->offset),
				       .length = get_le32(region->length) };

		if (is(region->guid, VHDX_REGION_BAT))
			*bat = place;
		else if (is(region->guid, VHDX_REGION_METADATA))
			*metadata = place;
		else if (get_le32(region->required) != 0)
			return disk_unsupported(image, err, "has a region that is not known");
	}
	if (bat->length == 0 || metadata->length < VHDX_METADATA_TABLE)
		return disk_corrupt(image, err, "lacks a region");
	return 0;
}

static int read_regions(const struct disk_image *image, struct place *bat, struct place *metadata,
			struct uni_err *err)
{
	UNI_AUTO_FREE struct vhdx_regions *r = uni_alloc(sizeof(*r));

	for (unsigned i = 0; i < 2; i++) {
		int rc = disk_image_read(image, r, sizeof(*r),
					 VHDX_REGIONS_AT + (uint64_t)i * sizeof(*r),
					 "its region table", err);

		if (rc != 0)
			return rc;
		if (memcmp(r->signature, "regi", sizeof(r->signature)) == 0 &&
		    get_le32(r->checksum) == vhdx_checksum(r, sizeof(*r)))
			return take_regions(image, r, bat, metadata, err);
	}
	return disk_corrupt(image, err, "both its region tables are damaged");
}

static int take_item(const struct disk_image *image, const struct place *region,
		     const struct vhdx_item *item, struct facts *facts, struct uni_err *err)
{
	uint8_t value[8] = { 0 };
	uint32_t length = get_le32(item->length);
	uint64_t offset = get_le32(item->offset);
	int rc;

	if (is(item->guid, VHDX_ITEM_PAGE83) || is(item->guid, VHDX_ITEM_PHYSICAL))
		return 0;
	if (!is(item->guid, VHDX_ITEM_PARAMETERS) && !is(item->guid, VHDX_ITEM_SIZE) &&
	    !is(item->guid, VHDX_ITEM_LOGICAL)) {
		if ((get_le32(item->flags) & VHDX_ITEM_REQUIRED) != 0)
			return disk_unsupported(image, err,
						"has required metadata that is not known");
		return 0;
	}
	if (length < 4 || length > sizeof(value) || offset + length > region->length ||
	    region->at > UINT64_MAX - offset)
		return disk_corrupt(image, err, "has metadata that cannot be");
	rc = disk_image_read(image, value, length, region->at + offset, "its metadata", err);
	if (rc != 0)
		return rc;
	if (is(item->guid, VHDX_ITEM_PARAMETERS)) {
		facts->has_block = true;
		facts->block = get_le32(value);
		facts->flags = get_le32(value + 4);
	} else if (is(item->guid, VHDX_ITEM_SIZE)) {
		facts->has_size = true;
		facts->size = get_le64(value);
	} else {
		facts->has_sector = true;
		facts->sector = get_le32(value);
	}
	return 0;
}

static int read_metadata(const struct disk_image *image, const struct place *region,
			 struct facts *facts, struct uni_err *err)
{
	UNI_AUTO_FREE struct vhdx_metadata *table = uni_alloc(sizeof(*table));
	uint16_t count;
	int rc = disk_image_read(image, table, sizeof(*table), region->at, "its metadata", err);

	if (rc != 0)
		return rc;
	count = get_le16(table->count);
	if (memcmp(table->signature, "metadata", sizeof(table->signature)) != 0 ||
	    count > VHDX_ITEMS_MOST)
		return disk_corrupt(image, err, "its metadata is damaged");
	for (uint16_t i = 0; rc == 0 && i < count; i++)
		rc = take_item(image, region, &table->items[i], facts, err);
	return rc;
}

static int check_facts(const struct disk_image *image, const struct facts *f, struct uni_err *err)
{
	if (!f->has_block || !f->has_size || !f->has_sector)
		return disk_corrupt(image, err, "lacks metadata");
	if ((f->flags & VHDX_HAS_PARENT) != 0)
		return disk_unsupported(image, err, "stands on another image");
	if (f->sector != 512 && f->sector != 4096)
		return disk_corrupt(image, err, "has sectors of %u bytes", f->sector);
	if (f->block < VHDX_MIB || f->block > 256 * VHDX_MIB || (f->block & (f->block - 1)) != 0)
		return disk_corrupt(image, err, "has blocks of %u bytes", f->block);
	if (f->size == 0 || f->size % f->sector != 0 || f->size > UNI_DISK_SIZE_MAX)
		return disk_corrupt(image, err, "has a disk of %llu bytes",
				    (unsigned long long)f->size);
	return 0;
}

static int vhdx_open(struct uni_disk_source **source, const struct disk_image *image,
		     struct uni_err *err)
{
	struct vhdx_header header;
	struct place bat = { 0 };
	struct place metadata = { 0 };
	struct facts facts = { 0 };
	struct vhdx_image *vhdx;
	uint64_t blocks, ratio, entries;
	int rc = read_header(image, &header, err);

	if (rc == 0)
		rc = read_regions(image, &bat, &metadata, err);
	if (rc == 0)
		rc = read_metadata(image, &metadata, &facts, err);
	if (rc == 0)
		rc = check_facts(image, &facts, err);
	if (rc != 0)
		return rc;
	ratio = facts.block != 0 ? vhdx_chunk_ratio(facts.block, facts.sector) : 0;
	if (ratio == 0)
		return disk_corrupt(image, err, "has blocks larger than a chunk of them");
	blocks = (facts.size + facts.block - 1) / facts.block;
	entries = blocks + (blocks - 1) / ratio;
	if (entries * 8 > bat.length)
		return disk_corrupt(image, err, "has a block table that does not fit its size");
	vhdx = disk_mapped_new(sizeof(*vhdx), &vhdx_ops, "vhdx", facts.size, facts.block, image);
	vhdx->bat_at = bat.at;
	vhdx->entries = entries;
	vhdx->ratio = ratio;
	*source = &vhdx->mapped.base;
	return 0;
}

const struct disk_reader disk_read_vhdx = {
	.form = "vhdx",
	.probe = probe,
	.open = vhdx_open,
};
