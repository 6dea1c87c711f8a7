/*
 * The loader's reader of partition tables. The checksums of the input are made right first, or
 * nothing would come past them.
 */
#include "boot.h"
#include "disk.h"
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void mend(uint8_t *disk, size_t sectors)
{
	struct uni_gpt_header h;

	memcpy(&h, disk + 512, sizeof(h));
	if (h.entry_size <= 512 && h.entry_count <= 480 && h.entries_lba < sectors &&
	    (uint64_t)h.entry_count * h.entry_size <= (sectors - h.entries_lba) * 512) {
		h.entries_crc32 =
			crc_copy(0, NULL, disk + h.entries_lba * 512, h.entry_count * h.entry_size);
		memcpy(disk + 512, &h, sizeof(h));
	}
	if (h.header_size < 92 || h.header_size > 512)
		return;
	h.header_crc32 = 0;
	memcpy(disk + 512, &h, sizeof(h));
	h.header_crc32 = crc_copy(0, NULL, disk + 512, h.header_size);
	memcpy(disk + 512, &h, sizeof(h));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t sectors = size / 512;
	uint64_t first = 0, count = 0;
	uint8_t type[16], *disk;

	if (sectors < 3 || sectors > 256)
		return 0;
	disk = malloc(sectors * 512);
	if (disk == NULL)
		return 0;
	memcpy(disk, data, sectors * 512);
	crc_start(CRC32_POLY);
	mend(disk, sectors);
	test_disk_set(disk, sectors * 512);
	uni_gpt_guid(UNI_GPT_KERNEL, type);
	if (gpt_find(sectors, type, &first, &count) == NULL &&
	    (first >= sectors || count == 0 || count > sectors - first))
		abort();
	free(disk);
	return 0;
}
