/*
 * Partitions of a block device.
 */
#ifndef UK_GPT_H
#define UK_GPT_H

struct uk_block_dev;

/* Registers a child for each partition of a sound GPT; nothing when there is none. Sleeps. */
void uk_gpt_scan(struct uk_block_dev *disk);

#endif
