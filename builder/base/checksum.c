/*
 * CRC-32C of much data.
 */
#include <string.h>
#include <uni/abi/crc32c.h>
#include <uni/base/checksum.h>

#if defined(__x86_64__)
__attribute__((target("sse4.2"))) static uint32_t by_instruction(uint32_t crc, const uint8_t *data,
								 size_t size)
{
	uint64_t sum = ~crc;

	for (; size >= 8; size -= 8, data += 8) {
		uint64_t word;

		memcpy(&word, data, sizeof(word));
		sum = __builtin_ia32_crc32di(sum, word);
	}
	while (size-- != 0)
		sum = __builtin_ia32_crc32qi((uint32_t)sum, *data++);
	return ~(uint32_t)sum;
}
#endif

uint32_t uni_checksum(uint32_t crc, const void *data, size_t size)
{
#if defined(__x86_64__)
	if (__builtin_cpu_supports("sse4.2"))
		return by_instruction(crc, data, size);
#endif
	return uni_crc32c(crc, data, size);
}
