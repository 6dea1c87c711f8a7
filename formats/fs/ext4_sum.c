/*
 * Checksums of ext4: CRC-32C without the inversion at its ends.
 */
#include <uni/base/checksum.h>

#include "ext4.h"

uint32_t ext4_sum(uint32_t seed, const void *data, size_t size)
{
	return ~uni_checksum(~seed, data, size);
}

uint32_t ext4_inode_seed(const struct ext4 *fs, uint32_t ino)
{
	const uint32_t generation = 0;
	uint32_t seed = ext4_sum(fs->seed, &ino, sizeof(ino));

	return ext4_sum(seed, &generation, sizeof(generation));
}
