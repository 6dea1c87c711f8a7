/*
 * Any bytes as a squashfs image: mounted, walked, read. Errors are fine; what the sanitizers see is
 * not, and neither is memory that stays behind.
 */
#include <stdlib.h>
#include <string.h>
#include <uni/abi/config.h>

#include "fuzz_walk.h"
#include "shim.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { SECTOR = 512 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct uni_config_mount how = { .fs = UNI_FS_SQUASHFS };
	size_t padded = UK_ALIGN_UP(size, (size_t)SECTOR);
	uint8_t *copy = calloc(1, padded + 1);
	struct fuzz_walk walk = { .budget = FUZZ_NAMES };
	struct fs_volume *volume;
	struct uk_super *super;

	memcpy(copy, data, size);
	if (fs_volume_open(shim_block_data("vda", copy, padded), &how, "fuzz", &volume) == 0 &&
	    fs_squashfs_mount(volume, &super) == 0) {
		fuzz_walk(&walk, super->root);
		super->ops->unmount(super);
	}
	shim_block_forget();
	free(copy);
	if (shim_pages_used() != 0 || shim_allocated() != 0)
		abort();
	return 0;
}
