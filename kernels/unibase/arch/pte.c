/*
 * Page tables once there is an allocator: entries by address, windows to devices and firmware,
 * kernel stacks, and the audit that no page is both writable and executable.
 */
#include <uk/cpu.h>
#include <uk/lock.h>
#include <uk/log.h>
#include <uk/mem.h>
#include <uk/paging.h>
#include <uk/start.h>

#define SHIFT(level) (12 + 9 * (level)) /* 0: page table, 3: PML4 */
#define INDEX(virt, level) (((virt) >> SHIFT(level)) & 511)
#define LOWER_HALF(virt) ((virt) < UK_USER_END)
#define CR4_PGE (1ull << 7)

static struct uk_spinlock kernel_lock = UK_SPINLOCK_INIT; /* tables of the upper half */

static volatile uint64_t *table_at(uint64_t entry)
{
	return uk_phys_to_virt(entry & UK_PTE_ADDRESS);
}

uk_paddr_t uk_paging_root(void)
{
	return uk_read_cr3() & UK_PTE_ADDRESS;
}

volatile uint64_t *uk_pte_find(uk_paddr_t root, uint64_t virt, bool make)
{
	uint64_t rights = UK_PTE_PRESENT | UK_PTE_WRITE | (LOWER_HALF(virt) ? UK_PTE_USER : 0);
	volatile uint64_t *table = table_at(root);

	for (int level = 3; level > 0; level--) {
		volatile uint64_t *entry = &table[INDEX(virt, level)];

		if (!(*entry & UK_PTE_PRESENT)) {
			struct uk_page *page = make ? uk_page_alloc(0, true) : NULL;

			if (page == NULL)
				return NULL;
			*entry = uk_page_paddr(page) | rights;
		} else if (*entry & UK_PTE_LARGE) {
			return NULL;
		}
		table = table_at(*entry);
	}
	return &table[INDEX(virt, 0)];
}

/* Gives back the tables below `table` that lie whole inside [start, end). */
static void free_below(volatile uint64_t *table, int level, uint64_t base, uint64_t start,
		       uint64_t end)
{
	uint64_t span = 1ull << SHIFT(level);

	for (uint64_t i = 0; i < 512; i++) {
		uint64_t from = base + i * span, to = from + span;

		if (to <= start || from >= end || !(table[i] & UK_PTE_PRESENT) ||
		    (table[i] & UK_PTE_LARGE))
			continue;
		if (level > 1)
			free_below(table_at(table[i]), level - 1, from, start, end);
		if (from >= start && to <= end) {
			uk_page_put(uk_page_of(table[i] & UK_PTE_ADDRESS));
			table[i] = 0;
		}
	}
}

void uk_paging_free_tables(uk_paddr_t root, uint64_t start, uint64_t end)
{
	volatile uint64_t *table = table_at(root);
	uint64_t span = 1ull << SHIFT(3);

	for (uint64_t i = 0; i < 256; i++) {
		uint64_t from = i * span, to = from + span;

		if (to <= start || from >= end || !(table[i] & UK_PTE_PRESENT))
			continue;
		free_below(table_at(table[i]), 2, from, start, end);
		if (from >= start && to <= UK_ALIGN_UP(end, span)) {
			uk_page_put(uk_page_of(table[i] & UK_PTE_ADDRESS));
			table[i] = 0;
		}
	}
	uk_tlb_flush_all();
}

void uk_tlb_flush_page(uint64_t virt)
{
	__asm__ volatile("invlpg (%0)" : : "r"(virt) : "memory");
}

void uk_tlb_flush_all(void)
{
	uint64_t cr4 = uk_read_cr4();

	uk_write_cr4(cr4 & ~CR4_PGE);
	uk_write_cr4(cr4);
}

/* Maps [virt, virt + size) of the upper half to paddr on; pages that are mapped stay. */
static bool map_kernel(uint64_t virt, uk_paddr_t paddr, uint64_t size, uint64_t flags)
{
	uint64_t end = UK_ALIGN_UP(virt + size, UK_PAGE_SIZE);
	uint64_t state = uk_spin_lock(&kernel_lock);

	virt = UK_ALIGN_DOWN(virt, UK_PAGE_SIZE);
	paddr = UK_ALIGN_DOWN(paddr, UK_PAGE_SIZE);
	for (; virt < end; virt += UK_PAGE_SIZE, paddr += UK_PAGE_SIZE) {
		volatile uint64_t *pte = uk_pte_find(uk_paging_root(), virt, true);

		if (pte == NULL) {
			uk_spin_unlock(&kernel_lock, state);
			return false;
		}
		if (!(*pte & UK_PTE_PRESENT))
			*pte = paddr | flags | UK_PTE_PRESENT | UK_PTE_ACCESSED | UK_PTE_GLOBAL |
			       uk_pte_nx;
	}
	uk_spin_unlock(&kernel_lock, state);
	return true;
}

volatile void *uk_io_map(uk_paddr_t paddr, size_t size)
{
	uint64_t virt = UK_DEVICE_BASE + paddr;

	if (paddr >= UK_DEVICE_SIZE || size > UK_DEVICE_SIZE - paddr)
		return NULL;
	if (!map_kernel(virt, paddr, size,
			UK_PTE_WRITE | UK_PTE_UNCACHED | UK_PTE_WRITE_THROUGH | UK_PTE_DIRTY))
		return NULL;
	return (volatile void *)(uintptr_t)virt;
}

const void *uk_phys_map(uk_paddr_t paddr, size_t size)
{
	uk_paddr_t at = UK_ALIGN_DOWN(paddr, UK_PAGE_SIZE);

	if (paddr >= UK_DIRECT_SIZE || size > UK_DIRECT_SIZE - paddr)
		return NULL;
	for (; at < paddr + size; at += UK_PAGE_SIZE)
		if (uk_page_of(at) == NULL && !map_kernel((uintptr_t)uk_phys_to_virt(at), at, 1, 0))
			return NULL;
	return uk_phys_to_virt(paddr);
}

volatile void *uk_shared_map(uk_paddr_t paddr)
{
	void *virt = uk_phys_to_virt(paddr);

	if (paddr >= UK_DIRECT_SIZE || uk_page_of(paddr) != NULL ||
	    !map_kernel((uintptr_t)virt, paddr, 1, UK_PTE_WRITE | UK_PTE_DIRTY))
		return NULL;
	return virt;
}

uk_paddr_t uk_virt_to_phys(const void *virt)
{
	uint64_t v = (uintptr_t)virt;
	uint64_t between = UK_IMAGE_BASE - UK_DIRECT_BASE - (uint64_t)uk_boot.moved;

	return v - UK_DIRECT_BASE - (v >= UK_IMAGE_BASE) * between;
}

/*
 * Stacks. A slot is never unmapped: a stack that is given back waits, linked through its top word,
 * for the next thread; there are never more than the most threads that lived at once.
 */
static uint64_t stack_slots;
static uint64_t *stack_spare;
static struct uk_spinlock stack_lock = UK_SPINLOCK_INIT;

uint64_t uk_stack_map(void)
{
	uint64_t state = uk_spin_lock(&stack_lock);
	uint64_t *spare = stack_spare;
	uint64_t top;

	if (spare != NULL) {
		stack_spare = (uint64_t *)(uintptr_t)*spare;
		uk_spin_unlock(&stack_lock, state);
		return (uintptr_t)(spare + 1);
	}
	top = UK_STACK_BASE + ++stack_slots * UK_STACK_SLOT;
	uk_spin_unlock(&stack_lock, state);
	for (uint64_t at = top - UK_STACK_SIZE; at < top; at += UK_PAGE_SIZE) {
		struct uk_page *page = uk_page_alloc(0, false);

		/* Out of memory: the frames so far stay with a slot that nobody uses. */
		if (page == NULL ||
		    !map_kernel(at, uk_page_paddr(page), UK_PAGE_SIZE, UK_PTE_WRITE | UK_PTE_DIRTY))
			return 0;
	}
	return top;
}

void uk_stack_unmap(uint64_t top)
{
	uint64_t *spare = (uint64_t *)(uintptr_t)top - 1;
	uint64_t state = uk_spin_lock(&stack_lock);

	*spare = (uintptr_t)stack_spare;
	stack_spare = spare;
	uk_spin_unlock(&stack_lock, state);
}

static void set_writable(uint64_t virt, bool writable)
{
	volatile uint64_t *pte = uk_pte_find(uk_paging_root(), virt, false);

	*pte = writable ? *pte | UK_PTE_WRITE : *pte & ~UK_PTE_WRITE;
	uk_tlb_flush_page(virt);
}

/* Text below 1 MiB for processors that start: the direct map is made of small pages there, for
 * memory ends in the middle of it. */
bool uk_paging_protect(const void *page, bool writable)
{
	if (uk_pte_find(uk_paging_root(), (uintptr_t)page, false) == NULL)
		return false;
	set_writable((uintptr_t)page, writable);
	return true;
}

static bool audit_table(volatile uint64_t *table, int level, uint64_t base, uint64_t rights,
			uint64_t *virt)
{
	for (uint64_t i = 0; i < 512; i++) {
		uint64_t e = table[i], at = base + (i << SHIFT(level));
		/* Along the way a right must be given by every level, NX by one. */
		uint64_t here = (rights & e & UK_PTE_WRITE) | ((rights | e) & UK_PTE_NX_BIT);

		if (!(e & UK_PTE_PRESENT))
			continue;
		if (level == 3 && i >= 256)
			at |= 0xffff000000000000ull;
		if (level == 0 || (e & UK_PTE_LARGE)) {
			if ((here & UK_PTE_WRITE) && !(here & UK_PTE_NX_BIT)) {
				*virt = at;
				return false;
			}
		} else if (!audit_table(table_at(e), level - 1, at, here, virt)) {
			return false;
		}
	}
	return true;
}

bool uk_paging_audit(uint64_t *virt)
{
	return audit_table(table_at(uk_paging_root()), 3, 0, UK_PTE_WRITE, virt);
}
