/*
 * squashfs's file contents: blocks of one size, packed one behind the other, and ends of files
 * together in fragments. A block is unpacked once into all of its pages: straight into them where
 * frames in one piece can be had. Fragments are pages of an inode of their own, from which the ends
 * of files are copied.
 */
#include "squashfs.h"

/* A block as it lies in the image. */
struct block {
	uint64_t start;
	uint32_t size; /* bytes there */
	bool stored;   /* not compressed */
	size_t length; /* bytes it must unpack to, at most */
	bool exact;    /* no less either */
};

/* Other pages than the wanted one are filled only while memory is not scarce. */
static bool memory_is_scarce(void)
{
	return uk_mem_free() < uk_mem_total() / 16;
}

/* Whether pages that nobody has asked for yet may be kept: in free frames, or in those of pages
 * that were not used for longer. To unpack a block anew for each page of it costs far more. */
static bool room_for(unsigned count)
{
	return !memory_is_scarce() || fs_cache_shrink(count) >= count;
}

/* Consumes the page. */
static int add(struct uk_inode *inode, uint64_t index, struct uk_page *page)
{
	int error;

	if (page == NULL)
		return -UK_ENOMEM;
	error = uk_cache_add(inode, index, page);
	uk_page_put(page);
	return error == -UK_EEXIST ? 0 : error;
}

/* One page of bytes that lie in memory; zeros behind them. */
static int add_copy(struct uk_inode *inode, uint64_t index, const uint8_t *from, size_t size)
{
	struct uk_page *page = uk_page_alloc(0, size < UK_PAGE_SIZE);

	if (page == NULL)
		return -UK_ENOMEM;
	memcpy(uk_page_virt(page), from, UK_MIN(size, UK_PAGE_SIZE));
	return add(inode, index, page);
}

/* The pages [first, first + count) of `length` bytes; the wanted one must succeed. */
static int add_copies(struct uk_inode *inode, uint64_t wanted, uint64_t first, unsigned count,
		      const uint8_t *from, size_t length)
{
	int error = add_copy(inode, wanted, from + ((wanted - first) << UK_PAGE_SHIFT),
			     length - (size_t)((wanted - first) << UK_PAGE_SHIFT));
	bool all = error == 0 && room_for(count);

	for (uint64_t i = 0; i < count && all && i << UK_PAGE_SHIFT < length; i++) {
		if (first + i == wanted)
			continue;
		all = add_copy(inode, first + i, from + (i << UK_PAGE_SHIFT),
			       length - (size_t)(i << UK_PAGE_SHIFT)) == 0;
	}
	return error;
}

/* -- a block that is stored as it is -- */

static int fill_stored(struct uk_inode *inode, struct sq *sq, uint64_t wanted, uint64_t first,
		       unsigned count, const struct block *block)
{
	size_t offset = (size_t)(wanted - first) << UK_PAGE_SHIFT;
	struct uk_page *frame = NULL;
	const uint8_t *at;
	int error = 0;

	if (block->size > block->length || (block->exact && block->size != block->length))
		return -UK_EIO;
	if (offset + UK_PAGE_SIZE <= block->size)
		error = fs_volume_frame(sq->volume, block->start + offset, &frame);
	if (error != 0)
		return error;
	if (frame != NULL)
		return add(inode, wanted, frame);
	uk_mutex_lock(&sq->work);
	error = fs_volume_read_block(sq->volume, block->start, block->size, sq->packed, &at);
	if (error == 0)
		error = offset < block->size
				? add_copies(inode, wanted, first, count, at, block->size)
				: -UK_EIO;
	uk_mutex_unlock(&sq->work);
	return error;
}

/* -- a compressed block -- */

static int unpack(struct sq *sq, const struct block *block, void *to)
{
	const uint8_t *at;
	int error = fs_volume_read_block(sq->volume, block->start, block->size, sq->packed, &at);
	int64_t size;

	if (error != 0)
		return error;
	size = fs_decode(sq->decoder, at, block->size, to, block->length);
	if (size <= 0 || (block->exact && (size_t)size != block->length))
		return -UK_EIO;
	return (int)size;
}

/* Into frames that become the pages themselves. */
static int fill_whole(struct uk_inode *inode, struct sq *sq, uint64_t wanted, uint64_t first,
		      unsigned count, const struct block *block, struct uk_page *pages)
{
	int size;

	uk_mutex_lock(&sq->work);
	size = unpack(sq, block, uk_page_virt(pages));
	uk_mutex_unlock(&sq->work);
	if (size > 0)
		memset((uint8_t *)uk_page_virt(pages) + size, 0,
		       (count << UK_PAGE_SHIFT) - (size_t)size);
	uk_page_split(pages);
	for (unsigned i = 0; i < count; i++) {
		if ((int)(i << UK_PAGE_SHIFT) < size)
			(void)uk_cache_add(inode, first + i, &pages[i]);
		uk_page_put(&pages[i]);
	}
	if (size < 0)
		return size;
	return (int)((wanted - first) << UK_PAGE_SHIFT) < size ? 0 : -UK_EIO;
}

static int fill_packed(struct uk_inode *inode, struct sq *sq, uint64_t wanted, uint64_t first,
		       unsigned count, const struct block *block)
{
	bool all = block->length > (count - 1) << UK_PAGE_SHIFT && room_for(count);
	struct uk_page *pages = all ? uk_page_alloc(sq->block_order, false) : NULL;
	int size;

	if (pages != NULL)
		return fill_whole(inode, sq, wanted, first, count, block, pages);
	uk_mutex_lock(&sq->work);
	size = unpack(sq, block, sq->unpacked);
	if (size > 0)
		size = (int)((wanted - first) << UK_PAGE_SHIFT) < size
			       ? add_copies(inode, wanted, first, count, sq->unpacked, (size_t)size)
			       : -UK_EIO;
	uk_mutex_unlock(&sq->work);
	return size;
}

/* Sizes are as the image says: what is beyond a block's bound is damage. */
static int fill_block(struct uk_inode *inode, struct sq *sq, uint64_t wanted, uint64_t first,
		      unsigned count, const struct block *block)
{
	if (block->size == 0)
		return add(inode, wanted, fs_zero_page());
	if (block->size > sq->disk.block_size || block->start > sq->disk.bytes_used ||
	    block->size > sq->disk.bytes_used - block->start)
		return -UK_EIO;
	return block->stored ? fill_stored(inode, sq, wanted, first, count, block)
			     : fill_packed(inode, sq, wanted, first, count, block);
}

/* -- where a file's block lies: sizes stand in a list, positions are their sums -- */

static uint32_t size_in_image(uint32_t entry)
{
	return entry & (SQ_DATA_STORED - 1);
}

/* Passes `count` sizes of the list, and the data of their blocks. */
static int pass(struct sq *sq, struct sq_stride *at, unsigned count)
{
	uint32_t sizes[64];

	while (count != 0) {
		unsigned part = UK_MIN(count, (unsigned)UK_COUNT(sizes));
		int error = sq_meta_read(sq, &at->place, sizes, part * sizeof(uint32_t));

		if (error != 0)
			return error;
		for (unsigned i = 0; i < part; i++)
			at->start += size_in_image(sizes[i]);
		count -= part;
	}
	return 0;
}

static int strides_append(struct sq_node *node, const struct sq_stride *stride)
{
	if (node->stride_count == node->stride_room) {
		uint32_t room = UK_MAX(node->stride_room * 2, 2u);
		struct sq_stride *more = uk_realloc(node->strides, room * sizeof(*more));

		if (more == NULL)
			return -UK_ENOMEM;
		node->strides = more;
		node->stride_room = room;
	}
	node->strides[node->stride_count++] = *stride;
	return 0;
}

/* The stride that block `number` is in, under the inode's lock. */
static int stride_find(struct sq *sq, struct sq_node *node, uint64_t number,
		       struct sq_stride *stride)
{
	int error = 0;

	if (node->stride_count == 0) {
		*stride = (struct sq_stride){ node->list, node->start };
		error = strides_append(node, stride);
	}
	while (error == 0 && node->stride_count <= number / SQ_STRIDE) {
		*stride = node->strides[node->stride_count - 1];
		error = pass(sq, stride, SQ_STRIDE);
		if (error == 0)
			error = strides_append(node, stride);
	}
	if (error == 0)
		*stride = node->strides[number / SQ_STRIDE];
	return error;
}

static int block_find(struct uk_inode *inode, uint64_t number, struct block *block)
{
	struct sq *sq = sq_of(inode);
	struct sq_stride stride;
	uint64_t left = inode->size - number * sq->disk.block_size;
	uint32_t size;
	int error;

	uk_mutex_lock(&inode->lock);
	error = stride_find(sq, sq_node_of(inode), number, &stride);
	uk_mutex_unlock(&inode->lock);
	if (error == 0)
		error = pass(sq, &stride, number % SQ_STRIDE);
	if (error == 0)
		error = sq_meta_read(sq, &stride.place, &size, sizeof(size));
	if (error != 0)
		return error;
	*block = (struct block){ .start = stride.start,
				 .size = size_in_image(size),
				 .stored = (size & SQ_DATA_STORED) != 0,
				 .length = (size_t)UK_MIN(left, (uint64_t)sq->disk.block_size),
				 .exact = true };
	return 0;
}

/* -- ends of files -- */

static int copy_from_fragment(struct sq *sq, uint32_t fragment, size_t offset, uint8_t *to,
			      size_t size)
{
	if (size > sq->disk.block_size || offset > sq->disk.block_size - size)
		return -UK_EIO;
	return fs_cache_read(sq->fragments,
			     ((uint64_t)fragment << (sq->block_order + UK_PAGE_SHIFT)) + offset, to,
			     size);
}

static int fill_tail(struct uk_inode *inode, uint64_t index, uint64_t first)
{
	const struct sq_node *node = sq_node_of(inode);
	size_t skipped = (size_t)(index - first) << UK_PAGE_SHIFT;
	size_t size = (size_t)UK_MIN(inode->size - (index << UK_PAGE_SHIFT), UK_PAGE_SIZE);
	struct uk_page *page = uk_page_alloc(0, true);
	int error;

	if (page == NULL)
		return -UK_ENOMEM;
	error = copy_from_fragment(sq_of(inode), node->fragment, node->fragment_offset + skipped,
				   uk_page_virt(page), size);
	if (error != 0) {
		uk_page_put(page);
		return error;
	}
	return add(inode, index, page);
}

int sq_fill(struct uk_inode *inode, uint64_t index, uint64_t first, unsigned count)
{
	const struct sq_node *node = sq_node_of(inode);
	struct sq *sq = sq_of(inode);
	uint64_t number = first >> sq->block_order;
	struct block block;
	int error;

	if (index << UK_PAGE_SHIFT >= inode->size)
		return add(inode, index, fs_zero_page());
	if (number >= node->block_count)
		return fill_tail(inode, index, first);
	error = block_find(inode, number, &block);
	return error != 0 ? error : fill_block(inode, sq, index, first, count, &block);
}

static int fragment_fill(struct uk_inode *inode, uint64_t index, uint64_t first, unsigned count)
{
	struct sq *sq = inode->data;
	struct sq_fragment fragment;
	struct block block;
	int error = sq_table_read(sq, sq->disk.fragment_table, first >> sq->block_order, &fragment,
				  sizeof(fragment));

	if (error != 0)
		return error;
	block = (struct block){ .start = fragment.start,
				.size = size_in_image(fragment.size),
				.stored = (fragment.size & SQ_DATA_STORED) != 0,
				.length = sq->disk.block_size };
	return block.size != 0 ? fill_block(inode, sq, index, first, count, &block) : -UK_EIO;
}

static const struct uk_inode_ops fragment_ops = { .fill = fragment_fill };

int sq_fragments_new(struct sq *sq)
{
	sq->fragments = uk_inode_new(NULL, &fragment_ops, UK_S_IFREG);
	if (sq->fragments == NULL)
		return -UK_ENOMEM;
	sq->fragments->data = sq;
	sq->fragments->fill_order = (uint8_t)sq->block_order;
	return 0;
}
