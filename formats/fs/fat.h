/*
 * FAT12, FAT16 and FAT32 as Microsoft's "FAT: General Overview of On-Disk Format" 1.03 has them
 * (which chapter 13.3 of the UEFI specification refers to): what writer and reader share.
 */
#ifndef UNI_FS_FAT_INTERNAL_H
#define UNI_FS_FAT_INTERNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uni/base/text.h>

enum {
	FAT_SECTOR = 512,
	FAT_SLOT = 32,		   /* bytes of a directory entry */
	FAT_DIR_SLOTS_MAX = 65536, /* a directory's limit, 2 MiB */
	FAT_SHORT = 11,
	FAT_NAME_UNITS = 255, /* UTF-16 units of a long name */
	FAT_LONG_UNITS = 13,  /* of them in a slot */

	/* What type a volume is follows from its count of clusters alone. */
	FAT12_CLUSTERS_END = 4085,
	FAT16_CLUSTERS_END = 65525,
	FAT32_CLUSTERS_END = 0x0ffffff5,

	FAT_ATTR_LABEL = 0x08,
	FAT_ATTR_DIR = 0x10,
	FAT_ATTR_ARCHIVE = 0x20,
	FAT_ATTR_LONG = 0x0f,
	FAT_LONG_LAST = 0x40,
};

/* Places in the boot sector; FAT32's differ behind 36. */
enum {
	BPB_BYTES_PER_SECTOR = 11,
	BPB_SECTORS_PER_CLUSTER = 13,
	BPB_RESERVED = 14,
	BPB_FATS = 16,
	BPB_ROOT_SLOTS = 17,
	BPB_SECTORS16 = 19,
	BPB_MEDIA = 21,
	BPB_FAT_SECTORS16 = 22,
	BPB_TRACK = 24,
	BPB_HEADS = 26,
	BPB_SECTORS32 = 32,
	BPB_FAT_SECTORS32 = 36,
	BPB_ROOT_CLUSTER = 44,
	BPB_INFO_SECTOR = 48,
	BPB_BACKUP_SECTOR = 50,
	BPB_TAIL = 36, /* drive, signature, serial, label, type; of FAT32 at 64 */
	BPB_TAIL32 = 64,
	TAIL_SIGNATURE = 2,
	TAIL_SERIAL = 3,
	TAIL_LABEL = 7,
	TAIL_TYPE = 18,
	FAT_SIGNATURE_AT = 510,
};

/* Places in a directory's slot. */
enum {
	SLOT_ATTR = 11,
	SLOT_CASE = 12,
	SLOT_CREATE_TENTH = 13,
	SLOT_CREATE_TIME = 14,
	SLOT_CREATE_DATE = 16,
	SLOT_ACCESS_DATE = 18,
	SLOT_CLUSTER_HIGH = 20,
	SLOT_WRITE_TIME = 22,
	SLOT_WRITE_DATE = 24,
	SLOT_CLUSTER_LOW = 26,
	SLOT_SIZE = 28,
	LONG_CHECKSUM = 13,
};

/* Where the units of a long name lie in its slot. */
extern const uint8_t fat_long_places[FAT_LONG_UNITS];

static inline void fat_put(uint8_t *at, uint64_t value, size_t bytes)
{
	for (size_t i = 0; i < bytes; i++)
		at[i] = (uint8_t)(value >> (8 * i));
}

static inline uint32_t fat_get(const uint8_t *at, size_t bytes)
{
	uint32_t value = 0;

	for (size_t i = bytes; i-- != 0;)
		value = value << 8 | at[i];
	return value;
}

/* --- fat_name.c --- */

/* A name as a directory keeps it. */
struct fat_name {
	uint16_t units[FAT_NAME_UNITS];
	size_t count;
	uint8_t alias[FAT_SHORT]; /* padded with spaces */
	bool is_short;		  /* the alias says it all: no long slots */
};

/* Units and, of a name that is short as it is, the alias; of another the alias without its tail
 * "~N". UNI_E_UNSUPPORTED for what FAT cannot hold. */
int fat_name_make(const char *name, struct fat_name *out, struct uni_err *err);
void fat_name_tail(struct fat_name *name, uint32_t number);
/* Slots that it takes, with its own. */
size_t fat_name_slots(const struct fat_name *name);
/* Writes the long slots, which come before the short one; the byte behind them. */
uint8_t *fat_name_put_long(const struct fat_name *name, uint8_t *at);
uint8_t fat_alias_sum(const uint8_t alias[FAT_SHORT]);
/* "README.TXT" of an alias, or "readme.TXT": `lower` is the slot's byte by which Windows NT keeps
 * the case of a name that would be short otherwise. What is above ASCII is of some code page, which
 * no volume names, and becomes U+FFFD. */
enum { FAT_LOWER_BASE = 0x08, FAT_LOWER_EXTENSION = 0x10 };
void fat_alias_text(const uint8_t alias[FAT_SHORT], uint8_t lower, struct uni_buf *out);
/* UTF-8 of units; those that are no character become U+FFFD. */
void fat_units_text(const uint16_t *units, size_t count, struct uni_buf *out);

#endif
