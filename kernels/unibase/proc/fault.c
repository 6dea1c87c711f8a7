/*
 * Filling the address space on demand: zeros for anonymous memory, the page cache's frames for
 * files (frames of the boot image where the program's own file lies in it), a copy at the first
 * store to a private file page. A page that the cache has is entered at once. While a file is read
 * the map's lock is free; what was found before is looked up again afterwards.
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
	bool writable;	     /* a shared mapping's first store */
	struct uk_file *old; /* another reference: what was wanted before */
};

static int fetched_load(struct fetched *f)
{
	int result = f->writable ? uk_file_page_write(f->file, f->index, &f->page)
				 : uk_file_page(f->file, f->index, &f->page);

	if (result != 0)
		f->page = NULL;
	return result;
}

/* What is not wanted any more: without the map's lock. */
static void fetched_settle(struct fetched *f)
{
	if (f->page != NULL)
		uk_page_put(f->page);
	if (f->old != NULL)
		uk_file_put(f->old);
	f->page = NULL;
	f->old = NULL;
}

/* The frame of zeros that reads of untouched memory see. */
static struct uk_page *zero_page(void)
{
	static struct uk_page *zero;

	if (zero == NULL)
		zero = uk_page_alloc(0, true);
	return zero;
}

/* In the place of what was there before. */
static void enter(uint64_t *slot, uint64_t addr, uint64_t value)
{
	uint64_t old = *slot;

	uk_pt_set(slot, value);
	if (uk_likely(old == 0))
		return;
	uk_pt_flush(addr, addr + UK_PAGE_SIZE);
	if (!(old & UK_PTE_ZERO))
		uk_page_put(uk_pt_page(old));
}

/* With more rights to the same frame: a processor that remembers fewer of them faults, and comes to
 * `permits`. */
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

/* A frame of the program's own at `addr`, with the content of `from`, whose reference goes, or
 * zeros. While one is sought, what is in `slot` may go: see uk_map_age. */
static int enter_own(const struct uk_area *area, uint64_t addr, uint64_t *slot,
		     struct uk_page *from)
{
	struct uk_page *page = uk_page_alloc_user(from == NULL);

	if (page != NULL) {
		uk_paddr_t paddr = uk_page_paddr(page);

		if (from != NULL)
			memcpy(uk_phys_to_virt(paddr), uk_page_virt(from), UK_PAGE_SIZE);
		enter(slot, addr,
		      paddr | UK_PTE_ANON |
			      uk_pt_bits(area->prot, (area->prot & UK_PROT_WRITE) != 0));
		count_resident(1);
	}
	if (from != NULL)
		uk_page_put(from);
	return page != NULL ? 0 : -UK_ENOMEM;
}

/* Whether an entry that is in use permits the access: someone was faster. */
static bool permits(uint64_t entry, bool write)
{
	return !write | ((entry & UK_PTE_WRITE) != 0);
}

/* The entry is in use, but did not permit the access: the first store. */
static int fault_store(const struct uk_area *area, uint64_t addr, uint64_t *slot)
{
	uint64_t entry = *slot;
	struct uk_page *from = NULL;

	if (entry & UK_PTE_ANON) {
		enter_rights(slot, addr,
			     (entry & UK_PTE_ADDRESS) | UK_PTE_ANON | uk_pt_bits(area->prot, true));
		return 0;
	}
	if (!(entry & UK_PTE_ZERO)) {
		from = uk_pt_page(entry);
		uk_page_get(from);
	}
	return enter_own(area, addr, slot, from);
}

/* What is done: when nobody has said it, what the area is for. */
static enum uk_access access_to(const struct uk_area *area, enum uk_access access)
{
	bool stores = ((area->prot & UK_PROT_WRITE) != 0) & !(area->flags & UK_AREA_SHARED);
	unsigned usual = UK_ACCESS_READ + stores;

	return access | (usual & -(unsigned)(access == UK_ACCESS_USUAL));
}

/* Whatever else is permitted, reading is. */
static bool allows(const struct uk_area *area, enum uk_access access)
{
	_Static_assert((int)UK_ACCESS_WRITE == UK_PROT_WRITE, "one bit for both");
	_Static_assert((int)UK_ACCESS_EXEC == UK_PROT_EXEC, "one bit for both");

	return (area->prot & (access | -(uint32_t)(access == UK_ACCESS_READ))) != 0;
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
	if ((area->end - area->start < LARGE_SIZE) |
	    ((area->flags & (UK_AREA_STACK | UK_AREA_SHARED)) != 0))
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
 * of a volume or of the boot image at once: they cost little here, but would each cost a fault. One
 * table holds all of them.
 */
static void fault_around(const struct uk_area *area, uint64_t addr, uint64_t *slot, uint64_t index,
			 uint64_t bits)
{
	struct uk_inode *inode = area->file->inode;
	uint64_t window = UK_ALIGN_DOWN(addr, AROUND * UK_PAGE_SIZE);
	uint64_t start = UK_MAX(area->start, window), before = (addr - start) >> UK_PAGE_SHIFT;
	uint64_t end = UK_MIN(area->end, window + AROUND * UK_PAGE_SIZE);
	uint64_t whole = inode->size >> UK_PAGE_SHIFT;

	slot -= before;
	index -= before;
	whole = UK_MIN(whole, index + ((end - start) >> UK_PAGE_SHIFT));
	for (; index < whole; index++, slot++) {
		struct uk_page *page = *slot == 0 ? uk_cache_look(inode, index) : NULL;

		if (page != NULL)
			uk_pt_set(slot, uk_page_paddr(page) | bits);
	}
}

enum { FETCH = 1, ENTER = 2 };

/* The page that was fetched, if it is the one that is wanted; else NULL, and what to fetch. */
UK_ASIDE struct uk_page *fetched(struct fetched *f, struct uk_file *file, uint64_t index,
				 bool writable)
{
	struct uk_page *page;

	if (f == NULL)
		return NULL;
	page = f->page;
	if (page != NULL && f->file == file && f->index == index && f->writable == writable) {
		f->page = NULL;
		return page;
	}
	uk_file_get(file);
	f->old = f->file;
	f->file = file;
	f->index = index;
	f->writable = writable;
	return NULL;
}

static int fault_file(const struct uk_area *area, uint64_t addr, uint64_t *slot, bool write,
		      bool shared, struct fetched *f)
{
	uint64_t index = (area->offset + (addr - area->start)) >> UK_PAGE_SHIFT, bits;
	struct uk_page *page = shared ? NULL : uk_file_page_ready(area->file, index);

	if (page == NULL)
		page = fetched(f, area->file, index, shared);
	if (page == NULL)
		return FETCH;
	if (write != shared)
		return enter_own(area, addr, slot, page);
	bits = uk_pt_bits(area->prot, write);
	enter(slot, addr, uk_page_paddr(page) | bits);
	if (!write)
		fault_around(area, addr, slot, index, bits);
	return 0;
}

/* One attempt under the lock, with the page that was fetched, if any. FETCH: one must be, which is
 * said in `f` unless that is NULL; ENTER: it takes the kernel lock too. */
static int fault_locked(uint64_t addr, enum uk_access access, struct fetched *f)
{
	struct uk_area *area = uk_area_find(uk_map.root, addr);
	bool write, shared;
	uint64_t *slot;

	if (area == NULL || area->start > addr)
		return -UK_ENOENT;
	access = access_to(area, access);
	if (!allows(area, access))
		return -UK_EACCES;
	write = access == UK_ACCESS_WRITE;
	shared = write & (area->file != NULL) & ((area->flags & UK_AREA_SHARED) != 0);
	if (area->file != NULL && !uk_kernel_held())
		return ENTER;
	if (area->file == NULL && fault_large(area, addr, write))
		return 0;
	slot = uk_pt_slot(addr, true);
	if (slot == NULL)
		return -UK_ENOMEM;
	if (*slot != 0) {
		if (permits(*slot, write)) {
			uk_tlb_flush_page(addr);
			return 0;
		}
		if (!shared)
			return fault_store(area, addr, slot);
	}
	return area->file != NULL ? fault_file(area, addr, slot, write, shared, f)
				  : fault_anonymous(area, addr, slot, write);
}

static int attempt(uint64_t addr, enum uk_access access, struct fetched *f)
{
	int result;

	uk_mutex_lock(&uk_map.lock);
	result = fault_locked(addr, access, f);
	uk_map.faults_major += (result == FETCH) & (f != NULL);
	uk_map.faults_minor += result <= 0;
	uk_mutex_unlock(&uk_map.lock);
	return result;
}

/* With the kernel lock, and pages that must be read first. */
UK_ASIDE int fault_slowly(uint64_t addr, enum uk_access access)
{
	struct fetched f = { .page = NULL };
	bool entered = uk_kernel_enter();
	int result;

	while ((result = attempt(addr, access, &f)) == FETCH) {
		fetched_settle(&f);
		result = fetched_load(&f);
		if (result != 0)
			break;
	}
	fetched_settle(&f);
	if (f.file != NULL)
		uk_file_put(f.file);
	if (entered)
		uk_kernel_leave();
	return result;
}

int uk_map_fault(uint64_t addr, enum uk_access access)
{
	int result;

	addr = UK_ALIGN_DOWN(addr, UK_PAGE_SIZE);
	result = attempt(addr, access, NULL);
	return uk_likely(result <= 0) ? result : fault_slowly(addr, access);
}

/* How far an access to `addr` has filled memory, where there are large entries. */
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

	for (; addr < end;
	     addr = uk_unlikely(uk_map.large != 0) ? filled_at(addr) : addr + UK_PAGE_SIZE) {
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
