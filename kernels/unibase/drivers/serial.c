/*
 * The console: the first serial port, a 16550 (National Semiconductor PC16550D data sheet). Output
 * polls and waits as long as the line takes, so that no byte is lost; input comes by interrupt.
 * Every access to a port leaves a virtual machine, so the line's status is asked for once for a
 * full FIFO, not before each byte.
 */
#include "drivers.h"
#include <uk/lock.h>

#define PORT 0x3f8
#define GSI 4 /* ISA interrupt 4 */
#define FIFO_SIZE 16
#define HOLD_MAX 256 /* bytes written while interrupts are off */

enum uart_register {
	DATA = PORT,
	INTERRUPT_ENABLE = PORT + 1,
	FIFO_CONTROL = PORT + 2,
	LINE_CONTROL = PORT + 3,
	MODEM_CONTROL = PORT + 4,
	LINE_STATUS = PORT + 5,
};

#define STATUS_DATA 0x01
#define STATUS_EMPTY 0x20 /* the transmit FIFO */
#define STATUS_ABSENT 0xff

static struct uk_spinlock lock = UK_SPINLOCK_INIT;
static bool ready;
static bool absent;
static size_t burst = FIFO_SIZE; /* bytes that may follow one look at the status */

static void (*input)(uint8_t byte);

/* The lock is held. */
static void set_up(void)
{
	uint8_t status = uk_in8(LINE_STATUS);

	ready = true;
	absent = status == STATUS_ABSENT;
	if (absent)
		return;
	/* Enabling the FIFOs drops what has arrived; where input waits already, they stay off. */
	if ((status & STATUS_DATA) != 0)
		burst = 1;
	uk_out8(INTERRUPT_ENABLE, 0);
	uk_out8(LINE_CONTROL, 0x80);
	uk_out8(DATA, 1); /* divisor 1: 115200 baud */
	uk_out8(INTERRUPT_ENABLE, 0);
	uk_out8(LINE_CONTROL, 3); /* 8 bits, no parity, 1 stop bit */
	if (burst > 1)
		uk_out8(FIFO_CONTROL, 1); /* interrupt from the first byte on */
	uk_out8(MODEM_CONTROL, 0x0b);	  /* ready to send and receive, interrupt line on */
}

/* What the port takes now; 0: it is busy. */
static size_t write_some(const char *data, size_t size)
{
	const size_t part = UK_MIN(size, burst);
	size_t left = part;

	if ((uk_in8(LINE_STATUS) & STATUS_EMPTY) == 0)
		return 0;
	__asm__ volatile("rep outsb" : "+S"(data), "+c"(left) : "d"((uint16_t)DATA) : "memory");
	return part;
}

/* Up to HOLD_MAX bytes stay together, so that lines of the log and a program's do not mix; but
 * while the port is busy, which its reader decides, interrupts are let in. */
static size_t write_piece(const char *data, size_t size)
{
	const size_t wanted = UK_MIN(size, (size_t)HOLD_MAX);
	uint64_t state = uk_spin_lock(&lock);
	size_t at = 0, part;

	if (!ready)
		set_up();
	if (absent)
		at = wanted;
	while (at < wanted && (part = write_some(data + at, wanted - at)) != 0)
		at += part;
	uk_spin_unlock(&lock, state);
	return at;
}

void uk_console_write(const char *data, size_t size)
{
	while (size != 0) {
		size_t part = write_piece(data, size);

		if (part == 0)
			__asm__ volatile("pause");
		data += part;
		size -= part;
	}
}

/* In interrupt context; bounded, for a port that claims data for ever. */
static void receive(void *arg)
{
	(void)arg;
	for (unsigned i = 0; i < 4096 && (uk_in8(LINE_STATUS) & STATUS_DATA) != 0; i++)
		input(uk_in8(DATA));
}

void uk_console_listen(void (*fn)(uint8_t byte))
{
	uint64_t state = uk_spin_lock(&lock);
	int vector;

	if (!ready)
		set_up();
	uk_spin_unlock(&lock, state);
	input = fn;
	if (absent)
		return;
	vector = uk_irq_alloc(receive, NULL);
	if (vector < 0 || uk_irq_route_gsi(GSI, vector, false, false) != 0)
		return;
	uk_out8(INTERRUPT_ENABLE, 1);
}
