/*
 * Plans: what moves a key and what does not, cold sources, the forms in which a plan is printed.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>
#include <uni/base/json.h>
#include <uni/plan/make.h>

#include "tests.h"

#define STEPS 9

static const char recipe_text[] = "[image]\n"
				  "name = \"thing\"\n"
				  "[app]\n"
				  "sources = [\"a.c\", \"b.c\"]\n"
				  "libraries = [\"l.a\"]\n"
				  "args = [\"one\"]\n"
				  "[ca]\n"
				  "bundle = \"ca.pem\"\n"
				  "[[volume]]\n"
				  "name = \"v\"\n"
				  "mount = \"/v\"\n"
				  "source = \"v\"\n"
				  "[[volume]]\n"
				  "name = \"t\"\n"
				  "mount = \"/t\"\n"
				  "format = \"tmpfs\"\n";

/* The resolved inputs of the recipe above, to be changed one by one. */
struct inputs {
	const char *text;
	const char *variant;
	char base, source, library, ca, volume; /* digests are of these */
	char compile, link, box;		/* tools' */
	bool cold;
	const char *formats[2];
	size_t format_count;
};

static const struct inputs usual = {
	.text = recipe_text,
	.base = '1',
	.source = '2',
	.library = '3',
	.ca = '4',
	.volume = '5',
	.compile = '6',
	.link = '7',
	.box = '8',
	.formats = { "raw", "elf" },
	.format_count = 2,
};

static struct uni_digest of(char c)
{
	return uni_digest_of(&c, 1);
}

struct uni_recipe *parse(const char *text, const char *variant)
{
	struct uni_recipe_options options = { .variant = variant, .no_files = true };
	struct uni_diags diags UNI_AUTO_DIAGS = UNI_DIAGS_INIT;
	struct uni_err err = UNI_ERR_INIT;
	struct uni_recipe *recipe = NULL;

	if (uni_recipe_parse(&recipe, "recipe.toml", text, strlen(text), &options, &diags, &err) !=
	    0)
		fail_msg("%s", err.text);
	return recipe;
}

static struct uni_plan *make(const struct inputs *from)
{
	struct uni_recipe *recipe UNI_AUTO(uni_recipe) = parse(from->text, from->variant);
	struct uni_base *base UNI_AUTO(uni_base) = parse_base();
	struct uni_step_tool compile = { "cc1", of(from->compile) },
			     link = { "ld", of(from->link) };
	struct uni_step_tool box = { "liblz4", of(from->box) };
	struct uni_plan_source sources[] = { { .name = "a.c", .digest = of(from->source) },
					     { .name = "b.c", .digest = of('b') } };
	struct uni_plan_source library = { .name = "l.a", .digest = of(from->library) };
	struct uni_plan_source ca = { .name = "ca.pem", .digest = of(from->ca) };
	struct uni_plan_source volumes[] = {
		{ .name = "v", .digest = of(from->volume), .cold = from->cold }, { .name = NULL }
	};
	struct uni_buf normal UNI_AUTO_BUF = UNI_BUF_INIT;
	struct uni_plan *plan = NULL;
	struct uni_err err = UNI_ERR_INIT;
	struct uni_plan_inputs in = {
		.recipe = recipe,
		.formats = from->formats,
		.format_count = from->format_count,
		.base = { .name = "unibase", .digest = of(from->base) },
		.base_words = base,
		.sources = sources,
		.libraries = &library,
		.library_count = 1,
		.ca = from->ca != '\0' ? &ca : NULL,
		.volumes = volumes,
		.compile_tools = { &compile, 1 },
		.link_tools = { &link, 1 },
		.box_tools = { &box, 1 },
	};

	assert_int_equal(uni_recipe_normal(recipe, &normal, &err), 0);
	in.recipe_digest = uni_digest_of(normal.data, normal.size);
	if (uni_plan_make(&plan, &in, &err) != 0)
		fail_msg("%s", err.text);
	return plan;
}

static const struct uni_step *step(const struct uni_plan *plan, const char *id)
{
	int index = uni_plan_find(plan, id);

	assert_true(index >= 0);
	return uni_plan_step(plan, (size_t)index);
}

/* Ids of the steps whose keys differ, in the plan's order, with a space behind each. */
static void expect_moved(const struct inputs *changed, const char *expected)
{
	struct uni_plan *a UNI_AUTO(uni_plan) = make(&usual);
	struct uni_plan *b UNI_AUTO(uni_plan) = make(changed);
	struct uni_buf moved UNI_AUTO_BUF = UNI_BUF_INIT;

	assert_int_equal(uni_plan_count(a), uni_plan_count(b));
	for (size_t i = 0; i < uni_plan_count(a); i++) {
		const struct uni_step *x = uni_plan_step(a, i), *y = uni_plan_step(b, i);

		assert_string_equal(x->id, y->id);
		if (!uni_digest_eq(&x->key, &y->key))
			uni_buf_printf(&moved, "%s ", x->id);
	}
	assert_string_equal(uni_buf_text(&moved), expected);
}

#define IMAGE "kernel box disk:raw manifest "

static void steps_of_a_recipe(void **state)
{
	static const char *const ids[STEPS] = { "compile:a.c", "compile:b.c", "link",
						"root",	       "volume:v",    "kernel",
						"box",	       "disk:raw",    "manifest" };
	struct uni_plan *plan UNI_AUTO(uni_plan) = make(&usual);

	(void)state;
	assert_int_equal(uni_plan_count(plan), STEPS);
	for (size_t i = 0; i < STEPS; i++) {
		const struct uni_step *s = uni_plan_step(plan, i);

		assert_string_equal(s->id, ids[i]);
		assert_true(s->has_key);
		for (size_t j = 0; j < s->input_count; j++)
			assert_true(s->inputs[j].step < (int)i);
		for (size_t j = 0; j < i; j++)
			assert_false(uni_digest_eq(&s->key, &uni_plan_step(plan, j)->key));
	}
}

/* The kernel makes the folders that it mounts at. */
static void mounts_alone_need_no_archive(void **state)
{
	struct inputs in = usual;
	struct uni_plan *plan UNI_AUTO(uni_plan) = NULL;

	(void)state;
	in.text = "[image]\nname = \"thing\"\n[app]\nsources = [\"a.c\", \"b.c\"]\n"
		  "[[volume]]\nname = \"v\"\nmount = \"/v\"\nsource = \"v\"\n";
	in.ca = '\0';
	plan = make(&in);
	assert_true(uni_plan_find(plan, "volume:v") >= 0);
	assert_int_equal(uni_plan_find(plan, "root"), -1);
}

static void inputs_move_what_uses_them(void **state)
{
	struct inputs in;

	(void)state;
	in = usual;
	expect_moved(&in, "");
	in.source = 'x';
	expect_moved(&in, "compile:a.c link " IMAGE);
	in = usual;
	in.library = 'x';
	expect_moved(&in, "link " IMAGE);
	in = usual;
	in.ca = 'x';
	expect_moved(&in, "root " IMAGE);
	in = usual;
	in.volume = 'x';
	expect_moved(&in, "volume:v " IMAGE);
	in = usual;
	in.base = 'x';
	expect_moved(&in, "link " IMAGE);
}

static void tools_move_what_runs_them(void **state)
{
	struct inputs in;

	(void)state;
	in = usual;
	in.compile = 'x';
	expect_moved(&in, "compile:a.c compile:b.c link " IMAGE);
	in = usual;
	in.link = 'x';
	expect_moved(&in, "link " IMAGE);
	in = usual;
	in.box = 'x';
	expect_moved(&in, "box disk:raw manifest ");
}

static char *replaced(const char *from, const char *to)
{
	const char *at = strstr(recipe_text, from);

	assert_non_null(at);
	return uni_asprintf("%.*s%s%s", (int)(at - recipe_text), recipe_text, to,
			    at + strlen(from));
}

static void expect_moved_by(const char *from, const char *to, const char *expected)
{
	char *text UNI_AUTO_FREE = replaced(from, to);
	struct inputs in = usual;

	in.text = text;
	expect_moved(&in, expected);
}

static void recipe_moves_what_it_says(void **state)
{
	(void)state;
	expect_moved_by("\"one\"", "\"two\"", IMAGE);
	expect_moved_by("args", "cflags = [\"-DX\"]\nargs", "compile:a.c compile:b.c link " IMAGE);
	expect_moved_by("\"/v\"", "\"/w\"", "root " IMAGE);
	expect_moved_by("source = \"v\"", "source = \"v\"\ncompression = \"lz4\"",
			"volume:v " IMAGE);
	expect_moved_by("source = \"v\"", "source = \"v\"\nverity = false", "volume:v " IMAGE);
	expect_moved_by("source = \"v\"", "source = \"v\"\nmode = \"keep\"", "volume:v " IMAGE);
	expect_moved_by("\"thing\"", "\"thing\"\nepoch = 5",
			"compile:a.c compile:b.c link root volume:v " IMAGE);
	expect_moved_by("[ca]",
			"[output]\nformats = [\"raw\", \"elf\"]\n[output.raw]\nsize = \"2M\"\n[ca]",
			"disk:raw manifest ");
}

/* What is no part of the meaning moves nothing. */
static void comments_move_nothing(void **state)
{
	(void)state;
	expect_moved_by("[app]", "# a comment\n[ app ] # another\n\n", "");
	expect_moved_by("args = [\"one\"]", "args = [\n\t'one',\n]", "");
	expect_moved_by("[ca]", "[variant.other.app]\nargs = [\"other\"]\n[ca]", "");
}

static void variant_is_part_of_the_meaning(void **state)
{
	char *text UNI_AUTO_FREE =
		replaced("[ca]", "[variant.other.app]\nargs = [\"other\"]\n[ca]");
	struct inputs in = usual;

	(void)state;
	in.text = text;
	in.variant = "other";
	expect_moved(&in, IMAGE);
}

static void formats_decide_steps(void **state)
{
	struct inputs in = usual;
	struct uni_plan *plan UNI_AUTO(uni_plan) = NULL;
	struct uni_plan *both UNI_AUTO(uni_plan) = make(&usual);

	(void)state;
	in.formats[0] = "elf";
	in.format_count = 1;
	plan = make(&in);
	assert_int_equal(uni_plan_count(plan), STEPS - 2);
	assert_int_equal(uni_plan_find(plan, "box"), -1);
	assert_true(uni_digest_eq(&step(plan, "kernel")->key, &step(both, "kernel")->key));
	assert_false(uni_digest_eq(&step(plan, "manifest")->key, &step(both, "manifest")->key));
}

static void cold_sources_settle(void **state)
{
	static const char *const without[] = { "volume:v", "kernel", "box", "disk:raw",
					       "manifest" };
	struct inputs in = usual;
	struct uni_plan *cold UNI_AUTO(uni_plan) = NULL;
	struct uni_plan *known UNI_AUTO(uni_plan) = make(&usual);
	struct uni_digest digest = of(usual.volume);

	(void)state;
	in.cold = true;
	cold = make(&in);
	for (size_t i = 0; i < UNI_COUNT(without); i++)
		assert_false(step(cold, without[i])->has_key);
	assert_true(step(cold, "link")->has_key);
	uni_plan_settle(cold, (size_t)uni_plan_find(cold, "volume:v"), 0, &digest);
	for (size_t i = 0; i < STEPS; i++) {
		assert_true(uni_plan_step(cold, i)->has_key);
		assert_true(
			uni_digest_eq(&uni_plan_step(cold, i)->key, &uni_plan_step(known, i)->key));
	}
}

/* By outputs: how an input came about does not matter, what it is does. */
static void output_keys(void **state)
{
	struct inputs in = usual;
	struct uni_plan *a UNI_AUTO(uni_plan) = make(&usual);
	struct uni_plan *b UNI_AUTO(uni_plan) = NULL;
	struct uni_digest outputs[8] = { of('o') }, other[8] = { of('o') }, x, y;

	(void)state;
	in.source = 'x';
	b = make(&in);
	assert_false(uni_digest_eq(&step(a, "link")->key, &step(b, "link")->key));
	x = uni_step_output_key(step(a, "link"), outputs);
	y = uni_step_output_key(step(b, "link"), outputs);
	assert_true(uni_digest_eq(&x, &y));
	assert_false(uni_digest_eq(&x, &step(a, "link")->key));
	other[1] = of('p');
	y = uni_step_output_key(step(b, "link"), other);
	assert_false(uni_digest_eq(&x, &y));
}

static void printed_forms(void **state)
{
	struct uni_plan *plan UNI_AUTO(uni_plan) = make(&usual);
	struct uni_buf text UNI_AUTO_BUF = UNI_BUF_INIT, json UNI_AUTO_BUF = UNI_BUF_INIT;
	struct uni_buf dot UNI_AUTO_BUF = UNI_BUF_INIT;
	struct uni_json *document UNI_AUTO(uni_json) = NULL;
	struct uni_err err = UNI_ERR_INIT;
	char key[UNI_DIGEST_TEXT];
	const struct uni_json *steps;

	(void)state;
	uni_plan_set_state(plan, 0, UNI_STEP_CACHED);
	uni_plan_text(plan, &text);
	assert_non_null(strstr(text.data, "cached  compile:a.c"));
	assert_non_null(strstr(text.data, "9 steps, 1 cached\n"));
	uni_plan_json(plan, &json);
	assert_int_equal(uni_json_parse(&document, "plan", json.data, json.size, &err), 0);
	steps = uni_json_get(document, "steps");
	assert_int_equal(uni_json_count(steps), STEPS);
	uni_digest_text(&step(plan, "link")->key, key);
	assert_string_equal(uni_json_text(uni_json_get(uni_json_item(steps, 2), "key")), key);
	uni_plan_dot(plan, &dot);
	assert_true(uni_str_starts(dot.data, "digraph plan {"));
	assert_non_null(strstr(dot.data, "\ts0 -> s2;"));
}

/* Forms of one disk are told as one pass, but for those that are kept. */
static void printed_passes(void **state)
{
	struct inputs in = usual;
	struct uni_buf text UNI_AUTO_BUF = UNI_BUF_INIT, json UNI_AUTO_BUF = UNI_BUF_INIT;
	struct uni_buf dot UNI_AUTO_BUF = UNI_BUF_INIT;

	(void)state;
	in.formats[1] = "qcow2";
	struct uni_plan *plan UNI_AUTO(uni_plan) = make(&in);
	const int raw = uni_plan_find(plan, "disk:raw"), qcow2 = uni_plan_find(plan, "disk:qcow2");
	char *nodes UNI_AUTO_FREE = uni_asprintf("label=\"one pass\";\n\t\ts%d;s%d;\n", raw, qcow2);

	uni_plan_text(plan, &text);
	assert_non_null(strstr(text.data, "\nin one pass: disk:raw disk:qcow2\n"));
	uni_plan_json(plan, &json);
	assert_non_null(strstr(json.data, "\"passes\": [[\"disk:raw\", \"disk:qcow2\"]]"));
	uni_plan_dot(plan, &dot);
	assert_non_null(strstr(dot.data, nodes));
	uni_plan_set_state(plan, (size_t)raw, UNI_STEP_CACHED);
	uni_buf_clear(&text);
	uni_plan_text(plan, &text);
	assert_null(strstr(text.data, "in one pass"));
	uni_buf_clear(&json);
	uni_plan_json(plan, &json);
	assert_non_null(strstr(json.data, "\"passes\": []"));
	uni_buf_clear(&dot);
	uni_plan_dot(plan, &dot);
	assert_null(strstr(dot.data, "one pass"));
}

static void boot_configuration(void **state)
{
	struct uni_recipe *recipe UNI_AUTO(uni_recipe) = parse(
		"[image]\nname = \"x\"\nepoch = 7\n[app]\nprogram = \"p\"\nargs = [\"a b\"]\n"
		"env = { B = \"2\", A = \"1\" }\n[config]\nhostname = \"h\"\n"
		"[[volume]]\nname = \"v\"\nmount = \"/v\"\nsource = \"v\"\nverity = false\n"
		"[[volume]]\nname = \"t\"\nmount = \"/t\"\nformat = \"tmpfs\"\nsize = \"1M\"\n",
		NULL);
	struct uni_boot_config *config UNI_AUTO(uni_boot_config) = uni_plan_boot_config(recipe);

	(void)state;
	assert_int_equal(config->args.count, 2);
	assert_string_equal(config->args.items[0], "x");
	assert_string_equal(config->args.items[1], "a b");
	assert_string_equal(config->env.items[0], "A=1");
	assert_string_equal(config->program, "/bin/x");
	assert_string_equal(config->hostname, "h");
	assert_int_equal(config->epoch, 7);
	assert_int_equal(config->mount_count, 2);
	assert_int_equal(config->mounts[0].wire.flags, UNI_MOUNT_READ_ONLY);
	assert_int_equal(config->mounts[1].wire.fs, UNI_FS_TMPFS);
	assert_int_equal(config->mounts[1].wire.size, 1 << 20);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(steps_of_a_recipe),
		cmocka_unit_test(mounts_alone_need_no_archive),
		cmocka_unit_test(inputs_move_what_uses_them),
		cmocka_unit_test(tools_move_what_runs_them),
		cmocka_unit_test(recipe_moves_what_it_says),
		cmocka_unit_test(comments_move_nothing),
		cmocka_unit_test(variant_is_part_of_the_meaning),
		cmocka_unit_test(formats_decide_steps),
		cmocka_unit_test(cold_sources_settle),
		cmocka_unit_test(output_keys),
		cmocka_unit_test(printed_forms),
		cmocka_unit_test(printed_passes),
		cmocka_unit_test(boot_configuration),
		cmocka_unit_test(kernel_is_the_smallest_that_will_do),
		cmocka_unit_test(forms_of_other_places_have_kernels_of_their_own),
		cmocka_unit_test(what_is_asked_for_by_name_is_there),
		cmocka_unit_test(a_base_with_one_kernel_gives_that),
		cmocka_unit_test(what_no_kernel_has_together_has_its_place),
	};

	return cmocka_run_group_tests_name("plan", tests, NULL, NULL);
}
