/*
 * Versions and ranges.
 */
#include "unit.h"

#include <uni/recipes/version.h>

static void versions_in_order(void **state)
{
	/* The order that semver.org gives as its example, and a few numbers. */
	static const char *const order[] = { "0.0.0",	    "0.0.1",	     "0.1.0",
					     "1.0.0-alpha", "1.0.0-alpha.1", "1.0.0-alpha.beta",
					     "1.0.0-beta",  "1.0.0-beta.2",  "1.0.0-beta.11",
					     "1.0.0-rc.1",  "1.0.0",	     "1.0.10",
					     "1.2.0",	    "10.0.0",	     "4294967295.0.0" };

	(void)state;
	for (size_t i = 0; i < UNI_COUNT(order); i++)
		for (size_t k = 0; k < UNI_COUNT(order); k++) {
			struct uni_version a, b;
			int sign;

			assert_true(uni_version_parse(order[i], &a));
			assert_true(uni_version_parse(order[k], &b));
			sign = uni_version_cmp(&a, &b);
			assert_int_equal((sign > 0) - (sign < 0), (i > k) - (i < k));
		}
}

static void versions_refused(void **state)
{
	static const char *const bad[] = { "",
					   "1",
					   "1.2",
					   "1.2.3.4",
					   "01.2.3",
					   "1.02.3",
					   "1.2.3-",
					   "1.2.3-01",
					   "1.2.3+",
					   "1.2.3-a..b",
					   "v1.2.3",
					   " 1.2.3",
					   "1.2.3 ",
					   "1.2.x",
					   "4294967296.0.0",
					   "-1.2.3",
					   "1.2.3-\xc3\xa4" };
	struct uni_version version;

	(void)state;
	for (size_t i = 0; i < UNI_COUNT(bad); i++)
		assert_false(uni_version_parse(bad[i], &version));
}

static void parts_of_a_version(void **state)
{
	struct uni_version version;

	(void)state;
	assert_true(uni_version_parse("1.20.3-rc.1+build.5", &version));
	assert_string_equal(version.build, "build.5");
	assert_string_equal(version.pre, "rc.1");
	assert_int_equal(version.minor, 20);
}

static void ranges_hold(void **state)
{
	static const struct {
		const char *range;
		const char *in;
		const char *out;
	} cases[] = {
		{ "*", "1.2.3", "1.2.3-rc.1" },
		{ "1.2.3", "1.2.3", "1.2.4" },
		{ "=1.2.3", "1.2.3+build", "1.2.4-alpha" },
		{ "1.2", "1.2.9", "1.3.0" },
		{ "1", "1.9.9", "2.0.0-rc.1" },
		{ "^1.2.3", "1.9.0", "2.0.0" },
		{ "^1.2.3", "1.2.3", "1.2.2" },
		{ "^1.2.3", "1.3.0", "2.0.0-alpha" },
		{ "^0.2.3", "0.2.9", "0.3.0" },
		{ "^0.0.3", "0.0.3", "0.0.4" },
		{ "^0", "0.9.0", "1.0.0" },
		{ "^0.0", "0.0.7", "0.1.0" },
		{ "~1.2.3", "1.2.9", "1.3.0" },
		{ "~1", "1.9.9", "2.0.0" },
		{ ">=1.2", "1.2.0", "1.1.9" },
		{ ">1.2", "1.3.0", "1.2.9" },
		{ ">1.2.3", "1.2.4", "1.2.3" },
		{ "<=1.2", "1.2.9", "1.3.0" },
		{ "<2", "1.9.9", "2.0.0" },
		{ ">=1, <2", "1.5.0", "2.0.0" },
		{ " >= 1 , < 2 ", "1.0.0", "0.9.9" },
		{ ">=1.0.0-rc.1", "1.0.0-rc.2", "1.0.1-rc.2" },
		{ "=1.0.0-rc.1", "1.0.0-rc.1", "1.0.0-rc.1.0" },
		{ "<=1.0.0-rc.1", "1.0.0-beta", "1.0.0-rc.2" },
		{ "^1.0.0-rc.1", "1.4.0", "1.0.0-beta" },
	};

	(void)state;
	for (size_t i = 0; i < UNI_COUNT(cases); i++) {
		struct uni_version in, out;
		struct uni_range range;

		assert_true(uni_range_parse(cases[i].range, &range));
		assert_true(uni_version_parse(cases[i].in, &in));
		assert_true(uni_version_parse(cases[i].out, &out));
		if (!uni_range_has(&range, &in) || uni_range_has(&range, &out))
			fail_msg("%s: %s in, %s out", cases[i].range, cases[i].in, cases[i].out);
	}
}

static void ranges_refused(void **state)
{
	static const char *const bad[] = { "",
					   ",",
					   ">=",
					   "1,",
					   ">=1 <2",
					   "==1",
					   "1.2.3.4",
					   "^*",
					   "1 2",
					   "4294967295.1, x",
					   "^4294967295",
					   "1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1" };
	struct uni_range range;

	(void)state;
	for (size_t i = 0; i < UNI_COUNT(bad); i++)
		if (uni_range_parse(bad[i], &range))
			fail_msg("\"%s\" was taken", bad[i]);
}

int unit_version(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(versions_in_order),  cmocka_unit_test(versions_refused),
		cmocka_unit_test(parts_of_a_version), cmocka_unit_test(ranges_hold),
		cmocka_unit_test(ranges_refused),
	};

	return cmocka_run_group_tests_name("version", tests, NULL, NULL);
}
