/*
 * Disk images.
 */
#include <uni/disk/source.h>

#include "sparse.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { IMAGE_MOST = 32 << 20, STEPS = 64, ROOM = 64 << 10 };

/* Makes the checksum of a VHD structure right: the sum of its bytes, complemented. */
static void seal_vhd(int fd, uint32_t at, uint32_t size, uint32_t field, const char *cookie)
{
	uint8_t bytes[1024];
	uint32_t sum = 0;

	if (pread(fd, bytes, size, at) != (ssize_t)size || memcmp(bytes, cookie, 8) != 0)
		return;
	memset(bytes + field, 0, 4);
	for (uint32_t i = 0; i < size; i++)
		sum += bytes[i];
	sum = htobe32(~sum);
	memcpy(bytes + field, &sum, 4);
	if (pwrite(fd, bytes, size, at) != (ssize_t)size)
		abort();
}

/* uni_crc32c, but by a table: it is most of the time of a run. */
static uint32_t crc32c(const uint8_t *bytes, size_t size)
{
	static uint32_t table[256];
	uint32_t crc = ~0u;

	for (uint32_t i = 0; table[255] == 0 && i < 256; i++) {
		table[i] = i;
		for (int bit = 0; bit < 8; bit++)
			table[i] = (table[i] >> 1) ^ (0x82f63b78u & (0u - (table[i] & 1u)));
	}
	while (size-- != 0)
		crc = crc >> 8 ^ table[(crc ^ *bytes++) & 255];
	return ~crc;
}

/* The same of VHDX: CRC-32C with its own field zero. */
static void seal_vhdx(int fd, uint32_t at, uint32_t size, const char *signature)
{
	static uint8_t bytes[64 << 10];
	uint32_t crc;

	if (pread(fd, bytes, size, at) != (ssize_t)size || memcmp(bytes, signature, 4) != 0)
		return;
	memset(bytes + 4, 0, 4);
	crc = htole32(crc32c(bytes, size));
	if (pwrite(fd, &crc, 4, at + 4) != 4)
		abort();
}

static void seal(int fd, uint32_t length)
{
	seal_vhdx(fd, 64 << 10, 4096, "head");
	seal_vhdx(fd, 128 << 10, 4096, "head");
	seal_vhdx(fd, 192 << 10, 64 << 10, "regi");
	seal_vhd(fd, 0, 512, 64, "conectix");
	seal_vhd(fd, 512, 1024, 36, "cxsparse");
	if (length >= 512)
		seal_vhd(fd, length - 512, 512, 64, "conectix");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static uint8_t room[ROOM];
	UNI_AUTO(uni_disk_source) struct uni_disk_source *source = NULL;
	struct uni_err err = UNI_ERR_INIT;
	uint64_t at = 0;
	uint64_t length = 0;
	int fd = fuzz_file(NULL, 0);

	uint32_t image;

	if (size < 4)
		return 0;
	image = fuzz_image(fd, IMAGE_MOST, data, size);
	seal(fd, image);
	if (uni_disk_open_fd(&source, fd, image, "fuzz", &err) != 0)
		return 0;
	for (int i = 0; i < STEPS && uni_disk_source_next(source, &at, &length, &err) == 1; i++) {
		size_t step = length < ROOM ? (size_t)length : ROOM;

		if (uni_disk_source_read(source, room, step, at, &err) != 0)
			break;
		at += step;
	}
	return 0;
}
