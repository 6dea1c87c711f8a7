/*
 * Bad recipes and what is said about them: for every bad/NAME.toml all findings stand in
 * bad/NAME.txt. A first line "# variant NAME" chooses a variant.
 */
#include "unit.h"

#include <string.h>
#include <uni/base/file.h>

static void check_one(const char *name)
{
	struct uni_recipe_options options = { .variant = NULL };
	struct uni_diags diags UNI_AUTO_DIAGS = UNI_DIAGS_INIT;
	struct uni_buf findings UNI_AUTO_BUF = UNI_BUF_INIT;
	struct uni_buf text UNI_AUTO_BUF = UNI_BUF_INIT;
	struct uni_err err = UNI_ERR_INIT;
	struct uni_recipe *recipe UNI_AUTO(uni_recipe) = NULL;
	char *stem UNI_AUTO_FREE = uni_strndup(name, strlen(name) - strlen(".toml"));
	char *path UNI_AUTO_FREE = uni_asprintf(HERE "/bad/%s", name);
	char *golden UNI_AUTO_FREE = uni_asprintf("bad/%s.txt", stem);
	char *variant UNI_AUTO_FREE = NULL;

	assert_int_equal(uni_file_read(path, UNI_RECIPE_MAX, &text, &err), 0);
	if (uni_str_starts(text.data, "# variant ")) {
		const char *word = text.data + strlen("# variant ");

		variant = uni_strndup(word, strcspn(word, "\n"));
		options.variant = variant;
	}
	if (uni_recipe_parse(&recipe, name, text.data, text.size, &options, &diags, &err) == 0)
		fail_msg("%s was accepted", name);
	assert_null(recipe);
	assert_true(diags.errors > 0);
	unit_findings(&diags, &findings);
	unit_golden_compare(golden, uni_buf_text(&findings));
}

static void bad_recipes(void **state)
{
	struct uni_strv names UNI_AUTO_STRV = { .items = NULL };
	struct uni_err err = UNI_ERR_INIT;
	size_t count = 0;

	(void)state;
	assert_int_equal(uni_dir_list(HERE "/bad", &names, &err), 0);
	unit_enter_tree();
	for (size_t i = 0; i < names.count; i++) {
		if (!uni_str_ends(names.items[i], ".toml"))
			continue;
		check_one(names.items[i]);
		count++;
	}
	unit_leave_tree();
	assert_true(count > 10);
}

int unit_golden(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(bad_recipes) };

	return cmocka_run_group_tests_name("golden", tests, NULL, NULL);
}
