/*
 * The reader of AML's constants, and of the command line's devices.
 */
#include "drivers.h"
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct uk_aml_device d;
	size_t at = 0, before = 0;
	uint8_t a, b;
	uint64_t v;
	char *line = malloc(size + 1);
	const char *p = line;

	if (line == NULL)
		return 0;
	if (uk_aml_s5(data, size, &a, &b) && (a > 7 || b > 7))
		abort();
	(void)uk_aml_method(data, size, "_CBA", &v);
	while (uk_aml_device(data, size, &at, "LNRO0005", &d)) {
		if (at <= before || at > size)
			abort();
		before = at;
	}
	at = 0;
	(void)uk_aml_device(data, size, &at, "PNP0A08", &d);
	memcpy(line, data, size);
	line[size] = '\0';
	while (uk_virtio_mmio_option(&p, &d))
		if (p > line + size)
			abort();
	free(line);
	return 0;
}
