/*
 * What is made from the schema stays what is checked in: docs/recipe.md and docs/recipe.schema.json
 * (UNI_GOLDEN=update rewrites them), and the example of the page is a recipe.
 */
#include "unit.h"

#include <string.h>
#include <uni/base/json.h>

static void reference_page(void **state)
{
	struct uni_buf page UNI_AUTO_BUF = UNI_BUF_INIT;

	(void)state;
	uni_recipe_reference(&page);
	unit_golden_compare("../../../docs/recipe.md", uni_buf_text(&page));
}

static void json_schema(void **state)
{
	struct uni_buf schema UNI_AUTO_BUF = UNI_BUF_INIT;
	struct uni_json *json UNI_AUTO(uni_json) = NULL;
	struct uni_err err = UNI_ERR_INIT;
	const struct uni_json *image, *variant;
	bool more = true;

	(void)state;
	uni_recipe_json_schema(&schema);
	assert_int_equal(uni_json_parse(&json, "schema", schema.data, schema.size, &err), 0);
	image = uni_json_get(uni_json_get(json, "properties"), "image");
	assert_string_equal(uni_json_text(uni_json_get(image, "type")), "object");
	assert_true(uni_json_bool(uni_json_get(image, "additionalProperties"), &more));
	assert_false(more);
	assert_string_equal(uni_json_text(uni_json_item(uni_json_get(image, "required"), 0)),
			    "name");
	variant = uni_json_get(uni_json_get(json, "$defs"), "variant");
	assert_non_null(uni_json_get(uni_json_get(variant, "properties"), "image"));
	assert_null(uni_json_get(uni_json_get(variant, "properties"), "variant"));
	assert_null(uni_json_get(variant, "required"));
	unit_golden_compare("../../../docs/recipe.schema.json", uni_buf_text(&schema));
}

/* The example in the page, between its fences. */
static void example_is_sound(void **state)
{
	struct uni_recipe_options options = { .no_files = true, .variant = "debug" };
	struct uni_diags diags UNI_AUTO_DIAGS = UNI_DIAGS_INIT;
	struct uni_buf page UNI_AUTO_BUF = UNI_BUF_INIT;
	struct uni_err err = UNI_ERR_INIT;
	struct uni_recipe *recipe UNI_AUTO(uni_recipe) = NULL;
	const char *start, *end;

	(void)state;
	uni_recipe_reference(&page);
	start = strstr(page.data, "```toml\n") + strlen("```toml\n");
	end = strstr(start, "```");
	if (uni_recipe_parse(&recipe, "example.toml", start, (size_t)(end - start), &options,
			     &diags, &err) != 0)
		fail_msg("%s", err.text);
	assert_int_equal(recipe->config.log_level, 3);
}

int unit_schema(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reference_page),
		cmocka_unit_test(json_schema),
		cmocka_unit_test(example_is_sound),
	};

	return cmocka_run_group_tests_name("schema", tests, NULL, NULL);
}
