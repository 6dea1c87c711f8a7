/* Binary search: the place of everything, in lists of every length. */
#include <uni/base/search.h>

#include "unit.h"

enum { LONGEST = 40 };

static void test_lower_bound(void **state)
{
	unsigned list[LONGEST];

	(void)state;
	for (unsigned i = 0; i < LONGEST; i++)
		list[i] = 2 * i / 3; /* some twice */
	for (size_t count = 0; count <= LONGEST; count++) {
		for (unsigned wanted = 0; wanted < LONGEST; wanted++) {
			size_t at, plain = count / 4;

			while (plain < count && list[plain] < wanted)
				plain++;
			UNI_LOWER_BOUND(at, count / 4, count, list[at] < wanted);
			assert_int_equal(at, plain);
		}
	}
}

int unit_search(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_lower_bound) };

	return cmocka_run_group_tests_name("search", tests, NULL, NULL);
}
