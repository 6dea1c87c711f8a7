/*
 * Gives the program the code that reads the clocks, and keeps the page of numbers that it reads.
 * Both are in one piece of three pages: numbers, the hypervisor's record, code.
 */
#include "pages.h"
#include "proc.h"
#include <uk/clock.h>
#include <uk/map.h>

enum { PAGES = 3, CODE = 2 };

extern const char uk_vdso_image[], uk_vdso_image_end[];

static union {
	struct uk_vdso_clock clock;
	uint8_t page[UK_PAGE_SIZE];
} shared __attribute__((aligned(UK_PAGE_SIZE)));
static struct uk_spinlock lock = UK_SPINLOCK_INIT;

static uint64_t begin(void)
{
	uint64_t state = uk_spin_lock(&lock);

	shared.clock.version++;
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	return state;
}

static void end(uint64_t state)
{
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	shared.clock.version++;
	uk_spin_unlock(&lock, state);
}

void uk_vdso_counter(uint64_t base, uint64_t mult)
{
	uint64_t state = begin();

	shared.clock.source = UK_VDSO_COUNTER;
	shared.clock.base = base;
	shared.clock.mult = mult;
	end(state);
}

void uk_vdso_pvclock(void)
{
	uint64_t state = begin();

	shared.clock.source = UK_VDSO_PVCLOCK;
	end(state);
}

void uk_vdso_real(int64_t offset)
{
	uint64_t state = begin();

	shared.clock.real = offset;
	shared.clock.real_known = true;
	end(state);
}

/* A page of the kernel's image, with a reference for the program's map. */
static struct uk_page *page_at(const void *virt)
{
	struct uk_page *page = uk_page_of(uk_virt_to_phys(virt));

	uk_page_get(page);
	return page;
}

static struct uk_page *code_page(void)
{
	struct uk_page *page = uk_page_alloc(0, true);

	if (page != NULL)
		memcpy(uk_page_virt(page), uk_vdso_image,
		       (size_t)(uk_vdso_image_end - uk_vdso_image));
	return page;
}

/* Shared, so that giving memory back (madvise) leaves it; no file, so that nothing fetches it. */
static int64_t reserve(void)
{
	struct uk_map_request r = {
		.size = PAGES * UK_PAGE_SIZE,
		.prot = UK_PROT_READ,
		.flags = UK_AREA_SHARED | UK_AREA_VDSO,
	};
	int64_t at = uk_map_add(&r);

	if (at < 0)
		return at;
	r.addr = (uint64_t)at + CODE * UK_PAGE_SIZE;
	r.size = UK_PAGE_SIZE;
	r.prot |= UK_PROT_EXEC;
	r.fixed = true;
	return uk_map_add(&r) < 0 ? -UK_ENOMEM : at;
}

static bool enter(uint64_t at, struct uk_page *page, unsigned prot)
{
	uint64_t *slot = uk_pt_slot(at, true);

	if (slot == NULL) {
		uk_page_put(page);
		return false;
	}
	uk_pt_set(slot, uk_page_paddr(page) | uk_pt_bits(prot, false));
	return true;
}

uint64_t uk_vdso_map(void)
{
	struct uk_page *code = code_page();
	int64_t at = code != NULL ? reserve() : -UK_ENOMEM;
	uint64_t start = (uint64_t)at;
	bool done;

	if (at < 0) {
		if (code != NULL)
			uk_page_put(code);
		return 0;
	}
	uk_mutex_lock(&uk_map.lock);
	done = enter(start + CODE * UK_PAGE_SIZE, code, UK_PROT_READ | UK_PROT_EXEC) &&
	       enter(start, page_at(&shared), UK_PROT_READ) &&
	       enter(start + UK_PAGE_SIZE, page_at(&uk_pvclocks), UK_PROT_READ);
	uk_mutex_unlock(&uk_map.lock);
	return done ? start + CODE * UK_PAGE_SIZE : 0;
}
