/*
 * [app]: a finished program, one of a volume's files, or what one is compiled and linked from.
 */
#include "model.h"

#include <string.h>
#include <uni/base/path.h>

static int compare_env(const void *a, const void *b)
{
	const struct uni_recipe_env *x = a, *y = b;

	return strcmp(x->name, y->name);
}

void model_env(const struct uni_toml_value *table, struct uni_recipe_env **env, size_t *count)
{
	if (table == NULL)
		return;
	*env = uni_alloc_array(table->list.count + 1, sizeof(**env));
	for (const struct uni_toml_value *v = table->list.first; v != NULL; v = v->next) {
		if ((v->flags & SCHEMA_BAD) != 0)
			continue;
		(*env)[(*count)++] = (struct uni_recipe_env){ .name = uni_strdup(v->key),
							      .value = uni_strdup(v->string.data),
							      .pos = v->pos };
	}
	/* Tables have no order, so the program's environment gets one of its own. */
	qsort(*env, *count, sizeof(**env), compare_env);
}

/* -IFOLDER is one more folder of `include`, checked as those are; the other flags stay flags. */
static void build_flags(struct model *m, const struct uni_toml_value *table)
{
	const struct uni_toml_value *flags = model_get(table, "cflags");
	struct uni_recipe_app *app = &m->recipe->app;

	for (const struct uni_toml_value *v = flags != NULL ? flags->list.first : NULL; v != NULL;
	     v = v->next) {
		if ((v->flags & SCHEMA_BAD) != 0)
			continue;
		if (!uni_str_starts(v->string.data, "-I")) {
			model_add_text(&app->cflags, uni_strdup(v->string.data), v->pos);
			continue;
		}
		app->includes.items = uni_realloc_array(
			app->includes.items, app->includes.count + 1, sizeof(*app->includes.items));
		memset(&app->includes.items[app->includes.count], 0, sizeof(*app->includes.items));
		model_input_text(m, "[app]: include", v->string.data + 2, v->pos, INPUT_FOLDER,
				 &app->includes.items[app->includes.count++]);
	}
}

/* The same file twice, however it is written, would be linked twice. */
static void check_repeats(struct model *m, const char *what, const struct uni_recipe_inputs *inputs)
{
	struct uni_strv seen UNI_AUTO_STRV = { .items = NULL };

	for (size_t i = 0; i < inputs->count; i++) {
		char *path UNI_AUTO_FREE = uni_path_normal(inputs->items[i].text);

		if (uni_strv_has(&seen, path))
			model_error(m, inputs->items[i].pos, "[app]: %s \"%s\" is given twice",
				    what, inputs->items[i].text);
		else
			uni_strv_add(&seen, path);
	}
}

static void check_sources(struct model *m, const struct uni_recipe_inputs *sources)
{
	for (size_t i = 0; i < sources->count; i++) {
		const struct uni_recipe_input *source = &sources->items[i];

		if (uni_str_ends(source->text, ".c"))
			continue;
		model_error(m, source->pos, "[app]: source \"%s\" is not a C file", source->text);
		model_hint(m, "names of C files end in .c");
	}
	check_repeats(m, "source", sources);
}

/* Absent, or an empty list; not one that is wrong in itself. */
static bool is_empty(const struct uni_toml_value *table, const char *key)
{
	const struct uni_toml_value *list = model_get(table, key);

	return list == NULL ? !model_has(table, key) : list->list.count == 0;
}

static void refuse_without_sources(struct model *m, const struct uni_toml_value *table,
				   const char *key)
{
	if (model_has(table, key))
		model_error(m, uni_toml_get(table, key)->key_pos,
			    "[app]: %s says nothing without sources", key);
}

/* What is finished leaves nothing to link; false: it is not there. */
static bool check_finished(struct model *m, const struct uni_toml_value *table, const char *key)
{
	static const char *const others[] = { "sources", "objects", "libraries",
					      "include", "cflags",  "path" };

	if (!model_has(table, key))
		return false;
	for (size_t i = 0; i < UNI_COUNT(others); i++) {
		if (strcmp(others[i], key) == 0 || !model_has(table, others[i]))
			continue;
		model_error(m, uni_toml_get(table, others[i])->key_pos,
			    "[app]: %s and %s cannot both be given", others[i], key);
		model_hint(m, "a program is finished; objects are linked to one");
	}
	return true;
}

static void check_choice(struct model *m, const struct uni_toml_value *table)
{
	if (check_finished(m, table, "program") || check_finished(m, table, "path"))
		return;
	if (!model_has(table, "sources") && !model_has(table, "objects")) {
		model_error(m, table->key_pos,
			    "[app]: neither program, path, sources nor objects are given");
		model_hint(m, "name a finished program, or what to link one from");
	} else if (is_empty(table, "sources") && is_empty(table, "objects")) {
		model_error(m, table->key_pos, "[app]: there is nothing to link a program from");
	} else if (!model_has(table, "sources")) {
		refuse_without_sources(m, table, "include");
		refuse_without_sources(m, table, "cflags");
	}
}

void model_app(struct model *m)
{
	const struct uni_toml_value *table = model_get(m->root, "app");
	struct uni_recipe_app *app = &m->recipe->app;

	app->pos = model_pos(m->root, "app");
	app->cwd = model_string(table, "cwd");
	app->cwd_pos = model_pos(table, "cwd");
	if (app->cwd == NULL)
		app->cwd = uni_strdup("/");
	if (table == NULL)
		return;
	check_choice(m, table);
	app->jit = model_bool(table, "jit", false);
	app->user = (uint32_t)model_size(table, "user", 0);
	app->group = (uint32_t)model_size(table, "group", app->user);
	model_inputs(m, "[app]: source", model_get(table, "sources"), INPUT_REGULAR, &app->sources);
	check_sources(m, &app->sources);
	model_inputs(m, "[app]: include", model_get(table, "include"), INPUT_FOLDER,
		     &app->includes);
	build_flags(m, table);
	model_inputs(m, "[app]: object", model_get(table, "objects"), INPUT_REGULAR, &app->objects);
	model_inputs(m, "[app]: library", model_get(table, "libraries"), INPUT_REGULAR,
		     &app->libraries);
	model_input(m, "[app]: program", model_get(table, "program"), INPUT_REGULAR, &app->program);
	app->path = model_string(table, "path");
	app->path_pos = model_pos(table, "path");
	model_texts(table, "args", &app->args);
	model_env(model_get(table, "env"), &app->env, &app->env_count);
}
