/*
 * Telling the host that asked for it why there is no kernel: the exit record and QEMU's exit
 * status.
 */
#include "boot.h"

#include <uni/abi/exit.h>

static void write_record(const char *reason)
{
	struct uni_exit_record r;
	const uint8_t *bytes = (const uint8_t *)&r;

	if (in8(UNI_EXIT_RECORD_PORT) != 0xe9)
		return;
	memset(&r, 0, sizeof(r));
	memcpy(r.magic, UNI_EXIT_MAGIC, sizeof(r.magic));
	r.size = sizeof(r);
	r.kind = UNI_EXIT_PANIC;
	for (size_t i = 0; i + 1 < sizeof(r.text) && reason[i] != '\0'; i++)
		r.text[i] = reason[i];
	r.crc32c = uni_crc32c(0, &r, sizeof(r));
	for (size_t i = 0; i < sizeof(r); i++)
		out8(UNI_EXIT_RECORD_PORT, bytes[i]);
}

void boot_tell_host(const char *reason)
{
	write_record(reason);
	out32(UNI_EXIT_DEBUG_PORT, UNI_DEBUG_EXIT_PANIC);
}
