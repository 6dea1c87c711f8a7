/*
 * The program's half of the page tables, entry by entry. Called with the map's lock
 * held. An entry that is not 0 is in use, present or not: a frame behind PROT_NONE keeps its place.
 */
#ifndef UK_PROC_PAGES_H
#define UK_PROC_PAGES_H

#include <uk/mem.h>
#include <uk/paging.h>

/* Of UK_PTE_SOFT. */
#define UK_PTE_ANON 0x200ull /* the frame belongs to the map alone */
#define UK_PTE_ZERO 0x400ull /* the shared frame of zeros: not counted */

#define UK_PT_LARGE_FRAMES 512ull /* of what one large entry maps: 2 MiB */

void uk_pt_start(void);
/* The entry of `addr` at this level, 0: a leaf; NULL when there is no table (or, to be made, no
 * memory for one). A large entry on the way is made into 512. */
uint64_t *uk_pt_entry(uint64_t addr, unsigned level, bool create);
UK_INLINE uint64_t *uk_pt_slot(uint64_t addr, bool create)
{
	return uk_pt_entry(addr, 0, create);
}
void uk_pt_set(uint64_t *slot, uint64_t value);
/* Bits of an entry for this protection; a store needs a further fault unless `writable`. */
UK_INLINE uint64_t uk_pt_bits(unsigned prot, bool writable)
{
	uint64_t executable = prot >> 2 & 1, stores = -(uint64_t)writable;

	return UK_PTE_USER | UK_PTE_ACCESSED | (prot != 0) * UK_PTE_PRESENT |
	       (stores & (UK_PTE_WRITE | UK_PTE_DIRTY)) | (uk_pte_nx & (executable - 1));
}
static inline struct uk_page *uk_pt_page(uint64_t entry)
{
	return uk_page_of(entry & UK_PTE_ADDRESS);
}

/* Whether a large entry maps `addr`. */
bool uk_pt_large(uint64_t addr);
/* Whether all of the aligned 2 MiB around `addr` is in use, by an entry of either size. */
bool uk_pt_full(uint64_t addr);
/* Whether the entry of `addr` is in use; a large one stays as it is, here and below. */
bool uk_pt_present(uint64_t addr);
struct uk_map_use;
void uk_pt_use(uint64_t start, uint64_t end, struct uk_map_use *use);
/* Maps 2 MiB of zeros at an aligned address by one entry. False, and nothing is changed: some of it
 * is mapped already, or memory is not plentiful. */
bool uk_pt_enter_large(uint64_t addr, unsigned prot);

/* Forgets a range: frames are given back, empty tables too. Returns how many frames were the
 * map's own. */
uint64_t uk_pt_zap(uint64_t start, uint64_t end);
/* Forgets up to `wanted` pages of files that were not touched since the last look, from *at on, and
 * moves it. How many. */
uint64_t uk_pt_age(uint64_t *at, uint64_t end, uint64_t wanted);
void uk_pt_protect(uint64_t start, uint64_t end, unsigned prot);
/* Moves entries to a place where none are. -UK_ENOMEM: nothing was moved. */
int uk_pt_move(uint64_t from, uint64_t to, uint64_t size);
/* After entries lost rights or moved; on every processor. */
void uk_pt_flush(uint64_t start, uint64_t end);

#endif
