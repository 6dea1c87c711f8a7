/*
 * Internal: a GUID partition table between memory and disk, shared by what writes and what reads.
 */
#ifndef UNI_DISK_GPT_INTERNAL_H
#define UNI_DISK_GPT_INTERNAL_H

#include <uni/abi/gpt.h>
#include <uni/disk/disk.h>
#include <uni/disk/source.h>

enum {
	GPT_ENTRIES = 128,
	GPT_ARRAY_SIZE = GPT_ENTRIES * 128,
	GPT_ARRAY_SECTORS = GPT_ARRAY_SIZE / 512,
	GPT_FIRST_USABLE = 2 + GPT_ARRAY_SECTORS,
	GPT_TAIL_SECTORS = GPT_ARRAY_SECTORS + 1,
	MBR_CODE_SIZE = 440,
	MBR_TABLE = 446,
	MBR_ENTRY_SIZE = 16,
	MBR_SIGNATURE = 510,
	MBR_TYPE_GPT = 0xee,
};

/* CRC-32 of ISO 3309, as UEFI asks for; continues `crc`, 0 at the start. */
uint32_t gpt_crc32(uint32_t crc, const void *data, size_t size);
/* The checksum that a header of `header_size` bytes must carry. */
uint32_t gpt_header_crc(const struct uni_gpt_header *header, uint32_t header_size);

/* UNI_E_INVAL for what is not UTF-8, UNI_E_LIMIT above UNI_DISK_NAME_MAX units. */
int gpt_name_encode(const char *name, uint16_t units[UNI_DISK_NAME_MAX], struct uni_err *err);
void gpt_name_decode(const uint16_t units[UNI_DISK_NAME_MAX], char name[UNI_DISK_NAME_MAX * 3 + 1]);

/* Both headers and the entry array of a placed layout. */
struct gpt_table {
	struct uni_gpt_header primary;
	struct uni_gpt_header backup;
	struct uni_gpt_entry entries[GPT_ENTRIES];
};
int gpt_build(const struct uni_disk_layout *layout, const struct uni_disk_result *placed,
	      struct gpt_table *table, struct uni_err *err);
/* Sector 0: boot code, the protective entry, the signature. */
int gpt_build_mbr(const struct uni_disk_layout *layout, const struct uni_disk_result *placed,
		  uint8_t sector[512], struct uni_err *err);

/* read.c: a table as it stands on a disk. */
struct gpt_read {
	struct uni_gpt_header header;
	uint8_t *array; /* of entry_count entries of entry_size bytes, or NULL: not sound */
};
/* Leaves `table->array` NULL when there is no sound table at `lba`; fails only where reading does.
 */
int gpt_read(struct uni_disk_source *source, uint64_t lba, struct gpt_read *table,
	     struct uni_err *err);

#endif
