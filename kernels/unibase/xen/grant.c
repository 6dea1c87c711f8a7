/*
 * Grants: frames that another domain may map, in the first version of the table. Every grant lasts:
 * devices move their data through frames of their own, so that nothing has to be granted, and
 * nobody's mapping be waited for, transfer by transfer, and no backend ever sees other memory.
 */
#include "xen.h"
#include <uk/lock.h>

#define FRAMES_MAX 8 /* of the table */
#define PER_FRAME (UK_PAGE_SIZE / sizeof(struct entry))
#define RESERVED 8 /* the toolstack's, for console and xenstore */
#define PERMIT_ACCESS 1

struct entry {
	volatile uint16_t flags;
	uint16_t domain;
	uint32_t frame;
};
_Static_assert(sizeof(struct entry) == 8, "public/grant_table.h");

static struct entry *table[FRAMES_MAX];
static uint32_t next = RESERVED;
static struct uk_spinlock lock = UK_SPINLOCK_INIT;

static bool make_frame(uint32_t index)
{
	struct uk_page *page = uk_page_alloc(0, false);

	if (page == NULL || !uk_xen_replace(UK_XEN_GRANT_TABLE, index, page)) {
		if (page != NULL)
			uk_page_put(page);
		return false;
	}
	table[index] = uk_page_virt(page);
	return true;
}

int uk_xen_grant(uint16_t domain, const struct uk_page *page)
{
	uint64_t frame = uk_page_paddr(page) >> UK_PAGE_SHIFT;
	uint64_t state = uk_spin_lock(&lock);
	uint32_t in = next / PER_FRAME;
	int result = -UK_ENOSPC;

	if (frame <= UINT32_MAX && in < FRAMES_MAX && (table[in] != NULL || make_frame(in))) {
		struct entry *e = &table[in][next % PER_FRAME];

		e->domain = domain;
		e->frame = (uint32_t)frame;
		__atomic_store_n(&e->flags, PERMIT_ACCESS, __ATOMIC_RELEASE);
		result = (int)next++;
	}
	uk_spin_unlock(&lock, state);
	return result;
}
