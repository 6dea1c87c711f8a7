/*
 * Disks. The first byte says how the rest becomes one: bit 0, checksums of the primary table are
 * made right; bit 1, the table stands at the end as the backup instead.
 */
#include <string.h>
#include <uni/abi/gpt.h>
#include <uni/disk/disk.h>

#include "memory.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { DISK_SIZE = 128 << 10, SECTORS = DISK_SIZE / 512 };

static uint32_t crc32_of(const uint8_t *p, size_t size)
{
	uint32_t crc = ~0u;

	while (size-- != 0) {
		crc ^= *p++;
		for (int bit = 0; bit < 8; bit++)
			crc = (crc >> 1) ^ (0xedb88320u & (0u - (crc & 1u)));
	}
	return ~crc;
}

/* Of the header in the sector at `header` and the array that it says it has. */
static void seal(uint8_t *disk, uint8_t *header)
{
	struct uni_gpt_header h;
	uint64_t array;

	memcpy(&h, header, sizeof(h));
	array = (uint64_t)h.entry_count * h.entry_size;
	if (h.entries_lba < SECTORS && array <= DISK_SIZE - h.entries_lba * 512)
		h.entries_crc32 = crc32_of(disk + h.entries_lba * 512, (size_t)array);
	h.header_crc32 = 0;
	memcpy(header, &h, sizeof(h));
	h.header_crc32 = crc32_of(header, h.header_size <= 512 ? h.header_size : 0);
	memcpy(header, &h, sizeof(h));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static uint8_t disk[DISK_SIZE];
	struct uni_err err = UNI_ERR_INIT;
	UNI_AUTO(uni_disk_source) struct uni_disk_source *source = NULL;
	struct uni_disk *read = NULL;
	struct uni_disk_mbr mbr;
	bool found;
	uint8_t *header = disk + 512;

	if (size < 1 + 1024 || size > DISK_SIZE / 2)
		return 0;
	memset(disk, 0, sizeof(disk));
	memcpy(disk, data + 1, size - 1);
	if ((data[0] & 2) != 0) {
		struct uni_gpt_header h;

		header = disk + DISK_SIZE - 512;
		memcpy(header, disk + 512, 512);
		memset(disk + 512, 0, 512);
		memcpy(&h, header, sizeof(h));
		h.my_lba = SECTORS - 1;
		memcpy(header, &h, sizeof(h));
	}
	if ((data[0] & 1) != 0)
		seal(disk, header);
	if (uni_disk_read(&read, fuzz_file(disk, sizeof(disk)), sizeof(disk), "fuzz", &err) == 0)
		uni_disk_free(read);
	source = uni_disk_source_from_memory(disk, sizeof(disk));
	(void)uni_disk_read_mbr(&mbr, source, &found, &err);
	return 0;
}
