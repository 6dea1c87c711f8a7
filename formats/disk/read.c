/*
 * Reading a disk back: the primary table, or the backup where the primary is damaged. Nothing on
 * the disk is believed before its checksum and its bounds were checked.
 */
#include <string.h>
#include <uni/base/file.h>
#include <uni/base/mem.h>

#include "gpt.h"

enum { ARRAY_MAX = UNI_GPT_ARRAY_SECTORS_MAX * 512 };

int gpt_read(struct uni_disk_source *source, uint64_t lba, struct gpt_read *table,
	     struct uni_err *err)
{
	uint8_t sector[UNI_DISK_SECTOR];
	const struct uni_gpt_header *h = &table->header;
	uint64_t sectors = source->size / UNI_DISK_SECTOR;
	size_t array_size;
	uint32_t size;
	int rc;

	if (lba >= sectors)
		return 0;
	rc = uni_disk_source_read(source, sector, sizeof(sector), lba * UNI_DISK_SECTOR, err);
	if (rc != 0)
		return rc;
	memcpy(&table->header, sector, sizeof(table->header));
	size = uni_gpt_header_size(h);
	if (size == 0)
		return 0;
	/* The checksum may cover more than the struct. */
	memset(sector + offsetof(struct uni_gpt_header, header_crc32), 0, 4);
	if (!uni_gpt_header_sound(h, gpt_crc32(0, sector, size), lba, sectors))
		return 0;
	array_size = (size_t)h->entry_count * h->entry_size;
	table->array = uni_try_alloc(array_size, ARRAY_MAX, "partition entries", err);
	if (table->array == NULL)
		return err->code;
	rc = uni_disk_source_read(source, table->array, array_size,
				  h->entries_lba * UNI_DISK_SECTOR, err);
	if (rc != 0)
		return rc;
	if (gpt_crc32(0, table->array, array_size) != h->entries_crc32) {
		free(table->array);
		table->array = NULL;
	}
	return 0;
}

static struct uni_uuid guid_get(const uint8_t bytes[16])
{
	struct uni_uuid disk;

	memcpy(disk.bytes, bytes, 16);
	return uni_uuid_swap(&disk);
}

static int take_entries(const struct gpt_read *table, const char *name, struct uni_disk *disk,
			struct uni_err *err)
{
	const struct uni_gpt_header *h = &table->header;

	disk->guid = guid_get(h->disk_guid);
	disk->entries = uni_alloc_array(h->entry_count, sizeof(*disk->entries));
	for (uint32_t i = 0; i < h->entry_count; i++) {
		struct uni_gpt_entry e;
		struct uni_disk_entry *to = &disk->entries[disk->count];
		uint16_t units[UNI_DISK_NAME_MAX];

		memcpy(&e, table->array + (size_t)i * h->entry_size, sizeof(e));
		if (uni_all_zero(e.type, sizeof(e.type)))
			continue;
		if (!uni_gpt_entry_sound(h, &e))
			return uni_err_set(err, UNI_E_CORRUPT,
					   "%s: partition %u lies outside the disk's usable area",
					   name, i + 1);
		for (size_t j = 0; j < disk->count; j++)
			if (e.first_lba * UNI_DISK_SECTOR <
				    disk->entries[j].offset + disk->entries[j].size &&
			    disk->entries[j].offset < (e.last_lba + 1) * UNI_DISK_SECTOR)
				return uni_err_set(err, UNI_E_CORRUPT,
						   "%s: partition %u overlaps another", name,
						   i + 1);
		to->type = guid_get(e.type);
		to->guid = guid_get(e.guid);
		memcpy(units, e.name, sizeof(units));
		gpt_name_decode(units, to->name);
		to->attributes = e.attributes;
		to->offset = e.first_lba * UNI_DISK_SECTOR;
		to->size = (e.last_lba - e.first_lba + 1) * UNI_DISK_SECTOR;
		disk->count++;
	}
	return 0;
}

/*
 * Why no sound table was found. A header that is whole but says that the disk is longer than the
 * file is the sign of a truncated image.
 */
static int explain(struct uni_disk_source *source, const uint8_t mbr[UNI_DISK_SECTOR],
		   const char *name, struct uni_err *err)
{
	uint8_t sector[UNI_DISK_SECTOR];
	struct uni_gpt_header h = { 0 };
	bool protective = mbr[MBR_SIGNATURE] == 0x55 && mbr[MBR_SIGNATURE + 1] == 0xaa;
	bool gpt_type = false;
	uint32_t header_size = 0;
	uint64_t size = source->size;

	for (size_t i = 0; i < 4; i++)
		if (mbr[MBR_TABLE + i * MBR_ENTRY_SIZE + 4] == MBR_TYPE_GPT)
			gpt_type = true;
	if (size >= (uint64_t)2 * UNI_DISK_SECTOR) {
		int rc = uni_disk_source_read(source, sector, sizeof(sector), UNI_DISK_SECTOR, err);

		if (rc != 0)
			return rc;
		memcpy(&h, sector, sizeof(h));
		header_size = uni_gpt_header_size(&h);
		memset(sector + offsetof(struct uni_gpt_header, header_crc32), 0, 4);
	}
	if (header_size != 0 && gpt_crc32(0, sector, header_size) == h.header_crc32 &&
	    h.alternate_lba >= size / UNI_DISK_SECTOR)
		return uni_err_set(
			err, UNI_E_CORRUPT,
			"%s: is truncated: it has %llu bytes, its partition table is for "
			"a larger disk",
			name, (unsigned long long)size);
	if (header_size == 0 && !(protective && gpt_type))
		return uni_err_set(err, UNI_E_UNSUPPORTED, "%s: is no disk with a GPT", name);
	return uni_err_set(err, UNI_E_CORRUPT, "%s: both partition tables are damaged", name);
}

static int read_both(struct uni_disk *disk, struct uni_disk_source *source, const char *name,
		     struct gpt_read *primary, struct gpt_read *backup, struct uni_err *err)
{
	uint8_t mbr[UNI_DISK_SECTOR] = { 0 };
	uint64_t sectors = disk->size / UNI_DISK_SECTOR;
	uint64_t backup_lba;
	int rc;

	if (sectors == 0)
		return uni_err_set(err, UNI_E_UNSUPPORTED, "%s: is no disk with a GPT", name);
	rc = uni_disk_source_read(source, mbr, sizeof(mbr), 0, err);
	if (rc == 0)
		rc = gpt_read(source, 1, primary, err);
	if (rc != 0)
		return rc;
	disk->bios_code = !uni_all_zero(mbr, MBR_CODE_SIZE);
	backup_lba = primary->array != NULL ? primary->header.alternate_lba : sectors - 1;
	if (primary->array != NULL && backup_lba >= sectors)
		return explain(source, mbr, name, err);
	rc = backup_lba > 1 ? gpt_read(source, backup_lba, backup, err) : 0;
	if (rc != 0)
		return rc;
	disk->primary_sound = primary->array != NULL;
	disk->backup_sound = backup->array != NULL;
	if (!disk->primary_sound && !disk->backup_sound)
		return explain(source, mbr, name, err);
	return take_entries(disk->primary_sound ? primary : backup, name, disk, err);
}

int uni_disk_read_source(struct uni_disk **out, struct uni_disk_source *source, const char *name,
			 struct uni_err *err)
{
	struct uni_disk *disk = uni_alloc(sizeof(*disk));
	struct gpt_read primary = { .array = NULL };
	struct gpt_read backup = { .array = NULL };
	int rc;

	disk->size = source->size;
	rc = read_both(disk, source, name, &primary, &backup, err);
	free(primary.array);
	free(backup.array);
	if (rc != 0) {
		uni_disk_free(disk);
		disk = NULL;
	}
	*out = disk;
	return rc;
}

const struct uni_disk_entry *uni_disk_find_type(const struct uni_disk *disk, const char *type)
{
	struct uni_uuid guid;

	(void)uni_uuid_parse(type, &guid);
	for (size_t i = 0; disk != NULL && i < disk->count; i++)
		if (memcmp(disk->entries[i].type.bytes, guid.bytes, sizeof(guid.bytes)) == 0)
			return &disk->entries[i];
	return NULL;
}

int uni_disk_read(struct uni_disk **out, int fd, uint64_t size, const char *name,
		  struct uni_err *err)
{
	UNI_AUTO(uni_disk_source)
	struct uni_disk_source *source = uni_disk_source_from_fd(fd, 0, size, name);

	return uni_disk_read_source(out, source, name, err);
}

void uni_disk_free(struct uni_disk *disk)
{
	if (disk == NULL)
		return;
	free(disk->entries);
	free(disk);
}
