/*
 * XML: what a document says is found by its path, wrong questions get nothing, bounds and document
 * types are refused.
 */
#include "unit.h"
#include <string.h>
#include <uni/base/text.h>
#include <uni/base/xml.h>

static int parse(struct uni_xml **root, const char *text)
{
	struct uni_err err = UNI_ERR_INIT;

	return uni_xml_parse(root, "t", text, strlen(text), &err);
}

static void questions(void **state)
{
	struct uni_xml *root UNI_AUTO(uni_xml) = NULL;
	const struct uni_xml *item;

	(void)state;
	assert_int_equal(parse(&root, "<?xml version='1.0'?><set n='1' of='&lt;x&gt;'>"
				      "<item><id>a</id></item> <other/>"
				      "<item last=''><id>b<!-- not text -->c &amp; d</id></item>"
				      "</set>"),
			 0);
	assert_true(uni_xml_is(root, "set"));
	assert_false(uni_xml_is(root, "se"));
	assert_string_equal(uni_xml_attribute(root, "", "of"), "<x>");
	assert_null(uni_xml_attribute(root, "", "o"));
	assert_null(uni_xml_attribute(root, "item", "last"));
	assert_string_equal(uni_xml_text(root, "item/id"), "a");
	item = uni_xml_next(uni_xml_get(root, "item"));
	assert_string_equal(uni_xml_text(item, "id"), "bc & d");
	assert_string_equal(uni_xml_attribute(item, "", "last"), "");
	assert_null(uni_xml_next(item));
	assert_null(uni_xml_get(root, "item/id/more"));
	assert_null(uni_xml_get(root, "ite"));
	assert_null(uni_xml_text(uni_xml_get(root, "nothing"), "id"));
	assert_string_equal(uni_xml_text(root, "other"), "");
}

static void refusals(void **state)
{
	static const char *const bad[] = {
		"",
		"text",
		"<a>",
		"<a></b>",
		"<a/><b/>",
		"<a x='1' x='2'/>",
		"<a>&unknown;</a>",
		"<a>\xff</a>",
	};
	struct uni_xml *root = NULL;

	(void)state;
	for (size_t i = 0; i < UNI_COUNT(bad); i++) {
		assert_int_equal(parse(&root, bad[i]), UNI_E_PARSE);
		assert_null(root);
	}
	assert_int_equal(parse(&root, "<!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>"), UNI_E_LIMIT);
	assert_null(root);
}

/* `text`, `count` times, `before` and after. */
static int parse_many(const char *before, const char *text, size_t count, const char *after)
{
	struct uni_buf many UNI_AUTO_BUF = UNI_BUF_INIT;
	struct uni_xml *root UNI_AUTO(uni_xml) = NULL;

	uni_buf_puts(&many, before);
	for (size_t i = 0; i < count; i++)
		uni_buf_puts(&many, text);
	uni_buf_puts(&many, after);
	return parse(&root, uni_buf_text(&many));
}

static void bounds(void **state)
{
	(void)state;
	assert_int_equal(parse_many("", "<a>", 1000, ""), UNI_E_LIMIT);
	assert_int_equal(parse_many("<a>", "<b/>", 1000, "</a>"), 0);
	assert_int_equal(parse_many("<a>", "<b/>", 200000, "</a>"), UNI_E_LIMIT);
	assert_int_equal(parse_many("<a>", "sixteen letters.", (1 << 20) - 1, "</a>"), 0);
	assert_int_equal(parse_many("<a>", "sixteen letters.", 1 << 20, "</a>"), UNI_E_LIMIT);
}

int unit_xml(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(questions),
		cmocka_unit_test(refusals),
		cmocka_unit_test(bounds),
	};

	return cmocka_run_group_tests_name("xml", tests, NULL, NULL);
}
