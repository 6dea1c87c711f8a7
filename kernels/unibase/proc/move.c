/*
 * mremap: an area grows or shrinks in place, or its pages move elsewhere without being copied. And
 * what the page cache asks of the mappings of a file.
 */
#include "change.h"
#include "pages.h"
#include <uk/mem.h>
#include <uk/vfs.h>

enum { MAYMOVE = 1, FIXED = 2 }; /* MREMAP_* */

/* The one area that holds the whole range, or an error. */
static struct uk_area *area_around(uint64_t addr, uint64_t size)
{
	struct uk_area *area = uk_area_find(uk_map.root, addr);

	if (area == NULL || area->start > addr || area->end - addr < size)
		return uk_err_ptr(-UK_EFAULT);
	return area;
}

static bool room_behind(const struct uk_area *area, uint64_t more)
{
	struct uk_area *next = uk_area_find(uk_map.root, area->end);
	uint64_t limit = next != NULL ? next->start : UK_USER_END;

	return limit - area->end >= more;
}

/* Takes `old_size` bytes of an area to `to`, where nothing is, with room for `new_size`. */
static int64_t move_locked(struct uk_change *c, struct uk_area *fresh, uint64_t addr,
			   uint64_t old_size, uint64_t new_size, uint64_t to)
{
	struct uk_area *area;

	if (uk_map.count + 3 > UK_AREAS_MAX)
		return -UK_ENOMEM;
	if (uk_pt_move(addr, to, UK_MIN(old_size, new_size)) != 0)
		return -UK_ENOMEM;
	uk_change_cut(c, addr);
	uk_change_cut(c, addr + old_size);
	area = uk_area_find(uk_map.root, addr);
	*fresh = *area;
	if (fresh->file != NULL)
		uk_file_get(fresh->file);
	uk_change_remove(c, area);
	uk_map.resident -= uk_pt_zap(addr, addr + old_size);
	fresh->start = to;
	fresh->end = to + new_size;
	uk_change_insert(fresh);
	uk_change_join(c, to + new_size);
	uk_change_join(c, to);
	return (int64_t)to;
}

static int64_t resize_locked(struct uk_change *c, struct uk_area **fresh, uint64_t addr,
			     uint64_t old_size, uint64_t new_size, unsigned flags, uint64_t to)
{
	struct uk_area *area = area_around(addr, old_size);
	int64_t result;

	if (uk_is_err(area))
		return uk_ptr_err(area);
	if (!uk_change_fits(area, new_size - old_size) || uk_map.count + 2 > UK_AREAS_MAX)
		return -UK_ENOMEM;
	/* In one step with the move: others may use what is there, and go on with what comes. */
	if (flags & FIXED) {
		uk_change_clear(c, to, to + new_size);
	} else {
		if (new_size == old_size)
			return (int64_t)addr;
		if (area->end == addr + old_size && room_behind(area, new_size - old_size)) {
			uk_change_resize(area, addr + new_size);
			uk_change_join(c, addr + new_size);
			return (int64_t)addr;
		}
		if (!(flags & MAYMOVE))
			return -UK_ENOMEM;
		to = uk_change_place(0, new_size, 0);
		if (to == 0)
			return -UK_ENOMEM;
	}
	result = move_locked(c, *fresh, addr, old_size, new_size, to);
	if (result > 0)
		*fresh = NULL;
	return result;
}

static int move_check(uint64_t addr, uint64_t old_size, uint64_t new_size, unsigned flags,
		      uint64_t to)
{
	if ((flags & ~(unsigned)(MAYMOVE | FIXED)) != 0 || (flags & (MAYMOVE | FIXED)) == FIXED)
		return -UK_EINVAL;
	if ((addr & UK_PAGE_MASK) != 0 || old_size == 0 || new_size == 0)
		return -UK_EINVAL;
	if (!uk_range_valid(addr, old_size))
		return -UK_EFAULT;
	if (new_size > UK_USER_END)
		return -UK_EINVAL;
	if (flags & FIXED) {
		if (!uk_range_valid(to, new_size))
			return -UK_EINVAL;
		if (to < addr + old_size && addr < to + new_size)
			return -UK_EINVAL;
	}
	return 0;
}

int64_t uk_map_move(uint64_t addr, uint64_t old_size, uint64_t new_size, unsigned flags,
		    uint64_t to)
{
	struct uk_area *fresh;
	struct uk_change c;
	int64_t result;

	old_size = UK_ALIGN_UP(old_size, UK_PAGE_SIZE);
	new_size = UK_ALIGN_UP(new_size, UK_PAGE_SIZE);
	result = move_check(addr, old_size, new_size, flags, to);
	if (result == 0 && new_size < old_size) {
		result = uk_map_remove(addr + new_size, old_size - new_size);
		old_size = new_size;
	}
	if (result != 0)
		return result;
	fresh = uk_alloc(sizeof(*fresh));
	if (fresh == NULL || uk_change_begin(&c, 4) != 0) {
		uk_free(fresh);
		return -UK_ENOMEM;
	}
	result = resize_locked(&c, &fresh, addr, old_size, new_size, flags, to);
	uk_change_end(&c);
	uk_free(fresh);
	return result;
}

void uk_map_forget_file(struct uk_inode *inode, uint64_t index)
{
	struct uk_area *area;

	uk_mutex_lock(&uk_map.lock);
	for (uint64_t at = 0; (area = uk_area_find(uk_map.root, at)) != NULL; at = area->end) {
		uint64_t first = area->offset >> UK_PAGE_SHIFT, start = area->start;

		if (area->file == NULL || area->file->inode != inode)
			continue;
		if (index > first)
			start += (index - first) << UK_PAGE_SHIFT;
		if (start < area->end)
			uk_map.resident -= uk_pt_zap(start, area->end);
	}
	uk_mutex_unlock(&uk_map.lock);
}

void uk_map_clean_file(struct uk_inode *inode)
{
	struct uk_area *area;

	uk_mutex_lock(&uk_map.lock);
	for (uint64_t at = 0; (area = uk_area_find(uk_map.root, at)) != NULL; at = area->end)
		if (area->file != NULL && area->file->inode == inode &&
		    (area->flags & UK_AREA_SHARED))
			uk_pt_protect(area->start, area->end, area->prot);
	uk_mutex_unlock(&uk_map.lock);
}
