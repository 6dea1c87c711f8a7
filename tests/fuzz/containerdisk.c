/*
 * A container image with a disk in it, packed as a layout or by `docker save`: lists, manifests and
 * layers are what the input says, and the disk that comes out has all the bytes that it claims.
 */
#include <stdio.h>
#include <uni/source/image.h>

#include "memory.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	UNI_AUTO(uni_disk_source) struct uni_disk_source *source = NULL;
	struct uni_err err = UNI_ERR_INIT;
	struct uni_digest digest;
	uint8_t last;
	char path[32];

	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fuzz_file(data, size));
	if (uni_containerdisk_open(&source, path, &digest, &err) != 0) {
		if (source != NULL || err.code == 0)
			abort();
		return 0;
	}
	if (source->size != 0)
		(void)uni_disk_source_read(source, &last, 1, source->size - 1, &err);
	return 0;
}
