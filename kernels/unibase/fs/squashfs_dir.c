/*
 * squashfs's directories: a listing of runs, each a header and up to 256 sorted entries whose
 * inodes lie in one metadata block. Large directories have an index of runs.
 *
 * A position for readdir is the byte at which a run starts in the listing, and a number in the run.
 */
#include "squashfs.h"

enum {
	FIRST = 2,
	RUN_BITS = 8,
	WINDOW = 512,
	ENTRY_MAX = sizeof(struct sq_dir_entry) + UK_NAME_MAX
};
_Static_assert(1 << RUN_BITS == SQ_DIR_RUN, "a number in a run");

static const uint8_t entry_types[] = {
	[SQ_DIR] = 4,	   [SQ_REG] = 8,  [SQ_LINK] = 10,  [SQ_BLOCK_DEV] = 6,
	[SQ_CHAR_DEV] = 2, [SQ_FIFO] = 1, [SQ_SOCKET] = 12
};

struct listing {
	struct sq *sq;
	struct sq_place at; /* behind what is in the window */
	uint32_t position;  /* bytes from the start of the listing */
	uint32_t size;
	/* The run that it is in. */
	uint32_t run; /* where its header stands */
	struct sq_dir_head head;
	uint32_t left; /* entries */
	/* The entry read last. */
	struct sq_dir_entry entry;
	const char *name; /* until the next one is read; no NUL behind it */
	size_t name_size;
	/* The listing's next bytes: an entry takes less than reading it from the metadata would. */
	size_t used, filled;
	uint8_t window[WINDOW];
};
_Static_assert(WINDOW >= ENTRY_MAX, "an entry lies in the window in one piece");

/* Of zeros. */
static void listing_start(struct listing *l, const struct uk_inode *dir)
{
	l->sq = sq_of(dir);
	l->at = sq_node_of(dir)->list;
	l->size = dir->size > SQ_DIR_EXTRA ? (uint32_t)dir->size - SQ_DIR_EXTRA : 0;
}

/* How many of the next `most` bytes lie at *at: fewer only where the listing ends. */
static int look(struct listing *l, size_t most, const uint8_t **at, size_t *have)
{
	size_t rest = l->filled - l->used, left = l->size - l->position;
	int error = 0;

	if (rest < most && rest < left) {
		memmove(l->window, l->window + l->used, rest);
		l->used = 0;
		l->filled = UK_MIN((size_t)WINDOW, left);
		error = sq_meta_read(l->sq, &l->at, l->window + rest, l->filled - rest);
	}
	*at = l->window + l->used;
	*have = l->filled - l->used;
	return error;
}

static void take(struct listing *l, size_t size)
{
	l->used += size;
	l->position += (uint32_t)size;
}

/* Before anything was taken. */
static int pass(struct listing *l, uint32_t size)
{
	if (size > l->size - l->position)
		return -UK_EIO;
	l->position += size;
	return sq_meta_read(l->sq, &l->at, NULL, size);
}

static int next_run(struct listing *l)
{
	const uint8_t *at;
	size_t have;
	int error;

	l->run = l->position;
	error = look(l, sizeof(l->head), &at, &have);
	if (error != 0)
		return error;
	if (have < sizeof(l->head))
		return -UK_EIO;
	memcpy(&l->head, at, sizeof(l->head));
	if (l->head.count >= SQ_DIR_RUN)
		return -UK_EIO;
	l->left = l->head.count + 1;
	take(l, sizeof(l->head));
	return 0;
}

/* 1: an entry, 0: the end. */
static int next_entry(struct listing *l)
{
	const uint8_t *at;
	size_t have;
	int error = 0;

	if (l->left == 0 && l->position == l->size)
		return 0;
	if (l->left == 0)
		error = next_run(l);
	if (error == 0)
		error = look(l, ENTRY_MAX, &at, &have);
	if (error != 0)
		return error;
	if (have < sizeof(l->entry))
		return -UK_EIO;
	__builtin_memcpy(&l->entry, at, sizeof(l->entry));
	l->name = (const char *)at + sizeof(l->entry);
	l->name_size = (size_t)l->entry.name_size + 1;
	if (l->name_size > UK_NAME_MAX || l->name_size > have - sizeof(l->entry) ||
	    l->entry.type < SQ_DIR || l->entry.type > SQ_SOCKET)
		return -UK_EIO;
	take(l, sizeof(l->entry) + l->name_size);
	l->left--;
	return 1;
}

static uint64_t entry_number(const struct listing *l)
{
	return (uint32_t)((int64_t)l->head.number + l->entry.number);
}

static int compare(const char *a, size_t a_size, const char *b, size_t b_size)
{
	int order;

	/* Most differ at once: that is seen without a call. */
	if (*a != *b)
		return (uint8_t)*a < (uint8_t)*b ? -1 : 1;
	order = memcmp(a, b, UK_MIN(a_size, b_size));
	return order != 0 ? order : a_size < b_size ? -1 : a_size > b_size;
}

/* Whether the search goes beyond an index entry. */
typedef bool beyond(const struct sq_dir_index *index, const char *name, size_t name_size,
		    const void *what);

/* Moves to the last run of the index that is not beyond what is looked for. */
static int skip_runs(struct listing *l, const struct uk_inode *dir, beyond *is_beyond,
		     const void *what)
{
	const struct sq_node *node = sq_node_of(dir);
	struct sq_place at = node->index;

	for (uint32_t i = 0; i < node->index_count; i++) {
		struct sq_dir_index index;
		char name[UK_NAME_MAX + 1];
		int error = sq_meta_read(l->sq, &at, &index, sizeof(index));

		if (error == 0 && index.name_size >= UK_NAME_MAX)
			error = -UK_EIO;
		if (error == 0)
			error = sq_meta_read(l->sq, &at, name, index.name_size + 1);
		if (error != 0)
			return error;
		if (is_beyond(&index, name, index.name_size + 1, what))
			break;
		if (index.index >= l->size)
			return -UK_EIO;
		l->at.block = l->sq->disk.directory_table + index.block;
		l->at.offset = (node->list.offset + index.index) % SQ_META_SIZE;
		l->position = index.index;
	}
	return 0;
}

struct wanted {
	const char *name;
	size_t size;
};

static bool name_is_beyond(const struct sq_dir_index *index, const char *name, size_t name_size,
			   const void *what)
{
	const struct wanted *wanted = what;

	(void)index;
	return compare(name, name_size, wanted->name, wanted->size) > 0;
}

static int find(struct listing *l, const struct wanted *wanted)
{
	int result;

	while ((result = next_entry(l)) == 1) {
		int order = compare(l->name, l->name_size, wanted->name, wanted->size);

		if (order == 0)
			return 0;
		if (order > 0)
			return -UK_ENOENT;
	}
	return result != 0 ? result : -UK_ENOENT;
}

int sq_lookup(struct uk_inode *dir, const char *name, size_t size, struct uk_inode **out)
{
	const struct wanted wanted = { name, size };
	struct listing *l = uk_alloc(sizeof(*l));
	int error;

	if (l == NULL)
		return -UK_ENOMEM;
	listing_start(l, dir);
	error = skip_runs(l, dir, name_is_beyond, &wanted);
	if (error == 0)
		error = find(l, &wanted);
	if (error == 0) {
		*out = fs_inode_find(dir->super, entry_number(l));
		if (*out == NULL)
			error = sq_inode_get(l->sq, l->head.block, l->entry.offset, out);
	}
	uk_free(l);
	return error;
}

static bool run_is_beyond(const struct sq_dir_index *index, const char *name, size_t name_size,
			  const void *what)
{
	(void)name;
	(void)name_size;
	return index->index > *(const uint32_t *)what;
}

/* To the entry that a position names. */
static int seek(struct listing *l, const struct uk_inode *dir, uint64_t position)
{
	uint64_t run = position >> RUN_BITS;
	uint32_t start;
	int result;

	if (run > l->size)
		return 0;
	start = (uint32_t)run;
	result = skip_runs(l, dir, run_is_beyond, &start);
	if (result == 0 && start > l->position)
		result = pass(l, start - l->position);
	for (unsigned i = 0; i < (position & (SQ_DIR_RUN - 1)) && result >= 0; i++) {
		result = next_entry(l);
		if (result == 0)
			break;
	}
	return result < 0 ? result : 0;
}

int sq_readdir(struct uk_inode *dir, uint64_t *position, struct uk_dirent_sink *sink)
{
	struct listing *l = uk_alloc(sizeof(*l));
	int result;

	if (l == NULL)
		return -UK_ENOMEM;
	listing_start(l, dir);
	result = seek(l, dir, *position - FIRST);
	while (result == 0 && (result = next_entry(l)) == 1) {
		uint64_t number = l->head.count - l->left;
		uint64_t next = FIRST + ((uint64_t)l->run << RUN_BITS) + number + 1;

		/* Behind a run's last entry the next run starts. */
		if (l->left == 0)
			next = FIRST + ((uint64_t)l->position << RUN_BITS);
		result = sink->add(sink, l->name, l->name_size, entry_number(l),
				   entry_types[l->entry.type], next);
		if (result == 0)
			*position = next;
	}
	uk_free(l);
	return result < 0 ? result : 0;
}
