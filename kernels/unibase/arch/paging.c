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

extern volatile uint64_t uk_boot_pml4[512], uk_boot_pdpt[512], uk_boot_pd[512], uk_boot_pt[512];
extern char uk_ist_guard_double[], uk_ist_guard_nmi[];

uint64_t uk_pte_nx UK_SEALED;

/* The direct map's first tables: enough to reach the frames behind the image, where the others
 * come from until there is an allocator. */
static volatile uint64_t direct_pdpt[512] TABLE, direct_pd[2][512] TABLE;
static uk_paddr_t pool, pool_end;

static volatile uint64_t *table_at(uk_paddr_t paddr)
{
	return uk_phys_to_virt(paddr);
}

static uk_paddr_t pool_take(void)
{
	uk_paddr_t paddr = pool;

	if (pool >= pool_end)
		uk_panic("no memory behind the image for page tables");
	pool += UK_PAGE_SIZE;
	memset(uk_phys_to_virt(paddr), 0, UK_PAGE_SIZE);
	return paddr;
}

/* The table below `entry`, made or split from a larger page if need be. */
static volatile uint64_t *direct_table(volatile uint64_t *entry, unsigned level)
{
	uint64_t old = *entry;
	volatile uint64_t *table;
	uk_paddr_t paddr;

	if ((old & UK_PTE_PRESENT) && !(old & UK_PTE_LARGE))
		return table_at(old & UK_PTE_ADDRESS);
	paddr = pool_take();
	table = table_at(paddr);
	if (old & UK_PTE_PRESENT) {
		uint64_t part = level == 0 ? old & ~UK_PTE_LARGE : old;

		for (uint64_t i = 0; i < 512; i++)
			table[i] = part + (i << SHIFT(level));
	}
	*entry = paddr | UK_PTE_PRESENT | UK_PTE_WRITE;
	return table;
}

/* Maps [start, end) in the direct map, with the largest pages that fit. */
static void direct_map(uk_paddr_t start, uk_paddr_t end, uint64_t flags)
{
	const uint64_t gib = 1ull << 30, two_mib = 1ull << 21;

	flags |= SMALL_FLAGS | uk_pte_nx;
	while (start < end) {
		volatile uint64_t *pdpte = &direct_pdpt[INDEX(start, 2)], *pde;

		if (uk_cpu_has.gib_pages && start % gib == 0 && end - start >= gib) {
			*pdpte = start | flags | UK_PTE_LARGE;
			start += gib;
			continue;
		}
		pde = &direct_table(pdpte, 1)[INDEX(start, 1)];
		if (start % two_mib == 0 && end - start >= two_mib) {
			*pde = start | flags | UK_PTE_LARGE;
			start += two_mib;
			continue;
		}
		direct_table(pde, 0)[INDEX(start, 0)] = start | flags;
		start += UK_PAGE_SIZE;
	}
}

static const struct uni_hvm_memmap_entry *region_of(uk_paddr_t paddr)
{
	for (uint32_t i = 0; i < uk_boot.memmap_count; i++) {
		const struct uni_hvm_memmap_entry *m = &uk_boot.memmap[i];

		if (paddr >= m->addr && paddr - m->addr < m->size)
			return m;
	}
	uk_panic("the memory map does not hold the kernel");
}

/* The first steps of the direct map, by large pages around the image. */
static void direct_begin(uk_paddr_t image, uk_paddr_t region_end)
{
	uint64_t gib = image >> 30;
	uk_paddr_t end = UK_MIN(region_end, (gib + 2) << 30);

	for (unsigned i = 0; i < 2; i++)
		direct_pdpt[gib + i] = uk_virt_to_phys((const void *)(uintptr_t)direct_pd[i]) |
				       UK_PTE_PRESENT | UK_PTE_WRITE;
	for (uk_paddr_t at = image; at < end; at += 1ull << 21)
		direct_pd[(at >> 30) - gib][INDEX(at, 1)] =
			at | SMALL_FLAGS | UK_PTE_WRITE | UK_PTE_LARGE | uk_pte_nx;
	uk_boot_pml4[INDEX(UK_DIRECT_BASE, 3)] =
		uk_virt_to_phys((const void *)(uintptr_t)direct_pdpt) | UK_PTE_PRESENT |
		UK_PTE_WRITE;
	pool_end = end;
	/* What the last large page maps behind the end of RAM goes again. */
	for (uk_paddr_t at = end; at % (1ull << 21) != 0; at += UK_PAGE_SIZE)
		direct_table(&direct_pd[(at >> 30) - gib][INDEX(at, 1)], 0)[INDEX(at, 0)] = 0;
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
	for (char *at = uk_sealed_start; at < uk_sealed_end; at += UK_PAGE_SIZE) {
		volatile uint64_t *entry = image_entry(at);

		*entry = sealed ? *entry & ~UK_PTE_WRITE : *entry | UK_PTE_WRITE;
		uk_tlb_flush_page((uintptr_t)at);
	}
}

void uk_paging_seal(void)
{
	set_sealed(true);
}

void uk_paging_open(void)
{
	set_sealed(false);
}

/* Takes the image's physical alias out of the tables, and the pages under the stacks in it. */
static void drop_alias(uk_paddr_t image)
{
	uk_boot_pml4[0] = 0;
	uk_boot_pdpt[image >> 30] = 0;
	if (INDEX(image, 1) != INDEX(UK_IMAGE_VIRT, 1))
		uk_boot_pd[INDEX(image, 1)] = 0;
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
	pool = UK_ALIGN_UP(UK_MAX(parts_end, uk_virt_to_phys(uk_image_end)), UK_PAGE_SIZE);
	direct_begin(image, region->addr + region->size);
	for (uint32_t i = 0; i < uk_boot.memmap_count; i++)
		direct_map(uk_boot.memmap[i].addr, uk_boot.memmap[i].addr + uk_boot.memmap[i].size,
			   UK_PTE_WRITE);
	direct_map(uk_virt_to_phys(uk_file_start), uk_virt_to_phys(uk_data_start), 0);
	direct_map(uk_virt_to_phys(uk_sealed_start), uk_virt_to_phys(uk_sealed_end), 0);
	direct_map(UK_ALIGN_DOWN(parts, UK_PAGE_SIZE), UK_ALIGN_UP(parts_end, UK_PAGE_SIZE), 0);
	uk_reserve(image, pool);
	drop_alias(image);
	uk_tlb_flush_all();
}
