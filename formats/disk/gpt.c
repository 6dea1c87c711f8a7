/*
 * The bytes of a GUID partition table (UEFI 2.10, chapter 5): protective MBR, headers, entries,
 * names, checksums. Nothing here touches a file.
 */
#include "gpt.h"

#include <string.h>
#include <uni/abi/boot.h>

_Static_assert((int)GPT_ENTRIES == UNI_DISK_PARTITIONS_MAX, "one limit");
_Static_assert((int)MBR_CODE_SIZE == UNI_STAGE1_SIZE, "one limit");

/* CRC-32 (ISO 3309), half a byte at a time. */
uint32_t gpt_crc32(uint32_t crc, const void *data, size_t size)
{
	static const uint32_t table[16] = {
		0x00000000, 0x1db71064, 0x3b6e20c8, 0x26d930ac, 0x76dc4190, 0x6b6b51f4,
		0x4db26158, 0x5005713c, 0xedb88320, 0xf00f9344, 0xd6d6a3e8, 0xcb61b38c,
		0x9b64c2b0, 0x86d3d2d4, 0xa00ae278, 0xbdbdf21c,
	};
	const uint8_t *p = data;

	crc = ~crc;
	while (size-- != 0) {
		crc ^= *p++;
		crc = crc >> 4 ^ table[crc & 15u];
		crc = crc >> 4 ^ table[crc & 15u];
	}
	return ~crc;
}

uint32_t gpt_header_crc(const struct uni_gpt_header *header, uint32_t header_size)
{
	static const uint8_t zero[4];
	const uint8_t *bytes = (const uint8_t *)header;
	size_t field = offsetof(struct uni_gpt_header, header_crc32);
	uint32_t crc = gpt_crc32(0, bytes, field);

	crc = gpt_crc32(crc, zero, sizeof(zero));
	return gpt_crc32(crc, bytes + field + 4, header_size - field - 4);
}

/* One character of checked UTF-8. */
static uint32_t utf8_take(const uint8_t **p)
{
	const uint8_t *s = *p;
	uint32_t c;

	if (s[0] < 0x80) {
		*p += 1;
		return s[0];
	}
	if (s[0] < 0xe0) {
		*p += 2;
		return (s[0] & 0x1fu) << 6 | (s[1] & 0x3fu);
	}
	if (s[0] < 0xf0) {
		*p += 3;
		return (s[0] & 0x0fu) << 12 | (s[1] & 0x3fu) << 6 | (s[2] & 0x3fu);
	}
	c = (s[0] & 0x07u) << 18 | (s[1] & 0x3fu) << 12 | (s[2] & 0x3fu) << 6 | (s[3] & 0x3fu);
	*p += 4;
	return c;
}

int gpt_name_encode(const char *name, uint16_t units[UNI_DISK_NAME_MAX], struct uni_err *err)
{
	const uint8_t *p = (const uint8_t *)name;
	size_t at = 0;

	memset(units, 0, UNI_DISK_NAME_MAX * sizeof(units[0]));
	if (!uni_utf8_valid(name, strlen(name)))
		return uni_err_set(err, UNI_E_INVAL, "partition name is not UTF-8");
	while (*p != 0) {
		uint32_t c = utf8_take(&p);

		if (at + (c > 0xffff ? 2 : 1) > UNI_DISK_NAME_MAX)
			return uni_err_set(err, UNI_E_LIMIT,
					   "partition name \"%s\" is longer than %d characters",
					   name, UNI_DISK_NAME_MAX);
		if (c > 0xffff) {
			units[at++] = (uint16_t)(0xd800 | (c - 0x10000) >> 10);
			units[at++] = (uint16_t)(0xdc00 | ((c - 0x10000) & 0x3ff));
		} else {
			units[at++] = (uint16_t)c;
		}
	}
	return 0;
}

static char *utf8_put(char *out, uint32_t c)
{
	if (c < 0x80) {
		*out++ = (char)c;
	} else if (c < 0x800) {
		*out++ = (char)(0xc0 | c >> 6);
		*out++ = (char)(0x80 | (c & 0x3f));
	} else if (c < 0x10000) {
		*out++ = (char)(0xe0 | c >> 12);
		*out++ = (char)(0x80 | (c >> 6 & 0x3f));
		*out++ = (char)(0x80 | (c & 0x3f));
	} else {
		*out++ = (char)(0xf0 | c >> 18);
		*out++ = (char)(0x80 | (c >> 12 & 0x3f));
		*out++ = (char)(0x80 | (c >> 6 & 0x3f));
		*out++ = (char)(0x80 | (c & 0x3f));
	}
	return out;
}

void gpt_name_decode(const uint16_t units[UNI_DISK_NAME_MAX], char name[UNI_DISK_NAME_MAX * 3 + 1])
{
	char *out = name;

	for (size_t i = 0; i < UNI_DISK_NAME_MAX && units[i] != 0; i++) {
		uint32_t c = units[i];
		uint32_t next = i + 1 < UNI_DISK_NAME_MAX ? units[i + 1] : 0;

		if (c >= 0xd800 && c < 0xdc00 && next >= 0xdc00 && next < 0xe000) {
			c = 0x10000 + ((c & 0x3ff) << 10 | (next & 0x3ff));
			i++;
		} else if (c >= 0xd800 && c < 0xe000) {
			c = 0xfffd;
		}
		out = utf8_put(out, c);
	}
	*out = '\0';
}

static void guid_put(uint8_t out[16], const struct uni_uuid *guid)
{
	struct uni_uuid disk = uni_uuid_swap(guid);

	memcpy(out, disk.bytes, 16);
}

static void header_seal(struct uni_gpt_header *header)
{
	header->header_crc32 = gpt_header_crc(header, header->header_size);
}

int gpt_build(const struct uni_disk_layout *layout, const struct uni_disk_result *placed,
	      struct gpt_table *table, struct uni_err *err)
{
	uint64_t sectors = placed->size / UNI_DISK_SECTOR;
	struct uni_gpt_header *h = &table->primary;

	memset(table, 0, sizeof(*table));
	for (size_t i = 0; i < layout->count; i++) {
		const struct uni_disk_partition *from = &layout->partitions[i];
		struct uni_gpt_entry *to = &table->entries[i];

		guid_put(to->type, &from->type);
		guid_put(to->guid, &from->guid);
		to->first_lba = placed->placed[i].offset / UNI_DISK_SECTOR;
		to->last_lba = to->first_lba + placed->placed[i].size / UNI_DISK_SECTOR - 1;
		to->attributes = from->attributes;
		uint16_t units[UNI_DISK_NAME_MAX];
		int rc = gpt_name_encode(from->name != NULL ? from->name : "", units, err);

		if (rc != 0)
			return rc;
		memcpy(to->name, units, sizeof(units));
	}
	h->signature = UNI_GPT_SIGNATURE;
	h->revision = UNI_GPT_REVISION;
	h->header_size = offsetof(struct uni_gpt_header, pad);
	h->my_lba = 1;
	h->alternate_lba = sectors - 1;
	h->first_usable_lba = GPT_FIRST_USABLE;
	h->last_usable_lba = sectors - GPT_TAIL_SECTORS - 1;
	guid_put(h->disk_guid, &layout->guid);
	h->entries_lba = 2;
	h->entry_count = GPT_ENTRIES;
	h->entry_size = sizeof(struct uni_gpt_entry);
	h->entries_crc32 = gpt_crc32(0, table->entries, sizeof(table->entries));
	table->backup = *h;
	table->backup.my_lba = sectors - 1;
	table->backup.alternate_lba = 1;
	table->backup.entries_lba = sectors - GPT_TAIL_SECTORS;
	header_seal(&table->primary);
	header_seal(&table->backup);
	return 0;
}

static void put_le(uint8_t *out, uint64_t value, size_t bytes)
{
	for (size_t i = 0; i < bytes; i++)
		out[i] = (uint8_t)(value >> (8 * i));
}

/* Tells the first stage where the second is. */
static int patch_stage1(const struct uni_disk_layout *layout, const struct uni_disk_result *placed,
			uint8_t *code, struct uni_err *err)
{
	struct uni_uuid bios_boot;

	if (layout->stage1_size != UNI_STAGE1_SIZE)
		return uni_err_set(err, UNI_E_INVAL, "BIOS first stage has %zu bytes, not %d",
				   layout->stage1_size, UNI_STAGE1_SIZE);
	memcpy(code, layout->stage1, UNI_STAGE1_SIZE);
	(void)uni_uuid_parse(UNI_GPT_BIOS_BOOT, &bios_boot);
	for (size_t i = 0; i < layout->count; i++) {
		const struct uni_disk_partition *p = &layout->partitions[i];
		uint64_t sectors = (p->content.size + UNI_DISK_SECTOR - 1) / UNI_DISK_SECTOR;

		if (memcmp(&p->type, &bios_boot, sizeof(bios_boot)) != 0)
			continue;
		if (sectors == 0 || p->content.size > UNI_STAGE2_SIZE_MAX)
			return uni_err_set(
				err, UNI_E_INVAL, "BIOS second stage has %llu bytes, not 1 to %d",
				(unsigned long long)p->content.size, UNI_STAGE2_SIZE_MAX);
		put_le(code + UNI_STAGE1_COUNT_OFFSET, sectors, 2);
		put_le(code + UNI_STAGE1_LBA_OFFSET, placed->placed[i].offset / UNI_DISK_SECTOR, 8);
		return 0;
	}
	return uni_err_set(err, UNI_E_INVAL, "BIOS first stage without a BIOS boot partition");
}

int gpt_build_mbr(const struct uni_disk_layout *layout, const struct uni_disk_result *placed,
		  uint8_t sector[512], struct uni_err *err)
{
	uint64_t sectors = placed->size / UNI_DISK_SECTOR;
	uint64_t covered = sectors - 1 < UINT32_MAX ? sectors - 1 : UINT32_MAX;
	uint8_t *entry = sector + MBR_TABLE;

	memset(sector, 0, 512);
	if (layout->stage1 != NULL) {
		int rc = patch_stage1(layout, placed, sector, err);

		if (rc != 0)
			return rc;
	}
	/* UEFI 5.2.3: from sector 1 (CHS 0/0/2) over the whole disk, CHS end out of range. */
	entry[2] = 2;
	entry[4] = MBR_TYPE_GPT;
	memset(entry + 5, 0xff, 3);
	put_le(entry + 8, 1, 4);
	put_le(entry + 12, covered, 4);
	sector[MBR_SIGNATURE] = 0x55;
	sector[MBR_SIGNATURE + 1] = 0xaa;
	return 0;
}
