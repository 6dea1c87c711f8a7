/*
 * The GUID partition table (UEFI specification 2.10, section 5.3): its two structures and the
 * checks that loader and kernel make before they believe one. Sectors are 512 bytes. The CRC is the
 * reader's own (CRC-32, polynomial 0xedb88320), because loaders and kernels differ in what room
 * they have for tables.
 */
#ifndef UNI_ABI_GPT_H
#define UNI_ABI_GPT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define UNI_GPT_SIGNATURE 0x5452415020494645ull /* "EFI PART" */
#define UNI_GPT_REVISION 0x00010000u
#define UNI_GPT_SECTOR 512u
#define UNI_GPT_ARRAY_SECTORS_MAX 120u /* of entries that a reader takes; everyone writes 32 */

struct uni_gpt_header {
	uint64_t signature;
	uint32_t revision;
	uint32_t header_size;
	uint32_t header_crc32; /* over header_size bytes with this field 0 */
	uint32_t reserved;
	uint64_t my_lba;
	uint64_t alternate_lba;
	uint64_t first_usable_lba;
	uint64_t last_usable_lba;
	uint8_t disk_guid[16];
	uint64_t entries_lba;
	uint32_t entry_count;
	uint32_t entry_size;
	uint32_t entries_crc32;
	uint32_t pad;
};

struct uni_gpt_entry {
	uint8_t type[16]; /* all zero: unused */
	uint8_t guid[16];
	uint64_t first_lba;
	uint64_t last_lba; /* inclusive */
	uint64_t attributes;
	uint16_t name[36]; /* UTF-16LE */
};

_Static_assert(sizeof(struct uni_gpt_header) == 96, "UEFI 5.3.2, with padding behind 92 bytes");
_Static_assert(offsetof(struct uni_gpt_header, entries_crc32) == 88, "UEFI 5.3.2");
_Static_assert(sizeof(struct uni_gpt_entry) == 128, "UEFI 5.3.3");

/* Sectors of the entry array of a sound header. */
static inline uint32_t uni_gpt_array_sectors(const struct uni_gpt_header *h)
{
	return (h->entry_count * h->entry_size + UNI_GPT_SECTOR - 1) / UNI_GPT_SECTOR;
}

/* header_size when signature, revision and size are such that a CRC can be made; else 0. */
static inline uint32_t uni_gpt_header_size(const struct uni_gpt_header *h)
{
	if (h->signature != UNI_GPT_SIGNATURE || h->revision != UNI_GPT_REVISION ||
	    h->header_size < offsetof(struct uni_gpt_header, pad) ||
	    h->header_size > UNI_GPT_SECTOR)
		return 0;
	return h->header_size;
}

/*
 * Whether `h`, the header sector that was read from `lba` of a disk of `sectors` sectors, is sound.
 * `crc` is that of its first uni_gpt_header_size(h) bytes with header_crc32 taken as 0.
 */
static inline bool uni_gpt_header_sound(const struct uni_gpt_header *h, uint32_t crc, uint64_t lba,
					uint64_t sectors)
{
	if (uni_gpt_header_size(h) == 0 || h->header_crc32 != crc || h->my_lba != lba)
		return false;
	if (h->entry_size < sizeof(struct uni_gpt_entry) || h->entry_size > UNI_GPT_SECTOR ||
	    (h->entry_size & (h->entry_size - 1)) != 0 || h->entry_count == 0 ||
	    h->entry_count > UNI_GPT_ARRAY_SECTORS_MAX * (UNI_GPT_SECTOR / h->entry_size))
		return false;
	if (h->entries_lba < 2 || h->entries_lba >= sectors ||
	    uni_gpt_array_sectors(h) > sectors - h->entries_lba)
		return false;
	return h->first_usable_lba <= h->last_usable_lba && h->last_usable_lba < sectors;
}

/* Whether a used entry lies inside the area that its header gives to partitions. */
static inline bool uni_gpt_entry_sound(const struct uni_gpt_header *h,
				       const struct uni_gpt_entry *e)
{
	return e->first_lba >= h->first_usable_lba && e->first_lba <= e->last_lba &&
	       e->last_lba <= h->last_usable_lba;
}

/* The 16 bytes on disk of a GUID written as text (36 characters, checked at compile time by size).
 */
static inline void uni_gpt_guid(const char text[37], uint8_t guid[16])
{
	static const uint8_t place[16] = { 3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15 };
	unsigned n = 0;

	for (const char *p = text; *p != '\0' && n < 32; p++) {
		unsigned digit;

		if (*p == '-')
			continue;
		digit = (unsigned)(*p <= '9' ? *p - '0' : (*p | 0x20) - 'a' + 10) & 15u;
		if (n % 2 == 0)
			guid[place[n / 2]] = (uint8_t)(digit << 4);
		else
			guid[place[n / 2]] = (uint8_t)(guid[place[n / 2]] | digit);
		n++;
	}
}

#endif
