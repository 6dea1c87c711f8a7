/*
 * Changes to the program's areas: add, remove, protect, move, grow the heap. Every change first
 * cuts areas at the range's ends, so that it then works on whole ones, and joins neighbours that
 * look alike afterwards. Whatever may sleep in a file system (the last reference to a file) waits
 * until the map's lock is free again: see uk/map.h.
 */
#include "change.h"
#include "pages.h"
#include <uk/map.h>
#include <uk/mem.h>
#include <uk/process.h>
#include <uk/vfs.h>

struct uk_map uk_map;

/* What a change had to spare, for the next one: most cut nothing. */
static struct uk_area *kept;

void uk_map_start(void)
{
	uk_mutex_init(&uk_map.lock);
	uk_pt_start();
}

/* Gives back areas that are joined by `left`; without the lock. */
static void drop(struct uk_area *area)
{
	while (area != NULL) {
		struct uk_area *next = area->left;

		if (area->file != NULL)
			uk_file_put(area->file);
		uk_free(area);
		area = next;
	}
}

static int spare(struct uk_change *c, unsigned cuts)
{
	c->spare = __atomic_exchange_n(&kept, NULL, __ATOMIC_ACQ_REL);
	for (struct uk_area **at = &c->spare; cuts != 0; cuts--, at = &(*at)->left) {
		if (*at == NULL)
			*at = uk_alloc(sizeof(**at));
		if (*at == NULL) {
			drop(c->spare);
			return -UK_ENOMEM;
		}
	}
	return 0;
}

static void settle(struct uk_change *c)
{
	if (c->spare != NULL)
		drop(__atomic_exchange_n(&kept, c->spare, __ATOMIC_ACQ_REL));
	drop(c->gone);
}

UK_INLINE int begin(struct uk_change *c, unsigned cuts)
{
	c->spare = c->gone = NULL;
	if (cuts != 0 && spare(c, cuts) != 0)
		return -UK_ENOMEM;
	uk_mutex_lock(&uk_map.lock);
	return 0;
}

UK_INLINE void end(struct uk_change *c)
{
	uk_mutex_unlock(&uk_map.lock);
	if ((c->spare != NULL) | (c->gone != NULL))
		settle(c);
}

int uk_change_begin(struct uk_change *c, unsigned cuts)
{
	return begin(c, cuts);
}

void uk_change_end(struct uk_change *c)
{
	end(c);
}

/* What of so many bytes of an area counts as the program's data: what it may write to and nobody
 * else sees. */
UK_INLINE uint64_t data_in(const struct uk_area *area, uint64_t size)
{
	bool counts = ((area->prot & UK_PROT_WRITE) != 0) &
		      ((area->flags & (UK_AREA_SHARED | UK_AREA_STACK)) == 0);

	return size * counts;
}

UK_INLINE bool fits(const struct uk_area *area, uint64_t size)
{
	uint64_t more = data_in(area, size), limit = uk_process.limit[UK_RLIMIT_DATA].soft;

	return (more == 0) | ((more <= limit) & (uk_map.data <= limit - more));
}

bool uk_change_fits(const struct uk_area *area, uint64_t size)
{
	return fits(area, size);
}

static void account(const struct uk_area *area, int64_t bytes)
{
	uk_map.reserved += (uint64_t)bytes;
	uk_map.data += data_in(area, (uint64_t)bytes);
}

void uk_change_resize(struct uk_area *area, uint64_t end)
{
	account(area, (int64_t)(end - area->end));
	uk_area_resize(&uk_map.root, area, area->start, end);
}

void uk_change_remove(struct uk_change *c, struct uk_area *area)
{
	uk_area_remove(&uk_map.root, area);
	uk_map.count--;
	account(area, -(int64_t)(area->end - area->start));
	area->left = c->gone;
	c->gone = area;
}

void uk_change_insert(struct uk_area *area)
{
	uk_area_insert(&uk_map.root, area);
	uk_map.count++;
	account(area, (int64_t)(area->end - area->start));
}

void uk_change_cut(struct uk_change *c, uint64_t addr)
{
	struct uk_area *area = uk_area_find(uk_map.root, addr), *upper;
	uint64_t end;

	if (area == NULL || area->start >= addr)
		return;
	upper = c->spare;
	c->spare = upper->left;
	*upper = *area;
	end = area->end;
	uk_change_resize(area, addr);
	upper->start = addr;
	upper->end = end;
	if (upper->file != NULL) {
		uk_file_get(upper->file);
		upper->offset += addr - area->start;
	}
	uk_change_insert(upper);
}

static bool joins(const struct uk_area *low, const struct uk_area *high)
{
	bool alike = (low->end == high->start) & (low->prot == high->prot) &
		     (low->flags == high->flags) & (low->file == high->file);

	return alike &&
	       (low->file == NULL || low->offset + (low->end - low->start) == high->offset);
}

void uk_change_join(struct uk_change *c, uint64_t addr)
{
	struct uk_area *low = uk_area_find(uk_map.root, addr - 1);
	struct uk_area *high = uk_area_find(uk_map.root, addr);
	uint64_t end;

	/* Where none ends at `addr` both are the same. */
	if (high == NULL || !joins(low, high))
		return;
	end = high->end;
	uk_change_remove(c, high);
	uk_change_resize(low, end);
}

UK_INLINE bool occupied(uint64_t start, uint64_t end)
{
	const struct uk_area *area = uk_area_find(uk_map.root, start);

	return area != NULL && area->start < end;
}

void uk_change_clear(struct uk_change *c, uint64_t start, uint64_t end)
{
	struct uk_area *area;

	if (!occupied(start, end))
		return;
	uk_change_cut(c, start);
	uk_change_cut(c, end);
	while ((area = uk_area_find(uk_map.root, start)) != NULL && area->start < end)
		uk_change_remove(c, area);
	uk_map.resident -= uk_pt_zap(start, end);
}

uint64_t uk_change_place(uint64_t hint, uint64_t size, uint64_t below)
{
	const uint64_t high = below != 0 ? below : UK_USER_END;

	hint = UK_ALIGN_DOWN(hint, UK_PAGE_SIZE);
	if (hint >= uk_map.low && size <= high && hint <= high - size &&
	    !occupied(hint, hint + size))
		return hint;
	return uk_area_hole(uk_map.root, size, uk_map.low, below != 0 ? below : uk_map.high);
}

static int64_t add_locked(struct uk_change *c, const struct uk_map_request *r, uint64_t size,
			  struct uk_area *area)
{
	uint64_t addr = r->addr;

	if (uk_map.count + 2 > UK_AREAS_MAX)
		return -UK_ENOMEM;
	if (!r->fixed) {
		addr = uk_change_place(r->addr, size, r->below);
		if (addr == 0)
			return -UK_ENOMEM;
	} else if (!r->keep) {
		uk_change_clear(c, addr, addr + size);
	} else if (occupied(addr, addr + size)) {
		return -UK_EEXIST;
	}
	if (!fits(area, size))
		return -UK_ENOMEM;
	area->start = addr;
	area->end = addr + size;
	uk_change_insert(area);
	uk_change_join(c, addr + size);
	uk_change_join(c, addr);
	return (int64_t)addr;
}

UK_ASIDE int64_t refusal(const struct uk_map_request *r, uint64_t size)
{
	if (r->size == 0 || (size != 0 && (r->addr & UK_PAGE_MASK) != 0))
		return -UK_EINVAL;
	return size == 0 || !uk_range_valid(r->addr, size) ? -UK_ENOMEM : -UK_EPERM;
}

int64_t uk_map_add(const struct uk_map_request *r)
{
	uint64_t size = UK_ALIGN_UP(r->size, UK_PAGE_SIZE);
	struct uk_area *area;
	struct uk_change c;
	int64_t result;

	/* A size that was rounded up beyond all is 0 as well. The first page stays out of reach, so
	 * that NULL always faults. */
	if ((size == 0) | (r->fixed & !(uk_range_valid(r->addr, size) & (r->addr >= UK_PAGE_SIZE))))
		return refusal(r, size);
	area = uk_alloc(sizeof(*area));
	if (area == NULL)
		return -UK_ENOMEM;
	area->prot = r->prot;
	area->flags = r->flags;
	area->file = r->file;
	area->offset = r->offset;
	if (area->file != NULL)
		uk_file_get(area->file);
	result = begin(&c, 2 * (r->fixed & !r->keep));
	if (result != 0) {
		drop(area);
		return result;
	}
	result = add_locked(&c, r, size, area);
	if (result < 0) {
		area->left = c.gone;
		c.gone = area;
	}
	end(&c);
	return result;
}

int uk_map_remove(uint64_t addr, uint64_t size)
{
	struct uk_change c;
	int result;

	size = UK_ALIGN_UP(size, UK_PAGE_SIZE);
	if (size == 0 || !uk_range_valid(addr, size))
		return -UK_EINVAL;
	result = uk_change_begin(&c, 2);
	if (result != 0)
		return result;
	if (uk_map.count + 2 > UK_AREAS_MAX)
		result = -UK_ENOMEM;
	else
		uk_change_clear(&c, addr, addr + size);
	uk_change_end(&c);
	return result;
}

/* Whether areas cover the range without a hole. */
static bool covered(uint64_t start, uint64_t end)
{
	while (start < end) {
		struct uk_area *area = uk_area_find(uk_map.root, start);

		if (area == NULL || area->start > start)
			return false;
		start = area->end;
	}
	return true;
}

/* A shared mapping of a file that was not opened for writing cannot become writable. */
static bool may_protect(const struct uk_area *area, unsigned prot)
{
	return !(prot & UK_PROT_WRITE) || !(area->flags & UK_AREA_SHARED) || area->file == NULL ||
	       (area->file->flags & 3) == 2;
}

/* Whether what becomes the program's data thereby stays within the limit. */
static bool may_write(uint64_t start, uint64_t end, unsigned prot)
{
	struct uk_area changed = { .prot = prot }, *area;
	uint64_t more = 0;

	for (uint64_t at = start; at < end; at = area->end) {
		uint64_t size;

		area = uk_area_find(uk_map.root, at);
		size = UK_MIN(end, area->end) - at;
		changed.flags = area->flags;
		more += data_in(&changed, size) - data_in(area, size);
	}
	return (int64_t)more <= 0 ||
	       uk_change_fits(&(struct uk_area){ .prot = UK_PROT_WRITE }, more);
}

static void protect(struct uk_area *area, unsigned prot)
{
	int64_t size = (int64_t)(area->end - area->start);

	account(area, -size);
	area->prot = prot;
	account(area, size);
}

/* Joins what was cut, and what looks alike by now. */
static void join_all(struct uk_change *c, uint64_t start, uint64_t end)
{
	struct uk_area *area;

	for (uint64_t at = start; at < end; at = area->end) {
		uk_change_join(c, at);
		area = uk_area_find(uk_map.root, at);
	}
	uk_change_join(c, end);
}

static int protect_locked(struct uk_change *c, uint64_t start, uint64_t end, unsigned prot)
{
	struct uk_area *area;

	if (!covered(start, end))
		return -UK_ENOMEM;
	for (uint64_t at = start; at < end; at = area->end) {
		area = uk_area_find(uk_map.root, at);
		if (!may_protect(area, prot))
			return -UK_EACCES;
	}
	if (uk_map.count + 2 > UK_AREAS_MAX || !may_write(start, end, prot))
		return -UK_ENOMEM;
	uk_change_cut(c, start);
	uk_change_cut(c, end);
	for (uint64_t at = start; at < end; at = area->end) {
		area = uk_area_find(uk_map.root, at);
		if (area->prot != prot)
			uk_pt_protect(area->start, area->end, prot);
		protect(area, prot);
	}
	join_all(c, start, end);
	return 0;
}

int uk_map_protect(uint64_t addr, uint64_t size, unsigned prot)
{
	struct uk_change c;
	int result;

	if ((addr & UK_PAGE_MASK) != 0)
		return -UK_EINVAL;
	if (size == 0)
		return 0;
	size = UK_ALIGN_UP(size, UK_PAGE_SIZE);
	if (size == 0 || !uk_range_valid(addr, size))
		return -UK_ENOMEM;
	result = uk_change_begin(&c, 2);
	if (result != 0)
		return result;
	result = protect_locked(&c, addr, addr + size, prot);
	uk_change_end(&c);
	return result;
}

int uk_map_advise(uint64_t addr, uint64_t size, unsigned flag)
{
	uint64_t end = addr + UK_ALIGN_UP(size, UK_PAGE_SIZE);
	struct uk_area *area;
	struct uk_change c;
	int result = uk_change_begin(&c, 2);

	if (result != 0)
		return result;
	if (!covered(addr, end) || uk_map.count + 2 > UK_AREAS_MAX) {
		uk_change_end(&c);
		return -UK_ENOMEM;
	}
	uk_change_cut(&c, addr);
	uk_change_cut(&c, end);
	for (uint64_t at = addr; at < end; at = area->end) {
		area = uk_area_find(uk_map.root, at);
		area->flags = (area->flags & ~(unsigned)(UK_AREA_LARGE | UK_AREA_SMALL)) | flag;
	}
	join_all(&c, addr, end);
	uk_change_end(&c);
	return 0;
}

int uk_map_discard(uint64_t addr, uint64_t size)
{
	uint64_t end = addr + UK_ALIGN_UP(size, UK_PAGE_SIZE);
	int result = 0;

	uk_mutex_lock(&uk_map.lock);
	if (!covered(addr, end))
		result = -UK_ENOMEM;
	for (uint64_t at = addr; at < end;) {
		struct uk_area *area = uk_area_find(uk_map.root, at);

		if (area == NULL || area->start >= end)
			break;
		/* Frames of shared anonymous memory are its content: they stay. */
		if (!(area->flags & UK_AREA_SHARED) || area->file != NULL)
			uk_map.resident -=
				uk_pt_zap(UK_MAX(at, area->start), UK_MIN(end, area->end));
		at = area->end;
	}
	uk_mutex_unlock(&uk_map.lock);
	return result;
}

static int64_t brk_locked(uint64_t brk)
{
	uint64_t old_end = UK_ALIGN_UP(uk_map.brk, UK_PAGE_SIZE);
	uint64_t new_end = UK_ALIGN_UP(brk, UK_PAGE_SIZE);
	struct uk_map_request grow = {
		.addr = old_end,
		.size = new_end - old_end,
		.prot = UK_PROT_READ | UK_PROT_WRITE,
		.flags = UK_AREA_HEAP,
		.fixed = true,
		.keep = true,
	};

	if (brk < uk_map.heap || brk >= uk_map.high)
		return (int64_t)uk_map.brk;
	if (new_end > old_end && uk_map_add(&grow) < 0)
		return (int64_t)uk_map.brk;
	if (new_end < old_end && uk_map_remove(new_end, old_end - new_end) != 0)
		return (int64_t)uk_map.brk;
	uk_map.brk = brk;
	return (int64_t)brk;
}

int64_t uk_map_brk(uint64_t brk)
{
	static struct uk_mutex lock = UK_MUTEX_INIT(lock);
	int64_t result;

	uk_mutex_lock(&lock);
	result = brk_locked(brk);
	uk_mutex_unlock(&lock);
	return result;
}
