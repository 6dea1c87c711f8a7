/*
 * What RAM there is, from what a loader tells. mm/memmap.c: no state, so that host tests can have
 * it.
 */
#ifndef UK_MEMMAP_H
#define UK_MEMMAP_H

#include <uk/types.h>
#include <uni/abi/boot.h>

/*
 * Writes the RAM among the `count` entries of `told` to `out`, at most `room` ranges: whole pages,
 * in order, disjoint and not adjacent, without page 0, below UK_DIRECT_SIZE. RAM is rounded
 * inwards, everything else outwards; where both are told it is not RAM. Returns how many. Ranges
 * that do not fit `room` are left out: never is there more in `out` than was told.
 */
uint32_t uk_memmap_make(struct uni_hvm_memmap_entry *out, uint32_t room,
			const struct uni_hvm_memmap_entry *told, uint32_t count);

#endif
