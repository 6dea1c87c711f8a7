/*
 * The console: the first serial port, a 16550 (National Semiconductor PC16550D data sheet), or
 * where there is none Xen's (xen/console.c). Output polls and waits as long as the line takes,
 * input comes by interrupt, and neither loses a byte: what nobody reads stays in the port, and an
 * emulator reads no further then. The line's interrupt is an edge, which a full port does not give
 * again: who left bytes there comes back for them.
 *
 * The FIFOs stay as the firmware left them, and are not relied upon. Switching them on empties
 * them, and a byte that arrives between a look at the status and that write would be gone: input is
 * often a pipe that is full before we start. The price is a look at the status for each byte
 * written.
 */
#include "drivers.h"
#include <uk/lock.h>
#include <uk/xen.h>

#define PORT 0x3f8
#define GSI 4	     /* ISA interrupt 4 */
#define HOLD_MAX 256 /* bytes written while interrupts are off */

enum uart_register {
	DATA = PORT,
	INTERRUPT_ENABLE = PORT + 1,
	LINE_CONTROL = PORT + 3,
	MODEM_CONTROL = PORT + 4,
	LINE_STATUS = PORT + 5,
};

#define STATUS_DATA 0x01
#define STATUS_EMPTY 0x20 /* room for a byte to send */
#define STATUS_ABSENT 0xff

static struct uk_spinlock lock = UK_SPINLOCK_INIT;
static bool ready;
static bool absent;

/* The lock is held. */
static void set_up(void)
{
	ready = true;
	absent = uk_in8(LINE_STATUS) == STATUS_ABSENT;
	if (absent)
		return;
	uk_out8(INTERRUPT_ENABLE, 0);
	uk_out8(LINE_CONTROL, 0x80);
	uk_out8(DATA, 1); /* divisor 1: 115200 baud */
	uk_out8(INTERRUPT_ENABLE, 0);
	uk_out8(LINE_CONTROL, 3);     /* 8 bits, no parity, 1 stop bit */
	uk_out8(MODEM_CONTROL, 0x0b); /* ready to send and receive, interrupt line on */
}

/* Up to HOLD_MAX bytes stay together, so that lines of the log and a program's do not mix; but
 * while the port is busy, which its reader decides, interrupts are let in. None where it is absent.
 */
static size_t write_piece(const char *data, size_t size)
{
	uint64_t state = uk_spin_lock(&lock);
	size_t wanted, at = 0;

	if (!ready)
		set_up();
	wanted = absent ? 0 : UK_MIN(size, (size_t)HOLD_MAX);
	for (; at < wanted && (uk_in8(LINE_STATUS) & STATUS_EMPTY) != 0; at++)
		uk_out8(DATA, (uint8_t)data[at]);
	uk_spin_unlock(&lock, state);
	return at;
}

static bool is_absent(void)
{
	uint64_t state = uk_spin_lock(&lock);

	if (!ready)
		set_up();
	uk_spin_unlock(&lock, state);
	return absent;
}

void uk_console_write(const char *data, size_t size)
{
	do {
		size_t part = write_piece(data, size);

		if (part == 0) {
			if (absent) {
				uk_xen_console_write(data, size);
				return;
			}
			__asm__ volatile("pause");
		}
		data += part;
		size -= part;
	} while (size != 0);
}

size_t uk_console_read(uint8_t *to, size_t room)
{
	size_t at = 0;

	if (absent)
		return uk_xen_console_read(to, room);
	for (; at < room && (uk_in8(LINE_STATUS) & STATUS_DATA) != 0; at++)
		to[at] = uk_in8(DATA);
	return at;
}

void uk_console_listen(void (*fn)(void *arg))
{
	int vector;

	if (is_absent()) {
		uk_xen_console_listen(fn);
		return;
	}
	vector = uk_irq_alloc(fn, NULL);
	if (vector < 0 || uk_irq_route_gsi(GSI, vector, false, false) != 0)
		return;
	uk_out8(INTERRUPT_ENABLE, 1);
}
