/*
 * Numbers that the assembler shares with C: where things lie below 1 MiB, and what of <uni/abi>
 * the assembler needs (main.c asserts that they are the same).
 *
 *   0x00600 stack, down from 0x7000        0x08000 stage 2, its data on a page of its own
 *   0x07c00 stage 1                        0x20000 bounce buffer of disk reads
 *
 * Code shares no page with what is written: emulators that translate code pay for each such write.
 */
#ifndef BOOT_PLACES_H
#define BOOT_PLACES_H

#define STAGE1_SIZE 440
#define STAGE1_COUNT_OFFSET 418
#define STAGE1_LBA_OFFSET 424
#define STAGE2_SIZE_MAX 16384
#define STAGE2_LOAD 0x8000
#define STAGE2_MAGIC 0x32494e55
#define DEBUG_EXIT_PORT 0xf4
#define DEBUG_EXIT_PANIC 0x7f

#define STACK_TOP 0x7000
#define COM1 0x3f8

/* The bounce buffer: slots of 64 KiB, because a transfer may not cross such a boundary, and 120
 * sectors in each, because BIOSes move at most 127 at once and hosts like whole 4 KiB. */
#define BOUNCE_BASE 0x20000
#define BOUNCE_SLOT 0x10000
#define BOUNCE_SLOTS 6
#define SLOT_SECTORS 120

/* What is read in one go fills the buffer without holes, in runs of as many sectors as SeaBIOS
 * moves at once. */
#define RUN_SECTORS 64
#define RUN_SIZE 0x8000
#define RUNS (BOUNCE_SLOTS * BOUNCE_SLOT / RUN_SIZE)

#define E820_MAX 128

#endif
