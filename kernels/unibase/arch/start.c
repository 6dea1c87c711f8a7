/*
 * The first C function, and what the start info says. Everything that a loader hands over is copied
 * out of its memory through small windows before any of that memory is used for other things, and
 * believed only as far as it is consistent.
 */
#include <uk/cpu.h>
#include <uk/io.h>
#include <uk/log.h>
#include <uk/mem.h>
#include <uk/memmap.h>
#include <uk/paging.h>
#include <uk/start.h>

#define ENTRIES_MAX 128 /* of the loader's memory map that are looked at */

enum window { INFO, CMDLINE, MODULES, MEMMAP };
_Static_assert(MEMMAP < UK_WINDOWS, "places for windows");
_Static_assert(ENTRIES_MAX * sizeof(struct uni_hvm_memmap_entry) <= UK_PAGE_SIZE, "a window");
_Static_assert(UK_CMDLINE_MAX <= UK_PAGE_SIZE, "a window");

extern uint64_t uk_boot_tsc;
extern volatile uint64_t uk_boot_pt[512];
void uk_start(uk_paddr_t start_info, int64_t moved) UK_NORETURN;

struct uk_boot uk_boot UK_SEALED;

/* Up to a page of physical memory, wherever it begins. Nothing is flushed: what was not there
 * before no processor remembers. uk_paging_start closes the windows. */
UK_INLINE const void *window(enum window which, uk_paddr_t at)
{
	uint64_t first = (at & UK_PTE_ADDRESS) | UK_PTE_PRESENT | uk_pte_nx;
	volatile uint64_t *entry = &uk_boot_pt[512 - 2 * UK_WINDOWS + 2 * which];

	entry[0] = first;
	entry[1] = first + UK_PAGE_SIZE;
	__asm__ volatile("" : : : "memory"); /* nothing is read through it before */
	return (const char *)UK_IMAGE_WINDOWS + 2 * which * UK_PAGE_SIZE + (at & UK_PAGE_MASK);
}

/* What lies behind the string is nobody's business. */
static void read_cmdline(uk_paddr_t at)
{
	const char *from = at != 0 ? window(CMDLINE, at) : "";

	for (size_t i = 0; from[i] != '\0' && i + 1 < UK_CMDLINE_MAX; i++)
		uk_boot.cmdline[i] = from[i];
}

void uk_boot_read(uk_paddr_t start_info)
{
	const struct uni_hvm_start_info *info = window(INFO, start_info);
	const struct uni_hvm_modlist_entry *module = window(MODULES, info->modlist_paddr);
	uint32_t entries = info->version >= 1 ? info->memmap_entries : 0;
	struct uk_boot *b = &uk_boot;

	if (info->magic != UNI_HVM_START_MAGIC)
		uk_panic("not started by PVH: magic %#x", info->magic);
	b->rsdp = info->rsdp_paddr;
	read_cmdline(info->cmdline_paddr);
	b->module_count = UK_MIN(info->nr_modules, UK_MODULES_MAX);
	for (uint32_t i = 0; i < b->module_count; i++)
		b->module[i] = module[i];
	b->memmap_count =
		uk_memmap_make(b->memmap, UK_MEMMAP_MAX, window(MEMMAP, info->memmap_paddr),
			       UK_MIN(entries, ENTRIES_MAX));
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
