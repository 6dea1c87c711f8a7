/*
 * The kernel's reader of partition tables. The primary's checksums are made right first, or nothing
 * would come past them; no partition may lie outside the disk.
 */
#include "gpt.h"
#include "machine.h"
#include <stdlib.h>
#include <uni/abi/gpt.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint32_t crc32(const uint8_t *p, size_t size)
{
	uint32_t crc = UINT32_MAX;

	while (size-- != 0) {
		crc ^= *p++;
		for (int bit = 0; bit < 8; bit++)
			crc = (crc >> 1) ^ (0xedb88320u & (0u - (crc & 1u)));
	}
	return ~crc;
}

static void mend(uint8_t *disk, size_t sectors)
{
	struct uni_gpt_header h;

	memcpy(&h, disk + 512, sizeof(h));
	if (h.entry_size <= 512 && h.entry_count <= 480 && h.entries_lba < sectors &&
	    (uint64_t)h.entry_count * h.entry_size <= (sectors - h.entries_lba) * 512) {
		h.entries_crc32 =
			crc32(disk + h.entries_lba * 512, (size_t)h.entry_count * h.entry_size);
		memcpy(disk + 512, &h, sizeof(h));
	}
	if (h.header_size < 92 || h.header_size > 512)
		return;
	h.header_crc32 = 0;
	memcpy(disk + 512, &h, sizeof(h));
	h.header_crc32 = crc32(disk + 512, h.header_size);
	memcpy(disk + 512, &h, sizeof(h));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t sectors = size / 512;
	uint8_t *disk;

	if (sectors < 3 || sectors > 256)
		return 0;
	disk = malloc(sectors * 512);
	if (disk == NULL)
		return 0;
	memcpy(disk, data, sectors * 512);
	mend(disk, sectors);
	uk_gpt_scan(machine_disk(disk, sectors * 512));
	for (unsigned i = 0; i < machine_partitions; i++) {
		const struct uk_block_dev *p = machine_partition[i];

		if (p->size == 0 || p->start >= sectors * 512 || p->size > sectors * 512 - p->start)
			abort();
	}
	free(disk);
	return 0;
}
