/*
 * Files that QEMU hands to a guest (QEMU, docs/specs/fw_cfg.rst), through the x86 ports. Nothing is
 * touched before somebody asks for a file, which is at start, in the first thread: so there is no
 * lock. Transfers go by DMA where offered: through the data port each byte would leave the virtual
 * machine.
 */
#include "drivers.h"
#include <uk/mem.h>

#define SELECTOR 0x510
#define DATA 0x511
#define DMA_HIGH 0x514
#define DMA_LOW 0x518

#define KEY_SIGNATURE 0x0000
#define KEY_DIRECTORY 0x0019
#define DMA_SIGNATURE 0x554d4551 /* "QEMU" */

#define FILES_MAX 1024
#define NAME_SIZE 56
#define ENTRIES 16 /* at once */

enum { DMA_ERROR = 1, DMA_READ = 2, DMA_SELECT = 8 };

struct dma { /* big endian */
	uint32_t control;
	uint32_t length;
	uint64_t address;
};

struct entry { /* big endian */
	uint32_t size;
	uint16_t select;
	uint16_t reserved;
	char name[NAME_SIZE];
};
_Static_assert(sizeof(struct entry) == 64, "fw_cfg");

static bool by_ports;
static struct dma request __attribute__((aligned(16)));

static void read_port(void *data, size_t size)
{
	__asm__ volatile("rep insb" : "+D"(data), "+c"(size) : "d"((uint16_t)DATA) : "memory");
}

/* Of a DMA interface the registers read as "QEMU CFG"; older ones are known by an item,
 * and read by ports. */
static bool is_absent(void)
{
	char signature[4];

	if (uk_in32(DMA_HIGH) == DMA_SIGNATURE)
		return false;
	uk_out16(SELECTOR, KEY_SIGNATURE);
	read_port(signature, sizeof(signature));
	by_ports = true;
	return memcmp(signature, "QEMU", sizeof(signature)) != 0;
}

/* QEMU ends the transfer before the write of the low half returns; others may take a while. */
static int dma_run(uint32_t control, void *data, uint32_t size)
{
	volatile struct dma *r = &request;
	uint64_t at = uk_virt_to_phys(&request);

	r->length = __builtin_bswap32(size);
	r->address = __builtin_bswap64(uk_virt_to_phys(data));
	r->control = __builtin_bswap32(control);
	uk_out32(DMA_HIGH, __builtin_bswap32((uint32_t)(at >> 32)));
	uk_out32(DMA_LOW, __builtin_bswap32((uint32_t)at));
	for (unsigned i = 0; i < 10000000; i++) {
		uint32_t state = __builtin_bswap32(r->control);

		if (state == 0)
			return 0;
		if ((state & DMA_ERROR) != 0)
			return -UK_EIO;
		__asm__ volatile("pause");
	}
	return -UK_EIO;
}

/* The next bytes of the selected item, or with DMA_SELECT and a key in the upper half the first
 * ones of another. `data`: of the direct map or the image. */
static int read_item(uint32_t select, void *data, uint32_t size)
{
	if (!by_ports)
		return dma_run(select | DMA_READ, data, size);
	if (select != 0)
		uk_out16(SELECTOR, (uint16_t)(select >> 16));
	read_port(data, size);
	return 0;
}

/* The directory: how many there are, and so many entries. */
static int find(const char *name, struct entry *found)
{
	static struct entry entries[ENTRIES];
	static uint32_t count; /* big endian */
	const size_t name_size = strlen(name) + 1;
	int result = read_item(KEY_DIRECTORY << 16 | DMA_SELECT, &count, sizeof(count));
	uint32_t left = __builtin_bswap32(count);

	if ((result != 0) | (left > FILES_MAX))
		return -UK_EIO;
	for (uint32_t i = 0; i < left; i++) {
		struct entry *e = &entries[i % ENTRIES];

		if (e == entries && read_item(0, entries, sizeof(entries)) != 0)
			return -UK_EIO;
		if (memcmp(e->name, name, name_size) == 0) {
			*found = *e;
			return 0;
		}
	}
	return -UK_ENOENT;
}

int64_t uk_fwcfg_read(const char *name, void *data, size_t room)
{
	struct entry e;
	uint32_t size;
	int result;

	if (is_absent())
		return -UK_ENOENT;
	result = find(name, &e);
	if (result != 0)
		return result;
	size = __builtin_bswap32(e.size);
	if (size > room)
		return -UK_EOVERFLOW;
	result = read_item((uint32_t)__builtin_bswap16(e.select) << 16 | DMA_SELECT, data, size);
	return result != 0 ? result : (int64_t)size;
}
