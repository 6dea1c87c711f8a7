/*
 * The first C function, and what the start info says. Everything that a loader hands over is copied
 * out of its memory through one page-sized window before any of that memory is used for other
 * things, and believed only as far as it is consistent.
 */
#include <uk/cpu.h>
#include <uk/io.h>
#include <uk/log.h>
#include <uk/mem.h>
#include <uk/memmap.h>
#include <uk/paging.h>
#include <uk/start.h>

#define ENTRIES_MAX 128 /* of the loader's memory map that are looked at */

extern uint64_t uk_boot_tsc;
extern volatile uint64_t uk_boot_pt[512];
void uk_start(uk_paddr_t start_info, int64_t moved) UK_NORETURN;

struct uk_boot uk_boot UK_SEALED;

/* Copies physical memory before there is a direct map. */
static void copy_physical(void *to, uk_paddr_t from, size_t size)
{
	uint8_t *out = to;

	while (size != 0) {
		size_t inside = from & UK_PAGE_MASK;
		size_t n = UK_MIN(size, UK_PAGE_SIZE - inside);

		uk_boot_pt[511] = (from & UK_PTE_ADDRESS) | UK_PTE_PRESENT | uk_pte_nx;
		__asm__ volatile("invlpg (%0)" : : "r"(UK_IMAGE_WINDOW) : "memory");
		memcpy(out, (const void *)(UK_IMAGE_WINDOW + inside), n);
		out += n;
		from += n;
		size -= n;
	}
	uk_boot_pt[511] = 0;
	__asm__ volatile("invlpg (%0)" : : "r"(UK_IMAGE_WINDOW) : "memory");
}

static void read_memmap(uk_paddr_t at, uint32_t count)
{
	static struct uni_hvm_memmap_entry told[ENTRIES_MAX];
	struct uk_boot *b = &uk_boot;

	count = UK_MIN(count, ENTRIES_MAX);
	copy_physical(told, at, count * sizeof(told[0]));
	b->memmap_count = uk_memmap_make(b->memmap, UK_MEMMAP_MAX, told, count);
}

/* A few bytes at a time: what lies behind the string is nobody's business. */
static void read_cmdline(uk_paddr_t at)
{
	char *to = uk_boot.cmdline;
	const size_t step = 64;

	for (size_t i = 0; at != 0 && i + step < sizeof(uk_boot.cmdline); i += step) {
		copy_physical(to + i, at + i, step);
		if (strnlen(to + i, step) < step)
			return;
	}
}

void uk_boot_read(uk_paddr_t start_info)
{
	struct uni_hvm_start_info info;
	struct uk_boot *b = &uk_boot;

	copy_physical(&info, start_info, sizeof(info));
	if (info.magic != UNI_HVM_START_MAGIC)
		uk_panic("not started by PVH: magic %#x", info.magic);
	b->rsdp = info.rsdp_paddr;
	read_cmdline(info.cmdline_paddr);
	b->module_count = UK_MIN(info.nr_modules, UK_MODULES_MAX);
	for (uint32_t i = 0; i < b->module_count; i++)
		copy_physical(&b->module[i], info.modlist_paddr + i * sizeof(b->module[i]),
			      sizeof(b->module[i]));
	if (info.version >= 1)
		read_memmap(info.memmap_paddr, info.memmap_entries);
	if (b->memmap_count == 0)
		uk_panic("the loader told of no memory");
}

/* The ACPI specification's search, section 5.2.5.1: on 16 bytes in the first KiB of the extended
 * BIOS data area and between 0xe0000 and 0xfffff. */
static uk_paddr_t search_rsdp(uk_paddr_t start, size_t size)
{
	const uint8_t *p = uk_phys_map(start, size);

	for (size_t i = 0; p != NULL && i + 20 <= size; i += 16) {
		uint8_t sum = 0;

		if (memcmp(p + i, "RSD PTR ", 8) != 0)
			continue;
		for (unsigned k = 0; k < 20; k++)
			sum = (uint8_t)(sum + p[i + k]);
		if (sum == 0)
			return start + i;
	}
	return 0;
}

uk_paddr_t uk_acpi_rsdp(void)
{
	static uk_paddr_t found;
	const uint16_t *segment;

	if (uk_boot.rsdp != 0 || found != 0)
		return uk_boot.rsdp != 0 ? uk_boot.rsdp : found;
	segment = uk_phys_map(0x40e, 2);
	if (segment != NULL && *segment >= 0x400)
		found = search_rsdp((uk_paddr_t)*segment << 4, 1024);
	if (found == 0)
		found = search_rsdp(0xe0000, 0x20000);
	return found;
}

void uk_start(uk_paddr_t start_info, int64_t moved)
{
	uk_boot.moved = moved;
	uk_boot.tsc = uk_boot_tsc;
	uk_main(start_info);
}
