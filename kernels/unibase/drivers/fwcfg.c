/*
 * Files that QEMU hands to a guest (QEMU, docs/specs/fw_cfg.rst), through the x86 ports. Nothing is
 * touched before somebody asks for a file. Transfers go by DMA where offered: through the data port
 * each byte would leave the virtual machine.
 */
#include "drivers.h"
#include <uk/lock.h>
#include <uk/mem.h>

#define SELECTOR 0x510
#define DATA 0x511
#define DMA_HIGH 0x514
#define DMA_LOW 0x518

#define KEY_SIGNATURE 0x0000
#define KEY_DIRECTORY 0x0019
#define DMA_SIGNATURE 0x554d4551    /* "QEMU" */
#define COUNT_SIZE sizeof(uint32_t) /* before the directory's entries */

#define FILES_MAX 1024
#define NAME_SIZE 56

enum { DMA_ERROR = 1, DMA_READ = 2, DMA_SKIP = 4, DMA_SELECT = 8 };

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

static struct uk_spinlock lock = UK_SPINLOCK_INIT;
static enum { UNKNOWN, ABSENT, PORTS, DMA } how;
static struct dma request __attribute__((aligned(16)));

static void select(uint16_t key)
{
	uk_out16(SELECTOR, key);
}

static void read_port(void *data, size_t size)
{
	__asm__ volatile("rep insb" : "+D"(data), "+c"(size) : "d"((uint16_t)DATA) : "memory");
}

/* Of a DMA interface the registers read as "QEMU CFG"; older ones are known by an item. */
static void probe(void)
{
	char signature[4];

	if (uk_in32(DMA_HIGH) == DMA_SIGNATURE) {
		how = DMA;
		return;
	}
	select(KEY_SIGNATURE);
	read_port(signature, sizeof(signature));
	how = memcmp(signature, "QEMU", sizeof(signature)) == 0 ? PORTS : ABSENT;
}

/* QEMU ends the transfer before the write of the low half returns; others may take a while. */
static int dma_run(uint32_t control, void *data, uint32_t size)
{
	volatile struct dma *r = &request;
	uint64_t at = uk_virt_to_phys(&request);

	r->length = __builtin_bswap32(size);
	r->address = __builtin_bswap64(data == NULL ? 0 : uk_virt_to_phys(data));
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

/* `data` is of the direct map. */
static int read_item(uint16_t key, uint32_t skip, void *data, uint32_t size)
{
	int result;

	if (how == PORTS) {
		select(key);
		for (; skip != 0; skip--)
			(void)uk_in8(DATA);
		read_port(data, size);
		return 0;
	}
	if (skip == 0)
		return dma_run((uint32_t)key << 16 | DMA_SELECT | DMA_READ, data, size);
	result = dma_run((uint32_t)key << 16 | DMA_SELECT | DMA_SKIP, NULL, skip);
	return result != 0 ? result : dma_run(DMA_READ, data, size);
}

/* A page of entries at a time, behind the count or what comes before them. */
static int find(const char *name, uint8_t *page, uint32_t *size, uint16_t *key)
{
	const uint32_t step = (UK_PAGE_SIZE - COUNT_SIZE) / sizeof(struct entry);
	const size_t name_size = strlen(name) + 1;
	uint32_t count = 1;

	for (uint32_t first = 0; first < count; first += step) {
		const struct entry *e = (const void *)(page + COUNT_SIZE);
		int result =
			read_item(KEY_DIRECTORY, first * (uint32_t)sizeof(*e), page, UK_PAGE_SIZE);

		if (result != 0)
			return result;
		if (first == 0) {
			memcpy(&count, page, sizeof(count));
			count = __builtin_bswap32(count);
		}
		if (count > FILES_MAX)
			return -UK_EIO;
		for (uint32_t i = first; i < UK_MIN(count, first + step); i++, e++) {
			if (memcmp(e->name, name, name_size) != 0)
				continue;
			*size = __builtin_bswap32(e->size);
			*key = __builtin_bswap16(e->select);
			return 0;
		}
	}
	return -UK_ENOENT;
}

static int read_file(const char *name, uint8_t *data, size_t room, uint8_t *page, uint32_t *size)
{
	uint16_t key;
	int result = find(name, page, size, &key);

	if (result != 0)
		return result;
	if (*size > room)
		return -UK_EOVERFLOW;
	for (uint32_t at = 0; at < *size && result == 0;) {
		uint32_t part = UK_MIN(*size - at, (uint32_t)UK_PAGE_SIZE);

		result = read_item(key, at, page, part);
		memcpy(data + at, page, part);
		at += part;
	}
	return result;
}

int64_t uk_fwcfg_read(const char *name, void *data, size_t room)
{
	struct uk_page *page = uk_page_alloc(0, false);
	uint32_t size = 0;
	int result = -UK_ENOENT;
	uint64_t state;

	if (page == NULL)
		return -UK_ENOMEM;
	state = uk_spin_lock(&lock);
	if (how == UNKNOWN)
		probe();
	if (how != ABSENT)
		result = read_file(name, data, room, uk_page_virt(page), &size);
	uk_spin_unlock(&lock, state);
	uk_page_put(page);
	return result != 0 ? result : (int64_t)size;
}
