/*
 * The page cache: for each inode a tree from page number to page, over all of them a clock that
 * gives clean pages back when memory runs out, and a list of the fills that are under way.
 *
 * A page in a tree is always whole and checked: who misses one registers the range that he is going
 * to fill, fills it, and adds the pages; whoever misses the same range meanwhile waits for him. So
 * nothing half-read is ever seen, and an error leaves nothing behind.
 *
 * Dirty pages stand on a list of their inode's instead of the clock: only writing them out or
 * truncation takes them away. One spinlock
 * guards trees, clock and fills: it is held for a few steps down a tree at a time.
 */
#include <uk/map.h>
#include <uk/vfs.h>

#include "fs.h"

enum { FAN_BITS = 6, FAN = 1 << FAN_BITS, HEIGHT_MAX = 9, BATCH = 32, RUN_MAX = 256 };
_Static_assert(FAN_BITS *HEIGHT_MAX >= 63 - UK_PAGE_SHIFT, "every file offset has a place");

struct node {
	void *slot[FAN];
};

struct fill {
	struct uk_list item;
	struct uk_inode *inode;
	uint64_t first;
	uint64_t count;
};

static struct uk_spinlock cache_lock = UK_SPINLOCK_INIT;
static struct uk_list clock_list = UK_LIST_INIT(clock_list);
static struct uk_list fills = UK_LIST_INIT(fills);
static struct uk_waitq fills_end = UK_WAITQ_INIT(fills_end);
static uint64_t page_total;
static uint64_t dirty_total; /* of file systems with a disk */

/* -- the tree -- */

static bool tree_reaches(const struct uk_pages *tree, uint64_t index)
{
	unsigned bits = FAN_BITS * tree->height;

	return bits >= 64 || index >> bits == 0;
}

static unsigned tree_step(uint64_t index, unsigned height)
{
	return (unsigned)(index >> (FAN_BITS * (height - 1))) & (FAN - 1);
}

/* The place of `index`, NULL when a node on the way is missing. */
static void **tree_place(struct uk_pages *tree, uint64_t index)
{
	void **place = &tree->root;

	if (!tree_reaches(tree, index))
		return NULL;
	for (unsigned height = tree->height; height > 0; height--) {
		struct node *node = *place;

		if (node == NULL)
			return NULL;
		place = &node->slot[tree_step(index, height)];
	}
	return place;
}

static struct uk_page *tree_find(struct uk_pages *tree, uint64_t index)
{
	void **place = tree_place(tree, index);

	return place != NULL ? *place : NULL;
}

/* The first page at or behind `from` below `place`, which stands for pages from `base` on. */
static struct uk_page *tree_next_below(void *place, unsigned height, uint64_t base, uint64_t from,
				       uint64_t *index)
{
	struct node *node = place;

	if (place == NULL)
		return NULL;
	if (height == 0) {
		*index = base;
		return base >= from ? place : NULL;
	}
	for (unsigned i = from > base ? tree_step(from - base, height) : 0; i < FAN; i++) {
		uint64_t start = base + ((uint64_t)i << (FAN_BITS * (height - 1)));
		struct uk_page *page;

		page = tree_next_below(node->slot[i], height - 1, start, from, index);
		if (page != NULL)
			return page;
	}
	return NULL;
}

static struct uk_page *tree_next(struct uk_pages *tree, uint64_t from, uint64_t *index)
{
	return tree_next_below(tree->root, tree->height, 0, from, index);
}

/* Nodes cannot be allocated under the lock (that may call the shrinker): they wait here. Few:
 * mostly one is missing, and whoever needs more comes again. */
struct spares {
	struct node *node[2];
	unsigned count;
};

static bool spares_fill(struct spares *spares)
{
	while (spares->count < UK_COUNT(spares->node)) {
		struct node *node = uk_alloc(sizeof(*node));

		if (node == NULL)
			return false;
		spares->node[spares->count++] = node;
	}
	return true;
}

static void spares_free(struct spares *spares)
{
	while (spares->count != 0)
		uk_free(spares->node[--spares->count]);
}

/* The place of `index`, made from spare nodes; NULL when these do not suffice. */
static void **tree_make_place(struct uk_pages *tree, uint64_t index, struct spares *spares)
{
	void **place;

	while (!tree_reaches(tree, index)) {
		if (tree->root != NULL) {
			struct node *node;

			if (spares->count == 0)
				return NULL;
			node = spares->node[--spares->count];
			node->slot[0] = tree->root;
			tree->root = node;
		}
		tree->height++;
	}
	place = &tree->root;
	for (unsigned height = tree->height; height > 0; height--) {
		if (*place == NULL) {
			if (spares->count == 0)
				return NULL;
			*place = spares->node[--spares->count];
		}
		place = &((struct node *)*place)->slot[tree_step(index, height)];
	}
	return place;
}

static void tree_free_below(void *place, unsigned height)
{
	struct node *node = place;

	if (node == NULL || height == 0)
		return;
	for (unsigned i = 0; i < FAN; i++)
		tree_free_below(node->slot[i], height - 1);
	uk_free(node);
}

/* -- pages of the cache -- */

static bool page_is_own(const struct uk_page *page)
{
	return (page->flags & UK_PAGE_CACHE) != 0;
}

static bool page_is_dirty(const struct uk_page *page)
{
	return page_is_own(page) && (page->flags & UK_PAGE_DIRTY) != 0;
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

static void set_clean(struct uk_inode *inode, struct uk_page *page)
{
	page->flags &= (uint16_t)~UK_PAGE_DIRTY;
	inode->pages.dirty--;
	uk_list_remove(&page->list);
	if (inode->ops->write_pages != NULL)
		dirty_total--;
}

static bool is_charged(const struct uk_page *page)
{
	return page_is_own(page) && (page->flags & UK_PAGE_CHARGED) != 0;
}

/* With an eighth of memory dirty, or half of what the program leaves to files, who makes more of it
 * waits for the disk. */
bool fs_cache_crowded(void)
{
	uint64_t all = uk_mem_total() >> UK_PAGE_SHIFT, free = uk_mem_free() >> UK_PAGE_SHIFT;

	return dirty_total > UK_MIN(all / 8, (free + page_total) / 2);
}

/* Enters a page whose reference the caller gives. */
static void page_enter(struct uk_inode *inode, uint64_t index, struct uk_page *page, void **place,
		       bool dirty, bool charged)
{
	*place = page;
	inode->pages.count++;
	if ((page->flags & UK_PAGE_RESERVED) != 0)
		return;
	page_total++;
	page->flags |= UK_PAGE_CACHE | UK_PAGE_VALID | UK_PAGE_ACCESSED;
	page->owner = inode;
	page->index = index;
	uk_list_init(&page->list);
	if (dirty)
		set_dirty(inode, page, charged);
	else
		uk_list_push_back(&clock_list, &page->list);
}

/* Takes a page out; the caller gets the cache's reference. */
static void page_leave(struct uk_inode *inode, struct uk_page *page, void **place)
{
	*place = NULL;
	inode->pages.count--;
	if (!page_is_own(page))
		return;
	page_total--;
	if (page_is_dirty(page))
		set_clean(inode, page);
	uk_list_remove(&page->list);
	page->flags &=
		(uint16_t) ~(UK_PAGE_CACHE | UK_PAGE_VALID | UK_PAGE_ACCESSED | UK_PAGE_CHARGED);
	page->owner = NULL;
}

static struct uk_page *find_locked(struct uk_inode *inode, uint64_t index)
{
	struct uk_page *page = tree_find(&inode->pages, index);

	if (page == NULL)
		return NULL;
	uk_page_get(page);
	if (page_is_own(page))
		page->flags |= UK_PAGE_ACCESSED;
	return page;
}

struct uk_page *uk_cache_find(struct uk_inode *inode, uint64_t index)
{
	uint64_t state = uk_spin_lock(&cache_lock);
	struct uk_page *page = find_locked(inode, index);

	uk_spin_unlock(&cache_lock, state);
	return page;
}

struct uk_page *uk_cache_look(struct uk_inode *inode, uint64_t index)
{
	struct uk_page *page = uk_cache_find(inode, index);

	return page == NULL && inode->ops->frame != NULL ? inode->ops->frame(inode, index) : page;
}

int fs_cache_add(struct uk_inode *inode, uint64_t index, struct uk_page *page, bool dirty,
		 bool charged)
{
	struct spares spares = { .count = 0 };
	int error = 0;

	for (;;) {
		uint64_t state = uk_spin_lock(&cache_lock);
		void **place = tree_make_place(&inode->pages, index, &spares);

		if (place != NULL && *place == NULL) {
			uk_page_get(page);
			page_enter(inode, index, page, place, dirty, charged);
		} else if (place != NULL) {
			error = -UK_EEXIST;
		}
		uk_spin_unlock(&cache_lock, state);
		if (place != NULL)
			break;
		if (!spares_fill(&spares)) {
			error = -UK_ENOMEM;
			break;
		}
	}
	spares_free(&spares);
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
	return page_total;
}

/* -- filling -- */

static bool fill_overlaps(const struct uk_inode *inode, uint64_t first, uint64_t count)
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
	uint64_t state = uk_spin_lock(&cache_lock);
	bool overlaps = fill_overlaps(inode, first, count);

	uk_spin_unlock(&cache_lock, state);
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
	uint64_t state = uk_spin_lock(&cache_lock);
	enum begun result = BEGUN;

	*page = find_locked(inode, index);
	if (*page != NULL) {
		result = PRESENT;
	} else if (fill_overlaps(inode, first, count)) {
		result = BUSY;
	} else {
		fill->inode = inode;
		fill->first = first;
		fill->count = count;
		uk_list_push_back(&fills, &fill->item);
	}
	uk_spin_unlock(&cache_lock, state);
	return result;
}

static void fill_end(struct fill *fill)
{
	uint64_t state = uk_spin_lock(&cache_lock);

	uk_list_remove(&fill->item);
	uk_spin_unlock(&cache_lock, state);
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
	state = uk_spin_lock(&cache_lock);
	place = tree_place(&inode->pages, index);
	if (place == NULL || *place != old) {
		uk_spin_unlock(&cache_lock, state);
		uk_page_put(copy);
		return -UK_EAGAIN;
	}
	page_leave(inode, old, place);
	uk_page_get(copy);
	page_enter(inode, index, copy, place, true, charged);
	uk_spin_unlock(&cache_lock, state);
	uk_page_put(old);
	*own = copy;
	return 0;
}

/* Turns a page of the cache dirty unless it left meanwhile; whether it was dirty already. */
static int page_mark(struct uk_inode *inode, uint64_t index, struct uk_page *page, bool charged,
		     bool *was)
{
	uint64_t state = uk_spin_lock(&cache_lock);
	bool stays = tree_find(&inode->pages, index) == page;

	*was = stays && page_is_dirty(page);
	if (stays && !*was) {
		uk_list_remove(&page->list);
		set_dirty(inode, page, charged);
	}
	uk_spin_unlock(&cache_lock, state);
	return stays ? 0 : -UK_EAGAIN;
}

static int page_dirty(struct uk_inode *inode, uint64_t index, struct uk_page **page)
{
	struct uk_page *own;
	bool was = false;
	int error, charged;

	if (page_is_dirty(*page))
		return 0;
	charged = inode->ops->reserve != NULL ? inode->ops->reserve(inode, index) : 0;
	if (charged < 0)
		return charged;
	if (page_is_own(*page)) {
		error = page_mark(inode, index, *page, charged != 0, &was);
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

/* Takes up to BATCH pages from `index` on out of the tree; how many, and how many of them had room
 * set aside. */
static unsigned take_batch(struct uk_inode *inode, uint64_t index, struct uk_page *batch[BATCH],
			   unsigned *charged)
{
	uint64_t state = uk_spin_lock(&cache_lock);
	struct uk_page *page;
	unsigned count = 0;

	*charged = 0;
	while (count < BATCH && (page = tree_next(&inode->pages, index, &index)) != NULL) {
		*charged += is_charged(page);
		page_leave(inode, page, tree_place(&inode->pages, index));
		batch[count++] = page;
	}
	uk_spin_unlock(&cache_lock, state);
	return count;
}

static void tree_drop_empty(struct uk_inode *inode)
{
	uint64_t state = uk_spin_lock(&cache_lock);
	struct uk_pages old = inode->pages;

	if (old.count != 0) {
		uk_spin_unlock(&cache_lock, state);
		return;
	}
	inode->pages.root = NULL;
	inode->pages.height = 0;
	uk_spin_unlock(&cache_lock, state);
	tree_free_below(old.root, old.height);
}

void uk_cache_truncate(struct uk_inode *inode, uint64_t index)
{
	struct uk_page *batch[BATCH];
	unsigned count, charged;

	do {
		count = take_batch(inode, index, batch, &charged);
		for (unsigned i = 0; i < count; i++)
			uk_page_put(batch[i]);
		if (charged != 0)
			inode->ops->unreserve(inode, charged);
	} while (count == BATCH);
	tree_drop_empty(inode);
}

void fs_cache_punch(struct uk_inode *inode, uint64_t first, uint64_t end)
{
	for (;;) {
		uint64_t state = uk_spin_lock(&cache_lock);
		uint64_t index = 0;
		struct uk_page *page = tree_next(&inode->pages, first, &index);
		bool charged = page != NULL && is_charged(page);

		if (page == NULL || index >= end) {
			uk_spin_unlock(&cache_lock, state);
			return;
		}
		page_leave(inode, page, tree_place(&inode->pages, index));
		uk_spin_unlock(&cache_lock, state);
		uk_page_put(page);
		if (charged)
			inode->ops->unreserve(inode, 1);
		first = index + 1;
	}
}

struct outgoing {
	struct uk_page *pages[RUN_MAX];
	bool charged[RUN_MAX];
	unsigned count;
};

static struct uk_page *dirty_at(struct uk_inode *inode, uint64_t index)
{
	struct uk_page *page = tree_find(&inode->pages, index);

	return page != NULL && page_is_dirty(page) ? page : NULL;
}

/* Dirty pages that lie one behind the other, around the one that is dirty for longest; clean from
 * now on: a store while they are written marks them again. */
static bool next_run(struct uk_inode *inode, struct outgoing *out)
{
	uint64_t state = uk_spin_lock(&cache_lock), index = 0;
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
		out->charged[out->count] = is_charged(page);
		out->pages[out->count++] = page;
		uk_page_get(page);
		set_clean(inode, page);
		page->flags &= (uint16_t)~UK_PAGE_CHARGED;
		uk_list_push_back(&clock_list, &page->list);
		index++;
	}
	uk_spin_unlock(&cache_lock, state);
	return out->count != 0;
}

static void run_done(struct uk_inode *inode, struct outgoing *out, int error)
{
	unsigned charged = 0;

	for (unsigned i = 0; i < out->count; i++) {
		struct uk_page *page = out->pages[i];
		bool was = true;

		if (error != 0)
			(void)page_mark(inode, page->index, page, out->charged[i], &was);
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
static unsigned clock_turn(struct uk_page *batch[BATCH], size_t wanted, size_t *steps)
{
	uint64_t state = uk_spin_lock(&cache_lock);
	unsigned count = 0;

	for (unsigned i = 0; i < 4 * BATCH && count < UK_MIN(wanted, (size_t)BATCH); i++) {
		struct uk_page *page = uk_list_first(&clock_list, struct uk_page, list);

		if (page == NULL || *steps == 0) {
			*steps = 0;
			break;
		}
		--*steps;
		uk_list_remove(&page->list);
		uk_list_push_back(&clock_list, &page->list);
		if ((page->flags & UK_PAGE_ACCESSED) != 0) {
			page->flags &= (uint16_t)~UK_PAGE_ACCESSED;
		} else if (page->refs == 1 && !fill_overlaps(page->owner, page->index, 1)) {
			/* While a unit is filled, what of it is newer must not go before it came.
			 */
			struct uk_inode *inode = page->owner;

			page_leave(inode, page, tree_place(&inode->pages, page->index));
			batch[count++] = page;
		}
	}
	uk_spin_unlock(&cache_lock, state);
	return count;
}

/* Gives up to BATCH pages from `*first` on; *first moves behind what was looked at. */
static unsigned forget_batch(struct uk_inode *inode, uint64_t *first, uint64_t end,
			     struct uk_page *batch[BATCH])
{
	uint64_t state = uk_spin_lock(&cache_lock), index;
	struct uk_page *page;
	unsigned count = 0;

	for (unsigned looked = 0; looked < 4 * BATCH && count < BATCH && *first < end; looked++) {
		page = tree_next(&inode->pages, *first, &index);
		*first = page != NULL ? index + 1 : end;
		if (page == NULL || index >= end || !page_is_own(page) || page_is_dirty(page) ||
		    page->refs != 1 || fill_overlaps(inode, index, 1))
			continue;
		page_leave(inode, page, tree_place(&inode->pages, index));
		batch[count++] = page;
	}
	uk_spin_unlock(&cache_lock, state);
	return count;
}

void fs_cache_forget(struct uk_inode *inode, uint64_t first, uint64_t end)
{
	struct uk_page *batch[BATCH];

	while (first < end) {
		unsigned count = forget_batch(inode, &first, end, batch);

		for (unsigned i = 0; i < count; i++)
			uk_page_put(batch[i]);
	}
}

size_t fs_cache_shrink(size_t wanted)
{
	size_t steps = 2 * (size_t)page_total, freed = 0;
	struct uk_page *batch[BATCH];

	uk_map_age(wanted);
	while (freed < wanted && steps != 0) {
		unsigned count = clock_turn(batch, wanted - freed, &steps);

		for (unsigned i = 0; i < count; i++)
			uk_page_put(batch[i]);
		freed += count;
	}
	return freed;
}
