/*
 * Memory maps as firmware gives them, good and bad, and what is RAM in them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <uk/layout.h>
#include <uk/memmap.h>

#define ROOM 8
#define MIB 0x100000ull
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

struct range {
	uint64_t start, end;
};

static void expect(const struct uni_hvm_memmap_entry *told, uint32_t count,
		   const struct range *wanted, uint32_t wanted_count)
{
	struct uni_hvm_memmap_entry out[ROOM];

	assert_int_equal(uk_memmap_make(out, ROOM, told, count), wanted_count);
	for (uint32_t i = 0; i < wanted_count; i++) {
		assert_int_equal(out[i].addr, wanted[i].start);
		assert_int_equal(out[i].addr + out[i].size, wanted[i].end);
	}
}

static void test_pc(void **state)
{
	/* SeaBIOS on a PC with 5 GiB, out of order. */
	static const struct uni_hvm_memmap_entry told[] = {
		{ 0x100000000, 0x80000000, 1, 0 }, { 0, 0x9fc00, 1, 0 },
		{ 0x9fc00, 0x400, 2, 0 },	   { 0xf0000, 0x10000, 2, 0 },
		{ 0x100000, 0xbfee0000, 1, 0 },	   { 0xbffe0000, 0x20000, 2, 0 },
		{ 0xfeffc000, 0x4000, 2, 0 },
	};
	static const struct range wanted[] = { { 0x1000, 0x9f000 },
					       { 0x100000, 0xbffe0000 },
					       { 0x100000000, 0x180000000 } };

	(void)state;
	expect(told, COUNT(told), wanted, COUNT(wanted));
}

static void test_overlaps(void **state)
{
	/* Reserved ranges win, wherever they stand; RAM told twice counts once; neighbours join. */
	static const struct uni_hvm_memmap_entry told[] = {
		{ 4 * MIB, 100, 2, 0 },	       { 1 * MIB, 8 * MIB, 1, 0 },
		{ 2 * MIB, 2 * MIB, 1, 0 },    { 9 * MIB, 1 * MIB, 1, 0 },
		{ 9 * MIB + 1, 0x2000, 3, 0 }, { 20 * MIB, 0, 2, 0 },
	};
	static const struct range wanted[] = { { 1 * MIB, 4 * MIB },
					       { 4 * MIB + 0x1000, 9 * MIB },
					       { 9 * MIB + 0x3000, 10 * MIB } };

	(void)state;
	expect(told, COUNT(told), wanted, COUNT(wanted));
}

static void test_hostile(void **state)
{
	/* Ranges that wrap, that are no page, that lie behind what can be mapped. */
	static const struct uni_hvm_memmap_entry told[] = {
		{ UINT64_MAX - 4095, 8192, 1, 0 }, { 0x1001, 0x1ffe, 1, 0 },
		{ UK_DIRECT_SIZE, MIB, 1, 0 },	   { UK_DIRECT_SIZE - MIB, UINT64_MAX / 2, 1, 0 },
		{ 3 * MIB, 1 * MIB, 1, 0 },	   { 3 * MIB + 0x8000, UINT64_MAX, 2, 0 },
	};
	static const struct range wanted[] = { { 3 * MIB, 3 * MIB + 0x8000 } };

	(void)state;
	expect(told, COUNT(told), wanted, COUNT(wanted));
	expect(told, 0, wanted, 0);
}

static void test_full(void **state)
{
	/* More pieces than there is room for: some RAM is lost, nothing else. */
	struct uni_hvm_memmap_entry told[40], out[ROOM];
	uint32_t count;

	(void)state;
	told[0] = (struct uni_hvm_memmap_entry){ MIB, 80 * MIB, 1, 0 };
	for (uint32_t i = 1; i < COUNT(told); i++)
		told[i] = (struct uni_hvm_memmap_entry){ 2 * i * MIB, MIB, 2, 0 };
	count = uk_memmap_make(out, ROOM, told, COUNT(told));
	assert_int_equal(count, ROOM);
	for (uint32_t i = 0; i < count; i++) {
		assert_int_equal(out[i].addr / MIB % 2, 1);
		assert_true(out[i].size >= MIB);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_pc),
		cmocka_unit_test(test_overlaps),
		cmocka_unit_test(test_hostile),
		cmocka_unit_test(test_full),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
