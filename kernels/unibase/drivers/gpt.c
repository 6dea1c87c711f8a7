/*
 * The GUID partition table of a disk: the primary, or where that is damaged the backup in the last
 * sector. See uni/abi/gpt.h for what is checked. Disks without a protective MBR are left alone.
 */
#include "gpt.h"
#include <uk/block.h>
#include <uk/log.h>
#include <uk/mem.h>
#include <uni/abi/gpt.h>

#define SECTOR UNI_GPT_SECTOR
#define SECTORS_MIN 3
#define USUAL_SECTORS 34 /* MBR, header, and an array of 128 entries, read at once */
#define MBR_PARTITIONS 446
#define MBR_SIGNATURE 510
#define MBR_PROTECTIVE 0xee
#define CRC32_POLY 0xedb88320u

struct table {
	struct uni_gpt_header header;
	uint8_t *entries; /* in `memory` */
	uint8_t *memory;
};

static uint32_t crc_table[256];

static void crc_start(void)
{
	for (uint32_t i = 0; i < 256; i++) {
		uint32_t crc = i;

		for (int bit = 0; bit < 8; bit++)
			crc = (crc >> 1) ^ (CRC32_POLY & (0u - (crc & 1u)));
		crc_table[i] = crc;
	}
}

static uint32_t crc32(const uint8_t *p, size_t size)
{
	uint32_t crc = UINT32_MAX;

	if (crc_table[1] == 0)
		crc_start();
	while (size-- != 0)
		crc = (crc >> 8) ^ crc_table[(crc ^ *p++) & 0xff];
	return ~crc;
}

/* `sector` was read from `lba`; its checksum field is cleared. */
static bool header_sound(uint8_t *sector, uint64_t lba, uint64_t sectors,
			 struct uni_gpt_header *out)
{
	uint32_t size;

	memcpy(out, sector, sizeof(*out));
	size = uni_gpt_header_size(out);
	if (size == 0)
		return false;
	memset(sector + offsetof(struct uni_gpt_header, header_crc32), 0,
	       sizeof(out->header_crc32));
	return uni_gpt_header_sound(out, crc32(sector, size), lba, sectors);
}

static bool entries_sound(struct table *t)
{
	size_t size = (size_t)t->header.entry_count * t->header.entry_size;

	return crc32(t->entries, size) == t->header.entries_crc32;
}

/* Reads the array of a sound header by itself. */
static bool read_entries(struct uk_block_dev *disk, struct table *t)
{
	size_t size = (size_t)uni_gpt_array_sectors(&t->header) * SECTOR;

	uk_free(t->memory);
	t->entries = t->memory = uk_alloc(size);
	return t->memory != NULL &&
	       uk_block_read(disk, t->header.entries_lba * SECTOR, t->memory, size) == 0 &&
	       entries_sound(t);
}

static bool is_protective(const uint8_t *mbr)
{
	if (mbr[MBR_SIGNATURE] != 0x55 || mbr[MBR_SIGNATURE + 1] != 0xaa)
		return false;
	for (unsigned i = 0; i < 4; i++)
		if (mbr[MBR_PARTITIONS + 16 * i + 4] == MBR_PROTECTIVE)
			return true;
	return false;
}

/* `memory` holds the disk's first `count` sectors. */
static bool read_primary(struct uk_block_dev *disk, struct table *t, uint64_t count,
			 uint64_t sectors)
{
	if (!header_sound(t->memory + SECTOR, 1, sectors, &t->header))
		return false;
	if (t->header.entries_lba != 2 || 2 + uni_gpt_array_sectors(&t->header) > count)
		return read_entries(disk, t);
	t->entries = t->memory + (size_t)2 * SECTOR;
	return entries_sound(t);
}

static bool read_backup(struct uk_block_dev *disk, struct table *t, uint64_t sectors)
{
	uk_free(t->memory);
	t->memory = uk_alloc(SECTOR);
	return t->memory != NULL &&
	       uk_block_read(disk, (sectors - 1) * SECTOR, t->memory, SECTOR) == 0 &&
	       header_sound(t->memory, sectors - 1, sectors, &t->header) && read_entries(disk, t);
}

static void add(struct uk_block_dev *disk, unsigned number, const struct uni_gpt_entry *e)
{
	struct uk_block_dev *dev = uk_alloc(sizeof(*dev));
	char last;

	if (dev == NULL)
		return;
	dev->parent = disk;
	dev->start = e->first_lba * SECTOR;
	dev->size = (e->last_lba - e->first_lba + 1) * SECTOR;
	dev->read_only = disk->read_only;
	dev->has_guid = true;
	dev->scanned = true;
	memcpy(dev->guid, e->guid, sizeof(dev->guid));
	memcpy(dev->type, e->type, sizeof(dev->type));
	last = disk->name[strlen(disk->name) - 1];
	uk_snprintf(dev->name, sizeof(dev->name), "%s%s%u", disk->name,
		    last >= '0' && last <= '9' ? "p" : "", number);
	uk_block_register(dev);
}

static void add_all(struct uk_block_dev *disk, const struct table *t)
{
	static const uint8_t unused[16];

	for (uint32_t i = 0; i < t->header.entry_count; i++) {
		struct uni_gpt_entry e;

		memcpy(&e, t->entries + (size_t)i * t->header.entry_size, sizeof(e));
		if (memcmp(e.type, unused, sizeof(unused)) == 0)
			continue;
		if (uni_gpt_entry_sound(&t->header, &e))
			add(disk, i + 1, &e);
		else
			uk_log(UK_LOG_WARN, "%s: partition %u lies outside the disk", disk->name,
			       i + 1);
	}
}

void uk_gpt_scan(struct uk_block_dev *disk)
{
	uint64_t sectors = disk->size / SECTOR, count = UK_MIN(sectors, (uint64_t)USUAL_SECTORS);
	struct table t = { .memory = NULL };

	if (sectors < SECTORS_MIN)
		return;
	t.memory = uk_alloc((size_t)count * SECTOR);
	if (t.memory == NULL)
		return;
	if (uk_block_read(disk, 0, t.memory, (size_t)count * SECTOR) == 0 &&
	    is_protective(t.memory)) {
		if (read_primary(disk, &t, count, sectors)) {
			add_all(disk, &t);
		} else if (read_backup(disk, &t, sectors)) {
			uk_log(UK_LOG_WARN, "%s: the partition table is damaged, using its backup",
			       disk->name);
			add_all(disk, &t);
		} else {
			uk_log(UK_LOG_WARN, "%s: the partition table and its backup are damaged",
			       disk->name);
		}
	}
	uk_free(t.memory);
}
