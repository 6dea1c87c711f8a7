/*
 * The tree of areas against a plain list that cannot be wrong: thousands of random changes, every
 * answer compared.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>
#include <uk/map.h>

enum { SLOTS = 400, STEPS = 20000 };
#define LOW 0x10000ull
#define HIGH 0x200000ull

static struct uk_area area[SLOTS];
static bool used[SLOTS];
static struct uk_area *root;
static uint32_t seed = 12345;

static uint32_t next_random(uint32_t below)
{
	seed = seed * 1103515245u + 12345u;
	return (seed >> 8) % below;
}

static bool overlaps(uint64_t start, uint64_t end)
{
	for (size_t i = 0; i < SLOTS; i++)
		if (used[i] && area[i].start < end && start < area[i].end)
			return true;
	return false;
}

/* The first area with end > addr. */
static struct uk_area *plain_find(uint64_t addr)
{
	struct uk_area *best = NULL;

	for (size_t i = 0; i < SLOTS; i++)
		if (used[i] && area[i].end > addr && (best == NULL || area[i].end < best->end))
			best = &area[i];
	return best;
}

/* The highest place: it ends at the limit or at the start of an area. */
static uint64_t plain_hole(uint64_t size, uint64_t low, uint64_t high)
{
	uint64_t best = 0;

	if (high - low >= size && !overlaps(high - size, high))
		best = high - size;
	for (size_t i = 0; i < SLOTS; i++) {
		uint64_t end = area[i].start;

		if (used[i] && end <= high && end >= low && end - low >= size &&
		    end - size > best && !overlaps(end - size, end))
			best = end - size;
	}
	return best;
}

static void step_insert(size_t i)
{
	uint64_t start = LOW + next_random(0x1f0) * 0x1000ull;
	uint64_t end = start + (1 + next_random(8)) * 0x1000ull;

	if (overlaps(start, end))
		return;
	area[i] = (struct uk_area){ .start = start, .end = end };
	uk_area_insert(&root, &area[i]);
	used[i] = true;
}

static void step_resize(size_t i)
{
	uint64_t end = area[i].end + next_random(3) * 0x1000ull;

	used[i] = false;
	if (overlaps(area[i].start, end))
		end = area[i].start + 0x1000;
	uk_area_resize(&root, &area[i], area[i].start, end);
	used[i] = true;
}

static void check_answers(void)
{
	uint64_t addr = LOW + next_random(0x1f0000), low = LOW + next_random(0x100) * 0x1000ull;
	uint64_t high = low + next_random(0x100) * 0x1000ull;
	uint64_t size = (1 + next_random(6)) * 0x1000ull;

	assert_ptr_equal(uk_area_find(root, addr), plain_find(addr));
	assert_int_equal(uk_area_hole(root, size, LOW, HIGH), plain_hole(size, LOW, HIGH));
	assert_int_equal(uk_area_hole(root, size, low, high), plain_hole(size, low, high));
}

static void random_changes(void **state)
{
	(void)state;
	for (int step = 0; step < STEPS; step++) {
		/* First mostly growing, then mostly shrinking, and so on. */
		bool growing = step / 2000 % 2 == 0;
		size_t i = next_random(SLOTS);

		if (!used[i]) {
			step_insert(i);
		} else if (next_random(4) == 0) {
			step_resize(i);
		} else if (next_random(10) < (growing ? 2u : 8u)) {
			uk_area_remove(&root, &area[i]);
			used[i] = false;
		}
		check_answers();
	}
}

static unsigned height(const struct uk_area *n)
{
	unsigned left, right;

	if (n == NULL)
		return 0;
	left = height(n->left);
	right = height(n->right);
	return 1 + (left > right ? left : right);
}

/* Whatever the order of addresses, the tree stays flat. */
static void stays_flat(void **state)
{
	enum { MANY = 50000 };
	struct uk_area *many = calloc(MANY, sizeof(*many)), *tree = NULL;

	(void)state;
	assert_non_null(many);
	for (uint64_t i = 0; i < MANY; i++) {
		many[i].start = i * 0x2000;
		many[i].end = many[i].start + 0x1000;
		uk_area_insert(&tree, &many[i]);
	}
	assert_true(height(tree) < 60);
	assert_int_equal(tree->gap, 0x1000);
	free(many);
}

static void nothing_fits(void **state)
{
	struct uk_area one = { .start = 0x5000, .end = 0x6000 }, *tree = NULL;

	(void)state;
	assert_int_equal(uk_area_hole(NULL, 0x2000, 0x1000, 0x2000), 0);
	assert_int_equal(uk_area_hole(NULL, 0x1000, 0x1000, 0x2000), 0x1000);
	assert_int_equal(uk_area_hole(NULL, UINT64_MAX, 0x1000, 0x2000), 0);
	uk_area_insert(&tree, &one);
	assert_int_equal(uk_area_hole(tree, 0x1000, 0x5000, 0x6000), 0);
	assert_int_equal(uk_area_hole(tree, 0x1000, 0x4000, 0x6000), 0x4000);
	assert_int_equal(uk_area_hole(tree, 0x1000, 0x5000, 0x7000), 0x6000);
	assert_int_equal(uk_area_hole(tree, 0x1000, 0x7000, 0x6000), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(random_changes),
		cmocka_unit_test(stays_flat),
		cmocka_unit_test(nothing_fits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
