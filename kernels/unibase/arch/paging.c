/*
 * The upper half's page tables: the direct map of all RAM, device windows, kernel stacks, and the
 * image's own rights. arch/entry.S has mapped the image; its physical alias goes away here. What is
 * sealed later is never written through the direct map, so it is read-only there from the start.
 */
#include <uk/cpu.h>
#include <uk/log.h>
#include <uk/mem.h>
#include <uk/paging.h>
#include <uk/start.h>

#define TABLE __attribute__((section(".bss..tables"), aligned(4096)))
#define SHIFT(level) (12 + 9 * (level)) /* 0: page table, 3: PML4 */
#define INDEX(virt, level) (((virt) >> SHIFT(level)) & 511)
#define SMALL_FLAGS (UK_PTE_PRESENT | UK_PTE_ACCESSED | UK_PTE_DIRTY | UK_PTE_GLOBAL)
#define LARGE_FLAGS (SMALL_FLAGS | UK_PTE_WRITE | UK_PTE_LARGE)
#define LARGE_SIZE (1ull << SHIFT(1))

extern volatile uint64_t uk_boot_pml4[512], uk_boot_pdpt[512], uk_boot_pd[512], uk_boot_pt[512];
extern char uk_ist_guard_double[], uk_ist_guard_nmi[];

uint64_t uk_pte_nx UK_SEALED;

static volatile uint64_t direct_pdpt[512] TABLE;

/* Frames behind the image for the direct map's other tables: there is no allocator yet. */
static uk_paddr_t pool, pool_end;
static uint64_t pool_virt; /* where the tables are reached: what to add to their addresses */

static uk_paddr_t image_phys(const char *at)
{
	return (uintptr_t)at - UK_IMAGE_BASE + (uint64_t)uk_boot.moved;
}

static const struct uni_hvm_memmap_entry *region_of(uk_paddr_t paddr)
{
	for (uint32_t i = 0; i < uk_boot.memmap_count; i++) {
		const struct uni_hvm_memmap_entry *m = &uk_boot.memmap[i];

		if (paddr - m->addr < m->size)
			return m;
	}
	uk_panic("the memory map does not hold the kernel");
}

static void pool_begin(uk_paddr_t start, uk_paddr_t end)
{
	uk_paddr_t first = UK_ALIGN_DOWN(start, LARGE_SIZE);

	for (uint64_t i = 0; i < UK_POOL_PAGES; i++)
		uk_boot_pd[INDEX(UK_POOL_VIRT, 1) + i] =
			(first + i * LARGE_SIZE) | LARGE_FLAGS | uk_pte_nx;
	pool = start;
	pool_end = UK_MIN(end, first + UK_POOL_PAGES * LARGE_SIZE);
	pool_virt = UK_POOL_VIRT - first;
}

/* The table below `entry`, whose own maps 2^shift bytes: made, or split from one larger page. */
static volatile uint64_t *table_below(volatile uint64_t *entry, unsigned shift)
{
	uint64_t old = *entry;

	if ((old & (UK_PTE_PRESENT | UK_PTE_LARGE)) != UK_PTE_PRESENT) {
		volatile uint64_t *table = (volatile uint64_t *)(pool_virt + pool);
		uint64_t part = shift == SHIFT(0) ? old & ~UK_PTE_LARGE : old;
		uint64_t step = (old & UK_PTE_PRESENT) << shift; /* else all stay 0 */

		if (pool >= pool_end)
			uk_panic("no memory behind the image for page tables");
		for (unsigned i = 0; i < 512; i++, part += step)
			table[i] = part;
		*entry = pool | UK_PTE_PRESENT | UK_PTE_WRITE;
		pool += UK_PAGE_SIZE;
	}
	return (volatile uint64_t *)(pool_virt + (*entry & UK_PTE_ADDRESS));
}

/* Maps [start, end) in the direct map, with the largest pages that fit. */
static void direct_map(uk_paddr_t start, uk_paddr_t end, uint64_t flags)
{
	const unsigned largest = uk_cpu_has.gib_pages ? SHIFT(2) : SHIFT(1);

	while (start < end) {
		volatile uint64_t *entry = &direct_pdpt[INDEX(start, 2)];
		unsigned shift = SHIFT(2);

		while ((start & ((1ull << shift) - 1)) | (end - start < 1ull << shift) |
		       (shift > largest)) {
			shift -= 9;
			entry = &table_below(entry, shift)[(start >> shift) & 511];
		}
		*entry = start | flags | SMALL_FLAGS | uk_pte_nx |
			 (shift == SHIFT(0) ? 0 : UK_PTE_LARGE);
		start += 1ull << shift;
	}
}

/* The image's own table has an entry for each of its pages, and one behind them for a device. */
static volatile uint64_t *image_entry(const char *page)
{
	return &uk_boot_pt[INDEX((uintptr_t)page, 0)];
}

static void drop_page(const char *page)
{
	*image_entry(page) = 0;
}

volatile void *uk_apic_map(uk_paddr_t paddr)
{
	char *page = (char *)UK_IMAGE_APIC;

	*image_entry(page) = paddr | SMALL_FLAGS | UK_PTE_WRITE | UK_PTE_UNCACHED |
			     UK_PTE_WRITE_THROUGH | uk_pte_nx;
	return page;
}

static void set_sealed(bool sealed)
{
	char *at = uk_sealed_start;

	do {
		volatile uint64_t *entry = image_entry(at);

		*entry = sealed ? *entry & ~UK_PTE_WRITE : *entry | UK_PTE_WRITE;
		uk_tlb_flush_page((uintptr_t)at);
		at += UK_PAGE_SIZE;
	} while (at < uk_sealed_end);
}

void uk_paging_seal(void)
{
	set_sealed(true);
}

void uk_paging_open(void)
{
	set_sealed(false);
}

/* Takes out of the tables what only the start needed, the image's physical alias and windows, and
 * the pages under the stacks in the image. */
static void drop_rest(uk_paddr_t image)
{
	volatile uint64_t *alias = &uk_boot_pd[INDEX(image, 1)];

	uk_boot_pml4[0] = 0;
	uk_boot_pdpt[image >> 30] = 0;
	*alias = alias == &uk_boot_pd[INDEX(UK_IMAGE_VIRT, 1)] ? *alias : 0;
	for (unsigned i = 0; i < UK_POOL_PAGES; i++)
		uk_boot_pd[INDEX(UK_POOL_VIRT, 1) + i] = 0;
	for (unsigned i = 0; i < 2 * UK_WINDOWS; i++)
		uk_boot_pt[INDEX(UK_IMAGE_WINDOWS, 0) + i] = 0;
	drop_page(uk_idle_guard);
	drop_page(uk_ist_guard_double);
	drop_page(uk_ist_guard_nmi);
}

void uk_paging_start(void)
{
	uk_paddr_t image = UK_LINK_PADDR + (uk_paddr_t)uk_boot.moved;
	uk_paddr_t parts, parts_end;
	const struct uni_hvm_memmap_entry *region = region_of(image);

	uk_parts_range(&parts, &parts_end);
	if (parts_end > region->addr + region->size)
		uk_panic("the memory map does not hold the image's parts");
	pool_begin(UK_ALIGN_UP(parts_end, UK_PAGE_SIZE), region->addr + region->size);
	for (uint32_t i = 0; i < uk_boot.memmap_count; i++)
		direct_map(uk_boot.memmap[i].addr, uk_boot.memmap[i].addr + uk_boot.memmap[i].size,
			   UK_PTE_WRITE);
	direct_map(image_phys(uk_file_start), image_phys(uk_data_start), 0);
	direct_map(image_phys(uk_sealed_start), image_phys(uk_sealed_end), 0);
	direct_map(UK_ALIGN_DOWN(parts, UK_PAGE_SIZE), UK_ALIGN_UP(parts_end, UK_PAGE_SIZE), 0);
	uk_boot_pml4[INDEX(UK_DIRECT_BASE, 3)] =
		image_phys((const char *)(uintptr_t)direct_pdpt) | UK_PTE_PRESENT | UK_PTE_WRITE;
	uk_reserve(image, pool);
	drop_rest(image);
	uk_tlb_flush_all();
}
