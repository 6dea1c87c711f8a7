/*
 * A machine for drivers on the host: memory from malloc, one disk, and a log that is counted.
 */
#ifndef MACHINE_H
#define MACHINE_H

#include <stddef.h>
#include <uk/block.h>

#define PARTITIONS_MAX 2048

/* A disk of these bytes, which are borrowed; forgets the partitions of the one before. */
struct uk_block_dev *machine_disk(const uint8_t *data, size_t size);
/* What was registered since, in order. */
extern struct uk_block_dev *machine_partition[PARTITIONS_MAX];
extern unsigned machine_partitions;
extern unsigned machine_log_lines;

/* A device behind registers: what the driver reads and writes goes to these. */
struct machine_device {
	uint8_t *window; /* never touched: its addresses stand for the registers */
	size_t size;
	size_t second; /* where in it BAR 2 begins; 0: there is none */
	uint32_t (*read)(size_t offset);
	void (*write)(size_t offset, uint32_t v);
	int (*msix)(unsigned index, void (*fn)(void *arg), void *arg);
};
void machine_play(const struct machine_device *device);
/* The driver did what the device's specification forbids. */
void machine_fail(const char *what);
/* Zeroed pages in one piece, until machine_clear. */
uint8_t *machine_pages(unsigned count);
/* Time passes, and a timer that is due runs; whether one did. */
bool machine_pass(uint64_t ns);
/* Frees what drivers and tests have allocated, and forgets what they registered. */
void machine_clear(void);

#endif
