/*
 * Finds a partition by its type. The primary table is believed if its header and entries have the
 * right checksums; else the backup in the disk's last sector, under the same conditions.
 */
#include "boot.h"
#include "places.h"

/* Sectors of entries; nearly everywhere they lie right behind the primary's header, and one read
 * brings both. */
#define USUAL_ENTRIES 32

/* Header into slot 0, its entries there too or into slot 1. */
static const char *read_table(uint64_t lba, uint64_t sectors, struct uni_gpt_header *h,
			      const uint8_t **entries)
{
	static const char damaged[] = "the disk's partition table is damaged, and so is its backup";
	unsigned ahead = lba == 1 && sectors > 2 + USUAL_ENTRIES ? USUAL_ENTRIES : 0;
	const char *reason = disk_read(0, lba, 1 + ahead);
	uint8_t *sector = disk_slot(0);
	uint32_t size, stored;

	if (reason != NULL)
		return reason;
	memcpy(h, sector, sizeof(*h));
	size = uni_gpt_header_size(h);
	stored = h->header_crc32;
	memset(sector + offsetof(struct uni_gpt_header, header_crc32), 0, sizeof(stored));
	if (size == 0 || !uni_gpt_header_sound(h, crc_copy(0, NULL, sector, size), lba, sectors))
		return damaged;
	*entries = sector + 512;
	if (h->entries_lba != lba + 1 || uni_gpt_array_sectors(h) > ahead) {
		reason = disk_read(1, h->entries_lba, uni_gpt_array_sectors(h));
		*entries = disk_slot(1);
	}
	if (reason != NULL)
		return reason;
	if (crc_copy(0, NULL, *entries, h->entry_count * h->entry_size) != h->entries_crc32)
		return damaged;
	return NULL;
}

const char *gpt_find(uint64_t sectors, const uint8_t type[16], uint64_t *first, uint64_t *count)
{
	struct uni_gpt_header h;
	const uint8_t *entries = NULL;
	const char *reason;

	crc_start(CRC32_POLY);
	reason = read_table(1, sectors, &h, &entries);
	if (reason != NULL)
		reason = read_table(sectors - 1, sectors, &h, &entries);
	if (reason != NULL)
		return reason;
	for (uint32_t i = 0; i < h.entry_count; i++) {
		struct uni_gpt_entry e;

		memcpy(&e, entries + i * h.entry_size, sizeof(e));
		if (memcmp(e.type, type, sizeof(e.type)) != 0)
			continue;
		if (!uni_gpt_entry_sound(&h, &e))
			return "the kernel's partition does not lie inside the disk";
		*first = e.first_lba;
		*count = e.last_lba - e.first_lba + 1;
		return NULL;
	}
	return "the disk has no partition with a kernel";
}
