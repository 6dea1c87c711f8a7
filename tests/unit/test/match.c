/*
 * Comparing what came with what was said about it, and showing both.
 */
#include "unit.h"

#include <string.h>

static bool match(enum uni_recipe_match_kind kind, const char *text, const char *data, size_t size)
{
	UNI_AUTO_FREE char *copy = uni_strdup(text);
	struct uni_recipe_match said = { .kind = kind, .text = copy };

	return test_match(&said, data, size);
}

#define MATCH(kind, text, data) match(UNI_MATCH_##kind, text, data, sizeof(data) - 1)

static void each_kind(void **state)
{
	(void)state;
	assert_true(MATCH(CONTAINS, "b", "abc"));
	assert_true(MATCH(CONTAINS, "", ""));
	assert_false(MATCH(CONTAINS, "b", ""));
	assert_false(MATCH(CONTAINS, "abcd", "abc"));
	assert_true(MATCH(CONTAINS, "c", "a\0c"));
	assert_true(MATCH(EQUALS, "abc", "abc"));
	assert_true(MATCH(EQUALS, "", ""));
	assert_false(MATCH(EQUALS, "abc", "abc\0"));
	assert_false(MATCH(EQUALS, "abc", "ab"));
	assert_true(MATCH(REGEX, "^[0-9]+$", "one\n22\n"));
	assert_false(MATCH(REGEX, "^[0-9]+$", "2x"));
	assert_true(MATCH(REGEX, "b$", "a\0b"));
	assert_true(MATCH(REGEX, "^$", ""));
	assert_true(MATCH(SHA256,
			  "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855", ""));
	assert_false(MATCH(
		SHA256, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855", "x"));
	assert_true(match(UNI_MATCH_NONE, "", NULL, 0));
	assert_true(match(UNI_MATCH_CONTAINS, "", NULL, 0));
	assert_true(match(UNI_MATCH_REGEX, "^$", NULL, 0));
	assert_true(match(UNI_MATCH_EQUALS, "", NULL, 0));
}

/* By its size: behind it nothing is looked at. */
static void regex_ends_where_it_is_told(void **state)
{
	(void)state;
	assert_false(match(UNI_MATCH_REGEX, "b", "ab", 1));
	assert_true(match(UNI_MATCH_REGEX, "a$", "ab", 1));
}

static bool early(enum uni_recipe_match_kind kind, const char *text, const char *data)
{
	UNI_AUTO_FREE char *copy = uni_strdup(text);
	struct uni_recipe_match said = { .kind = kind, .text = copy };

	return test_match_early(&said, data, strlen(data));
}

/* What will follow is not known: a line that has no end yet may go on. */
static void what_has_come_so_far(void **state)
{
	(void)state;
	assert_true(early(UNI_MATCH_CONTAINS, "ready", "ready, st"));
	assert_true(early(UNI_MATCH_REGEX, "^prompt> ", "prompt> "));
	assert_false(early(UNI_MATCH_REGEX, "^ready$", "ready"));
	assert_true(early(UNI_MATCH_REGEX, "^ready$", "ready\nst"));
	assert_false(early(UNI_MATCH_EQUALS, "ready", "ready"));
	assert_false(early(UNI_MATCH_SHA256,
			   "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855", ""));
	assert_false(early(UNI_MATCH_NONE, "", "ready"));
}

static char *show(const char *data, size_t size)
{
	struct uni_buf out = UNI_BUF_INIT;

	test_show(data, size, &out);
	return uni_buf_take(&out);
}

static void shown_text_is_printable(void **state)
{
	static const char bytes[] = "a\033[31m\r\n\xc3\xa4\xff\xe2\x82\0\tz";
	UNI_AUTO_FREE char *shown = show(bytes, sizeof(bytes) - 1);

	(void)state;
	assert_string_equal(shown, "a\\x1b[31m\n\xc3\xa4\\xff\\xe2\\x82\\x00\tz");
	assert_true(uni_utf8_valid(shown, strlen(shown)));
}

static void shown_text_is_bounded(void **state)
{
	UNI_AUTO_FREE char *data = uni_alloc(1 << 20), *bytes = NULL, *lines = NULL;

	(void)state;
	bytes = show(data, 1 << 20);
	assert_in_range(strlen(bytes), 1000, 2100);
	assert_true(uni_str_ends(bytes, "... (1048576 bytes in all)"));
	memset(data, '\n', 1 << 20);
	lines = show(data, 1 << 20);
	assert_in_range(strlen(lines), 10, 100);
}

int unit_match(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_kind),
		cmocka_unit_test(regex_ends_where_it_is_told),
		cmocka_unit_test(what_has_come_so_far),
		cmocka_unit_test(shown_text_is_printable),
		cmocka_unit_test(shown_text_is_bounded),
	};

	return cmocka_run_group_tests_name("match", tests, NULL, NULL);
}
