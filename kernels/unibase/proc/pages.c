/*
 * The program's page tables. A table's frame counts the entries in use in its `index`, so an empty
 * table is found, and given back, the moment its last entry goes. Walks skip what has no table:
 * a reservation of a terabyte costs nothing to drop.
 *
 * An entry of the next level may map 2 MiB of the program's own memory at once, by one block of
 * frames. The table that it stands for is kept with the block (`owner` of its first frame), so that
 * 512 entries can be made of it at any time: whoever asks for one of these does that.
 */
#include "pages.h"
#include <uk/map.h>
#include <uk/smp.h>

enum { LEVELS = 4, ENTRIES = UK_PT_LARGE_FRAMES };
#define LARGE_SIZE (ENTRIES * UK_PAGE_SIZE)

static uint64_t *root;

void uk_pt_start(void)
{
	root = uk_phys_to_virt(uk_paging_root());
}

static unsigned slot_of(uint64_t addr, unsigned level)
{
	return (unsigned)(addr >> (UK_PAGE_SHIFT + 9 * level)) % ENTRIES;
}

static uint64_t *table_of(uint64_t entry)
{
	return uk_phys_to_virt(entry & UK_PTE_ADDRESS);
}

/* How many entries of the table around `slot` are in use. Tables are reached by the direct map. */
static uint64_t *count_of(const uint64_t *slot)
{
	return &uk_page_of((uintptr_t)slot - UK_DIRECT_BASE)->index;
}

static void split_large(uint64_t *slot, uint64_t addr)
{
	uint64_t entry = *slot, start = UK_ALIGN_DOWN(addr, LARGE_SIZE);
	struct uk_page *page = uk_pt_page(entry), *table = page->owner;
	uint64_t *entries = uk_page_virt(table);

	/* No processor may remember both sizes for one address. */
	*(volatile uint64_t *)slot = 0;
	uk_shoot(start, start + LARGE_SIZE, false);
	uk_page_split(page);
	for (uint64_t i = 0; i < ENTRIES; i++)
		entries[i] = (entry & ~UK_PTE_LARGE) + i * UK_PAGE_SIZE;
	table->index = ENTRIES;
	*(volatile uint64_t *)slot =
		uk_page_paddr(table) | UK_PTE_PRESENT | UK_PTE_WRITE | UK_PTE_USER;
	uk_map.large--;
}

/* Makes an entry above the leaves lead to a table: a new one, or that of a large entry. */
static bool open_entry(uint64_t *slot, uint64_t addr, unsigned level, bool create)
{
	struct uk_page *page;

	if (*slot != 0) {
		split_large(slot, addr);
		return true;
	}
	page = create ? uk_page_alloc(0, true) : NULL;
	if (page == NULL)
		return false;
	if (level < LEVELS - 1)
		++*count_of(slot);
	*slot = uk_page_paddr(page) | UK_PTE_PRESENT | UK_PTE_WRITE | UK_PTE_USER;
	return true;
}

uint64_t *uk_pt_entry(uint64_t addr, unsigned wanted, bool create)
{
	uint64_t *table = root;

	for (unsigned level = LEVELS - 1; level > wanted; level--) {
		uint64_t *slot = &table[slot_of(addr, level)];

		if ((*slot & (UK_PTE_PRESENT | UK_PTE_LARGE)) != UK_PTE_PRESENT &&
		    !open_entry(slot, addr, level, create))
			return NULL;
		table = table_of(*slot);
	}
	return &table[slot_of(addr, wanted)];
}

bool uk_pt_large(uint64_t addr)
{
	const uint64_t *slot = uk_pt_entry(addr, 1, false);

	return slot != NULL && (*slot & UK_PTE_LARGE) != 0;
}

bool uk_pt_full(uint64_t addr)
{
	const uint64_t *slot = uk_pt_entry(addr, 1, false);

	return slot != NULL && *slot != 0 &&
	       ((*slot & UK_PTE_LARGE) != 0 || *count_of(table_of(*slot)) == ENTRIES);
}

bool uk_pt_present(uint64_t addr)
{
	const uint64_t *slot =
		uk_pt_large(addr) ? uk_pt_entry(addr, 1, false) : uk_pt_slot(addr, false);

	return slot != NULL && *slot != 0;
}

bool uk_pt_enter_large(uint64_t addr, unsigned prot)
{
	uint64_t *slot = uk_pt_entry(addr, 1, true);
	struct uk_page *page;

	if (slot == NULL || *slot != 0)
		return false;
	page = uk_page_alloc_large();
	if (page == NULL)
		return false;
	page->owner = uk_page_alloc(0, false);
	if (page->owner == NULL) {
		uk_page_put(page);
		return false;
	}
	uk_pt_set(slot, uk_page_paddr(page) | UK_PTE_LARGE | UK_PTE_ANON |
				uk_pt_bits(prot, (prot & 2) != 0));
	uk_map.large++;
	return true;
}

/* The first address from `addr` on that a leaf table covers, or `end`: holes of any width cost a
 * step for each level. */
static uint64_t next_covered(uint64_t addr, uint64_t end)
{
	while (addr < end) {
		const uint64_t *table = root;
		unsigned level = LEVELS - 1;

		while (level > 0 && table[slot_of(addr, level)] != 0) {
			if (table[slot_of(addr, level)] & UK_PTE_LARGE)
				return addr;
			table = table_of(table[slot_of(addr, level--)]);
		}
		if (level == 0)
			return addr;
		addr = UK_ALIGN_DOWN(addr, UK_PAGE_SIZE << (9 * level)) +
		       (UK_PAGE_SIZE << (9 * level));
	}
	return end;
}

void uk_pt_use(uint64_t start, uint64_t end, struct uk_map_use *use)
{
	uint64_t behind;

	for (uint64_t addr = next_covered(start, end); addr < end;
	     addr = next_covered(behind, end)) {
		uint64_t entry;

		behind = addr + UK_PAGE_SIZE;
		if (uk_pt_large(addr)) {
			behind = UK_MIN(UK_ALIGN_DOWN(addr, LARGE_SIZE) + LARGE_SIZE, end);
			use->own += (behind - addr) / UK_PAGE_SIZE;
			use->large += (behind - addr) / UK_PAGE_SIZE;
			continue;
		}
		entry = *uk_pt_slot(addr, false);
		use->own += (entry & UK_PTE_ANON) != 0;
		use->file += entry != 0 && !(entry & (UK_PTE_ANON | UK_PTE_ZERO));
	}
}

void uk_pt_set(uint64_t *slot, uint64_t value)
{
	uk_page_of((uintptr_t)slot - UK_DIRECT_BASE)->index += *slot == 0;
	*(volatile uint64_t *)slot = value;
}

void uk_pt_flush(uint64_t start, uint64_t end)
{
	uk_shoot(start, end, false);
}

/* Frames on their way out: none may be reused while a processor still sees it. */
struct batch {
	struct uk_page *page[64];
	unsigned count;
	uint64_t start, end; /* addresses they were seen at */
	bool tables;	     /* some are tables */
	uint64_t anon;
};

static void batch_flush(struct batch *b)
{
	if (b->end > b->start)
		uk_shoot(b->start, b->end, b->tables);
	b->start = UINT64_MAX;
	b->end = 0;
	b->tables = false;
	for (unsigned i = 0; i < b->count; i++)
		uk_page_put(b->page[i]);
	b->count = 0;
}

static void batch_add(struct batch *b, struct uk_page *page, uint64_t start, uint64_t end)
{
	if (b->count == UK_COUNT(b->page))
		batch_flush(b);
	b->start = UK_MIN(b->start, start);
	b->end = UK_MAX(b->end, end);
	if (page != NULL)
		b->page[b->count++] = page;
}

static void zap_leaf(uint64_t *slot, uint64_t addr, struct batch *b)
{
	uint64_t entry = *slot;

	*(volatile uint64_t *)slot = 0;
	--*count_of(slot);
	if (entry & UK_PTE_ANON)
		b->anon++;
	batch_add(b, entry & UK_PTE_ZERO ? NULL : uk_pt_page(entry), addr, addr + UK_PAGE_SIZE);
}

static void zap_large(uint64_t *slot, uint64_t addr, struct batch *b)
{
	struct uk_page *page = uk_pt_page(*slot);

	uk_page_put(page->owner);
	*(volatile uint64_t *)slot = 0;
	--*count_of(slot);
	b->anon += ENTRIES;
	uk_map.large--;
	batch_add(b, page, addr, addr + LARGE_SIZE);
}

static void zap_table(uint64_t *table, unsigned level, uint64_t start, uint64_t end,
		      struct batch *b)
{
	uint64_t span = UK_PAGE_SIZE << (9 * level), next;

	for (uint64_t addr = start; addr < end; addr = next) {
		uint64_t *slot = &table[slot_of(addr, level)];

		next = UK_MIN(end, UK_ALIGN_DOWN(addr, span) + span);
		if (*slot == 0)
			continue;
		if (level == 0) {
			zap_leaf(slot, addr, b);
			continue;
		}
		if (*slot & UK_PTE_LARGE) {
			if (next - addr == span) {
				zap_large(slot, addr, b);
				continue;
			}
			split_large(slot, addr);
		}
		zap_table(table_of(*slot), level - 1, addr, next, b);
		if (*count_of(table_of(*slot)) == 0) {
			struct uk_page *page = uk_pt_page(*slot);

			*(volatile uint64_t *)slot = 0;
			if (level < LEVELS - 1)
				--*count_of(slot);
			batch_add(b, page, addr, next);
			b->tables = true;
		}
	}
}

uint64_t uk_pt_zap(uint64_t start, uint64_t end)
{
	struct batch b = { .start = UINT64_MAX };

	zap_table(root, LEVELS - 1, start, end, &b);
	batch_flush(&b);
	return b.anon;
}

/* Tables stay, though empty: a fault that is short of memory may hold a place in one. */
uint64_t uk_pt_age(uint64_t *at, uint64_t end, uint64_t wanted)
{
	struct batch b = { .start = UINT64_MAX };
	uint64_t dropped = 0, addr;

	for (addr = next_covered(*at, end); addr < end && dropped < wanted;
	     addr = next_covered(addr + UK_PAGE_SIZE, end)) {
		uint64_t *slot = uk_pt_slot(addr, false);

		if (*slot == 0 || (*slot & (UK_PTE_ANON | UK_PTE_ZERO)) ||
		    (uk_pt_page(*slot)->flags & UK_PAGE_RESERVED)) {
			continue;
		} else if (*slot & UK_PTE_ACCESSED) {
			*(volatile uint64_t *)slot &= ~UK_PTE_ACCESSED;
			batch_add(&b, NULL, addr, addr + UK_PAGE_SIZE);
		} else {
			zap_leaf(slot, addr, &b);
			dropped++;
		}
	}
	batch_flush(&b);
	*at = addr;
	return dropped;
}

static void protect(uint64_t *slot, unsigned prot)
{
	bool own = (*slot & UK_PTE_ANON) != 0;
	uint64_t keep = *slot & (UK_PTE_ADDRESS | UK_PTE_LARGE | UK_PTE_ANON | UK_PTE_ZERO);

	*(volatile uint64_t *)slot = keep | uk_pt_bits(prot, own && (prot & 2));
}

void uk_pt_protect(uint64_t start, uint64_t end, unsigned prot)
{
	uint64_t next;

	for (uint64_t addr = next_covered(start, end); addr < end;
	     addr = next_covered(addr + next, end)) {
		bool whole =
			addr % LARGE_SIZE == 0 && end - addr >= LARGE_SIZE && uk_pt_large(addr);
		uint64_t *slot = whole ? uk_pt_entry(addr, 1, false) : uk_pt_slot(addr, false);

		next = whole ? LARGE_SIZE : UK_PAGE_SIZE;
		if (*slot != 0)
			protect(slot, prot);
	}
	uk_pt_flush(start, end);
}

int uk_pt_move(uint64_t from, uint64_t to, uint64_t size)
{
	uint64_t end = from + size;

	/* Tables first, so that running out of memory undoes nothing. */
	for (uint64_t addr = next_covered(from, end); addr < end;
	     addr = next_covered(addr + UK_PAGE_SIZE, end)) {
		if (uk_pt_slot(to + (addr - from), true) == NULL) {
			uk_pt_zap(to, to + size);
			return -UK_ENOMEM;
		}
	}
	for (uint64_t addr = next_covered(from, end); addr < end;
	     addr = next_covered(addr + UK_PAGE_SIZE, end)) {
		uint64_t *slot = uk_pt_slot(addr, false);

		if (*slot != 0) {
			uk_pt_set(uk_pt_slot(to + (addr - from), true), *slot);
			*(volatile uint64_t *)slot = 0;
			--*count_of(slot);
		}
	}
	uk_pt_zap(from, end); /* the empty tables */
	uk_pt_flush(from, end);
	return 0;
}
