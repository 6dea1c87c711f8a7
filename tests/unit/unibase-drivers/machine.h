/*
 * A machine for drivers on the host: memory from malloc, one disk, and a log that is counted.
 */
#ifndef MACHINE_H
#define MACHINE_H

#include <uk/block.h>

#define PARTITIONS_MAX 2048

/* A disk of these bytes, which are borrowed; forgets the partitions of the one before. */
struct uk_block_dev *machine_disk(const uint8_t *data, size_t size);
/* What was registered since, in order. */
extern struct uk_block_dev *machine_partition[PARTITIONS_MAX];
extern unsigned machine_partitions;
extern unsigned machine_log_lines;

#endif
