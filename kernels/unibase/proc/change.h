/*
 * A change to the areas, between its first and last step: see proc/map.c.
 */
#ifndef UK_PROC_CHANGE_H
#define UK_PROC_CHANGE_H

#include <uk/map.h>
#include <uk/mem.h>

struct uk_change {
	/* Joined by `left`. */
	struct uk_area *spare; /* for cuts, so that these cannot fail */
	struct uk_area *gone;  /* to give back once the lock is free */
};

/* Takes the map's lock, for so many cuts: two for each range that is changed and may hold areas.
 * -UK_ENOMEM: does not. */
int uk_change_begin(struct uk_change *c, unsigned cuts);
void uk_change_end(struct uk_change *c);
/* Makes `addr` a border between areas, if it lies inside one. */
void uk_change_cut(struct uk_change *c, uint64_t addr);
/* Joins the areas that meet at `addr`, if they look alike. */
void uk_change_join(struct uk_change *c, uint64_t addr);
void uk_change_insert(struct uk_area *area);
/* Forgets a range: areas and frames. Two cuts. */
void uk_change_clear(struct uk_change *c, uint64_t start, uint64_t end);
/* Whether so many bytes more of what this area is stay within the limit of data. */
bool uk_change_fits(const struct uk_area *area, uint64_t more);
void uk_change_resize(struct uk_area *area, uint64_t end);
void uk_change_remove(struct uk_change *c, struct uk_area *area);
/* Where a mapping of `size` bytes finds room: at `hint` when that is free, and ending at or under
 * `below` (0: both do not matter); 0: nowhere. */
uint64_t uk_change_place(uint64_t hint, uint64_t size, uint64_t below);
UK_INLINE bool uk_range_valid(uint64_t addr, uint64_t size)
{
	return ((addr & UK_PAGE_MASK) == 0) & (size <= UK_USER_END) & (addr <= UK_USER_END - size);
}

#endif
