/*
 * A disk made larger, for forms with a coarse grain. The backup of a partition table belongs into
 * the last sectors (UEFI 2.10, 5.3.2), and the protective MBR spans the whole disk: both are made
 * anew, all else is read through.
 */
#include <string.h>

#include "gpt.h"
#include "internal.h"

struct growing {
	struct uni_disk_source *old;
	uint64_t size;
	struct gpt_read primary, backup;
	uint8_t head[2 * UNI_DISK_SECTOR]; /* MBR and primary header */
	uint8_t last[UNI_DISK_SECTOR];	   /* backup header */
	uint64_t entries_lba;		   /* of the new backup */
};

/* Checksum over what the header's size says, more than the struct perhaps. */
static void seal(uint8_t sector[UNI_DISK_SECTOR], const struct uni_gpt_header *header)
{
	size_t field = offsetof(struct uni_gpt_header, header_crc32);
	uint32_t crc;

	memcpy(sector, header, offsetof(struct uni_gpt_header, pad));
	memset(sector + field, 0, sizeof(crc));
	crc = gpt_crc32(0, sector, header->header_size);
	memcpy(sector + field, &crc, sizeof(crc));
}

static void span_protective(uint8_t mbr[UNI_DISK_SECTOR], uint64_t old_sectors, uint64_t sectors)
{
	for (size_t i = 0; i < 4; i++) {
		uint8_t *entry = mbr + MBR_TABLE + i * MBR_ENTRY_SIZE;
		uint32_t count = sectors - 1 < UINT32_MAX ? (uint32_t)(sectors - 1) : UINT32_MAX;
		uint32_t had;

		memcpy(&had, entry + 12, sizeof(had));
		if (entry[4] == MBR_TYPE_GPT && had == old_sectors - 1)
			memcpy(entry + 12, &count, sizeof(count));
	}
}

/* Whether there is a table with its backup where it belongs; only such a one is moved. */
static int find_tables(struct growing *g, bool *found, struct uni_err *err)
{
	uint64_t sectors = g->old->size / UNI_DISK_SECTOR;
	int rc;

	*found = false;
	if (g->old->size % UNI_DISK_SECTOR != 0 || g->size % UNI_DISK_SECTOR != 0 || sectors < 3)
		return 0;
	rc = gpt_read(g->old, 1, &g->primary, err);
	if (rc == 0 && g->primary.array != NULL && g->primary.header.alternate_lba == sectors - 1)
		rc = gpt_read(g->old, sectors - 1, &g->backup, err);
	*found = rc == 0 && g->backup.array != NULL &&
		 g->backup.header.entries_lba > g->primary.header.last_usable_lba;
	return rc;
}

static int make_tables(struct growing *g, struct uni_err *err)
{
	uint64_t old_sectors = g->old->size / UNI_DISK_SECTOR;
	uint64_t sectors = g->size / UNI_DISK_SECTOR;
	struct uni_gpt_header primary = g->primary.header;
	struct uni_gpt_header backup = g->primary.header;
	int rc = uni_disk_source_read(g->old, g->head, sizeof(g->head), 0, err);

	if (rc != 0)
		return rc;
	memcpy(g->last, g->head + UNI_DISK_SECTOR, sizeof(g->last));
	g->entries_lba = sectors - 1 - uni_gpt_array_sectors(&primary);
	span_protective(g->head, old_sectors, sectors);
	primary.alternate_lba = sectors - 1;
	primary.last_usable_lba = g->entries_lba - 1;
	seal(g->head + UNI_DISK_SECTOR, &primary);
	backup.my_lba = sectors - 1;
	backup.alternate_lba = 1;
	backup.last_usable_lba = g->entries_lba - 1;
	backup.entries_lba = g->entries_lba;
	seal(g->last, &backup);
	return 0;
}

static struct uni_disk_source *put_together(struct growing *g, bool tables)
{
	struct disk_composed *grown = disk_composed_new(g->old->form, g->size);
	size_t array_size = (size_t)g->primary.header.entry_count * g->primary.header.entry_size;
	uint64_t from = tables ? sizeof(g->head) : 0;
	uint64_t until = tables ? g->backup.header.entries_lba * UNI_DISK_SECTOR : g->old->size;

	if (tables)
		disk_composed_add_bytes(grown, 0, g->head, sizeof(g->head));
	disk_composed_add(grown, from, until - from, g->old, from, true);
	if (tables) {
		disk_composed_add_bytes(grown, g->entries_lba * UNI_DISK_SECTOR, g->primary.array,
					array_size);
		disk_composed_add_bytes(grown, g->size - UNI_DISK_SECTOR, g->last, sizeof(g->last));
	}
	return disk_composed_source(grown);
}

int uni_disk_source_grow(struct uni_disk_source **source, uint64_t size, struct uni_err *err)
{
	struct growing g = { .old = *source, .size = size };
	bool tables = false;
	int rc;

	if (size <= g.old->size)
		return 0;
	if (size > UNI_DISK_SIZE_MAX)
		return uni_err_set(err, UNI_E_LIMIT, "a disk of %llu bytes is too large",
				   (unsigned long long)size);
	rc = find_tables(&g, &tables, err);
	if (rc == 0 && tables)
		rc = make_tables(&g, err);
	if (rc == 0)
		*source = put_together(&g, tables);
	free(g.primary.array);
	free(g.backup.array);
	return rc;
}
