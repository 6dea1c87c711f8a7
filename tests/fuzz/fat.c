/* Volumes that are large and mostly empty, as FAT16 and FAT32 must be. */
#include "sparse.h"
#include "walk.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { VOLUME_MOST = 64 << 20 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	int fd = fuzz_file(NULL, 0);

	if (size >= 4)
		fuzz_walk(fd, fuzz_image(fd, VOLUME_MOST, data, size));
	return 0;
}
