/*
 * Content of ext4 files: pages from the disk and back. Space for new blocks is set aside when a
 * page turns dirty and chosen when it is written; data lies on the disk before the transaction that
 * says so is committed ("ordered"), since it is written inside that change.
 */
#include "ext4.h"

enum { PAGES_MAX = 8, ALLOCS = 4, MARGIN = 72 };

static unsigned shift_of(const struct e4 *fs)
{
	return UK_PAGE_SHIFT - fs->block_bits;
}

static uint32_t block_end(const struct e4 *fs, uint64_t size)
{
	return (uint32_t)((size + fs->block_size - 1) >> fs->block_bits);
}

static uint64_t page_end(uint64_t size)
{
	return UK_ALIGN_UP(size, UK_PAGE_SIZE) >> UK_PAGE_SHIFT;
}

/* --- reading --- */

struct filling {
	struct uk_inode *inode;
	struct uk_page **pages;
	uint64_t first;
	unsigned count;
	struct e4_run runs[E4_RUNS_MAX];
	unsigned run_count;
};

static uint8_t *block_at(const struct e4 *fs, struct uk_page *const *pages, uint64_t first,
			 uint32_t block)
{
	uint64_t page = block >> shift_of(fs);
	uint32_t in = block & ((1u << shift_of(fs)) - 1);

	return (uint8_t *)uk_page_virt(pages[page - first]) + ((size_t)in << fs->block_bits);
}

/* Blocks of one run, inside of which every block has memory of its own. */
static void run_add(struct e4_batch *batch, struct uk_page *const *pages, uint64_t first,
		    const struct e4_run *run)
{
	struct e4 *fs = batch->fs;

	for (uint32_t i = 0; i < run->count; i++)
		e4_batch_add(batch, (run->block + i) << fs->block_bits,
			     block_at(fs, pages, first, run->at + i), fs->block_size);
}

static void zero_run(const struct e4 *fs, struct uk_page *const *pages, uint64_t first,
		     const struct e4_run *run)
{
	for (uint32_t i = 0; i < run->count; i++)
		memset(block_at(fs, pages, first, run->at + i), 0, fs->block_size);
}

/* Where the pages lie; fewer of them when the file is in many pieces. */
static int fill_map(struct filling *f, uint64_t index)
{
	struct e4 *fs = e4_of(f->inode);
	uint32_t at = (uint32_t)(f->first << shift_of(fs)), covered = at;
	int error;

	uk_mutex_lock(&fs->lock);
	error = e4_map(f->inode, at, f->count << shift_of(fs), f->runs, &f->run_count);
	uk_mutex_unlock(&fs->lock);
	for (unsigned i = 0; i < f->run_count; i++)
		covered += f->runs[i].count;
	f->count = UK_MIN(f->count, (covered - at) >> shift_of(fs));
	return error != 0 ? error : index < f->first + f->count ? 0 : -UK_EAGAIN;
}

static int fill_read(struct filling *f)
{
	struct e4 *fs = e4_of(f->inode);
	uint32_t end = (uint32_t)((f->first + f->count) << shift_of(fs));
	struct e4_batch batch;

	e4_batch_begin(&batch, fs, UK_BLOCK_READ);
	for (unsigned i = 0; i < f->run_count; i++) {
		struct e4_run run = f->runs[i];

		if (run.at >= end)
			break;
		run.count = UK_MIN(run.count, end - run.at);
		if (run.block == 0 || run.unwritten)
			zero_run(fs, f->pages, f->first, &run);
		else
			run_add(&batch, f->pages, f->first, &run);
	}
	return e4_batch_end(&batch);
}

/* Bytes behind the end of the file are zeros, whatever the disk has there. */
static void zero_tail(struct uk_inode *inode, struct uk_page *page, uint64_t index)
{
	uint64_t start = index << UK_PAGE_SHIFT, size = inode->size;

	if (size < start + UK_PAGE_SIZE) {
		size_t at = size > start ? (size_t)(size - start) : 0;

		memset((uint8_t *)uk_page_virt(page) + at, 0, UK_PAGE_SIZE - at);
	}
}

static bool is_hole(const struct filling *f)
{
	for (unsigned i = 0; i < f->run_count; i++)
		if (f->runs[i].block != 0 && !f->runs[i].unwritten)
			return false;
	return true;
}

static int fill_pages(struct filling *f)
{
	unsigned made = 0;
	int error = 0;

	while (made < f->count && (f->pages[made] = uk_page_alloc_user(false)) != NULL)
		made++;
	error = made == f->count ? fill_read(f) : -UK_ENOMEM;
	for (unsigned i = 0; i < made; i++) {
		if (error == 0) {
			zero_tail(f->inode, f->pages[i], f->first + i);
			(void)uk_cache_add(f->inode, f->first + i, f->pages[i]);
		}
		uk_page_put(f->pages[i]);
	}
	return error;
}

static int add_zeros(struct uk_inode *inode, uint64_t index)
{
	struct uk_page *page = fs_zero_page();
	int error;

	if (page == NULL)
		return -UK_ENOMEM;
	error = uk_cache_add(inode, index, page);
	uk_page_put(page);
	return error == -UK_EEXIST ? 0 : error;
}

int e4_fill(struct uk_inode *inode, uint64_t index, uint64_t first, unsigned count)
{
	uint64_t end = page_end(inode->size);
	struct uk_page *pages[PAGES_MAX];
	struct filling f = { .inode = inode, .pages = pages, .first = first };
	int error;

	if (index >= end)
		return add_zeros(inode, index);
	f.count = (unsigned)UK_MIN(UK_MIN((uint64_t)count, (uint64_t)PAGES_MAX), end - first);
	error = index < first + f.count ? fill_map(&f, index) : -UK_EAGAIN;
	if (error == 0 && is_hole(&f))
		return add_zeros(inode, index);
	if (error == 0)
		error = fill_pages(&f);
	if (error == 0 || (first == index && f.count == 1))
		return error;
	/* Not all of them: the one that is asked for. */
	f.first = index;
	f.count = 1;
	error = fill_map(&f, index);
	return error != 0 ? error : fill_pages(&f);
}

int e4_read_pages(struct uk_inode *inode, uint64_t first, struct uk_page **pages, unsigned count)
{
	struct filling f = { .inode = inode };
	int error = 0;

	for (unsigned done = 0; error == 0 && done < count; done += f.count) {
		f.pages = pages + done;
		f.first = first + done;
		f.count = count - done;
		error = fill_map(&f, f.first);
		if (error == 0)
			error = fill_read(&f);
		for (unsigned i = 0; error == 0 && i < f.count; i++)
			zero_tail(inode, f.pages[i], f.first + i);
	}
	return error;
}

/* --- writing --- */

struct writing {
	struct uk_inode *inode;
	struct uk_page *const *pages;
	uint64_t first; /* page */
	uint32_t at, end;
};

static int write_run(struct writing *w, const struct e4_run *run)
{
	struct e4_batch batch;

	e4_batch_begin(&batch, e4_of(w->inode), UK_BLOCK_WRITE);
	run_add(&batch, w->pages, w->first, run);
	return e4_batch_end(&batch);
}

/* What has its place already goes there; up to the first piece that has none. */
static int write_mapped(struct writing *w, const struct e4_run *runs, unsigned count)
{
	struct e4_batch batch;

	if (runs[0].block == 0 || runs[0].unwritten)
		return 0;
	e4_batch_begin(&batch, e4_of(w->inode), UK_BLOCK_WRITE);
	for (unsigned i = 0; i < count && runs[i].block != 0 && !runs[i].unwritten; i++) {
		run_add(&batch, w->pages, w->first, &runs[i]);
		w->at += runs[i].count;
	}
	return e4_batch_end(&batch);
}

static uint64_t goal_of(struct uk_inode *inode, uint32_t at)
{
	struct e4_node *node = e4_node_of(inode);
	struct e4 *fs = e4_of(inode);
	struct e4_run run[E4_RUNS_MAX];
	unsigned count;

	if (at != 0 && e4_map(inode, at - 1, 1, run, &count) == 0 && count != 0 &&
	    run[0].block != 0)
		return run[0].block + 1;
	if (node->next_goal == 0)
		node->next_goal =
			fs->first_block + (inode->ino - 1) / fs->group_inodes * fs->group_blocks;
	return node->next_goal;
}

/* A piece of a hole gets blocks, with the data or as room for some. */
static int fill_hole(struct writing *w, struct e4_run *run, bool unwritten)
{
	struct e4 *fs = e4_of(w->inode);
	struct e4_node *node = e4_node_of(w->inode);
	struct e4_run piece = { .at = run->at };
	int error = e4_alloc(fs, goal_of(w->inode, run->at),
			     UK_MIN(run->count, (uint32_t)UNI_EXT4_EXTENT_MAX - 1), &piece.block,
			     &piece.count);

	if (error != 0)
		return error;
	if (!unwritten)
		error = write_run(w, &piece);
	if (error == 0)
		error = e4_extent_insert(w->inode, piece.at, piece.count, piece.block, unwritten);
	if (error != 0) {
		(void)e4_free(fs, piece.block, piece.count, false);
		return error;
	}
	node->blocks += (uint64_t)piece.count * fs->sectors;
	node->next_goal = piece.block + piece.count;
	run->at += piece.count;
	run->count -= piece.count;
	return 0;
}

static void size_written(struct writing *w)
{
	struct e4_node *node = e4_node_of(w->inode);
	uint64_t end = UK_MIN((uint64_t)w->at << e4_of(w->inode)->block_bits, w->inode->size);

	node->disk_size = UK_MAX(node->disk_size, end);
}

/* One change: the piece at w->at, which has no place or holds nothing yet, or a part of it. */
static int write_new(struct writing *w)
{
	struct e4 *fs = e4_of(w->inode);
	struct e4_run runs[E4_RUNS_MAX];
	unsigned count;
	int error = e4_begin(fs, E4_CREDITS);

	if (error != 0)
		return error;
	error = e4_map(w->inode, w->at, w->end - w->at, runs, &count);
	for (unsigned i = 0; error == 0 && i < UK_MIN(count, (unsigned)ALLOCS); i++) {
		struct e4_run run = runs[i];

		if (run.block != 0 && !run.unwritten)
			break;
		if (run.block == 0) {
			error = fill_hole(w, &run, false);
			w->at = run.at;
			if (run.count != 0)
				break;
			continue;
		}
		error = write_run(w, &run);
		if (error == 0)
			error = e4_extent_convert(w->inode, run.at, run.count);
		w->at += error == 0 ? run.count : 0;
	}
	size_written(w);
	if (e4_inode_write(w->inode) != 0 && error == 0)
		error = -UK_EIO;
	if (error == -UK_ENOSPC && fs->freed_count != 0 && e4_checkpoint(fs) == 0)
		error = -UK_EAGAIN;
	e4_end(fs);
	return error;
}

static int write_some(struct writing *w)
{
	struct e4 *fs = e4_of(w->inode);
	struct e4_run runs[E4_RUNS_MAX];
	uint32_t before = w->at;
	unsigned count, tries = 0;
	int error;

	uk_mutex_lock(&fs->lock);
	error = e4_map(w->inode, w->at, w->end - w->at, runs, &count);
	uk_mutex_unlock(&fs->lock);
	if (error == 0)
		error = write_mapped(w, runs, count);
	if (error != 0 || w->at != before)
		return error;
	do
		error = write_new(w);
	while (error == -UK_EAGAIN && tries++ == 0);
	return error == -UK_EAGAIN ? -UK_ENOSPC : error;
}

/* The end of the file moved inside of blocks that had their place. */
static int write_size(struct writing *w)
{
	uint64_t before = e4_node_of(w->inode)->disk_size;
	int error;

	if (UK_MIN((uint64_t)w->at << e4_of(w->inode)->block_bits, w->inode->size) <= before)
		return 0;
	error = e4_begin(e4_of(w->inode), E4_CREDITS);
	if (error != 0)
		return error;
	size_written(w);
	error = e4_inode_write(w->inode);
	e4_end(e4_of(w->inode));
	return error;
}

int e4_write_pages(struct uk_inode *inode, struct uk_page **pages, unsigned count)
{
	struct e4 *fs = e4_of(inode);
	struct writing w = { .inode = inode, .pages = pages, .first = pages[0]->index };
	uint64_t last = w.first + count;
	int error = 0;

	w.at = (uint32_t)(w.first << shift_of(fs));
	w.end = UK_MIN((uint32_t)(last << shift_of(fs)), block_end(fs, inode->size));
	if (fs->failed)
		return -UK_EIO;
	if (last == page_end(inode->size) && w.at < w.end)
		zero_tail(inode, pages[count - 1], last - 1);
	while (w.at < w.end && error == 0)
		error = write_some(&w);
	return error != 0 ? error : write_size(&w);
}

/* --- space --- */

static bool is_mapped(struct uk_inode *inode, uint64_t index)
{
	struct e4 *fs = e4_of(inode);
	struct e4_run runs[E4_RUNS_MAX];
	unsigned count = 0;
	bool mapped = true;

	if (index << UK_PAGE_SHIFT >= e4_node_of(inode)->disk_size)
		return false;
	uk_mutex_lock(&fs->lock);
	if (e4_map(inode, (uint32_t)(index << shift_of(fs)), 1u << shift_of(fs), runs, &count) != 0)
		mapped = false;
	uk_mutex_unlock(&fs->lock);
	for (unsigned i = 0; i < count; i++)
		mapped &= runs[i].block != 0;
	return mapped;
}

int e4_reserve(struct uk_inode *inode, uint64_t index)
{
	struct e4 *fs = e4_of(inode);
	uint64_t blocks = 1ull << shift_of(fs), reserved;

	if (fs->failed || fs->super->read_only)
		return -UK_EROFS;
	if (index >= fs->super->size_max >> UK_PAGE_SHIFT)
		return -UK_EFBIG;
	e4_mark(inode);
	if (is_mapped(inode, index))
		return 0;
	reserved = __atomic_add_fetch(&fs->reserved, blocks, __ATOMIC_RELAXED);
	if (reserved + MARGIN > fs->free_blocks) {
		__atomic_sub_fetch(&fs->reserved, blocks, __ATOMIC_RELAXED);
		return -UK_ENOSPC;
	}
	return 1;
}

void e4_unreserve(struct uk_inode *inode, uint64_t pages)
{
	struct e4 *fs = e4_of(inode);

	__atomic_sub_fetch(&fs->reserved, pages << shift_of(fs), __ATOMIC_RELAXED);
}

/* Blocks [from, to) go, in as many changes as it takes. */
static int remove_blocks(struct uk_inode *inode, uint32_t from, uint32_t to, uint64_t disk_size)
{
	struct e4 *fs = e4_of(inode);
	struct e4_node *node = e4_node_of(inode);
	bool listed = false;
	int result;

	do {
		int error = e4_begin(fs, E4_CREDITS);

		if (error != 0)
			return error;
		node->disk_size = disk_size;
		result = e4_extent_remove(inode, from, to);
		/* What is begun must be known to the next mount. */
		if (result == 1 && to == UINT32_MAX && !node->orphan) {
			listed = true;
			error = e4_orphan_add(inode);
		} else if (result == 0 && listed) {
			error = e4_orphan_remove(inode);
		}
		if (error == 0)
			error = e4_inode_write(inode);
		e4_end(fs);
		if (error != 0)
			return error;
	} while (result == 1);
	return result;
}

int e4_cut(struct uk_inode *inode, uint64_t size)
{
	uint64_t disk_size = UK_MIN(e4_node_of(inode)->disk_size, size);

	if ((e4_node_of(inode)->flags & UNI_EXT4_FL_EXTENTS) == 0 && e4_node_of(inode)->blocks == 0)
		return 0;
	return remove_blocks(inode, block_end(e4_of(inode), size), UINT32_MAX, disk_size);
}

int e4_truncate(struct uk_inode *inode, uint64_t size)
{
	struct e4 *fs = e4_of(inode);
	int error;

	if (size <= inode->size)
		return e4_cut(inode, size);
	error = e4_begin(fs, E4_CREDITS);
	if (error != 0)
		return error;
	e4_node_of(inode)->disk_size = size;
	error = e4_inode_write(inode);
	e4_end(fs);
	return error;
}

int e4_punch(struct uk_inode *inode, uint64_t first, uint64_t end)
{
	struct e4 *fs = e4_of(inode);
	uint32_t to = (uint32_t)UK_MIN(end << shift_of(fs), (uint64_t)UINT32_MAX - 1);
	int error = remove_blocks(inode, (uint32_t)(first << shift_of(fs)), to,
				  e4_node_of(inode)->disk_size);

	fs_cache_settle(inode, first, end - first);
	fs_cache_punch(inode, first, end);
	return error;
}

/* One change of a preallocation: the holes from w->at on, or some of them. */
static int allocate_some(struct writing *w)
{
	struct e4 *fs = e4_of(w->inode);
	struct e4_run runs[E4_RUNS_MAX];
	unsigned count;
	int error = e4_begin(fs, E4_CREDITS);

	if (error != 0)
		return error;
	error = e4_map(w->inode, w->at, w->end - w->at, runs, &count);
	for (unsigned i = 0; error == 0 && i < UK_MIN(count, (unsigned)ALLOCS); i++) {
		struct e4_run run = runs[i];

		if (run.block == 0 && run.count + fs->reserved + MARGIN > fs->free_blocks)
			error = -UK_ENOSPC;
		else if (run.block == 0)
			error = fill_hole(w, &run, true);
		else
			run = (struct e4_run){ .at = run.at + run.count };
		w->at = run.at;
		if (run.count != 0)
			break;
	}
	if (e4_inode_write(w->inode) != 0 && error == 0)
		error = -UK_EIO;
	e4_end(fs);
	return error;
}

int e4_allocate(struct uk_inode *inode, uint64_t offset, uint64_t end, bool keep_size)
{
	struct e4 *fs = e4_of(inode);
	struct writing w = { .inode = inode,
			     .at = (uint32_t)(offset >> fs->block_bits),
			     .end = block_end(fs, end) };
	int error = 0;

	if ((e4_node_of(inode)->flags & UNI_EXT4_FL_EXTENTS) == 0)
		return -UK_EOPNOTSUPP;
	while (w.at < w.end && error == 0)
		error = allocate_some(&w);
	if (error != 0 || keep_size || end <= inode->size)
		return error;
	error = e4_truncate(inode, end);
	if (error == 0)
		inode->size = end;
	return error;
}
