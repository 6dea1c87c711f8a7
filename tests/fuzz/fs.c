/* Volumes and archives, as they are. */
#include "memory.h"
#include "walk.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	fuzz_walk(fuzz_file(data, size), size);
	return 0;
}
