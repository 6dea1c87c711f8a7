/*
 * Inside stage 2, and what BOOTX64.EFI shares with it. What decides (gpt.c, box.c) takes all it
 * needs by argument or through disk_read, so that the same code runs in host tests; what touches
 * the machine is in stage2.S, disk.c, end.c.
 *
 * A function that can fail gives NULL or the reason, ready to be shown.
 */
#ifndef BOOT_BOOT_H
#define BOOT_BOOT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uni/abi/boot.h>
#include <uni/abi/gpt.h>

/* The two CRCs, by eight tables: a bit at a time would take longer than reading the kernel. */
#define CRC32_POLY 0xedb88320u
#define CRC32C_POLY 0x82f63b78u
void crc_start(uint32_t polynomial); /* makes the tables for what follows */
/* Continues `crc` (0 at the start) while copying; `to` may be NULL. Ranges do not overlap. */
uint32_t crc_copy(uint32_t crc, void *to, const void *from, size_t size);

#define CD_SECTOR 2048
#define CD_HEAD 64 /* the primary volume descriptor's sector of 512 bytes */
/* Sectors of 512 bytes into the bounce buffer's `slot`, at most SLOT_SECTORS; of a CD three less.
 */
const char *disk_read(unsigned slot, uint64_t lba, unsigned count);
/* Sectors into the bounce buffer from slot 0 on, without a hole, at most RUNS * RUN_SECTORS; `lba`
 * starts a sector of a CD. */
const char *disk_read_all(uint64_t lba, unsigned count);
void *disk_slot(unsigned slot);

/* First sector and sector count of the kernel's partition on a disk of `sectors` sectors; leaves
 * the tables of CRC32. */
const char *gpt_find(uint64_t sectors, const uint8_t type[16], uint64_t *first, uint64_t *count);

/* Physical addresses, below 4 GiB. */
struct box_place {
	uint32_t image;	 /* of the file's first byte */
	uint32_t room;	 /* bytes from there that the stored bytes and the unpacked share */
	uint32_t stored; /* where the stored bytes go: `image`, or the end of `room` for LZ4 */
	uint32_t bss;
	uint32_t entry;
};
const char *box_check(const struct uni_box_header *h, uint64_t partition_sectors);
/* Of a checked header: a place that is RAM throughout, as linked if that is free. */
const char *box_place(const struct uni_box_header *h, const struct uni_hvm_memmap_entry *map,
		      unsigned count, struct box_place *place);
/* One LZ4 block that lies at the end of `room` bytes at `out`, to the start; exactly `size` bytes.
 */
const char *lz4_unpack(uint8_t *out, size_t size, size_t room, size_t stored_size);

/* stage2.S */
struct packet { /* EDD 3.0, 2.4.2 */
	uint8_t size;
	uint8_t zero;
	uint16_t count;
	uint16_t offset;
	uint16_t segment;
	uint64_t lba;
};
struct disk_facts { /* EDD 3.0, 2.4.8 */
	uint16_t size, flags;
	uint32_t cylinders, heads, sectors_per_track;
	uint64_t sectors;
	uint16_t sector_size;
	uint8_t pad[6];
};
extern struct uni_hvm_memmap_entry boot_map[];
extern uint16_t boot_map_count, boot_low_kib, boot_disk_known;
extern uint8_t boot_drive;
extern struct disk_facts boot_disk;
unsigned bios_read(struct packet *packets, unsigned count);
void bios_print(const char *text);
void boot_enter(uint32_t entry, const void *start_info) __attribute__((noreturn));

/* end.c: tells the reason on screen, on COM1 and to the host, and stops. */
void boot_fail(const char *reason) __attribute__((noreturn));

/* host.c: the exit record and the exit status, where the machine has them. */
void boot_tell_host(const char *reason);

/* Memory at a physical address; the compiler must not wonder what object lies there. */
static inline void *boot_at(uint32_t paddr)
{
	void *p = (void *)(uintptr_t)paddr;

	__asm__("" : "+r"(p));
	return p;
}

static inline void out8(uint16_t port, uint8_t v)
{
	__asm__ volatile("outb %0, %1" : : "a"(v), "Nd"(port));
}
static inline void out32(uint16_t port, uint32_t v)
{
	__asm__ volatile("outl %0, %1" : : "a"(v), "Nd"(port));
}
static inline uint8_t in8(uint16_t port)
{
	uint8_t v;
	__asm__ volatile("inb %1, %0" : "=a"(v) : "Nd"(port));
	return v;
}

/* string.c: the compiler may call these. Host tests have their own. */
#if __STDC_HOSTED__
#include <string.h>
#else
void *memcpy(void *to, const void *from, size_t size);
void *memset(void *to, int byte, size_t size);
int memcmp(const void *a, const void *b, size_t size);
#endif

#endif
