/*
 * The reader of SMBIOS: entry points and tables of any bytes.
 */
#include "drivers.h"
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t out[64];
	uk_paddr_t at;
	size_t length;
	int64_t got = uk_smbios_strings(data, size, "a", out, sizeof(out));

	if (got > (int64_t)sizeof(out) || got == 0)
		abort();
	(void)uk_smbios_entry(data, size, &at, &length);
	return 0;
}
