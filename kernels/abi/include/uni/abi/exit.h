/*
 * How a guest tells its host how it ended: a record of bytes written to an I/O port behind which
 * QEMU's isa-debugcon keeps a file, and a short status by isa-debug-exit. The record is whole and
 * checked; the status (seven bits) is the fallback where no record can be kept.
 */
#ifndef UNI_ABI_EXIT_H
#define UNI_ABI_EXIT_H

#include <stdint.h>
#include <uni/abi/crc32c.h>

#define UNI_EXIT_MAGIC "UNIEXIT"   /* 8 bytes with its NUL */
#define UNI_EXIT_RECORD_PORT 0x5e0 /* isa-debugcon iobase; reads 0xe9 when present */
#define UNI_EXIT_DEBUG_PORT                                                                        \
	0xf4 /* isa-debug-exit iobase, iosize 4; QEMU ends with (value << 1) | 1 */

enum uni_exit_kind {
	UNI_EXIT_STATUS = 0, /* the program ended; `status` is its own, 0 to 255 */
	UNI_EXIT_SIGNAL = 1, /* a signal that it did not handle; `status` is the signal's number */
	UNI_EXIT_FAULT = 2,  /* a processor fault in the program; `status` is the signal's number */
	UNI_EXIT_PANIC = 3,  /* the kernel cannot go on */
	UNI_EXIT_POWER = 4,  /* told to stop: power button or uni stop */
};

/* Values for the debug-exit port: a status that fits is itself. */
enum {
	UNI_DEBUG_EXIT_STATUS_MAX = 0x7a,
	UNI_DEBUG_EXIT_LARGE = 0x7b, /* a status above UNI_DEBUG_EXIT_STATUS_MAX: read the record */
	UNI_DEBUG_EXIT_SIGNAL = 0x7c,
	UNI_DEBUG_EXIT_POWER = 0x7d,
	UNI_DEBUG_EXIT_FAULT = 0x7e,
	UNI_DEBUG_EXIT_PANIC = 0x7f,
};

struct uni_exit_record {
	char magic[8];
	uint32_t size;	 /* of this record */
	uint32_t crc32c; /* over the record with this field 0 */
	uint32_t kind;	 /* enum uni_exit_kind */
	int32_t status;
	uint64_t ip;	  /* where, for FAULT and PANIC */
	uint64_t address; /* what was touched, for FAULT */
	char text[88];	  /* one line, NUL-terminated: the reason */
};

_Static_assert(sizeof(struct uni_exit_record) == 128, "wire format");

#endif
