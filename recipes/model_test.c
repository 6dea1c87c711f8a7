/*
 * [[test]]: what `uni test` does, and what the combination of a test and the rest of the recipe
 * rules out.
 */
#include "model.h"

#include <stdio.h>
#include <string.h>
#include <uni/abi/config.h>

enum { LABEL_MAX = 160, TESTS_MAX = 256, STEPS_MAX = 1024 };

static void label_test(const struct uni_recipe_test *test, char label[LABEL_MAX])
{
	if (test->name == NULL)
		snprintf(label, LABEL_MAX, "[[test]]");
	else
		snprintf(label, LABEL_MAX, "test \"%s\"", test->name);
}

static const char *label_step(const struct uni_recipe_test *test, const char *key,
			      char label[LABEL_MAX])
{
	char outer[LABEL_MAX];

	label_test(test, outer);
	snprintf(label, LABEL_MAX, "%.100s: %.50s", outer, key);
	return label;
}

/* A string, or a table with one of the keys of schema_match, in the order of the enumeration. */
static void read_match(const struct uni_toml_value *value, struct uni_recipe_match *match)
{
	static const char *const keys[] = { NULL, "contains", "equals", "regex", "sha256" };

	if (value == NULL || (value->flags & SCHEMA_BAD) != 0)
		return;
	match->pos = value->pos;
	if (value->type == UNI_TOML_STRING) {
		match->kind = UNI_MATCH_CONTAINS;
		match->text = uni_strdup(value->string.data);
		return;
	}
	for (unsigned kind = UNI_MATCH_CONTAINS; kind < UNI_COUNT(keys); kind++)
		if (model_get(value, keys[kind]) != NULL) {
			match->kind = (enum uni_recipe_match_kind)kind;
			match->text = model_string(value, keys[kind]);
		}
}

static void build_console(struct model *m, const struct uni_toml_value *table,
			  struct uni_recipe_test *test)
{
	const struct uni_toml_value *list = model_get(table, "expect-console");
	char label[LABEL_MAX];

	if (list == NULL)
		return;
	label_test(test, label);
	test->console = uni_alloc_array(list->list.count + 1, sizeof(*test->console));
	for (const struct uni_toml_value *v = list->list.first; v != NULL; v = v->next) {
		struct uni_recipe_match *match = &test->console[test->console_count];

		read_match(v, match);
		if (match->kind == UNI_MATCH_NONE)
			continue;
		test->console_count++;
		if (match->kind == UNI_MATCH_SHA256)
			model_error(m, match->pos,
				    "%s: a line of the console is not known by its SHA-256", label);
		else if (strchr(match->text, '\n') != NULL && match->kind != UNI_MATCH_REGEX)
			model_error(m, match->pos,
				    "%s: text on the console is looked for in single lines", label);
	}
}

static int compare_headers(const void *a, const void *b)
{
	const struct uni_recipe_header *x = a, *y = b;

	return strcmp(x->name, y->name);
}

static void build_http(struct model *m, const char *label, const struct uni_toml_value *table,
		       struct uni_recipe_step *step)
{
	const struct uni_toml_value *headers = model_get(table, "expect-headers");

	step->method = model_string(table, "method");
	if (step->method == NULL)
		step->method = uni_strdup("GET");
	step->target = model_string(table, "path");
	if (step->target == NULL)
		step->target = uni_strdup("/");
	step->send = model_string(table, "body");
	step->host = model_string(table, "host");
	if (step->host == NULL)
		step->host = uni_strdup("localhost");
	step->tls = model_bool(table, "tls", false);
	model_input(m, label, model_get(table, "ca"), INPUT_REGULAR, &step->ca);
	if (!step->tls && model_has(table, "ca"))
		model_error(m, model_pos(table, "ca"), "%s says nothing without tls", label);
	step->status = (unsigned)model_size(table, "status", 200);
	step->repeat = (unsigned)model_size(table, "repeat", 1);
	model_env(model_get(table, "headers"), &step->headers, &step->header_count);
	if (headers == NULL)
		return;
	step->expect_headers =
		uni_alloc_array(headers->list.count + 1, sizeof(*step->expect_headers));
	for (const struct uni_toml_value *v = headers->list.first; v != NULL; v = v->next) {
		struct uni_recipe_header *header = &step->expect_headers[step->expect_header_count];

		read_match(v, &header->match);
		if (header->match.kind == UNI_MATCH_NONE)
			continue;
		header->name = uni_strdup(v->key);
		step->expect_header_count++;
	}
	qsort(step->expect_headers, step->expect_header_count, sizeof(*step->expect_headers),
	      compare_headers);
}

static void build_dns(const struct uni_toml_value *table, struct uni_recipe_step *step)
{
	const struct schema_table *schema = schema_find(&schema_test, "dns")->table;

	step->name = model_string(table, "name");
	step->type = model_string(table, "type");
	if (step->type == NULL)
		step->type = uni_strdup("A");
	/* The schema's words stand in the order of the protocol's numbers. */
	step->code = model_word(table, schema, "code", "noerror");
	model_texts(table, "answers", &step->answers);
}

static void read_send(const struct uni_toml_value *value, struct uni_recipe_step *step)
{
	if (value == NULL)
		return;
	step->send_size = value->string.size;
	step->send = uni_alloc(step->send_size + 1);
	memcpy(step->send, value->string.data, step->send_size);
}

static uint16_t usual_port(const struct uni_toml_value *table, enum uni_recipe_step_kind kind)
{
	if (kind == UNI_STEP_HTTP)
		return model_bool(table, "tls", false) ? 443 : 80;
	return kind == UNI_STEP_DNS ? 53 : 0;
}

static void build_step(struct model *m, const struct uni_recipe_test *test,
		       const struct uni_toml_value *table, enum uni_recipe_step_kind kind,
		       struct uni_recipe_step *step)
{
	char label[LABEL_MAX];

	step->kind = kind;
	step->pos = table->pos;
	step->port = (uint16_t)model_size(table, "port", usual_port(table, kind));
	read_match(model_get(table, "expect"), &step->expect);
	if (kind == UNI_STEP_HTTP)
		build_http(m, label_step(test, "[[http]]: ca", label), table, step);
	else if (kind == UNI_STEP_DNS)
		build_dns(table, step);
	else
		read_send(model_get(table, "send"), step);
	step->close = model_bool(table, "close", false);
}

static int compare_steps(const void *a, const void *b)
{
	const struct uni_recipe_step *x = a, *y = b;

	if (x->pos.line != y->pos.line)
		return x->pos.line < y->pos.line ? -1 : 1;
	return (x->pos.column > y->pos.column) - (x->pos.column < y->pos.column);
}

static void build_steps(struct model *m, const struct uni_toml_value *table,
			struct uni_recipe_test *test)
{
	static const char *const keys[] = { "http", "tcp", "udp", "dns" };
	size_t count = 0;
	char label[LABEL_MAX];

	for (size_t i = 0; i < UNI_COUNT(keys); i++)
		if (model_get(table, keys[i]) != NULL)
			count += model_get(table, keys[i])->list.count;
	if (count > STEPS_MAX) {
		label_test(test, label);
		model_error(m, table->pos, "%s has more than %d steps", label, STEPS_MAX);
		return;
	}
	test->steps = uni_alloc_array(count + 1, sizeof(*test->steps));
	for (size_t i = 0; i < UNI_COUNT(keys); i++) {
		const struct uni_toml_value *array = model_get(table, keys[i]);

		for (const struct uni_toml_value *v = array != NULL ? array->list.first : NULL;
		     v != NULL; v = v->next)
			if ((v->flags & SCHEMA_BAD) == 0)
				build_step(m, test, v, (enum uni_recipe_step_kind)i,
					   &test->steps[test->step_count++]);
	}
	qsort(test->steps, test->step_count, sizeof(*test->steps), compare_steps);
}

static void build_load(const struct uni_toml_value *table, struct uni_recipe_load *load)
{
	if (table == NULL)
		return;
	load->pos = table->pos;
	load->target = model_string(table, "path");
	if (load->target == NULL)
		load->target = uni_strdup("/");
	load->port = (uint16_t)model_size(table, "port", 80);
	load->rate = (unsigned)model_size(table, "requests-per-second", 1);
	load->seconds = (unsigned)model_size(table, "seconds", 5);
	load->status = (unsigned)model_size(table, "status", 200);
	load->failures_at_most = model_size(table, "failures-at-most", 0);
}

static bool is_volume(const struct uni_recipe *recipe, const char *name)
{
	for (size_t i = 0; i < recipe->volume_count; i++)
		if (recipe->volumes[i].name != NULL && strcmp(recipe->volumes[i].name, name) == 0)
			return recipe->volumes[i].writable;
	return false;
}

static void build_files(struct model *m, const struct uni_toml_value *table,
			struct uni_recipe_test *test)
{
	const struct uni_toml_value *array = model_get(table, "file");
	char label[LABEL_MAX];

	if (array == NULL)
		return;
	label_step(test, "[[file]]", label);
	test->files = uni_alloc_array(array->list.count + 1, sizeof(*test->files));
	for (const struct uni_toml_value *v = array->list.first; v != NULL; v = v->next) {
		struct uni_recipe_expected_file *file = &test->files[test->file_count];

		if ((v->flags & SCHEMA_BAD) != 0)
			continue;
		test->file_count++;
		file->pos = v->pos;
		file->volume = model_string(v, "volume");
		file->path = model_string(v, "path");
		file->absent = model_bool(v, "absent", false);
		read_match(model_get(v, "expect"), &file->expect);
		if (file->absent && file->expect.kind != UNI_MATCH_NONE)
			model_error(m, model_pos(v, "expect"), "%s: what is absent holds nothing",
				    label);
		if (file->volume != NULL && !is_volume(m->recipe, file->volume))
			model_error(m, model_pos(v, "volume"),
				    "%s: there is no volume \"%s\" that the machine writes to",
				    label, file->volume);
	}
}

static const struct uni_recipe_test *find_test(const struct uni_recipe *recipe, const char *name)
{
	for (size_t i = 0; i < recipe->test_count; i++)
		if (recipe->tests[i].name != NULL && strcmp(recipe->tests[i].name, name) == 0)
			return &recipe->tests[i];
	return NULL;
}

/* Every chain has a beginning. */
static void check_order(struct model *m, const struct uni_recipe_test *test)
{
	const struct uni_recipe_test *before = test;
	char label[LABEL_MAX];

	label_test(test, label);
	for (size_t i = 0; i <= m->recipe->test_count; i++) {
		if (before->after == NULL)
			return;
		before = find_test(m->recipe, before->after);
		if (before == NULL) {
			model_error(m, test->pos, "%s: after: there is no such test", label);
			return;
		}
	}
	model_error(m, test->pos, "%s: after: it comes after itself", label);
}

static bool may_change(const struct uni_recipe *recipe, uint16_t type)
{
	for (size_t i = 0; i < recipe->config.runtime_count; i++)
		if (recipe->config.runtime[i] == type)
			return true;
	return false;
}

/* What a test asks for, the image must permit. */
static void check_test(struct model *m, const struct uni_toml_value *table,
		       const struct uni_recipe_test *test)
{
	char label[LABEL_MAX];

	label_test(test, label);
	if (test->has_args && !may_change(m->recipe, UNI_CONFIG_ARG)) {
		model_error(m, model_pos(table, "args"), "%s: args are fixed in the image", label);
		model_hint(m, "runtime = [\"args\"] in [config] permits others at start");
	}
	if (test->env_count != 0 && !may_change(m->recipe, UNI_CONFIG_ENV)) {
		model_error(m, model_pos(table, "env"), "%s: env is fixed in the image", label);
		model_hint(m, "runtime = [\"env\"] in [config] permits another at start");
	}
	if ((test->step_count != 0 || test->load.target != NULL) &&
	    !uni_recipe_has_network(m->recipe)) {
		model_error(m, table->pos, "%s: the machine has no network", label);
		model_hint(m, "network = \"dhcp\" in [config] gives it one");
	}
	if (test->console_count == 0 && test->step_count == 0 && test->load.target == NULL &&
	    !model_has(table, "expect-console") && !model_has(table, "exit-status") &&
	    !test->stop && test->memory_at_most == 0 && test->boot_at_most == 0 &&
	    test->file_count == 0) {
		model_error(m, table->pos, "%s expects nothing", label);
		model_hint(m, "for example expect-console, exit-status or [[test.http]]");
	}
	if (test->file_count != 0 && !test->has_exit_status && !test->stop) {
		model_error(m, table->pos, "%s: files are looked at when the machine has ended",
			    label);
		model_hint(m, "exit-status or stop says how it ends");
	}
	if (test->has_exit_status && test->stop)
		model_error(m, model_pos(table, "stop"),
			    "%s: exit-status waits for the end that stop brings about", label);
}

static void build_test(struct model *m, const struct uni_toml_value *table,
		       struct uni_recipe_test *test)
{
	const struct uni_toml_value *boot = model_get(table, "boot-at-most");

	test->pos = table->pos;
	test->name = model_string(table, "name");
	test->after = model_string(table, "after");
	test->has_args = model_get(table, "args") != NULL;
	model_texts(table, "args", &test->args);
	model_env(model_get(table, "env"), &test->env, &test->env_count);
	test->memory = model_size(table, "memory", m->recipe->machine.memory);
	test->processors = (uint32_t)model_size(table, "processors", m->recipe->machine.processors);
	test->timeout_ms = model_duration(table, "timeout", 60000);
	test->has_exit_status = model_get(table, "exit-status") != NULL;
	test->exit_status = (int)model_size(table, "exit-status", 0);
	test->stop = model_bool(table, "stop", false);
	test->memory_at_most = model_size(table, "memory-at-most", 0);
	if (boot != NULL)
		test->boot_at_most =
			boot->type == UNI_TOML_FLOAT ? boot->number : (double)boot->integer;
	read_match(model_get(table, "ready"), &test->ready);
	build_console(m, table, test);
	build_steps(m, table, test);
	build_load(model_get(table, "load"), &test->load);
	build_files(m, table, test);
	check_test(m, table, test);
}

void model_tests(struct model *m)
{
	const struct uni_toml_value *array = model_get(m->root, "test");
	struct uni_recipe *recipe = m->recipe;

	if (array == NULL)
		return;
	if (array->list.count > TESTS_MAX) {
		model_error(m, array->pos, "there are more than %d tests", TESTS_MAX);
		return;
	}
	recipe->tests = uni_alloc_array(array->list.count + 1, sizeof(*recipe->tests));
	for (const struct uni_toml_value *v = array->list.first; v != NULL; v = v->next) {
		struct uni_recipe_test *test = &recipe->tests[recipe->test_count];

		if ((v->flags & SCHEMA_BAD) != 0)
			continue;
		recipe->test_count++;
		build_test(m, v, test);
		for (size_t i = 0; test->name != NULL && i + 1 < recipe->test_count; i++)
			if (recipe->tests[i].name != NULL &&
			    uni_str_eq(recipe->tests[i].name, test->name)) {
				model_error(m, model_pos(v, "name"), "test \"%s\" is given twice",
					    test->name);
				model_hint(m, "the first is in line %u", recipe->tests[i].pos.line);
			}
	}
	for (size_t i = 0; i < recipe->test_count; i++)
		check_order(m, &recipe->tests[i]);
}
