/*
 * Grants: frames that another domain may map, in the first version of the table. A grant lasts as
 * long as its device: devices move their data through frames of their own, so that nothing has to
 * be granted, and nobody's mapping be waited for, transfer by transfer, and no backend ever sees
 * other memory.
 */
#include "xen.h"
#include <uk/lock.h>

#define FRAMES_MAX 8 /* of the table */
#define PER_FRAME (UK_PAGE_SIZE / sizeof(struct entry))
#define RESERVED 8	/* the toolstack's, for console and xenstore */
#define PERMIT_ACCESS 1 /* Xen adds bits while it is mapped */

struct entry {
	volatile uint16_t flags;
	uint16_t domain;
	uint32_t frame;
};
_Static_assert(sizeof(struct entry) == 8, "public/grant_table.h");

static struct entry *table[FRAMES_MAX];
static uint32_t next = RESERVED;
static uint32_t ended; /* the first of those to be given again, linked by `frame`; 0: none */
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

static struct entry *entry_of(uint32_t reference)
{
	return &table[reference / PER_FRAME][reference % PER_FRAME];
}

/* The lock is held; 0: there is none left. */
static uint32_t find_free(void)
{
	uint32_t reference = ended, in = next / PER_FRAME;

	if (reference != 0) {
		ended = entry_of(reference)->frame;
		return reference;
	}
	if (in >= FRAMES_MAX || (table[in] == NULL && !make_frame(in)))
		return 0;
	return next++;
}

int uk_xen_grant(uint16_t domain, const struct uk_page *page)
{
	uint64_t frame = uk_page_paddr(page) >> UK_PAGE_SHIFT;
	uint64_t state = uk_spin_lock(&lock);
	uint32_t reference = frame <= UINT32_MAX ? find_free() : 0;

	if (reference != 0) {
		struct entry *e = entry_of(reference);

		e->domain = domain;
		e->frame = (uint32_t)frame;
		__atomic_store_n(&e->flags, PERMIT_ACCESS, __ATOMIC_RELEASE);
	}
	uk_spin_unlock(&lock, state);
	return reference != 0 ? (int)reference : -UK_ENOSPC;
}

bool uk_xen_grant_end(uint32_t reference)
{
	uint64_t state = uk_spin_lock(&lock);
	struct entry *e = entry_of(reference);
	uint16_t unused = PERMIT_ACCESS;
	bool done = __atomic_compare_exchange_n(&e->flags, &unused, 0, false, __ATOMIC_SEQ_CST,
						__ATOMIC_SEQ_CST);

	if (done) {
		e->frame = ended;
		ended = reference;
	}
	uk_spin_unlock(&lock, state);
	return done;
}
