/*
 * A folder's children: finding one, adding one in any order, and bringing all into order.
 */
#include "node.h"
#include <search.h>
#include <string.h>
#include <uni/base/search.h>

/* Those behind the sorted ones. A search tree that stays balanced: names may come from somebody who
 * would like to see a hash table slow. */
struct late {
	uint32_t from;
	void *keys;
};

struct key {
	const char *name; /* the child's own */
	uint32_t index;
};

static int by_key(const void *a, const void *b)
{
	const struct key *x = a, *y = b;

	return strcmp(x->name, y->name);
}

static int by_name(const void *a, const void *b)
{
	const struct uni_tree_node *x = a, *y = b;

	return strcmp(x->name, y->name);
}

static bool find_late(const struct late *late, const char *name, uint32_t *index)
{
	const struct key wanted = { .name = name };
	const struct key *const *found = tfind(&wanted, &late->keys, by_key);

	if (found != NULL)
		*index = (*found)->index;
	return found != NULL;
}

bool node_find(const struct children *children, const char *name, uint32_t *index)
{
	uint32_t count = children->late != NULL ? children->late->from : children->count;
	size_t at = count;

	/* What is added in order belongs behind the last. */
	if (at != 0 && strcmp(children->items[at - 1].name, name) >= 0)
		UNI_LOWER_BOUND(at, 0, count, strcmp(children->items[at].name, name) < 0);
	*index = (uint32_t)at;
	if (at < count && strcmp(children->items[at].name, name) == 0)
		return true;
	return children->late != NULL && find_late(children->late, name, index);
}

static void add_late(struct children *children, uint32_t index)
{
	struct key *key = uni_alloc(sizeof(*key));

	*key = (struct key){ .name = children->items[index].name, .index = index };
	if (tsearch(key, &children->late->keys, by_key) == NULL)
		uni_end("out of memory");
}

void node_append(struct children *children, const struct uni_tree_node *node)
{
	uint32_t index = children->count;

	UNI_PUSH_ROOM(children->items, children->count, children->room);
	children->items[children->count++] = *node;
	if (children->late == NULL &&
	    (index == 0 || strcmp(children->items[index - 1].name, node->name) < 0))
		return;
	if (children->late == NULL) {
		children->late = uni_alloc(sizeof(*children->late));
		children->late->from = index;
	}
	add_late(children, index);
}

static void forget_late(struct children *children)
{
	if (children->late != NULL)
		tdestroy(children->late->keys, free);
	free(children->late);
	children->late = NULL;
}

void children_clear(struct children *children)
{
	forget_late(children);
	for (uint32_t i = 0; i < children->count; i++)
		node_clear(&children->items[i]);
	free(children->items);
}

void node_sort(struct children *children)
{
	struct late *late = children->late;
	struct uni_tree_node *items = children->items, *rest;
	size_t left, count, at = children->count;

	if (late == NULL)
		return;
	left = late->from;
	count = children->count - left;
	qsort(items + left, count, sizeof(*items), by_name);
	/* Both parts into one, from the end: the second out of the way first. */
	rest = uni_memdup(items + left, count * sizeof(*items));
	while (count != 0) {
		bool first = left != 0 && strcmp(items[left - 1].name, rest[count - 1].name) > 0;

		items[--at] = first ? items[--left] : rest[--count];
	}
	free(rest);
	forget_late(children);
}
