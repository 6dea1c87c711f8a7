/*
 * Where a file's blocks lie: its tree of extents, or the block map of a file from ext2, which is
 * read and never changed.
 *
 * A path holds the nodes from the inode's own (level 0) to a leaf, with the place in each. Changes
 * are made in a leaf; one that is full is split, one that is empty is taken out of its parent.
 */
#include "ext4.h"

enum { DEPTH_MAX = UNI_EXT4_EXTENT_DEPTH_MAX, REMOVE_STEP = 6 };

struct level {
	struct e4_buf *buf; /* NULL: in the inode */
	struct uni_ext4_extent_header *head;
	int at; /* entry on the way; -1: before the first */
};

struct path {
	struct uk_inode *inode;
	struct e4 *fs;
	struct level levels[DEPTH_MAX + 1];
	unsigned depth; /* of the leaf */
	uint64_t next;	/* first block of the file in what comes behind the leaf's entry */
};

static struct uni_ext4_extent *extents_of(const struct level *l)
{
	return (struct uni_ext4_extent *)(void *)(l->head + 1);
}

static struct uni_ext4_extent_index *indexes_of(const struct level *l)
{
	return (struct uni_ext4_extent_index *)(void *)(l->head + 1);
}

static uint32_t len_of(const struct uni_ext4_extent *e)
{
	return e->len <= UNI_EXT4_EXTENT_MAX ? e->len : e->len - (uint32_t)UNI_EXT4_EXTENT_MAX;
}

static bool is_unwritten(const struct uni_ext4_extent *e)
{
	return e->len > UNI_EXT4_EXTENT_MAX;
}

static uint64_t start_of(const struct uni_ext4_extent *e)
{
	return e->start_lo | (uint64_t)e->start_hi << 32;
}

static uint64_t leaf_of(const struct uni_ext4_extent_index *i)
{
	return i->leaf_lo | (uint64_t)i->leaf_hi << 32;
}

static struct uni_ext4_extent make_extent(uint32_t at, uint32_t count, uint64_t start,
					  bool unwritten)
{
	return (struct uni_ext4_extent){
		.block = at,
		.len = (uint16_t)(count + (unwritten ? UNI_EXT4_EXTENT_MAX : 0)),
		.start_hi = (uint16_t)(start >> 32),
		.start_lo = (uint32_t)start,
	};
}

static struct uni_ext4_extent_index make_index(uint32_t at, uint64_t block)
{
	return (struct uni_ext4_extent_index){ .block = at,
					       .leaf_lo = (uint32_t)block,
					       .leaf_hi = (uint16_t)(block >> 32) };
}

static struct level *leaf_level(struct path *p)
{
	return &p->levels[p->depth];
}

static void path_close(struct path *p)
{
	for (unsigned i = 0; i <= DEPTH_MAX; i++)
		e4_buf_put(p->fs, p->levels[i].buf);
}

/* Both kinds of entries start with the block of the file. */
static uint32_t entry_block(const struct level *l, int at)
{
	return extents_of(l)[at].block;
}

static void search(struct path *p, struct level *l, uint32_t at)
{
	int low = 0, high = (int)l->head->entries;

	while (low < high) {
		int middle = (low + high) / 2;

		if (entry_block(l, middle) <= at)
			low = middle + 1;
		else
			high = middle;
	}
	l->at = low - 1;
	if (low < (int)l->head->entries)
		p->next = entry_block(l, low);
}

/* Entries in order, inside the volume, and not one over the other. */
static bool node_sound(const struct path *p, const struct level *l, unsigned depth, size_t room)
{
	const struct uni_ext4_extent_header *h = l->head;
	uint64_t end = 0;

	if (h->magic != UNI_EXT4_EXTENT_MAGIC || h->depth != depth || h->entries > h->max ||
	    h->max > (room - sizeof(*h)) / sizeof(struct uni_ext4_extent))
		return false;
	for (unsigned i = 0; i < h->entries; i++) {
		const struct uni_ext4_extent *e = &extents_of(l)[i];
		uint64_t start, count;

		if (e->block < end)
			return false;
		if (depth != 0) {
			start = leaf_of(&indexes_of(l)[i]);
			count = 1;
		} else {
			start = start_of(e);
			count = len_of(e);
		}
		if (count == 0 || start <= p->fs->first_block || start >= p->fs->blocks ||
		    count > p->fs->blocks - start)
			return false;
		end = e->block + count;
	}
	return end <= 1ull << 32;
}

static int descend(struct path *p, unsigned level, unsigned depth, uint32_t at)
{
	struct level *l = &p->levels[level];
	struct e4_node *node = e4_node_of(p->inode);
	uint64_t block;
	int error;

	if (level == 0) {
		l->head = (struct uni_ext4_extent_header *)(void *)node->map;
	} else {
		const struct level *up = l - 1;

		block = leaf_of(&indexes_of(up)[up->at]);
		error = e4_buf_get(p->fs, block, E4_EXTENTS, node->seed, &l->buf);
		if (error != 0)
			return error;
		l->head = (struct uni_ext4_extent_header *)(void *)l->buf->data;
	}
	if (!node_sound(p, l, depth, level == 0 ? sizeof(node->map) : p->fs->block_size))
		return e4_bad(p->fs, "a tree of extents");
	search(p, l, at);
	/* What lies before the first entry belongs to that. */
	if (depth != 0 && l->at < 0)
		l->at = 0;
	return depth != 0 && l->head->entries == 0 ? e4_bad(p->fs, "an empty node of extents") : 0;
}

static int path_open(struct path *p, struct uk_inode *inode, uint32_t at)
{
	const struct uni_ext4_extent_header *root =
		(const struct uni_ext4_extent_header *)(const void *)e4_node_of(inode)->map;
	int error = 0;

	*p = (struct path){ .inode = inode, .fs = e4_of(inode), .next = 1ull << 32 };
	p->depth = root->depth;
	if (p->depth > DEPTH_MAX)
		return e4_bad(p->fs, "a deep tree of extents");
	for (unsigned level = 0; level <= p->depth && error == 0; level++)
		error = descend(p, level, p->depth - level, at);
	if (error != 0)
		path_close(p);
	return error;
}

/* --- looking up --- */

static int map_extents(struct uk_inode *inode, uint32_t at, uint64_t end, struct e4_run *runs,
		       unsigned *run_count)
{
	while (at < end && *run_count < E4_RUNS_MAX) {
		struct e4_run *run = &runs[*run_count];
		const struct uni_ext4_extent *e;
		struct level *leaf;
		struct path p;
		int error = path_open(&p, inode, at);

		if (error != 0)
			return error;
		leaf = leaf_level(&p);
		e = leaf->at >= 0 ? &extents_of(leaf)[leaf->at] : NULL;
		*run = (struct e4_run){ .at = at };
		if (e != NULL && at - e->block < len_of(e)) {
			run->block = start_of(e) + (at - e->block);
			run->count = len_of(e) - (at - e->block);
			run->unwritten = is_unwritten(e);
		} else {
			run->count = (uint32_t)(UK_MIN(p.next, end) - at);
		}
		run->count = (uint32_t)UK_MIN((uint64_t)run->count, end - at);
		at += run->count;
		++*run_count;
		path_close(&p);
	}
	return 0;
}

/* One block of a file from ext2: twelve in the inode, then blocks of pointers, up to three deep. */
static int map_pointer(struct uk_inode *inode, uint64_t at, uint64_t *block)
{
	struct e4 *fs = e4_of(inode);
	const struct e4_node *node = e4_node_of(inode);
	uint64_t per = fs->block_size / 4, width = 1;
	unsigned level;

	*block = 0;
	if (at < 12) {
		*block = node->map[at];
		return 0;
	}
	at -= 12;
	for (level = 1; level <= 3; level++) {
		width *= per;
		if (at < width)
			break;
		at -= width;
	}
	if (level > 3)
		return e4_bad(fs, "size of a file");
	for (*block = node->map[11 + level]; level != 0 && *block != 0; level--) {
		struct e4_buf *buf;
		uint32_t pointer;
		int error = e4_buf_get(fs, *block, E4_PLAIN, 0, &buf);

		if (error != 0)
			return error;
		width /= per;
		memcpy(&pointer, buf->data + at / width * 4, sizeof(pointer));
		*block = pointer;
		at %= width;
		e4_buf_put(fs, buf);
	}
	return *block < fs->blocks ? 0 : e4_bad(fs, "a file has blocks of no volume");
}

static int map_pointers(struct uk_inode *inode, uint32_t at, uint64_t end, struct e4_run *runs,
			unsigned *run_count)
{
	for (; at < end; at++) {
		struct e4_run *last = *run_count != 0 ? &runs[*run_count - 1] : NULL;
		uint64_t block;
		int error = map_pointer(inode, at, &block);

		if (error != 0)
			return error;
		if (last != NULL &&
		    (block == 0 ? last->block == 0
				: last->block != 0 && last->block + last->count == block)) {
			last->count++;
			continue;
		}
		if (*run_count == E4_RUNS_MAX)
			break;
		runs[(*run_count)++] = (struct e4_run){ .at = at, .block = block, .count = 1 };
	}
	return 0;
}

int e4_map(struct uk_inode *inode, uint32_t at, uint32_t count, struct e4_run *runs,
	   unsigned *run_count)
{
	uint64_t end = UK_MIN((uint64_t)at + count, (uint64_t)UINT32_MAX);

	*run_count = 0;
	if ((e4_node_of(inode)->flags & UNI_EXT4_FL_INLINE) != 0)
		return -UK_EOPNOTSUPP;
	if ((e4_node_of(inode)->flags & UNI_EXT4_FL_EXTENTS) != 0)
		return map_extents(inode, at, end, runs, run_count);
	return map_pointers(inode, at, end, runs, run_count);
}

/* --- changing --- */

static void level_dirty(struct path *p, const struct level *l)
{
	if (l->buf != NULL)
		e4_buf_dirty(p->fs, l->buf);
	e4_node_of(p->inode)->tid = p->fs->tid;
}

static void entry_put(struct path *p, struct level *l, int at, const void *entry)
{
	uint8_t *entries = (uint8_t *)(l->head + 1);

	memmove(entries + (size_t)(at + 1) * 12, entries + (size_t)at * 12,
		(size_t)(l->head->entries - at) * 12);
	memcpy(entries + (size_t)at * 12, entry, 12);
	l->head->entries++;
	level_dirty(p, l);
}

static void entry_take(struct path *p, struct level *l, int at)
{
	uint8_t *entries = (uint8_t *)(l->head + 1);

	l->head->entries--;
	memmove(entries + (size_t)at * 12, entries + (size_t)(at + 1) * 12,
		(size_t)(l->head->entries - at) * 12);
	level_dirty(p, l);
}

static int node_new(struct path *p, unsigned depth, struct level *l, uint64_t *block)
{
	struct e4_node *node = e4_node_of(p->inode);
	uint32_t count;
	int error = e4_alloc(p->fs, node->next_goal, 1, block, &count);

	if (error == 0)
		error = e4_buf_new(p->fs, *block, E4_EXTENTS, node->seed, &l->buf);
	if (error != 0)
		return error;
	node->blocks += p->fs->sectors;
	l->head = (struct uni_ext4_extent_header *)(void *)l->buf->data;
	*l->head = (struct uni_ext4_extent_header){
		.magic = UNI_EXT4_EXTENT_MAGIC,
		.max = (uint16_t)((p->fs->block_size - sizeof(*l->head) - 4) / 12),
		.depth = (uint16_t)depth,
	};
	return 0;
}

/* The inode's own entries move into a block of their own, one level deeper. */
static int grow(struct path *p)
{
	struct level *root = &p->levels[0], l = { .buf = NULL };
	struct uni_ext4_extent_index index;
	uint64_t block;
	int error;

	if (p->depth == DEPTH_MAX)
		return -UK_EFBIG;
	error = node_new(p, root->head->depth, &l, &block);
	if (error != 0)
		return error;
	memcpy(l.head + 1, root->head + 1, (size_t)root->head->entries * 12);
	l.head->entries = root->head->entries;
	index = make_index(entry_block(root, 0), block);
	memcpy(root->head + 1, &index, sizeof(index));
	root->head->entries = 1;
	root->head->depth++;
	level_dirty(p, root);
	e4_buf_put(p->fs, l.buf);
	return 0;
}

/* Half of a full node (all but nothing of it when it grows at its end) moves into a new one. */
static int split(struct path *p, unsigned level)
{
	struct level *full = &p->levels[level], *up = full - 1, l = { .buf = NULL };
	struct uni_ext4_extent_index index;
	int entries = full->head->entries, keep = entries / 2;
	uint64_t block;
	int error = node_new(p, full->head->depth, &l, &block);

	if (error != 0)
		return error;
	if (full->at == entries - 1 && p->next == 1ull << 32)
		keep = entries - 1;
	memcpy(l.head + 1, (uint8_t *)(full->head + 1) + (size_t)keep * 12,
	       (size_t)(entries - keep) * 12);
	l.head->entries = (uint16_t)(entries - keep);
	full->head->entries = (uint16_t)keep;
	level_dirty(p, full);
	index = make_index(entry_block(&l, 0), block);
	entry_put(p, up, up->at + 1, &index);
	e4_buf_put(p->fs, l.buf);
	return 0;
}

/* Makes room for some more entries in the leaf of `at`; the path is opened anew. */
static int make_room(struct path *p, struct uk_inode *inode, uint32_t at, unsigned wanted)
{
	for (;;) {
		unsigned level;
		int error = path_open(p, inode, at);

		if (error != 0)
			return error;
		if (leaf_level(p)->head->entries + wanted <= leaf_level(p)->head->max)
			return 0;
		/* The lowest full node below one that has room. */
		for (level = p->depth; level != 0; level--)
			if (p->levels[level - 1].head->entries < p->levels[level - 1].head->max)
				break;
		error = level == 0 ? grow(p) : split(p, level);
		path_close(p);
		if (error != 0)
			return error;
	}
}

/* A node's first entry changed: those above it say so too. */
static void keys_up(struct path *p)
{
	for (unsigned level = p->depth; level != 0; level--) {
		struct level *up = &p->levels[level - 1];
		uint32_t first = entry_block(&p->levels[level], 0);

		if (indexes_of(up)[up->at].block == first)
			break;
		indexes_of(up)[up->at].block = first;
		level_dirty(p, up);
		if (up->at != 0)
			break;
	}
}

static bool joins(const struct uni_ext4_extent *a, const struct uni_ext4_extent *b)
{
	return is_unwritten(a) == is_unwritten(b) && a->block + len_of(a) == b->block &&
	       start_of(a) + len_of(a) == start_of(b) &&
	       len_of(a) + len_of(b) < UNI_EXT4_EXTENT_MAX;
}

/* Into the neighbour on the left or right where that goes on. */
static bool join(struct path *p, const struct uni_ext4_extent *e)
{
	struct level *leaf = leaf_level(p);
	struct uni_ext4_extent *left = leaf->at >= 0 ? &extents_of(leaf)[leaf->at] : NULL;
	struct uni_ext4_extent *right =
		leaf->at + 1 < (int)leaf->head->entries ? &extents_of(leaf)[leaf->at + 1] : NULL;

	if (left != NULL && joins(left, e)) {
		left->len = (uint16_t)(left->len + len_of(e));
		if (right != NULL && joins(left, right)) {
			left->len = (uint16_t)(left->len + len_of(right));
			entry_take(p, leaf, leaf->at + 1);
		}
		level_dirty(p, leaf);
		return true;
	}
	if (right == NULL || !joins(e, right))
		return false;
	*right = make_extent(e->block, len_of(e) + len_of(right), start_of(e), is_unwritten(e));
	level_dirty(p, leaf);
	if (leaf->at < 0)
		keys_up(p);
	return true;
}

static int insert(struct uk_inode *inode, const struct uni_ext4_extent *e)
{
	struct path p;
	int error = path_open(&p, inode, e->block);

	if (error != 0)
		return error;
	if (join(&p, e)) {
		path_close(&p);
		return 0;
	}
	path_close(&p);
	error = make_room(&p, inode, e->block, 1);
	if (error != 0)
		return error;
	entry_put(&p, leaf_level(&p), leaf_level(&p)->at + 1, e);
	if (leaf_level(&p)->at < 0)
		keys_up(&p);
	path_close(&p);
	return 0;
}

int e4_extent_insert(struct uk_inode *inode, uint32_t at, uint32_t count, uint64_t block,
		     bool unwritten)
{
	struct uni_ext4_extent e = make_extent(at, count, block, unwritten);

	if ((e4_node_of(inode)->flags & UNI_EXT4_FL_EXTENTS) == 0)
		return -UK_EOPNOTSUPP;
	return insert(inode, &e);
}

/* The leaf has no entries left: it goes, and so do those above that had only it. */
static int prune(struct path *p)
{
	unsigned level = p->depth;

	while (level != 0 && p->levels[level].head->entries == 0) {
		struct level *l = &p->levels[level], *up = l - 1;
		uint64_t block = l->buf->block;
		int error;

		e4_buf_put(p->fs, l->buf);
		l->buf = NULL;
		error = e4_free(p->fs, block, 1, true);
		if (error != 0)
			return error;
		e4_node_of(p->inode)->blocks -= p->fs->sectors;
		entry_take(p, up, up->at);
		level--;
	}
	if (p->levels[0].head->entries == 0)
		p->levels[0].head->depth = 0;
	else if (level < p->depth || p->levels[level].at == 0)
		/* What was first may be so no longer. */
		for (unsigned i = level; i != 0 && p->levels[i].head->entries != 0; i--) {
			struct level *up = &p->levels[i - 1];

			if (up->at >= (int)up->head->entries)
				break;
			indexes_of(up)[up->at].block = entry_block(&p->levels[i], 0);
			level_dirty(p, up);
			if (up->at != 0)
				break;
		}
	return 0;
}

/* Cuts [from, to) out of the leaf's entry. 1: the rest behind it waits for a place of its own. */
static int cut_entry(struct path *p, uint32_t from, uint64_t to, struct uni_ext4_extent *rest)
{
	struct level *leaf = leaf_level(p);
	struct uni_ext4_extent *e = &extents_of(leaf)[leaf->at], old = *e;
	uint64_t end = (uint64_t)old.block + len_of(&old), start;
	uint32_t first = UK_MAX(from, old.block), last = (uint32_t)UK_MIN(to, end);
	int error;

	start = start_of(&old) + (first - old.block);
	e4_node_of(p->inode)->blocks -= (uint64_t)(last - first) * p->fs->sectors;
	error = e4_free(p->fs, start, last - first, UK_S_IS(p->inode->mode, DIR));
	if (error != 0)
		return error;
	*rest = make_extent(last, (uint32_t)(end - last), start_of(&old) + (last - old.block),
			    is_unwritten(&old));
	if (first > old.block) {
		*e = make_extent(old.block, first - old.block, start_of(&old), is_unwritten(&old));
		level_dirty(p, leaf);
		return last < end;
	}
	if (last < end) {
		*e = *rest;
		level_dirty(p, leaf);
		if (leaf->at == 0)
			keys_up(p);
		return 0;
	}
	entry_take(p, leaf, leaf->at);
	return prune(p);
}

int e4_extent_remove(struct uk_inode *inode, uint32_t from, uint32_t to)
{
	if ((e4_node_of(inode)->flags & UNI_EXT4_FL_EXTENTS) == 0)
		return -UK_EOPNOTSUPP;
	/* From the end backwards: what is cut last is what a file keeps longest. */
	for (unsigned step = 0; step < REMOVE_STEP; step++) {
		struct uni_ext4_extent rest;
		struct level *leaf;
		struct path p;
		uint64_t end;
		int result;

		if (to <= from)
			return 0;
		result = path_open(&p, inode, to - 1);
		if (result != 0)
			return result;
		leaf = leaf_level(&p);
		if (leaf->at < 0 || extents_of(leaf)[leaf->at].block +
						    (uint64_t)len_of(&extents_of(leaf)[leaf->at]) <=
					    from) {
			path_close(&p);
			return 0;
		}
		/* A hole at the end: on to what is before it. */
		end = extents_of(leaf)[leaf->at].block +
		      (uint64_t)len_of(&extents_of(leaf)[leaf->at]);
		if (end > to && extents_of(leaf)[leaf->at].block < from) {
			/* One becomes two: nothing may fail behind the cut. */
			path_close(&p);
			result = make_room(&p, inode, to - 1, 1);
			if (result != 0)
				return result;
		}
		to = (uint32_t)UK_MIN((uint64_t)to, end);
		result = cut_entry(&p, from, to, &rest);
		path_close(&p);
		if (result == 1)
			return insert(inode, &rest);
		if (result != 0)
			return result;
	}
	return 1;
}

int e4_extent_convert(struct uk_inode *inode, uint32_t at, uint32_t count)
{
	while (count != 0) {
		struct uni_ext4_extent old, piece;
		struct level *leaf;
		struct path p;
		uint32_t inside, some;
		int error = make_room(&p, inode, at, 2);

		if (error != 0)
			return error;
		leaf = leaf_level(&p);
		if (leaf->at < 0 ||
		    at - extents_of(leaf)[leaf->at].block >= len_of(&extents_of(leaf)[leaf->at])) {
			path_close(&p);
			return -UK_EIO;
		}
		old = extents_of(leaf)[leaf->at];
		inside = at - old.block;
		some = UK_MIN(count, len_of(&old) - inside);
		if (!is_unwritten(&old)) {
			path_close(&p);
			at += some;
			count -= some;
			continue;
		}
		/* The entry becomes its left part or goes; the others come in like new ones. */
		if (inside != 0) {
			extents_of(leaf)[leaf->at] =
				make_extent(old.block, inside, start_of(&old), true);
			level_dirty(&p, leaf);
		} else {
			entry_take(&p, leaf, leaf->at);
			error = prune(&p);
		}
		path_close(&p);
		piece = make_extent(at, some, start_of(&old) + inside, false);
		if (error == 0)
			error = insert(inode, &piece);
		if (error == 0 && inside + some < len_of(&old)) {
			piece = make_extent(at + some, len_of(&old) - inside - some,
					    start_of(&old) + inside + some, true);
			error = insert(inode, &piece);
		}
		if (error != 0)
			return error;
		at += some;
		count -= some;
	}
	return 0;
}
