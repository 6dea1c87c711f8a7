/*
 * What leaves the page cache and why: dirty pages are written to their disk, clean ones are given
 * back when memory runs out, or when who read them will not come again.
 */
#include <uk/map.h>
#include <uk/vfs.h>

#include "cache.h"

enum { RUN_MAX = 256 }; /* pages that a file system is given to write at a time */

/* -- writing -- */

struct outgoing {
	struct uk_page *pages[RUN_MAX];
	bool charged[RUN_MAX];
	unsigned count;
};

static struct uk_page *dirty_at(struct uk_inode *inode, uint64_t index)
{
	struct uk_page *page = fs_tree_find(&inode->pages, index);

	return page != NULL && fs_page_is_dirty(page) ? page : NULL;
}

/* Dirty pages that lie one behind the other, around the one that is dirty for longest; clean from
 * now on: a store while they are written marks them again. */
static bool next_run(struct uk_inode *inode, struct outgoing *out)
{
	uint64_t state = uk_spin_lock(&fs_cache_lock), index = 0;
	struct uk_page *page = uk_list_first(&inode->pages.dirty_list, struct uk_page, list);

	out->count = 0;
	if (page != NULL)
		index = page->index;
	for (unsigned back = 0; index != 0 && back < RUN_MAX / 2; back++)
		if (dirty_at(inode, index - 1) == NULL)
			break;
		else
			index--;
	while (out->count < RUN_MAX && (page = dirty_at(inode, index)) != NULL) {
		out->charged[out->count] = fs_page_is_charged(page);
		out->pages[out->count++] = page;
		uk_page_get(page);
		fs_page_clean(inode, page);
		page->flags &= (uint16_t)~UK_PAGE_CHARGED;
		uk_list_push_back(&fs_cache_clock, &page->list);
		index++;
	}
	uk_spin_unlock(&fs_cache_lock, state);
	return out->count != 0;
}

static void run_done(struct uk_inode *inode, struct outgoing *out, int error)
{
	unsigned charged = 0;

	for (unsigned i = 0; i < out->count; i++) {
		struct uk_page *page = out->pages[i];
		bool was = true;

		if (error != 0)
			(void)fs_page_mark(inode, page->index, page, out->charged[i], &was);
		charged += was && out->charged[i];
		uk_page_put(page);
	}
	if (charged != 0)
		inode->ops->unreserve(inode, charged);
}

int fs_cache_sync(struct uk_inode *inode)
{
	/* When memory is out, which writing may be to give some back. */
	static struct uk_mutex spare_lock = UK_MUTEX_INIT(spare_lock);
	static struct outgoing spare;
	struct outgoing *out;
	uint32_t left;
	int error = 0;

	if (inode->ops->write_pages == NULL)
		return 0;
	uk_map_clean_file(inode);
	left = inode->pages.dirty;
	if (left == 0)
		return 0;
	out = uk_alloc_room(sizeof(*out));
	if (out == NULL) {
		uk_mutex_lock(&spare_lock);
		out = &spare;
	}
	/* Those that turn dirty meanwhile are the next call's. */
	while (error == 0 && left != 0 && next_run(inode, out)) {
		left -= UK_MIN(left, out->count);
		error = inode->ops->write_pages(inode, out->pages, out->count);
		run_done(inode, out, error);
	}
	if (out == &spare)
		uk_mutex_unlock(&spare_lock);
	else
		uk_free(out);
	return error;
}

int uk_cache_sync(struct uk_inode *inode)
{
	int error;

	if (inode->ops->write_pages == NULL)
		return 0;
	uk_mutex_lock(&inode->lock);
	error = fs_cache_sync(inode);
	uk_mutex_unlock(&inode->lock);
	return error;
}

/* -- giving back -- */

/* Second chance: a page that was used since the hand last passed stays for one more round. */
static unsigned clock_turn(struct uk_page *batch[FS_CACHE_BATCH], size_t wanted, size_t *steps)
{
	uint64_t state = uk_spin_lock(&fs_cache_lock);
	unsigned count = 0;

	for (unsigned i = 0;
	     i < 4 * FS_CACHE_BATCH && count < UK_MIN(wanted, (size_t)FS_CACHE_BATCH); i++) {
		struct uk_page *page = uk_list_first(&fs_cache_clock, struct uk_page, list);

		if (page == NULL || *steps == 0) {
			*steps = 0;
			break;
		}
		--*steps;
		uk_list_remove(&page->list);
		uk_list_push_back(&fs_cache_clock, &page->list);
		if ((page->flags & UK_PAGE_ACCESSED) != 0) {
			page->flags &= (uint16_t)~UK_PAGE_ACCESSED;
		} else if (page->refs == 1 && !fs_fill_overlaps(page->owner, page->index, 1)) {
			/* While a unit is filled, what of it is newer must not go before it came.
			 */
			struct uk_inode *inode = page->owner;

			fs_page_leave(inode, page, fs_tree_place(&inode->pages, page->index));
			batch[count++] = page;
		}
	}
	uk_spin_unlock(&fs_cache_lock, state);
	return count;
}

/* Gives up to FS_CACHE_BATCH pages from `*first` on; *first moves behind what was looked at. */
static unsigned forget_batch(struct uk_inode *inode, uint64_t *first, uint64_t end,
			     struct uk_page *batch[FS_CACHE_BATCH])
{
	uint64_t state = uk_spin_lock(&fs_cache_lock), index;
	struct uk_page *page;
	unsigned count = 0;

	for (unsigned looked = 0;
	     looked < 4 * FS_CACHE_BATCH && count < FS_CACHE_BATCH && *first < end; looked++) {
		page = fs_tree_next(&inode->pages, *first, &index);
		*first = page != NULL ? index + 1 : end;
		if (page == NULL || index >= end || !fs_page_is_own(page) ||
		    fs_page_is_dirty(page) || page->refs != 1 || fs_fill_overlaps(inode, index, 1))
			continue;
		fs_page_leave(inode, page, fs_tree_place(&inode->pages, index));
		batch[count++] = page;
	}
	uk_spin_unlock(&fs_cache_lock, state);
	return count;
}

void fs_cache_forget(struct uk_inode *inode, uint64_t first, uint64_t end)
{
	struct uk_page *batch[FS_CACHE_BATCH];

	while (first < end) {
		unsigned count = forget_batch(inode, &first, end, batch);

		for (unsigned i = 0; i < count; i++)
			uk_page_put(batch[i]);
	}
}

size_t fs_cache_shrink(size_t wanted)
{
	size_t steps = 2 * (size_t)fs_cache_total, freed = 0;
	struct uk_page *batch[FS_CACHE_BATCH];

	uk_map_age(wanted);
	while (freed < wanted && steps != 0) {
		unsigned count = clock_turn(batch, wanted - freed, &steps);

		for (unsigned i = 0; i < count; i++)
			uk_page_put(batch[i]);
		freed += count;
	}
	return freed;
}
