/*
 * The tree of areas: a treap ordered by address, in which every node knows the extent of its
 * subtree and the widest hole inside it. So finding an area and finding room for one both take
 * logarithmic time, whatever the number of areas, and nothing has to be rebalanced on removal.
 * The priorities are pseudo-random; a program that picks addresses cannot make the tree deep.
 */
#include <uk/map.h>

static struct uk_area *update(struct uk_area *n)
{
	const struct uk_area *l = n->left, *r = n->right;

	n->low = l != NULL ? l->low : n->start;
	n->high = r != NULL ? r->high : n->end;
	n->gap = 0;
	if (l != NULL)
		n->gap = UK_MAX(l->gap, n->start - l->high);
	if (r != NULL) {
		uint64_t behind = UK_MAX(r->gap, r->low - n->end);

		n->gap = UK_MAX(n->gap, behind);
	}
	return n;
}

/* Areas below `addr` to *l, the others to *r. */
static void split(struct uk_area *n, uint64_t addr, struct uk_area **l, struct uk_area **r)
{
	if (n == NULL) {
		*l = *r = NULL;
	} else if (n->start < addr) {
		split(n->right, addr, &n->right, r);
		*l = update(n);
	} else {
		split(n->left, addr, l, &n->left);
		*r = update(n);
	}
}

static struct uk_area *merge(struct uk_area *l, struct uk_area *r)
{
	if (l == NULL)
		return r;
	if (r == NULL)
		return l;
	if (l->priority > r->priority) {
		l->right = merge(l->right, r);
		return update(l);
	}
	r->left = merge(l, r->left);
	return update(r);
}

struct uk_area *uk_area_find(struct uk_area *root, uint64_t addr)
{
	struct uk_area *best = NULL;

	while (root != NULL) {
		if (root->end > addr) {
			best = root;
			root = root->left;
		} else {
			root = root->right;
		}
	}
	return best;
}

struct uk_area *uk_area_before(struct uk_area *root, uint64_t addr)
{
	struct uk_area *best = NULL;

	while (root != NULL) {
		if (root->end <= addr) {
			best = root;
			root = root->right;
		} else {
			root = root->left;
		}
	}
	return best;
}

static uint32_t next_priority(void)
{
	static uint32_t state = 0x9e3779b9u;

	state ^= state << 13;
	state ^= state >> 17;
	state ^= state << 5;
	return state;
}

void uk_area_insert(struct uk_area **root, struct uk_area *area)
{
	struct uk_area *l, *r;

	area->left = area->right = NULL;
	area->priority = next_priority();
	update(area);
	split(*root, area->start, &l, &r);
	*root = merge(merge(l, area), r);
}

void uk_area_remove(struct uk_area **root, struct uk_area *area)
{
	struct uk_area *l, *r, *rest;

	split(*root, area->start, &l, &r);
	split(r, area->start + 1, &area, &rest);
	*root = merge(l, rest);
}

void uk_area_resize(struct uk_area **root, struct uk_area *area, uint64_t start, uint64_t end)
{
	struct uk_area *l, *r, *rest;

	split(*root, area->start, &l, &r);
	split(r, area->start + 1, &area, &rest);
	area->start = start;
	area->end = end;
	update(area);
	*root = merge(merge(l, area), rest);
}

uint64_t uk_area_hole(const struct uk_area *n, uint64_t size, uint64_t low, uint64_t high)
{
	uint64_t found;

	if (high < low || high - low < size)
		return 0;
	if (n == NULL)
		return high - size;
	/* Nothing inside the subtree is wide enough: only the room on both sides is left. */
	if (n->gap < size) {
		if (n->high < high && high - UK_MAX(n->high, low) >= size)
			return high - size;
		if (n->low > low && UK_MIN(n->low, high) - low >= size)
			return UK_MIN(n->low, high) - size;
		return 0;
	}
	if (n->end < high) {
		found = uk_area_hole(n->right, size, UK_MAX(n->end, low), high);
		if (found != 0)
			return found;
	}
	return n->start > low ? uk_area_hole(n->left, size, low, UK_MIN(n->start, high)) : 0;
}
