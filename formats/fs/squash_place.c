/*
 * Where every content lies in an image that is placed. What the image before holds stays. What is
 * new takes the place of what it replaces if it fits there, else the first gap that is large
 * enough, else the end. The order is that of the tree, so the result is a function of the tree and
 * the image before.
 */
#include <string.h>
#include <uni/base/search.h>

#include "squash.h"
#include "squash_make.h"

struct gap {
	uint64_t start;
	uint64_t end;
};

struct gaps {
	struct gap *items; /* sorted; the last one has no end */
	size_t count, room;
	size_t first; /* all before it are used up */
};

static uint64_t round_up(uint64_t value)
{
	return (value + SQUASH_BLOCK_MIN - 1) / SQUASH_BLOCK_MIN * SQUASH_BLOCK_MIN;
}

static int compare_from(const void *a, const void *b)
{
	const struct squash_extent *x = *(const struct squash_extent *const *)a;
	const struct squash_extent *y = *(const struct squash_extent *const *)b;

	return x->from < y->from ? -1 : x->from > y->from;
}

static void add_gap(struct gaps *gaps, uint64_t start, uint64_t end)
{
	if (start >= end)
		return;
	UNI_PUSH_ROOM(gaps->items, gaps->count, gaps->room);
	gaps->items[gaps->count++] = (struct gap){ start, end };
}

/* The gaps between what stays. */
static void find_gaps(const struct uni_squash_image *image, bool pack, struct gaps *gaps)
{
	UNI_AUTO_FREE const struct squash_extent **kept =
		uni_alloc_array(image->extent_count + 1, sizeof(const struct squash_extent *));
	size_t count = 0;
	uint64_t at = SQUASH_BLOCK_MIN;

	for (size_t i = 0; i < image->extent_count && !pack; i++)
		if (image->extents[i].previous)
			kept[count++] = &image->extents[i];
	qsort((void *)kept, count, sizeof(struct squash_extent *), compare_from);
	for (size_t i = 0; i < count; i++) {
		add_gap(gaps, at, kept[i]->from);
		at = round_up(kept[i]->from + kept[i]->size);
	}
	add_gap(gaps, at, UINT64_MAX);
}

/* Takes [at, at + size) out of gap `index`. */
static uint64_t take(struct gaps *gaps, size_t index, uint64_t at, uint64_t size)
{
	struct gap *gap = &gaps->items[index];
	uint64_t end = gap->end;

	gap->end = at;
	if (at == gap->start) {
		gap->start = at + size;
		gap->end = end;
	} else if (at + size < end) {
		UNI_PUSH_ROOM(gaps->items, gaps->count, gaps->room);
		memmove(&gaps->items[index + 2], &gaps->items[index + 1],
			(gaps->count - index - 1) * sizeof(*gaps->items));
		gaps->items[index + 1] = (struct gap){ at + size, end };
		gaps->count++;
	}
	while (gaps->items[gaps->first].start == gaps->items[gaps->first].end)
		gaps->first++;
	return at;
}

/* The gap that holds `at`, or where one would be. */
static size_t gap_at(const struct gaps *gaps, uint64_t at)
{
	size_t i;

	UNI_LOWER_BOUND(i, gaps->first, gaps->count, gaps->items[i].end <= at);
	return i;
}

static uint64_t find_place(struct gaps *gaps, uint64_t wish, uint64_t size)
{
	size_t i;

	if (wish != 0) {
		i = gap_at(gaps, wish);
		if (gaps->items[i].start <= wish && gaps->items[i].end - wish >= size)
			return take(gaps, i, wish, size);
	}
	for (i = gaps->first; gaps->items[i].end - gaps->items[i].start < size; i++)
		;
	return take(gaps, i, gaps->items[i].start, size);
}

uint64_t squash_place(struct uni_squash_image *image, bool pack)
{
	struct gaps gaps = { .items = NULL };
	uint64_t end = SQUASH_BLOCK_MIN;

	find_gaps(image, pack, &gaps);
	/* By entries: what stays and what is new came into the list as the threads had it done. */
	for (size_t i = 0; i < image->count; i++) {
		const struct squash_entry *entry = &image->entries[i];
		struct squash_extent *e;

		if (entry->same_as != SQUASH_NONE || entry->extent == SQUASH_NONE)
			continue;
		e = &image->extents[entry->extent];
		if (e->size == 0)
			e->to = SQUASH_BLOCK_MIN;
		else if (e->previous && !pack)
			e->to = e->from;
		else
			e->to = find_place(&gaps, pack ? 0 : e->wish, round_up(e->size));
		if (round_up(e->to + e->size) > end)
			end = round_up(e->to + e->size);
	}
	free(gaps.items);
	return end;
}
