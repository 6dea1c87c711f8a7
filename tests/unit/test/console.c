/*
 * The end of a console, as a failure shows it.
 */
#include "unit.h"

#include <string.h>

static char *tail_of(void **state, const char *data, size_t size)
{
	const char *path = unit_path(state, "console.log");
	struct uni_err err = UNI_ERR_INIT;

	assert_int_equal(uni_file_write(path, data, size, 0600, &err), 0);
	return test_console_tail(path);
}

static void the_last_lines(void **state)
{
	UNI_AUTO_BUF struct uni_buf data = UNI_BUF_INIT;
	UNI_AUTO_FREE char *tail = NULL, *none = NULL, *one = NULL;

	for (int i = 0; i < 100; i++)
		uni_buf_printf(&data, "line %d\r\n", i);
	uni_buf_puts(&data, "prompt> ");
	tail = tail_of(state, data.data, data.size);
	assert_true(uni_str_starts(tail, "line 70\nline 71\n"));
	assert_true(uni_str_ends(tail, "line 99\nprompt> "));
	none = tail_of(state, "", 0);
	assert_string_equal(none, "");
	one = tail_of(state, "one", 3);
	assert_string_equal(one, "one");
}

static void one_that_was_never_made(void **state)
{
	UNI_AUTO_FREE char *tail = test_console_tail(unit_path(state, "absent"));

	assert_string_equal(tail, "");
}

static void a_line_without_end(void **state)
{
	UNI_AUTO_FREE char *data = uni_alloc(100000), *tail = NULL;

	memset(data, 'x', 100000);
	tail = tail_of(state, data, 100000);
	assert_in_range(strlen(tail), 1000, 9000);
}

int unit_console(void)
{
	const struct CMUnitTest tests[] = {
		DIR_TEST(the_last_lines),
		DIR_TEST(one_that_was_never_made),
		DIR_TEST(a_line_without_end),
	};

	return cmocka_run_group_tests_name("console", tests, NULL, NULL);
}
