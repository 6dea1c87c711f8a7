/*
 * O_DIRECT: between the disk and the program past the page cache, for databases that keep a cache
 * of their own. Bytes go through a few pages that belong to the call alone, since what a disk's
 * driver is given must stay where it is; the cache keeps nothing of them, and what it held of the
 * range is on the disk before and gone behind a write, so that both ways to a file always agree.
 */
#include <uk/map.h>
#include <uk/user.h>

#include "ext4.h"

enum { DIRECT_MAX = 64, SECTOR = 512 };

struct pages {
	struct uk_page *page[DIRECT_MAX];
	unsigned count;
};

static void pages_free(struct pages *p)
{
	while (p->count != 0)
		uk_page_put(p->page[--p->count]);
}

/* As many as there is memory for; 0: none. */
static unsigned pages_make(struct pages *p, uint64_t wanted)
{
	p->count = 0;
	while (p->count < UK_MIN(wanted, (uint64_t)DIRECT_MAX)) {
		struct uk_page *page = uk_page_alloc_user(false);

		if (page == NULL)
			break;
		p->page[p->count++] = page;
	}
	return p->count;
}

static bool is_fit(const struct uk_iter *it, uint64_t offset)
{
	return (offset | it->left) % SECTOR == 0;
}

static int64_t hand_out(const struct pages *p, struct uk_iter *to, uint64_t at, uint64_t size)
{
	int64_t done = 0;

	for (unsigned i = 0; i < p->count && (uint64_t)done < size; i++, at = 0) {
		uint64_t part = UK_MIN(UK_PAGE_SIZE - at, size - (uint64_t)done);
		int64_t moved = uk_iter_put(to, (char *)uk_page_virt(p->page[i]) + at, part);

		if (moved < 0)
			return done != 0 ? done : moved;
		done += moved;
		if ((uint64_t)moved < part)
			break;
	}
	return done;
}

static int64_t read_piece(struct uk_inode *inode, struct uk_iter *to, uint64_t offset)
{
	uint64_t at = offset & UK_PAGE_MASK, size = UK_MIN(to->left, inode->size - offset);
	uint64_t first = offset >> UK_PAGE_SHIFT;
	struct pages pages;
	int64_t result;

	if (inode->pages.dirty != 0) {
		result = uk_cache_sync(inode);
		if (result != 0)
			return result;
	}
	if (pages_make(&pages, (at + size + UK_PAGE_MASK) >> UK_PAGE_SHIFT) == 0)
		return -UK_ENOMEM;
	size = UK_MIN(size, ((uint64_t)pages.count << UK_PAGE_SHIFT) - at);
	result = e4_read_pages(inode, first, pages.page, pages.count);
	if (result == 0)
		result = hand_out(&pages, to, at, size);
	pages_free(&pages);
	return result;
}

int64_t e4_read_direct(struct uk_file *file, struct uk_iter *to, uint64_t *offset)
{
	struct uk_inode *inode = file->inode;
	int64_t done = 0;

	if (!is_fit(to, *offset))
		return -UK_EINVAL;
	while (to->left != 0 && *offset < inode->size) {
		int64_t moved = read_piece(inode, to, *offset);

		if (moved <= 0)
			return done != 0 ? done : moved;
		done += moved;
		*offset += (uint64_t)moved;
	}
	fs_accessed(file);
	return done;
}

/* The program's bytes, whole pages of them; how many pages. Behind memory that is not there nothing
 * more is wanted. */
static int64_t take_in(struct pages *p, struct uk_iter *from, uint64_t index)
{
	int64_t moved = 0;
	unsigned filled = 0;

	while (filled < p->count) {
		struct uk_page *page = p->page[filled];

		moved = uk_iter_get(from, uk_page_virt(page), UK_PAGE_SIZE);
		if (moved != (int64_t)UK_PAGE_SIZE)
			break;
		page->index = index + filled++;
	}
	if (p->count > filled)
		from->left = 0;
	while (p->count > filled)
		uk_page_put(p->page[--p->count]);
	return filled != 0 ? (int64_t)filled : moved < 0 ? moved : -UK_EFAULT;
}

/* Room for what has none yet; how many pages of it were charged. */
static int reserve(struct uk_inode *inode, uint64_t index, unsigned count, unsigned *charged)
{
	*charged = 0;
	for (unsigned i = 0; i < count; i++) {
		int result = e4_reserve(inode, index + i);

		if (result < 0)
			return result;
		*charged += result != 0;
	}
	return 0;
}

/* What the cache holds of the range is older than the disk: who fills it meanwhile is waited for.
 */
static void drop_cached(struct uk_inode *inode, uint64_t first, unsigned count)
{
	fs_cache_settle(inode, first, count);
	if (inode->pages.count == 0)
		return;
	fs_cache_punch(inode, first, first + count);
	uk_map_forget_file(inode, first);
}

static int write_out(struct uk_inode *inode, struct pages *p, uint64_t index)
{
	uint64_t before = inode->size, end = (index + p->count) << UK_PAGE_SHIFT;
	unsigned charged;
	int error = reserve(inode, index, p->count, &charged);

	if (error == 0) {
		inode->size = UK_MAX(before, end);
		error = e4_write_pages(inode, p->page, p->count);
		if (error != 0)
			inode->size = UK_MAX(before, e4_node_of(inode)->disk_size);
	}
	if (charged != 0)
		e4_unreserve(inode, charged);
	drop_cached(inode, index, p->count);
	return error;
}

static int64_t write_piece(struct uk_inode *inode, struct uk_iter *from, uint64_t offset)
{
	uint64_t index = offset >> UK_PAGE_SHIFT;
	struct pages pages;
	int64_t result = inode->pages.dirty != 0 ? fs_cache_sync(inode) : 0;

	if (result != 0)
		return result;
	if (pages_make(&pages, from->left >> UK_PAGE_SHIFT) == 0)
		return -UK_ENOMEM;
	result = take_in(&pages, from, index);
	if (result > 0) {
		int error = write_out(inode, &pages, index);

		result = error != 0 ? error : result << UK_PAGE_SHIFT;
		if (error != 0)
			from->left = 0; /* what was taken from the program is lost */
	}
	pages_free(&pages);
	return result;
}

int64_t e4_write_direct(struct uk_inode *inode, struct uk_iter *from, uint64_t *offset)
{
	int64_t done = 0;

	if (!is_fit(from, *offset))
		return -UK_EINVAL;
	while ((*offset & UK_PAGE_MASK) == 0 && from->left >= UK_PAGE_SIZE) {
		int64_t moved = write_piece(inode, from, *offset);

		if (moved < 0)
			return done != 0 ? done : moved;
		done += moved;
		*offset += (uint64_t)moved;
	}
	return done;
}
