/*
 * JUnit XML, of results that hold what XML does not.
 */
#include "unit.h"

#include <string.h>

static void results_are_escaped(void **state)
{
	char name[] = "serves", what[] = "GET /?a<b&\"c\"", expected[] = "a \x1b b";
	char came[] = "]]>\xff\xc3\xa4", console[] = "up\n<down>";
	struct uni_test_result results[] = {
		{ .name = name, .format = "raw", .machine = "q35", .ns = 1500000000 },
		{ .name = name,
		  .format = "elf",
		  .machine = "pc",
		  .outcome = UNI_TEST_FAILED,
		  .what = what,
		  .expected = expected,
		  .came = came,
		  .console = console },
		{ .name = name,
		  .format = "elf",
		  .machine = "q35",
		  .outcome = UNI_TEST_UNKNOWN,
		  .what = what,
		  .came = came },
	};
	struct uni_test_report report = { results, UNI_COUNT(results), 2000000000 };
	UNI_AUTO_BUF struct uni_buf out = UNI_BUF_INIT;

	(void)state;
	assert_int_equal(uni_test_report_outcome(&report), UNI_TEST_FAILED);
	uni_test_junit(&report, "a&b", &out);
	assert_string_equal(
		out.data,
		"<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
		"<testsuite name=\"a&amp;b\" tests=\"3\" failures=\"1\" errors=\"1\" "
		"time=\"2.000\">\n"
		"  <testcase classname=\"a&amp;b\" name=\"serves (raw, q35)\" time=\"1.500\">\n"
		"  </testcase>\n"
		"  <testcase classname=\"a&amp;b\" name=\"serves (elf, pc)\" time=\"0.000\">\n"
		"    <failure message=\"GET /?a&lt;b&amp;&quot;c&quot;\" "
		"type=\"expectation\">expected: a "
		"\xef\xbf\xbd b\ncame: ]]&gt;\xef\xbf\xbd\xc3\xa4</failure>\n"
		"    <system-out>up\n&lt;down&gt;</system-out>\n"
		"  </testcase>\n"
		"  <testcase classname=\"a&amp;b\" name=\"serves (elf, q35)\" time=\"0.000\">\n"
		"    <error message=\"GET /?a&lt;b&amp;&quot;c&quot;\" "
		"type=\"unknown\">]]&gt;\xef\xbf\xbd\xc3\xa4"
		"</error>\n"
		"  </testcase>\n"
		"</testsuite>\n");
}

int unit_junit(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(results_are_escaped),
	};

	return cmocka_run_group_tests_name("junit", tests, NULL, NULL);
}
