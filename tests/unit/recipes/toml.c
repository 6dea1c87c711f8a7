/*
 * The TOML reader: places, findings, bounds. What the language's own suite covers is not repeated.
 */
#include "unit.h"

#include <stdio.h>
#include <string.h>
#include <uni/recipes/toml.h>

static struct uni_toml *read_text(const char *text, struct uni_buf *findings)
{
	struct uni_diags diags UNI_AUTO_DIAGS = UNI_DIAGS_INIT;
	struct uni_err err = UNI_ERR_INIT;
	struct uni_toml *toml;

	(void)uni_toml_parse(&toml, "t", text, strlen(text), &diags, &err);
	unit_findings(&diags, findings);
	return toml;
}

static void assert_place(const struct uni_pos *pos, unsigned line, unsigned column)
{
	assert_int_equal(pos->line, line);
	assert_int_equal(pos->column, column);
}

static void places_count_characters(void **state)
{
	static const char text[] = "\xef\xbb\xbf\"k\xc3\xa4se\" = \"\xe2\x82\xac\" # c\r\n"
				   "[a.b]\n"
				   "\tc.d = [1,\n"
				   "  \"\xf0\x9f\x98\x80\", 2]\n"
				   "[[t]]\n"
				   "[[t]]\n";
	struct uni_buf findings UNI_AUTO_BUF = UNI_BUF_INIT;
	struct uni_toml *toml UNI_AUTO(uni_toml) = read_text(text, &findings);
	struct uni_toml_value *v;

	(void)state;
	assert_non_null(toml);
	v = uni_toml_get(uni_toml_root(toml), "k\xc3\xa4se");
	assert_place(&v->key_pos, 1, 1);
	assert_place(&v->pos, 1, 10);
	v = uni_toml_get(uni_toml_get(uni_toml_root(toml), "a"), "b");
	assert_place(&v->key_pos, 2, 4);
	v = uni_toml_get(uni_toml_get(v, "c"), "d");
	assert_place(&v->key_pos, 3, 4);
	assert_place(&v->pos, 3, 8);
	assert_int_equal(v->list.count, 3);
	assert_place(&v->list.first->next->pos, 4, 3);
	assert_place(&v->list.last->pos, 4, 8);
	v = uni_toml_get(uni_toml_root(toml), "t");
	assert_int_equal(v->list.count, 2);
	assert_place(&v->list.last->pos, 6, 3);
}

static void findings_all_at_once(void **state)
{
	static const char text[] = "a = 1\n"
				   "b = \n"
				   "a = 2\n"
				   "c = \"open\n"
				   "d = 07\n"
				   "[x]\n"
				   "[x]\n"
				   "y = 3 4\n"
				   "y = { a = 1,\n"
				   "}\n"
				   "z = 2020-02-30\n"
				   "w = yes\n"
				   "key with space = 1\n";
	static const char want[] =
		"t:2:5: a value is expected, not the end of the line\n"
		"t:3:1: key \"a\" is defined twice\n"
		"  hint: it was first defined in line 1\n"
		"t:4:5: the string has no closing \" in its line\n"
		"  hint: use \"\"\" for text over several lines\n"
		"t:5:5: a number cannot begin with 0\n"
		"  hint: octal numbers are written 0o644\n"
		"t:7:2: table \"x\" is defined twice\n"
		"  hint: it was first defined in line 6\n"
		"t:8:7: the end of the line is expected here, not '4'\n"
		"t:9:13: a table in { } cannot go over several lines\n"
		"  hint: write it in one line, or use a [table] of its own\n"
		"t:11:5: there is no such day in this month\n"
		"  hint: dates and times look like 2024-02-29T23:59:59Z\n"
		"t:12:5: 'yes' is no value: neither number, boolean, date nor time\n"
		"  hint: text needs quotes\n";
	struct uni_buf findings UNI_AUTO_BUF = UNI_BUF_INIT;

	(void)state;
	assert_null(read_text(text, &findings));
	assert_string_equal(uni_buf_text(&findings), want);
}

static void one_finding(const char *text, const char *want)
{
	struct uni_buf findings UNI_AUTO_BUF = UNI_BUF_INIT;

	assert_null(read_text(text, &findings));
	assert_string_equal(uni_buf_text(&findings), want);
}

static void findings_say_what(void **state)
{
	(void)state;
	one_finding("a = \"\xff\"\n", "t:1:6: the byte 0xFF is not UTF-8 here\n"
				      "  hint: save the file as UTF-8\n");
	one_finding("# \xc3\xa4\xed\xa0\x80\n", "t:1:4: the byte 0xED is not UTF-8 here\n"
						"  hint: save the file as UTF-8\n");
	one_finding("a = \"\\q\"\n",
		    "t:1:6: a backslash before 'q' is no escape of TOML\n"
		    "  hint: write \\\\ for a backslash, or put the string in single quotes\n");
	one_finding("a = 9223372036854775808\n", "t:1:5: the integer does not fit into 64 bits\n");
	one_finding("a = [1, 2\n", "t:1:5: the array has no closing ]\n");
	one_finding("a = '''\n\n", "t:1:5: the string has no closing '''\n");
	one_finding("[a\n",
		    "t:1:3: ] is expected behind the table's name, not the end of the line\n");
	one_finding("a.b = 1\na.b.c = 2\n", "t:2:3: \"b\" is an integer, not a table\n"
					    "  hint: it was defined in line 1\n");
	one_finding("a = {}\n[a.b]\n", "t:2:2: \"a\" is complete already, nothing can be added\n"
				       "  hint: it was defined in line 1\n");
	one_finding("a = 1\r", "t:1:6: the end of the line is expected here, not the end of the "
			       "line\n");
}

static void depth_is_bounded(void **state)
{
	struct uni_buf text UNI_AUTO_BUF = UNI_BUF_INIT;
	struct uni_buf findings UNI_AUTO_BUF = UNI_BUF_INIT;
	struct uni_toml *toml UNI_AUTO(uni_toml) = NULL;

	(void)state;
	uni_buf_puts(&text, "a = ");
	for (unsigned i = 0; i < 100000; i++)
		uni_buf_putc(&text, '[');
	one_finding(uni_buf_text(&text), "t:1:133: values are nested more than 128 levels deep\n");
	uni_buf_clear(&text);
	uni_buf_putc(&text, 'a');
	for (unsigned i = 0; i < 100000; i++)
		uni_buf_puts(&text, ".a");
	uni_buf_puts(&text, " = 1\n");
	toml = read_text(uni_buf_text(&text), &findings);
	assert_null(toml);
}

/* Keys in order are the worst case of a search tree without balance. */
static void many_keys_are_found(void **state)
{
	struct uni_buf text UNI_AUTO_BUF = UNI_BUF_INIT;
	struct uni_buf findings UNI_AUTO_BUF = UNI_BUF_INIT;
	struct uni_toml *toml UNI_AUTO(uni_toml) = NULL;
	char key[16];

	(void)state;
	for (unsigned i = 0; i < 200000; i++)
		uni_buf_printf(&text, "k%06u = %u\n", i, i);
	toml = read_text(uni_buf_text(&text), &findings);
	assert_non_null(toml);
	for (unsigned i = 0; i < 200000; i += 777) {
		snprintf(key, sizeof(key), "k%06u", i);
		assert_int_equal(uni_toml_get(uni_toml_root(toml), key)->integer, i);
	}
	assert_null(uni_toml_get(uni_toml_root(toml), "k200000"));
}

static void values_are_bounded(void **state)
{
	struct uni_diags diags UNI_AUTO_DIAGS = UNI_DIAGS_INIT;
	struct uni_buf text UNI_AUTO_BUF = UNI_BUF_INIT;
	struct uni_err err = UNI_ERR_INIT;
	struct uni_toml *toml;

	(void)state;
	uni_buf_puts(&text, "a = [");
	for (unsigned i = 0; i < UNI_TOML_VALUES_MAX; i++)
		uni_buf_puts(&text, "1,");
	uni_buf_puts(&text, "]\n");
	assert_int_equal(uni_toml_parse(&toml, "t", text.data, text.size, &diags, &err),
			 UNI_E_LIMIT);
	assert_int_equal(diags.count, 1);
	assert_string_equal(diags.items[0].message, "the file has more than 262144 values");
}

static void time_in_seconds(void **state)
{
	static const struct {
		const char *text;
		int64_t seconds;
	} cases[] = {
		{ "1970-01-01T00:00:00Z", 0 },
		{ "1970-01-01T01:00:00+01:00", 0 },
		{ "2000-02-29T12:34:56Z", 951827696 },
		{ "2024-12-31T23:59:59.9Z", 1735689599 },
		{ "1969-12-31T23:59:59Z", -1 },
		{ "0000-01-01T00:00:00Z", -62167219200 },
		{ "9999-12-31T23:59:59Z", 253402300799 },
	};

	(void)state;
	for (size_t i = 0; i < UNI_COUNT(cases); i++) {
		char *text UNI_AUTO_FREE = uni_asprintf("t = %s", cases[i].text);
		struct uni_buf findings UNI_AUTO_BUF = UNI_BUF_INIT;
		struct uni_toml *toml UNI_AUTO(uni_toml) = read_text(text, &findings);

		assert_non_null(toml);
		assert_int_equal(
			uni_toml_time_seconds(&uni_toml_get(uni_toml_root(toml), "t")->time),
			cases[i].seconds);
	}
}

static void written_is_read_again(void **state)
{
	static const char value[] = "a\"b\\c\n\t\x01\x7f \xc3\xa4'";
	struct uni_buf text UNI_AUTO_BUF = UNI_BUF_INIT;
	struct uni_buf findings UNI_AUTO_BUF = UNI_BUF_INIT;
	struct uni_toml *toml UNI_AUTO(uni_toml) = NULL;

	(void)state;
	uni_toml_write_key(&text, "bare-key_1");
	uni_buf_puts(&text, " = 1\n");
	assert_string_equal(uni_buf_text(&text), "bare-key_1 = 1\n");
	uni_toml_write_key(&text, value);
	uni_buf_puts(&text, " = ");
	uni_toml_write_string(&text, value);
	uni_buf_puts(&text, "\n");
	toml = read_text(uni_buf_text(&text), &findings);
	assert_non_null(toml);
	assert_string_equal(uni_toml_get(uni_toml_root(toml), value)->string.data, value);
}

int unit_toml(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(places_count_characters), cmocka_unit_test(findings_all_at_once),
		cmocka_unit_test(findings_say_what),	   cmocka_unit_test(depth_is_bounded),
		cmocka_unit_test(many_keys_are_found),	   cmocka_unit_test(values_are_bounded),
		cmocka_unit_test(time_in_seconds),	   cmocka_unit_test(written_is_read_again),
	};

	return cmocka_run_group_tests_name("toml", tests, NULL, NULL);
}
