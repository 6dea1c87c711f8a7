/*
 * What the kernel's command line says: numbers that loaders pass on, and devices.
 * Devices that a machine without ACPI names on the kernel's command line, in Linux's form
 * (Documentation/admin-guide/kernel-parameters, virtio_mmio.device): SIZE@ADDRESS:INTERRUPT.
 */
#include "drivers.h"

#define OPTION "virtio_mmio.device="
#define GSI_MAX 1024

/* A number as Linux's command line has them: decimal, or hexadecimal behind 0x, and a unit; behind
 * a sign of its own, if it has one. */
static bool take_number(const char **p, char sign, uint64_t *v)
{
	const char *start;
	unsigned base = 10;

	*v = 0;
	if (sign != '\0' && *(*p)++ != sign)
		return false;
	if ((*p)[0] == '0' && ((*p)[1] == 'x' || (*p)[1] == 'X')) {
		base = 16;
		*p += 2;
	}
	for (start = *p;; (*p)++) {
		char c = **p;
		unsigned digit = c >= '0' && c <= '9'	? (unsigned)(c - '0')
				 : c >= 'a' && c <= 'f' ? (unsigned)(c - 'a' + 10)
				 : c >= 'A' && c <= 'F' ? (unsigned)(c - 'A' + 10)
							: 16;

		if (digit >= base)
			break;
		if (*v > (UINT64_MAX >> 5))
			return false;
		*v = *v * base + digit;
	}
	if (*p == start)
		return false;
	if (**p == 'K' || **p == 'k' || **p == 'M') {
		*v <<= **p == 'M' ? 20 : 10;
		(*p)++;
	}
	return true;
}

bool uk_cmdline_number(const char *line, const char *option, uint64_t *v)
{
	size_t size = strlen(option);

	for (const char *at = line; *at != '\0'; at++) {
		const char *p = at + size;

		if (strncmp(at, option, size) == 0 && take_number(&p, '\0', v))
			return true;
	}
	return false;
}

bool uk_virtio_mmio_option(const char **line, struct uk_aml_device *out)
{
	for (const char *at = *line; *at != '\0'; at++) {
		const char *p = at + sizeof(OPTION) - 1;
		uint64_t gsi;

		if (strncmp(at, OPTION, sizeof(OPTION) - 1) != 0)
			continue;
		*out = (struct uk_aml_device){ 0 };
		if (take_number(&p, '\0', &out->length) && take_number(&p, '@', &out->base) &&
		    take_number(&p, ':', &gsi) && gsi < GSI_MAX) {
			out->interrupt = (uint32_t)gsi;
			*line = p;
			return true;
		}
	}
	return false;
}
