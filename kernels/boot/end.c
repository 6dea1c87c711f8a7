/*
 * The end when there is no kernel to start: one line on the screen and on COM1, a record and a
 * status for the host that asked for them, and a halt.
 */
#include "boot.h"
#include "places.h"
#include <uni/abi/exit.h>

#define LINE_PATIENCE 100000 /* reads of the status before a byte is given up */

static void serial_start(void)
{
	out8(COM1 + 1, 0);
	out8(COM1 + 3, 0x80); /* divisor 1: 115200 baud */
	out8(COM1 + 0, 1);
	out8(COM1 + 1, 0);
	out8(COM1 + 3, 3); /* 8 bits, no parity, 1 stop bit */
}

static void serial_print(const char *text)
{
	for (; *text != '\0'; text++) {
		for (unsigned i = 0; i < LINE_PATIENCE && (in8(COM1 + 5) & 0x20) == 0; i++)
			;
		out8(COM1, (uint8_t)*text);
	}
}

static void print(const char *text)
{
	bios_print(text);
	serial_print(text);
}

static void tell_host(const char *reason)
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

void boot_fail(const char *reason)
{
	serial_start();
	print("uni boot: ");
	print(reason);
	print("\r\n");
	tell_host(reason);
	out32(UNI_EXIT_DEBUG_PORT, UNI_DEBUG_EXIT_PANIC);
	for (;;)
		__asm__ volatile("cli; hlt");
}
