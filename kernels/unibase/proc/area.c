/*
 * The tree of areas: a treap ordered by address, in which every node knows the extent of its
 * subtree and the widest hole inside it. So finding an area and finding room for one both take
 * logarithmic time, whatever the number of areas, and nothing has to be rebalanced on removal.
 * The priorities are pseudo-random; a program that picks addresses cannot make the tree deep.
 */
#include <uk/map.h>

static struct uk_area *update(struct uk_area *n)
{
	const struct uk_area *l, *r;
	uint64_t low, high, gap;

	/* Where a child is missing the area stands for it: no hole, and none towards it. */
	n->low = n->start;
	n->high = n->end;
	n->gap = 0;
	l = n->left != NULL ? n->left : n;
	r = n->right != NULL ? n->right : n;
	low = l->low;
	high = r->high;
	gap = UK_MAX(n->start - UK_MIN(l->high, n->start), UK_MAX(r->low, n->end) - n->end);
	gap = UK_MAX(gap, UK_MAX(l->gap, r->gap));
	n->low = low;
	n->high = high;
	n->gap = gap;
	return n;
}

static struct uk_area **side_of(struct uk_area *n, const struct uk_area *area)
{
	return &n->side[area->start >= n->start];
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
		bool before = root->end <= addr;

		best = before ? best : root;
		root = root->side[before];
	}
	return best;
}

/* The first ten fall: a program's first areas go below each other, and split nothing. */
static uint32_t next_priority(void)
{
	static uint32_t state = 79637;

	state ^= state << 13;
	state ^= state >> 17;
	state ^= state << 5;
	return state;
}

/* What is known of subtrees, from `area` up to the root. */
static void update_above(struct uk_area *n, const struct uk_area *area)
{
	if (n != area)
		update_above(*side_of(n, area), area);
	update(n);
}

static struct uk_area *with(struct uk_area *n, struct uk_area *area)
{
	if (n == NULL)
		return update(area);
	if (n->priority > area->priority) {
		struct uk_area **side = side_of(n, area);

		*side = with(*side, area);
		return update(n);
	}
	split(n, area->start, &area->left, &area->right);
	return update(area);
}

void uk_area_insert(struct uk_area **root, struct uk_area *area)
{
	area->left = area->right = NULL;
	area->priority = next_priority();
	*root = with(*root, area);
}

static struct uk_area *without(struct uk_area *n, const struct uk_area *area)
{
	struct uk_area **side = side_of(n, area);

	if (n == area)
		return merge(n->left, n->right);
	*side = without(*side, area);
	return update(n);
}

void uk_area_remove(struct uk_area **root, struct uk_area *area)
{
	*root = without(*root, area);
}

void uk_area_resize(struct uk_area **root, struct uk_area *area, uint64_t start, uint64_t end)
{
	area->start = start;
	area->end = end;
	update_above(*root, area);
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
