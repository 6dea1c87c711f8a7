/*
 * ISO 9660 with El Torito, around a disk. Where the disk leaves its bytes from 32 to 64 KiB free,
 * as our own does for this form, the file system's few sectors go there, and the file is both: a CD
 * whose files are the disk's partitions, and the disk itself. Else the disk follows at 64 KiB, and
 * what it would start stays as it is.
 *
 * A CD starts by El Torito without emulation: the BIOS loads our second stage at its place, and it
 * reads the disk's table by sectors of 2048 bytes; UEFI finds the EFI system partition as an image.
 */
#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <uni/abi/boot.h>
#include <uni/base/file.h>

#include "bytes.h"
#include "gpt.h"
#include "iso.h"

enum {
	CHUNK = 1 << 20,
	META = ISO_ROOM - ISO_START,
	FILES_MOST = UNI_DISK_PARTITIONS_MAX,
	NAME_MOST = 30,
};
#define FILE_MOST UINT64_C(0xfffff800) /* a directory has 32 bits for a file's size */

struct file {
	char name[NAME_MOST + 1];
	uint32_t sector;
	uint32_t size;
};

struct iso {
	struct uni_disk_source *source;
	struct uni_disk *disk; /* NULL: no partition table */
	uint64_t start;	       /* of the disk in the file */
	uint8_t *meta;	       /* META bytes, from ISO_START on */
	struct file files[FILES_MOST];
	size_t count;
};

static uint8_t *sector(struct iso *iso, unsigned number)
{
	return iso->meta + (size_t)(number - ISO_PRIMARY) * ISO_SECTOR;
}

/* Both byte orders, as most numbers are. */
static void both32(uint8_t *p, uint32_t value)
{
	put_le32(p, value);
	put_be32(p + 4, value);
}

static void both16(uint8_t *p, uint16_t value)
{
	put_le16(p, value);
	put_be16(p + 2, value);
}

static void text(uint8_t *p, size_t room, const char *value)
{
	size_t size = strlen(value);

	memset(p, ' ', room);
	memcpy(p, value, size < room ? size : room);
}

/* --- the file system --- */

/* "001_KERNEL.IMG": unique and in order by its number. */
static void add_file(struct iso *iso, const char *name, uint64_t offset, uint64_t size)
{
	struct file *file = &iso->files[iso->count];
	char word[20];
	size_t length = 0;

	offset += iso->start;
	if (offset % ISO_SECTOR != 0 || offset / ISO_SECTOR > UINT32_MAX || size > FILE_MOST)
		return;
	for (const char *c = name; *c != '\0' && length < sizeof(word) - 1; c++)
		word[length++] =
			(char)(isalnum((unsigned char)*c) ? toupper((unsigned char)*c) : '_');
	word[length] = '\0';
	iso->count++;
	(void)snprintf(file->name, sizeof(file->name), "%03zu_%s.IMG;1", iso->count, word);
	file->sector = (uint32_t)(offset / ISO_SECTOR);
	file->size = (uint32_t)size;
}

static void add_files(struct iso *iso)
{
	if (iso->disk == NULL)
		add_file(iso, "DISK", 0, iso->source->size);
	for (size_t i = 0; iso->disk != NULL && i < iso->disk->count; i++)
		add_file(iso, iso->disk->entries[i].name, iso->disk->entries[i].offset,
			 iso->disk->entries[i].size);
}

/* A directory record (9.1) at `p`; gives its length. */
static size_t put_record(uint8_t *p, const char *name, size_t length, uint32_t at, uint32_t size,
			 bool folder)
{
	size_t total = (33 + length + 1) / 2 * 2;

	memset(p, 0, total);
	p[0] = (uint8_t)total;
	both32(p + 2, at);
	both32(p + 10, size);
	p[18] = 70; /* 1970 */
	p[19] = 1;
	p[20] = 1;
	p[25] = folder ? 2 : 0;
	both16(p + 28, 1);
	p[32] = (uint8_t)length;
	memcpy(p + 33, name, length);
	return total;
}

/* The root folder; records do not cross sectors. Gives its bytes. */
static uint32_t root_size(const struct iso *iso)
{
	size_t at = 2 * 34;

	for (size_t i = 0; i < iso->count; i++) {
		size_t total = (33 + strlen(iso->files[i].name) + 1) / 2 * 2;

		if (at % ISO_SECTOR + total > ISO_SECTOR)
			at = (at / ISO_SECTOR + 1) * ISO_SECTOR;
		at += total;
	}
	return (uint32_t)((at + ISO_SECTOR - 1) / ISO_SECTOR * ISO_SECTOR);
}

static void put_root(struct iso *iso)
{
	uint32_t size = root_size(iso);
	uint8_t *root = sector(iso, ISO_ROOT);
	size_t at = put_record(root, "\0", 1, ISO_ROOT, size, true);

	at += put_record(root + at, "\1", 1, ISO_ROOT, size, true);
	for (size_t i = 0; i < iso->count; i++) {
		const struct file *file = &iso->files[i];
		size_t length = strlen(file->name);

		if (at % ISO_SECTOR + (33 + length + 1) / 2 * 2 > ISO_SECTOR)
			at = (at / ISO_SECTOR + 1) * ISO_SECTOR;
		at += put_record(root + at, file->name, length, file->sector, file->size, false);
	}
}

/* One entry, the root (9.4). */
static void put_paths(struct iso *iso)
{
	uint8_t *le = sector(iso, ISO_PATHS_LE);
	uint8_t *be = sector(iso, ISO_PATHS_BE);

	le[0] = 1;
	put_le32(le + 2, ISO_ROOT);
	put_le16(le + 6, 1);
	be[0] = 1;
	put_be32(be + 2, ISO_ROOT);
	put_be16(be + 6, 1);
}

/* 8.4.26.1: "not given" */
static void no_time(uint8_t *p)
{
	memset(p, '0', 16);
	p[16] = 0;
}

static void put_head(uint8_t *p, uint8_t type)
{
	p[0] = type;
	memcpy(p + 1, ISO_MAGIC, 5);
	p[6] = 1;
}

static void put_primary(struct iso *iso)
{
	uint8_t *p = sector(iso, ISO_PRIMARY);
	uint64_t sectors = (iso->start + iso->source->size) / ISO_SECTOR;

	put_head(p, 1);
	text(p + 8, 32, "");
	text(p + 40, 32, "UNI");
	both32(p + 80, sectors < UINT32_MAX ? (uint32_t)sectors : UINT32_MAX);
	both16(p + 120, 1);
	both16(p + 124, 1);
	both16(p + 128, ISO_SECTOR);
	both32(p + 132, 10); /* of the path table */
	put_le32(p + 140, ISO_PATHS_LE);
	put_be32(p + 148, ISO_PATHS_BE);
	put_record(p + 156, "\0", 1, ISO_ROOT, root_size(iso), true);
	text(p + 190, 128 * 2, "");
	text(p + 446, 128, ISO_PREPARER);
	text(p + 574, 128 + 37 * 3, "");
	for (unsigned i = 0; i < 4; i++)
		no_time(p + 813 + (size_t)i * 17);
	p[881] = 1;
	put_head(sector(iso, ISO_END), 255);
}

/* --- El Torito --- */

struct boot_entry {
	uint8_t media; /* 0: no emulation, 4: a disk */
	uint16_t segment;
	uint16_t sectors; /* of 512 bytes */
	uint32_t at;
};

static void put_entry(uint8_t *p, const struct boot_entry *entry)
{
	p[0] = 0x88;
	p[1] = entry->media;
	put_le16(p + 2, entry->segment);
	put_le16(p + 6, entry->sectors);
	put_le32(p + 8, entry->at);
}

/* The second stage of ours by itself, with what it needs to find the rest; else the disk as the
 * BIOS would start it. */
static bool bios_entry(const struct iso *iso, struct boot_entry *entry)
{
	const struct uni_disk_entry *stage2 = uni_disk_find_type(iso->disk, UNI_GPT_BIOS_BOOT);

	if (iso->disk != NULL && !iso->disk->bios_code)
		return false;
	if (iso->start == 0 && stage2 != NULL && stage2->offset % ISO_SECTOR == 0 &&
	    stage2->size <= UNI_STAGE2_SIZE_MAX &&
	    uni_disk_find_type(iso->disk, UNI_GPT_KERNEL) != NULL)
		*entry = (struct boot_entry){
			.segment = UNI_STAGE2_LOAD >> 4,
			.sectors = (uint16_t)(stage2->size / UNI_DISK_SECTOR),
			.at = (uint32_t)(stage2->offset / ISO_SECTOR),
		};
	else
		*entry = (struct boot_entry){ .media = 4,
					      .sectors = 1,
					      .at = (uint32_t)(iso->start / ISO_SECTOR) };
	return true;
}

static bool uefi_entry(const struct iso *iso, struct boot_entry *entry)
{
	const struct uni_disk_entry *esp = uni_disk_find_type(iso->disk, UNI_GPT_ESP);
	uint64_t sectors;

	if (esp == NULL || (iso->start + esp->offset) % ISO_SECTOR != 0)
		return false;
	sectors = esp->size / UNI_DISK_SECTOR;
	*entry = (struct boot_entry){
		.sectors = sectors < UINT16_MAX ? (uint16_t)sectors : 0,
		.at = (uint32_t)((iso->start + esp->offset) / ISO_SECTOR),
	};
	return true;
}

/* The catalog: a validation entry, the first entry, and a section where there are two. */
static void put_catalog(struct iso *iso)
{
	uint8_t *p = sector(iso, ISO_CATALOG);
	struct boot_entry bios, uefi;
	bool has_bios = bios_entry(iso, &bios);
	bool has_uefi = uefi_entry(iso, &uefi);
	uint16_t sum = 0;

	if (!has_bios && !has_uefi)
		return;
	p[0] = 1;
	p[1] = has_bios ? 0 : 0xef;
	p[30] = 0x55;
	p[31] = 0xaa;
	for (unsigned i = 0; i < 32; i += 2)
		sum = (uint16_t)(sum + get_le16(p + i));
	put_le16(p + 28, (uint16_t)-sum);
	put_entry(p + 32, has_bios ? &bios : &uefi);
	if (has_bios && has_uefi) {
		p[64] = 0x91;
		p[65] = 0xef;
		put_le16(p + 66, 1);
		put_entry(p + 96, &uefi);
	}
	p = sector(iso, ISO_BOOT);
	put_head(p, 0);
	memcpy(p + 7, ISO_EL_TORITO, strlen(ISO_EL_TORITO));
	put_le32(p + 71, ISO_CATALOG);
}

/* --- around the disk --- */

/* Whether the disk has room for the file system where a CD has it. */
static int find_place(struct iso *iso, struct uni_err *err)
{
	UNI_AUTO_FREE uint8_t *there = uni_alloc(META);
	int rc;

	iso->start = ISO_ROOM;
	if (iso->source->size < ISO_ROOM)
		return 0;
	for (size_t i = 0; iso->disk != NULL && i < iso->disk->count; i++)
		if (iso->disk->entries[i].offset < ISO_ROOM)
			return 0;
	rc = uni_disk_source_read(iso->source, there, META, ISO_START, err);
	if (rc == 0 && uni_all_zero(there, META))
		iso->start = 0;
	return rc;
}

static int put_disk(struct iso *iso, int fd, struct uni_err *err)
{
	UNI_AUTO_FREE uint8_t *chunk = uni_alloc(CHUNK);
	struct disk_walk walk = { .source = iso->source, .block = ISO_SECTOR, .room = CHUNK };
	uint64_t offset;
	size_t size;
	int rc = disk_set_size(fd, iso->start + iso->source->size, err);

	if (rc != 0)
		return rc;
	while ((rc = disk_walk_next(&walk, chunk, &offset, &size, err)) > 0) {
		rc = disk_write_sparse(fd, chunk, size, iso->start + offset, err);
		if (rc != 0)
			return rc;
	}
	return rc;
}

static int write_iso(struct iso *iso, int fd, struct uni_err *err)
{
	int rc = find_place(iso, err);

	if (rc == 0)
		rc = put_disk(iso, fd, err);
	if (rc != 0)
		return rc;
	add_files(iso);
	put_primary(iso);
	put_paths(iso);
	put_root(iso);
	put_catalog(iso);
	return disk_write(fd, iso->meta, META, ISO_START, err);
}

static int iso_write(struct uni_disk_source *source, const struct uni_disk_options *options, int fd,
		     struct uni_err *err)
{
	UNI_AUTO_FREE struct iso *iso = uni_alloc(sizeof(*iso));
	int rc = uni_disk_read_source(&iso->disk, source, "disk", err);

	(void)options;
	if (rc != 0 && rc != UNI_E_UNSUPPORTED)
		return rc;
	uni_err_clear(err);
	iso->source = source;
	iso->meta = uni_alloc(META);
	rc = write_iso(iso, fd, err);
	free(iso->meta);
	uni_disk_free(iso->disk);
	return rc;
}

static uint64_t iso_grain(const struct uni_disk_options *options)
{
	(void)options;
	return ISO_SECTOR;
}

const struct uni_disk_format uni_disk_iso = {
	.name = "iso",
	.extension = "iso",
	.version = 1,
	.limit = UINT64_C(8) << 40,
	.first = ISO_ROOM,
	.grain = iso_grain,
	.write = iso_write,
};
