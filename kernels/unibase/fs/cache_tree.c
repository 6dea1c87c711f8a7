/*
 * The tree of an inode's pages, by their numbers: as high as the greatest needs, 64 places to a
 * node. It knows nothing of what a page is, and locks nothing: see cache.c.
 */
#include <uk/vfs.h>

#include "cache.h"

enum { FAN_BITS = 6, FAN = 1 << FAN_BITS, HEIGHT_MAX = 9 };
_Static_assert(FAN_BITS *HEIGHT_MAX >= 63 - UK_PAGE_SHIFT, "every file offset has a place");

struct fs_tree_node {
	void *slot[FAN];
};

static bool tree_reaches(const struct uk_pages *tree, uint64_t index)
{
	unsigned bits = FAN_BITS * tree->height;

	return bits >= 64 || index >> bits == 0;
}

static unsigned tree_step(uint64_t index, unsigned height)
{
	return (unsigned)(index >> (FAN_BITS * (height - 1))) & (FAN - 1);
}

void **fs_tree_place(struct uk_pages *tree, uint64_t index)
{
	void **place = &tree->root;

	if (!tree_reaches(tree, index))
		return NULL;
	for (unsigned height = tree->height; height > 0; height--) {
		struct fs_tree_node *node = *place;

		if (node == NULL)
			return NULL;
		place = &node->slot[tree_step(index, height)];
	}
	return place;
}

struct uk_page *fs_tree_find(struct uk_pages *tree, uint64_t index)
{
	void **place = fs_tree_place(tree, index);

	return place != NULL ? *place : NULL;
}

/* The first page at or behind `from` below `place`, which stands for pages from `base` on. */
static struct uk_page *tree_next_below(void *place, unsigned height, uint64_t base, uint64_t from,
				       uint64_t *index)
{
	struct fs_tree_node *node = place;

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

struct uk_page *fs_tree_next(struct uk_pages *tree, uint64_t from, uint64_t *index)
{
	return tree_next_below(tree->root, tree->height, 0, from, index);
}

bool fs_spares_fill(struct fs_spares *spares)
{
	while (spares->count < UK_COUNT(spares->node)) {
		struct fs_tree_node *node = uk_alloc(sizeof(*node));

		if (node == NULL)
			return false;
		spares->node[spares->count++] = node;
	}
	return true;
}

void fs_spares_free(struct fs_spares *spares)
{
	while (spares->count != 0)
		uk_free(spares->node[--spares->count]);
}

void **fs_tree_make_place(struct uk_pages *tree, uint64_t index, struct fs_spares *spares)
{
	void **place;

	while (!tree_reaches(tree, index)) {
		if (tree->root != NULL) {
			struct fs_tree_node *node;

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
		place = &((struct fs_tree_node *)*place)->slot[tree_step(index, height)];
	}
	return place;
}

static void free_below(void *place, unsigned height)
{
	struct fs_tree_node *node = place;

	if (node == NULL || height == 0)
		return;
	for (unsigned i = 0; i < FAN; i++)
		free_below(node->slot[i], height - 1);
	uk_free(node);
}

void fs_tree_free(struct uk_pages *tree)
{
	free_below(tree->root, tree->height);
}
