/* ChaCha20 as RFC 8439 has it (section 2.3.2), and numbers that differ. */
#include "ktest.h"
#include <uk/io.h>

void ktest(void)
{
	static const uint32_t tail[4] = { 1, 0x09000000, 0x4a000000, 0 };
	static const uint32_t wanted[16] = { 0xe4e7f110, 0x15593bd1, 0x1fdd0f50, 0xc47120a3,
					     0xc7f4d1c7, 0x0368c033, 0x9aaa2204, 0x4e6cd4c3,
					     0x466482d2, 0x09aa9f07, 0x05d7c214, 0xa2028bd9,
					     0xd19c12b5, 0xb94e16de, 0xe883d0cb, 0x4e3c50a2 };
	uint32_t key[8], out[16];
	uint8_t a[100] = { 0 }, b[100] = { 0 };
	unsigned ones = 0;

	for (uint32_t i = 0; i < 8; i++)
		key[i] = i * 0x04040404 + 0x03020100;
	uk_chacha20_block(key, tail, out);
	CHECK(memcmp(out, wanted, sizeof(out)) == 0);
	uk_random(a, sizeof(a));
	uk_random(b, sizeof(b));
	CHECK(memcmp(a, b, sizeof(a)) != 0);
	for (unsigned i = 0; i < sizeof(a); i++)
		for (unsigned bit = 0; bit < 8; bit++)
			ones += a[i] >> bit & 1;
	CHECK(ones > 250 && ones < 550);
}
