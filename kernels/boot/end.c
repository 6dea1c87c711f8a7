/*
 * The end when there is no kernel to start: one line on the screen and on COM1, a record and a
 * status for the host that asked for them, and a halt.
 */
#include "boot.h"
#include "places.h"

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

void boot_fail(const char *reason)
{
	serial_start();
	print("uni boot: ");
	print(reason);
	print("\r\n");
	boot_tell_host(reason);
	for (;;)
		__asm__ volatile("cli; hlt");
}
