/*
 * JSON: strings come back as they were, wrong questions get nothing, doubled keys are refused.
 */
#include "unit.h"
#include <string.h>
#include <uni/base/json.h>

static void strings_come_back(void **state)
{
	static const char text[] = "a\"b\\c\n\t\x01\x7f \xc3\xa4 \xf0\x9f\x98\x80";
	struct uni_json *json UNI_AUTO(uni_json) = NULL;
	struct uni_buf out UNI_AUTO_BUF = UNI_BUF_INIT;
	struct uni_err err = UNI_ERR_INIT;
	(void)state;
	uni_buf_putc(&out, '[');
	uni_json_string(&out, text);
	uni_buf_putc(&out, ',');
	uni_json_string(&out, "x\xff\xc3y");
	uni_buf_putc(&out, ']');
	assert_int_equal(uni_json_parse(&json, "t", out.data, out.size, &err), 0);
	assert_string_equal(uni_json_text(uni_json_item(json, 0)), text);
	assert_string_equal(uni_json_text(uni_json_item(json, 1)), "x\xef\xbf\xbd\xef\xbf\xbdy");
}

static void questions(void **state)
{
	static const char text[] =
		"{\"n\": 18, \"neg\": -1, \"t\": true, \"l\": [{}], \"s\": \"\"}";
	static const char *const keys[] = { "n", "neg", "t", "l", "s" };
	struct uni_json *json UNI_AUTO(uni_json) = NULL;
	struct uni_err err = UNI_ERR_INIT;
	uint64_t number = 0;
	bool truth = false;
	(void)state;
	assert_int_equal(uni_json_parse(&json, "t", text, strlen(text), &err), 0);
	assert_true(uni_json_u64(uni_json_get(json, "n"), &number));
	assert_int_equal(number, 18);
	assert_false(uni_json_u64(uni_json_get(json, "neg"), &number));
	assert_false(uni_json_u64(uni_json_get(json, "s"), &number));
	assert_true(uni_json_bool(uni_json_get(json, "t"), &truth) && truth);
	assert_null(uni_json_text(uni_json_get(json, "n")));
	assert_null(uni_json_get(uni_json_get(json, "nothing"), "n"));
	assert_null(uni_json_item(uni_json_get(json, "l"), 1));
	assert_true(uni_json_is_object(uni_json_item(uni_json_get(json, "l"), 0)));
	assert_true(uni_json_only(json, keys, UNI_COUNT(keys)));
	assert_false(uni_json_only(json, keys, UNI_COUNT(keys) - 1));
}

static void refusals(void **state)
{
	static const char *const bad[] = { "",	    "{",     "{\"a\":1,\"a\":2}",
					   "[1] x", "\"a\"", "[\"\xff\"]" };
	struct uni_json *json = NULL;
	struct uni_err err = UNI_ERR_INIT;
	(void)state;
	for (size_t i = 0; i < UNI_COUNT(bad); i++) {
		assert_int_equal(uni_json_parse(&json, "t", bad[i], strlen(bad[i]), &err),
				 UNI_E_PARSE);
		assert_null(json);
	}
}

int unit_json(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(strings_come_back),
		cmocka_unit_test(questions),
		cmocka_unit_test(refusals),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
