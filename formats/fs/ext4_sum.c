/*
 * Checksums of ext4: by the processor's instruction where it has it, since every folder and inode
 * of a volume goes through here.
 */
#include <string.h>
#include <uni/abi/crc32c.h>

#include "ext4.h"

#if defined(__x86_64__)
__attribute__((target("sse4.2"))) static uint32_t
sum_by_instruction(uint32_t seed, const uint8_t *data, size_t size)
{
	uint64_t sum = seed;

	for (; size >= 8; size -= 8, data += 8) {
		uint64_t word;

		memcpy(&word, data, sizeof(word));
		sum = __builtin_ia32_crc32di(sum, word);
	}
	while (size-- != 0)
		sum = __builtin_ia32_crc32qi((uint32_t)sum, *data++);
	return (uint32_t)sum;
}
#endif

uint32_t ext4_sum(uint32_t seed, const void *data, size_t size)
{
#if defined(__x86_64__)
	if (__builtin_cpu_supports("sse4.2"))
		return sum_by_instruction(seed, data, size);
#endif
	return ~uni_crc32c(~seed, data, size);
}

uint32_t ext4_inode_seed(const struct ext4 *fs, uint32_t ino)
{
	const uint32_t generation = 0;
	uint32_t seed = ext4_sum(fs->seed, &ino, sizeof(ino));

	return ext4_sum(seed, &generation, sizeof(generation));
}
