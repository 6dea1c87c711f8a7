/*
 * The page cache: for each inode a tree from page number to page (cache_tree.c), over all of them a
 * clock by which clean pages are given back when memory runs out (cache_out.c), and a list of the
 * fills that are under way.
 *
 * A page in a tree is always whole and checked: who misses one registers the range that he is going
 * to fill, fills it, and adds the pages; whoever misses the same range meanwhile waits for him. So
 * nothing half-read is ever seen, and an error leaves nothing behind.
 *
 * Dirty pages stand on a list of their inode's instead of the clock: only writing them out or
 * truncation takes them away.
 */
#include <uk/map.h>
#include <uk/vfs.h>

#include "cache.h"

struct fill {
	struct uk_list item;
	struct uk_inode *inode;
	uint64_t first;
	uint64_t count;
};

struct uk_spinlock fs_cache_lock = UK_SPINLOCK_INIT;
struct uk_list fs_cache_clock = UK_LIST_INIT(fs_cache_clock);
static struct uk_list fills = UK_LIST_INIT(fills);
static struct uk_waitq fills_end = UK_WAITQ_INIT(fills_end);
uint64_t fs_cache_total;
static uint64_t dirty_total; /* of file systems with a disk */

/* -- pages of the cache -- */

bool fs_page_is_own(const struct uk_page *page)
{
	return (page->flags & UK_PAGE_CACHE) != 0;
}

bool fs_page_is_dirty(const struct uk_page *page)
{
	return fs_page_is_own(page) && (page->flags & UK_PAGE_DIRTY) != 0;
}

static void set_dirty(struct uk_inode *inode, struct uk_page *page, bool charged)
{
	page->flags |= UK_PAGE_DIRTY;
	if (charged)
		page->flags |= UK_PAGE_CHARGED;
	inode->pages.dirty++;
	uk_list_push_back(&inode->pages.dirty_list, &page->list);
	if (inode->ops->write_pages != NULL)
		dirty_total++;
}

void fs_page_clean(struct uk_inode *inode, struct uk_page *page)
{
	page->flags &= (uint16_t)~UK_PAGE_DIRTY;
	inode->pages.dirty--;
	uk_list_remove(&page->list);
	if (inode->ops->write_pages != NULL)
		dirty_total--;
}

bool fs_page_is_charged(const struct uk_page *page)
{
	return fs_page_is_own(page) && (page->flags & UK_PAGE_CHARGED) != 0;
}

/* With an eighth of memory dirty, or half of what the program leaves to files, who makes more of it
 * waits for the disk. */
bool fs_cache_crowded(void)
{
	uint64_t all = uk_mem_total() >> UK_PAGE_SHIFT, free = uk_mem_free() >> UK_PAGE_SHIFT;

	return dirty_total > UK_MIN(all / 8, (free + fs_cache_total) / 2);
}

/* Enters a page whose reference the caller gives. */
static void page_enter(struct uk_inode *inode, uint64_t index, struct uk_page *page, void **place,
		       bool dirty, bool charged)
{
	*place = page;
	inode->pages.count++;
	if ((page->flags & UK_PAGE_RESERVED) != 0)
		return;
	fs_cache_total++;
	page->flags |= UK_PAGE_CACHE | UK_PAGE_VALID | UK_PAGE_ACCESSED;
	page->owner = inode;
	page->index = index;
	uk_list_init(&page->list);
	if (dirty)
		set_dirty(inode, page, charged);
	else
		uk_list_push_back(&fs_cache_clock, &page->list);
}

void fs_page_leave(struct uk_inode *inode, struct uk_page *page, void **place)
{
	*place = NULL;
	inode->pages.count--;
	if (!fs_page_is_own(page))
		return;
	fs_cache_total--;
	if (fs_page_is_dirty(page))
		fs_page_clean(inode, page);
	uk_list_remove(&page->list);
	page->flags &=
		(uint16_t) ~(UK_PAGE_CACHE | UK_PAGE_VALID | UK_PAGE_ACCESSED | UK_PAGE_CHARGED);
	page->owner = NULL;
}

static struct uk_page *find_locked(struct uk_inode *inode, uint64_t index)
{
	struct uk_page *page = fs_tree_find(&inode->pages, index);

	if (page == NULL)
		return NULL;
	uk_page_get(page);
	if (fs_page_is_own(page))
		page->flags |= UK_PAGE_ACCESSED;
	return page;
}

struct uk_page *uk_cache_find(struct uk_inode *inode, uint64_t index)
{
	uint64_t state = uk_spin_lock(&fs_cache_lock);
	struct uk_page *page = find_locked(inode, index);

	uk_spin_unlock(&fs_cache_lock, state);
	return page;
}

struct uk_page *uk_cache_look(struct uk_inode *inode, uint64_t index)
{
	struct uk_page *page = NULL;

	/* Of most files of the boot image none is. */
	if (__atomic_load_n(&inode->pages.count, __ATOMIC_RELAXED) != 0)
		page = uk_cache_find(inode, index);
	return page == NULL && inode->ops->frame != NULL ? inode->ops->frame(inode, index) : page;
}

int fs_cache_add(struct uk_inode *inode, uint64_t index, struct uk_page *page, bool dirty,
		 bool charged)
{
	struct fs_spares spares = { .count = 0 };
	int error = 0;

	for (;;) {
		uint64_t state = uk_spin_lock(&fs_cache_lock);
		void **place = fs_tree_make_place(&inode->pages, index, &spares);

		if (place != NULL && *place == NULL) {
			uk_page_get(page);
			page_enter(inode, index, page, place, dirty, charged);
		} else if (place != NULL) {
			error = -UK_EEXIST;
		}
		uk_spin_unlock(&fs_cache_lock, state);
		if (place != NULL)
			break;
		if (!fs_spares_fill(&spares)) {
			error = -UK_ENOMEM;
			break;
		}
	}
	fs_spares_free(&spares);
	return error;
}

/* Not const, so that it takes no room in the kernel's file. */
static uint8_t zeros[UK_PAGE_SIZE] __attribute__((aligned(UK_PAGE_SIZE)));

struct uk_page *fs_zero_page(void)
{
	struct uk_page *page = uk_page_of(uk_virt_to_phys(zeros));

	if (page == NULL || (page->flags & UK_PAGE_RESERVED) == 0)
		return uk_page_alloc(0, true);
	uk_page_get(page);
	return page;
}

int uk_cache_add(struct uk_inode *inode, uint64_t index, struct uk_page *page)
{
	return fs_cache_add(inode, index, page, false, false);
}

uint64_t uk_cache_pages(void)
{
	return fs_cache_total;
}

/* -- filling -- */

bool fs_fill_overlaps(const struct uk_inode *inode, uint64_t first, uint64_t count)
{
	uk_list_each (item, &fills) {
		const struct fill *fill = uk_list_entry(item, struct fill, item);

		if (fill->inode == inode && first < fill->first + fill->count &&
		    fill->first < first + count)
			return true;
	}
	return false;
}

static bool fill_is_free(struct uk_inode *inode, uint64_t first, uint64_t count)
{
	uint64_t state = uk_spin_lock(&fs_cache_lock);
	bool overlaps = fs_fill_overlaps(inode, first, count);

	uk_spin_unlock(&fs_cache_lock, state);
	return !overlaps;
}

void fs_cache_settle(struct uk_inode *inode, uint64_t first, uint64_t count)
{
	uk_wait_event(&fills_end, fill_is_free(inode, first, count), UK_FOREVER, false);
}

enum begun { BEGUN, PRESENT, BUSY };

/* Registers a fill of `count` pages unless page `index` came meanwhile or somebody is at it. */
static enum begun fill_begin(struct fill *fill, struct uk_inode *inode, uint64_t index,
			     uint64_t first, uint64_t count, struct uk_page **page)
{
	uint64_t state = uk_spin_lock(&fs_cache_lock);
	enum begun result = BEGUN;

	*page = find_locked(inode, index);
	if (*page != NULL) {
		result = PRESENT;
	} else if (fs_fill_overlaps(inode, first, count)) {
		result = BUSY;
	} else {
		fill->inode = inode;
		fill->first = first;
		fill->count = count;
		uk_list_push_back(&fills, &fill->item);
	}
	uk_spin_unlock(&fs_cache_lock, state);
	return result;
}

static void fill_end(struct fill *fill)
{
	uint64_t state = uk_spin_lock(&fs_cache_lock);

	uk_list_remove(&fill->item);
	uk_spin_unlock(&fs_cache_lock, state);
	uk_wake_all(&fills_end);
}

int uk_cache_get(struct uk_inode *inode, uint64_t index, struct uk_page **page)
{
	uint64_t count = 1ull << inode->fill_order;
	uint64_t first = UK_ALIGN_DOWN(index, count);

	/* What was filled may be gone again before it is found when memory is all but out. */
	for (unsigned tries = 0; tries < 8;) {
		struct fill fill;
		int error;

		switch (fill_begin(&fill, inode, index, first, count, page)) {
		case PRESENT:
			return 0;
		case BUSY:
			uk_wait_event(&fills_end, fill_is_free(inode, first, count), UK_FOREVER,
				      false);
			continue;
		case BEGUN:
			break;
		}
		tries++;
		error = inode->ops->fill(inode, index, first, (unsigned)count);
		fill_end(&fill);
		if (error != 0)
			return error;
	}
	return -UK_ENOMEM;
}

int fs_cache_read(struct uk_inode *inode, uint64_t offset, void *data, size_t size)
{
	uint8_t *to = data;

	while (size != 0) {
		size_t at = offset & UK_PAGE_MASK, part = UK_MIN(size, UK_PAGE_SIZE - at);
		struct uk_page *page;
		int error = uk_cache_get(inode, offset >> UK_PAGE_SHIFT, &page);

		if (error != 0)
			return error;
		memcpy(to, (const uint8_t *)uk_page_virt(page) + at, part);
		uk_page_put(page);
		to += part;
		offset += part;
		size -= part;
	}
	return 0;
}

/* -- writing -- */

/* Puts a copy in the place of a frame that may not be written. */
static int page_replace(struct uk_inode *inode, uint64_t index, struct uk_page *old, bool charged,
			struct uk_page **own)
{
	struct uk_page *copy = uk_page_alloc_user(false);
	uint64_t state;
	void **place;

	if (copy == NULL)
		return -UK_ENOMEM;
	memcpy(uk_page_virt(copy), uk_page_virt(old), UK_PAGE_SIZE);
	state = uk_spin_lock(&fs_cache_lock);
	place = fs_tree_place(&inode->pages, index);
	if (place == NULL || *place != old) {
		uk_spin_unlock(&fs_cache_lock, state);
		uk_page_put(copy);
		return -UK_EAGAIN;
	}
	fs_page_leave(inode, old, place);
	uk_page_get(copy);
	page_enter(inode, index, copy, place, true, charged);
	uk_spin_unlock(&fs_cache_lock, state);
	uk_page_put(old);
	*own = copy;
	return 0;
}

int fs_page_mark(struct uk_inode *inode, uint64_t index, struct uk_page *page, bool charged,
		 bool *was)
{
	uint64_t state = uk_spin_lock(&fs_cache_lock);
	bool stays = fs_tree_find(&inode->pages, index) == page;

	*was = stays && fs_page_is_dirty(page);
	if (stays && !*was) {
		uk_list_remove(&page->list);
		set_dirty(inode, page, charged);
	}
	uk_spin_unlock(&fs_cache_lock, state);
	return stays ? 0 : -UK_EAGAIN;
}

static int page_dirty(struct uk_inode *inode, uint64_t index, struct uk_page **page)
{
	struct uk_page *own;
	bool was = false;
	int error, charged;

	if (fs_page_is_dirty(*page))
		return 0;
	charged = inode->ops->reserve != NULL ? inode->ops->reserve(inode, index) : 0;
	if (charged < 0)
		return charged;
	if (fs_page_is_own(*page)) {
		error = fs_page_mark(inode, index, *page, charged != 0, &was);
	} else {
		error = page_replace(inode, index, *page, charged != 0, &own);
		if (error == 0) {
			uk_page_put(*page);
			*page = own;
			uk_map_forget_file(inode, index); /* what was mapped is the old frame */
		}
	}
	if ((error != 0 || was) && charged != 0)
		inode->ops->unreserve(inode, 1);
	return error;
}

int uk_cache_get_dirty(struct uk_inode *inode, uint64_t index, struct uk_page **page)
{
	int error;

	do {
		error = uk_cache_get(inode, index, page);
		if (error != 0)
			return error;
		error = page_dirty(inode, index, page);
		if (error != 0)
			uk_page_put(*page);
	} while (error == -UK_EAGAIN);
	return error;
}

/* Takes up to FS_CACHE_BATCH pages from `index` on out of the tree; how many, and how many of them
 * had room set aside. */
static unsigned take_batch(struct uk_inode *inode, uint64_t index,
			   struct uk_page *batch[FS_CACHE_BATCH], unsigned *charged)
{
	uint64_t state = uk_spin_lock(&fs_cache_lock);
	struct uk_page *page;
	unsigned count = 0;

	*charged = 0;
	while (count < FS_CACHE_BATCH &&
	       (page = fs_tree_next(&inode->pages, index, &index)) != NULL) {
		*charged += fs_page_is_charged(page);
		fs_page_leave(inode, page, fs_tree_place(&inode->pages, index));
		batch[count++] = page;
	}
	uk_spin_unlock(&fs_cache_lock, state);
	return count;
}

static void tree_drop_empty(struct uk_inode *inode)
{
	uint64_t state = uk_spin_lock(&fs_cache_lock);
	struct uk_pages old = inode->pages;

	if (old.count != 0) {
		uk_spin_unlock(&fs_cache_lock, state);
		return;
	}
	inode->pages.root = NULL;
	inode->pages.height = 0;
	uk_spin_unlock(&fs_cache_lock, state);
	fs_tree_free(&old);
}

void uk_cache_truncate(struct uk_inode *inode, uint64_t index)
{
	struct uk_page *batch[FS_CACHE_BATCH];
	unsigned count, charged;

	do {
		count = take_batch(inode, index, batch, &charged);
		for (unsigned i = 0; i < count; i++)
			uk_page_put(batch[i]);
		if (charged != 0)
			inode->ops->unreserve(inode, charged);
	} while (count == FS_CACHE_BATCH);
	tree_drop_empty(inode);
}

void fs_cache_punch(struct uk_inode *inode, uint64_t first, uint64_t end)
{
	for (;;) {
		uint64_t state = uk_spin_lock(&fs_cache_lock);
		uint64_t index = 0;
		struct uk_page *page = fs_tree_next(&inode->pages, first, &index);
		bool charged = page != NULL && fs_page_is_charged(page);

		if (page == NULL || index >= end) {
			uk_spin_unlock(&fs_cache_lock, state);
			return;
		}
		fs_page_leave(inode, page, fs_tree_place(&inode->pages, index));
		uk_spin_unlock(&fs_cache_lock, state);
		uk_page_put(page);
		if (charged)
			inode->ops->unreserve(inode, 1);
		first = index + 1;
	}
}
