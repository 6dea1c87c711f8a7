/*
 * Page tables (Intel SDM volume 3, chapter 4). arch/paging.c.
 *
 * There is one root for the kernel and the one program: its lower half belongs to proc/, which
 * reaches entries through uk_pte_find and changes them under its own lock; the upper half is made
 * here and never holds a page that is both writable and executable.
 */
#ifndef UK_PAGING_H
#define UK_PAGING_H

#include <uk/types.h>

#define UK_PTE_PRESENT (1ull << 0)
#define UK_PTE_WRITE (1ull << 1)
#define UK_PTE_USER (1ull << 2)
#define UK_PTE_WRITE_THROUGH (1ull << 3)
#define UK_PTE_UNCACHED (1ull << 4)
#define UK_PTE_ACCESSED (1ull << 5)
#define UK_PTE_DIRTY (1ull << 6)
#define UK_PTE_LARGE (1ull << 7)
#define UK_PTE_GLOBAL (1ull << 8)
#define UK_PTE_SOFT (7ull << 9) /* for the owner's use */
#define UK_PTE_NX_BIT (1ull << 63)
#define UK_PTE_ADDRESS 0x000ffffffffff000ull

/* UK_PTE_NX_BIT, or 0 on a processor without it, where the bit is reserved. */
extern uint64_t uk_pte_nx;

/*
 * The entry of a 4 KiB page for `virt` below `root` (a physical address), or NULL: with `make` when
 * memory is out, without when a table on the way is missing. NULL as well when a larger page maps
 * it. Tables made for the lower half carry UK_PTE_USER.
 */
volatile uint64_t *uk_pte_find(uk_paddr_t root, uint64_t virt, bool make);
uk_paddr_t uk_paging_root(void); /* of the running address space */

/* Gives back the tables that lie whole inside [start, end) of the lower half; what they map must be
 * gone. */
void uk_paging_free_tables(uk_paddr_t root, uint64_t start, uint64_t end);

/* After an entry lost rights or moved: on the running processor. uk_shoot of uk/smp.h is for all.
 */
void uk_tlb_flush_page(uint64_t virt);
void uk_tlb_flush_all(void);

/* Walks every mapping of the upper half: false, and the address, when one is writable and
 * executable, or the lower half maps one so for the kernel. For tests and for the start-up check.
 */
bool uk_paging_audit(uint64_t *virt);

/* Start: the direct map; then everything that is UK_SEALED becomes read-only. */
void uk_paging_start(void);
void uk_paging_seal(void);
/* Makes sealed data writable again while further processors start; sealed anew before these touch
 * anything else. */
void uk_paging_open(void);
/* Maps the local APIC's registers, without memory for tables. */
volatile void *uk_apic_map(uk_paddr_t paddr);
/* The rights of one page of the direct map, of this processor alone; false: a larger page maps it.
 */
bool uk_paging_protect(const void *page, bool writable);
/* A kernel stack; its top, 0 when memory is out. */
uint64_t uk_stack_map(void);
void uk_stack_unmap(uint64_t top);

#endif
