/*
 * Runs at build time: pads stage 2 to whole sectors and sets its last word so that all 32-bit words
 * add up to 0, which stage 1 checks before it jumps there.
 *   seal IN OUT
 */
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <uni/abi/boot.h>

static int fail(const char *what)
{
	fprintf(stderr, "seal: %s\n", what);
	return 1;
}

int main(int argc, char **argv)
{
	static uint8_t image[UNI_STAGE2_SIZE_MAX + 1];
	uint32_t sum = 0, magic;
	size_t size;
	FILE *f;

	if (argc != 3)
		return fail("usage: seal IN OUT");
	f = fopen(argv[1], "rb");
	if (f == NULL)
		return fail("cannot read the input");
	size = fread(image, 1, sizeof(image), f);
	if (ferror(f) || fclose(f) != 0)
		return fail("cannot read the input");
	if (size < 8 || size > UNI_STAGE2_SIZE_MAX - sizeof(sum))
		return fail("stage 2 has an impossible size");
	memcpy(&magic, image + 4, sizeof(magic));
	if (magic != UNI_STAGE2_MAGIC)
		return fail("stage 2 does not start as it must");
	size = (size + sizeof(sum) + 511) / 512 * 512;
	for (size_t i = 0; i < size; i += sizeof(sum)) {
		uint32_t word;

		memcpy(&word, image + i, sizeof(word));
		sum += word;
	}
	sum = 0u - sum;
	memcpy(image + size - sizeof(sum), &sum, sizeof(sum));
	f = fopen(argv[2], "wb");
	if (f == NULL)
		return fail("cannot write the output");
	if (fwrite(image, 1, size, f) != size || fclose(f) != 0)
		return fail("cannot write the output");
	return 0;
}
