/*
 * Filling the address space on demand: zeros for anonymous memory, the page cache's frames for
 * files (frames of the boot image where the program's own file lies in it), a copy at the first
 * store to a private file page. While a file is read the map's lock is free; what was found before
 * is looked up again afterwards.
 *
 * Anonymous memory is filled a page at a time, or 2 MiB at a time where much of it is used, and
 * under the map's lock alone, so that threads need not wait for each other's system calls. For
 * files the kernel lock is taken first.
 */
#include "pages.h"
#include "proc.h"
#include <uk/map.h>
#include <uk/smp.h>
#include <uk/vfs.h>

enum {
	AROUND = 16,   /* pages that one fault may map */
	AGED = 256,    /* pages unmapped at a time when the page cache must shrink */
	LARGE_RUN = 4, /* times 2 MiB in use before those that a large entry shall map */
};
#define LARGE_SIZE (UK_PT_LARGE_FRAMES * UK_PAGE_SIZE)

/* A page of a file that was fetched for a fault, and what it was fetched for. */
struct fetched {
	struct uk_file *file; /* a reference */
	struct uk_page *page; /* a reference, until a table entry takes it over */
	uint64_t index;
	bool writable; /* a shared mapping's first store */
};

static int fetched_load(struct fetched *f)
{
	int result = f->writable ? uk_file_page_write(f->file, f->index, &f->page)
				 : uk_file_page(f->file, f->index, &f->page);

	if (result != 0)
		f->page = NULL;
	return result;
}

static void fetched_drop(struct fetched *f)
{
	if (f->page != NULL)
		uk_page_put(f->page);
	if (f->file != NULL)
		uk_file_put(f->file);
	f->page = NULL;
	f->file = NULL;
}

/* The frame of zeros that reads of untouched memory see. */
static struct uk_page *zero_page(void)
{
	static struct uk_page *zero;

	if (zero == NULL)
		zero = uk_page_alloc(0, true);
	return zero;
}

static void enter(uint64_t *slot, uint64_t addr, uint64_t value)
{
	bool replaced = *slot != 0;

	uk_pt_set(slot, value);
	if (replaced)
		uk_pt_flush(addr, addr + UK_PAGE_SIZE);
}

/* With more rights to the same frame: a processor that remembers fewer of them faults, and comes to
 * fault_again. */
static void enter_rights(uint64_t *slot, uint64_t addr, uint64_t value)
{
	uk_pt_set(slot, value);
	uk_tlb_flush_page(addr);
}

static void count_resident(uint64_t more)
{
	uk_map.resident += more;
	uk_map.peak = UK_MAX(uk_map.peak, uk_map.resident);
}

/* A frame of the program's own at `addr`, with the content of `from` or zeros. */
static int enter_own(const struct uk_area *area, uint64_t addr, uint64_t *slot,
		     const struct uk_page *from)
{
	struct uk_page *page;
	uint64_t old = *slot;

	page = uk_page_alloc_user(from == NULL);
	if (page == NULL)
		return -UK_ENOMEM;
	if (from != NULL)
		memcpy(uk_page_virt(page), uk_page_virt(from), UK_PAGE_SIZE);
	enter(slot, addr,
	      uk_page_paddr(page) | UK_PTE_ANON |
		      uk_pt_bits(area->prot, (area->prot & UK_PROT_WRITE) != 0));
	if (old != 0 && !(old & UK_PTE_ZERO))
		uk_page_put(uk_pt_page(old));
	count_resident(1);
	return 0;
}

static int fault_anonymous(const struct uk_area *area, uint64_t addr, uint64_t *slot, bool write)
{
	struct uk_page *zero;

	if (write || (area->flags & UK_AREA_STACK))
		return enter_own(area, addr, slot, NULL);
	zero = zero_page();
	if (zero == NULL)
		return -UK_ENOMEM;
	enter(slot, addr, uk_page_paddr(zero) | UK_PTE_ZERO | uk_pt_bits(area->prot, false));
	return 0;
}

/*
 * Maps the pages around `addr` too that the page cache has already, as it has those of a whole unit
 * of a volume or of the boot image at once: they cost little here, but would each cost a fault.
 */
static void fault_around(const struct uk_area *area, uint64_t addr, const struct fetched *f)
{
	uint64_t window = UK_ALIGN_DOWN(addr, AROUND * UK_PAGE_SIZE);
	uint64_t end = UK_MIN(area->end, window + AROUND * UK_PAGE_SIZE);
	uint64_t whole = f->file->inode->size >> UK_PAGE_SHIFT;

	for (uint64_t at = UK_MAX(area->start, window); at < end; at += UK_PAGE_SIZE) {
		uint64_t index = f->index + (at >> UK_PAGE_SHIFT) - (addr >> UK_PAGE_SHIFT);
		uint64_t *slot = uk_pt_slot(at, false);
		struct uk_page *page;

		if (slot == NULL || *slot != 0 || index >= whole)
			continue;
		page = uk_cache_look(f->file->inode, index);
		if (page != NULL)
			uk_pt_set(slot, uk_page_paddr(page) | uk_pt_bits(area->prot, false));
	}
}

static int fault_file(const struct uk_area *area, uint64_t addr, uint64_t *slot, bool write,
		      struct fetched *f)
{
	uint64_t old = *slot;

	if (write && !(area->flags & UK_AREA_SHARED))
		return enter_own(area, addr, slot, f->page);
	enter(slot, addr, uk_page_paddr(f->page) | uk_pt_bits(area->prot, write));
	if (!write)
		fault_around(area, addr, f);
	f->page = NULL;
	if (old != 0)
		uk_page_put(uk_pt_page(old));
	return 0;
}

/* The entry is in use, but did not permit the access: the first store, or someone was faster. */
static int fault_again(const struct uk_area *area, uint64_t addr, uint64_t *slot, bool write)
{
	uint64_t entry = *slot;

	if (!write || (entry & UK_PTE_WRITE)) {
		uk_tlb_flush_page(addr);
		return 0;
	}
	if (entry & UK_PTE_ANON) {
		enter_rights(slot, addr,
			     (entry & UK_PTE_ADDRESS) | UK_PTE_ANON | uk_pt_bits(area->prot, true));
		return 0;
	}
	return enter_own(area, addr, slot, entry & UK_PTE_ZERO ? NULL : uk_pt_page(entry));
}

/* What the area is for, when nobody has said what he wants. */
static enum uk_access usual_access(const struct uk_area *area)
{
	return (area->prot & UK_PROT_WRITE) && !(area->flags & UK_AREA_SHARED) ? UK_ACCESS_WRITE
									       : UK_ACCESS_READ;
}

static bool allows(const struct uk_area *area, enum uk_access access)
{
	if (access == UK_ACCESS_WRITE)
		return (area->prot & UK_PROT_WRITE) != 0;
	if (access == UK_ACCESS_EXEC)
		return (area->prot & UK_PROT_EXEC) != 0;
	return area->prot != 0;
}

/*
 * Whether the 2 MiB from `start` on are likely to be used whole: the program says so, or has filled
 * what lies before them in this area. A program that touches little, or here and there, takes no
 * more memory than it touches; another takes a quarter more than that, at worst.
 */
static bool deserves_large(const struct uk_area *area, uint64_t start)
{
	if (uk_map.small || (area->flags & (UK_AREA_STACK | UK_AREA_SHARED | UK_AREA_SMALL)))
		return false;
	if (start < area->start || area->end - start < LARGE_SIZE)
		return false;
	if (area->flags & UK_AREA_LARGE)
		return true;
	if (start - area->start < LARGE_RUN * LARGE_SIZE)
		return false;
	for (unsigned i = 1; i <= LARGE_RUN; i++)
		if (!uk_pt_full(start - i * LARGE_SIZE))
			return false;
	return true;
}

/* Whether a large entry serves the fault: one that is there, or a new one. */
static bool fault_large(const struct uk_area *area, uint64_t addr, bool write)
{
	uint64_t start = UK_ALIGN_DOWN(addr, LARGE_SIZE);

	/* Most areas have none, and need no look. */
	if (area->file != NULL || area->end - area->start < LARGE_SIZE)
		return false;
	/* It has all the rights of its area: someone was faster. */
	if (uk_pt_large(addr)) {
		uk_tlb_flush_page(addr);
		return true;
	}
	if (!write || !deserves_large(area, start) || !uk_pt_enter_large(start, area->prot))
		return false;
	count_resident(UK_PT_LARGE_FRAMES);
	return true;
}

enum { FETCH = 1, ENTER = 2 };

/* One attempt under the lock, with the page in `have`. FETCH: the one in `want` must be fetched;
 * ENTER: it takes the kernel lock too. */
static int fault_locked(uint64_t addr, enum uk_access access, struct fetched *have,
			struct fetched *want)
{
	struct uk_area *area = uk_area_find(uk_map.root, addr);
	uint64_t index, *slot;
	bool write, shared;

	if (area == NULL || area->start > addr)
		return -UK_ENOENT;
	if (access == UK_ACCESS_USUAL)
		access = usual_access(area);
	write = access == UK_ACCESS_WRITE;
	if (!allows(area, access))
		return -UK_EACCES;
	if (area->file != NULL && !uk_kernel_held())
		return ENTER;
	if (fault_large(area, addr, write))
		return 0;
	slot = uk_pt_slot(addr, true);
	if (slot == NULL)
		return -UK_ENOMEM;
	shared = write && area->file != NULL && (area->flags & UK_AREA_SHARED);
	if (*slot != 0 && (!shared || (*slot & UK_PTE_WRITE)))
		return fault_again(area, addr, slot, write);
	if (area->file == NULL)
		return fault_anonymous(area, addr, slot, write);
	index = (area->offset + (addr - area->start)) >> UK_PAGE_SHIFT;
	if (have->page != NULL && have->file == area->file && have->index == index &&
	    have->writable == shared)
		return fault_file(area, addr, slot, write, have);
	uk_file_get(area->file);
	want->file = area->file;
	want->index = index;
	want->writable = shared;
	return FETCH;
}

static int attempt(uint64_t addr, enum uk_access access, struct fetched *have, struct fetched *want)
{
	int result;

	uk_mutex_lock(&uk_map.lock);
	result = fault_locked(addr, access, have, want);
	if (result == FETCH)
		uk_map.faults_major++;
	else if (result != ENTER)
		uk_map.faults_minor++;
	uk_mutex_unlock(&uk_map.lock);
	return result;
}

int uk_map_fault(uint64_t addr, enum uk_access access)
{
	struct fetched have = { .page = NULL };
	bool entered = false;
	int result;

	addr = UK_ALIGN_DOWN(addr, UK_PAGE_SIZE);
	for (;;) {
		struct fetched want = { .page = NULL };

		result = attempt(addr, access, &have, &want);
		if (result == ENTER) {
			entered = uk_kernel_enter();
			continue;
		}
		if (result != FETCH)
			break;
		fetched_drop(&have);
		have = want;
		result = fetched_load(&have);
		if (result != 0)
			break;
	}
	fetched_drop(&have);
	if (entered)
		uk_kernel_leave();
	return result;
}

/* How far an access to `addr` has filled memory. */
static uint64_t filled_at(uint64_t addr)
{
	bool large;

	uk_mutex_lock(&uk_map.lock);
	large = uk_pt_large(addr);
	uk_mutex_unlock(&uk_map.lock);
	return large ? UK_ALIGN_DOWN(addr, LARGE_SIZE) + LARGE_SIZE : addr + UK_PAGE_SIZE;
}

int uk_map_populate(uint64_t addr, uint64_t size)
{
	uint64_t end = addr + UK_ALIGN_UP(size, UK_PAGE_SIZE);

	for (; addr < end; addr = filled_at(addr)) {
		int result = uk_map_fault(addr, UK_ACCESS_USUAL);

		/* What nobody may touch needs no frames. */
		if (result != 0 && result != -UK_EACCES)
			return result == -UK_ENOENT ? -UK_ENOMEM : result;
	}
	return 0;
}

/*
 * Mapped pages of files are held by their mapping, and so the page cache cannot give them back.
 * When it wants pages, those that were not touched for a while are unmapped, a batch at a time and
 * ahead of need: with none of them at hand the cache would drop what it has only just read. They
 * fault in again when they are missed. Called from any allocation, also with the map's lock held.
 */
void uk_map_age(size_t wanted)
{
	static uint64_t hand;  /* where the last look ended */
	static uint64_t ready; /* unmapped and not asked for yet */
	bool held = uk_mutex_held(&uk_map.lock);
	uint64_t dropped = 0;

	if (uk_map.root == NULL || ready > wanted) {
		ready -= UK_MIN(ready, wanted);
		return;
	}
	if (!held)
		uk_mutex_lock(&uk_map.lock);
	for (size_t looked = 0; looked <= 2 * uk_map.count && dropped < AGED; looked++) {
		struct uk_area *area = uk_area_find(uk_map.root, hand);

		if (area == NULL) {
			hand = 0;
			continue;
		}
		hand = UK_MAX(hand, area->start);
		if (area->file != NULL)
			dropped += uk_pt_age(&hand, area->end, AGED - dropped);
		else
			hand = area->end;
	}
	if (!held)
		uk_mutex_unlock(&uk_map.lock);
	ready = dropped;
}
