/*
 * Any bytes as a volume with a hash tree, behind any mount of the boot configuration: the input is
 * first the mount, then the device.
 */
#include <stdlib.h>
#include <string.h>
#include <uni/abi/config.h>

#include "fs.h"
#include "shim.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { SECTOR = 512, BLOCK = 4096 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct uni_config_mount how;
	struct uk_block_dev *dev;
	struct fs_volume *volume;
	uint8_t *copy, byte;

	if (size < sizeof(how))
		return 0;
	memcpy(&how, data, sizeof(how));
	size = UK_ALIGN_DOWN(size - sizeof(how), (size_t)SECTOR);
	copy = malloc(size + 1);
	memcpy(copy, data + sizeof(how), size);
	dev = shim_block_data("vda", copy, size);
	(void)fs_volume_find(&how);
	if (fs_volume_open(dev, &how, "fuzz", &volume) == 0) {
		for (uint64_t at = 0; at < UK_MIN(fs_volume_size(volume), (uint64_t)size + BLOCK);
		     at += BLOCK)
			(void)fs_volume_read(volume, at, &byte, 1);
		fs_volume_close(volume);
	}
	shim_block_forget();
	free(copy);
	if (shim_pages_used() != 0 || shim_allocated() != 0)
		abort();
	return 0;
}
