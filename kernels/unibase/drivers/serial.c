/*
 * The console: the first serial port (16550), by polling.
 */
#include <uk/io.h>

#define PORT 0x3f8
#define LINE_STATUS (PORT + 5)
#define TRANSMITTER_EMPTY 0x20

void (*uk_console_input)(uint8_t byte);

void uk_console_write(const char *data, size_t size)
{
	for (size_t i = 0; i < size; i++) {
		/* A port that is not there reads all ones; one that is stuck must not stop us. */
		for (unsigned spins = 0; spins < 100000; spins++)
			if (uk_in8(LINE_STATUS) & TRANSMITTER_EMPTY)
				break;
		uk_out8(PORT, (uint8_t)data[i]);
	}
}
