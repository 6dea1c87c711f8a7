/*
 * The model's common tools, and the sections of a recipe that are a few plain fields.
 */
#include "model.h"

#include <stdio.h>
#include <string.h>
#include <uni/recipes/version.h>

void model_error(struct model *m, struct uni_pos pos, const char *fmt, ...)
{
	char text[800];
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	uni_diags_error(m->context.diags, m->context.file, pos, "%s", text);
}

void model_hint(struct model *m, const char *fmt, ...)
{
	char text[500];
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	uni_diags_hint(m->context.diags, "%s", text);
}

bool model_has(const struct uni_toml_value *table, const char *key)
{
	return table != NULL && uni_toml_get(table, key) != NULL;
}

const struct uni_toml_value *model_get(const struct uni_toml_value *table, const char *key)
{
	const struct uni_toml_value *value = table != NULL ? uni_toml_get(table, key) : NULL;

	return value == NULL || (value->flags & SCHEMA_BAD) != 0 ? NULL : value;
}

struct uni_pos model_pos(const struct uni_toml_value *table, const char *key)
{
	const struct uni_toml_value *value = table != NULL ? uni_toml_get(table, key) : NULL;

	if (value != NULL)
		return value->pos;
	return table != NULL ? table->pos : (struct uni_pos){ 1, 1 };
}

char *model_string(const struct uni_toml_value *table, const char *key)
{
	const struct uni_toml_value *value = model_get(table, key);

	return value == NULL ? NULL : uni_strdup(value->string.data);
}

bool model_bool(const struct uni_toml_value *table, const char *key, bool fallback)
{
	const struct uni_toml_value *value = model_get(table, key);

	return value == NULL ? fallback : value->boolean;
}

uint64_t model_size(const struct uni_toml_value *table, const char *key, uint64_t fallback)
{
	const struct uni_toml_value *value = model_get(table, key);
	uint64_t size = fallback;

	if (value == NULL)
		return fallback;
	if (value->type == UNI_TOML_INTEGER)
		return (uint64_t)value->integer;
	return schema_read_size(value->string.data, &size) ? size : fallback;
}

uint32_t model_duration(const struct uni_toml_value *table, const char *key, uint32_t fallback)
{
	const struct uni_toml_value *value = model_get(table, key);
	uint32_t ms = fallback;

	if (value != NULL && value->type == UNI_TOML_INTEGER)
		return (uint32_t)value->integer * 1000;
	if (value != NULL)
		(void)schema_read_duration(value->string.data, &ms);
	return ms;
}

unsigned model_word(const struct uni_toml_value *table, const struct schema_table *schema,
		    const char *key, const char *fallback)
{
	const struct uni_toml_value *value = model_get(table, key);
	const char *const *words = schema_find(schema, key)->words;
	const char *text =
		value != NULL && value->type == UNI_TOML_STRING ? value->string.data : fallback;
	unsigned index = 0;

	while (words[index] != NULL && strcmp(words[index], text) != 0)
		index++;
	return index;
}

bool model_epoch(const struct uni_toml_value *table, int64_t *epoch)
{
	const struct uni_toml_value *value = model_get(table, "epoch");

	*epoch = 0;
	if (value == NULL)
		return false;
	*epoch = value->type == UNI_TOML_INTEGER ? value->integer
						 : uni_toml_time_seconds(&value->time);
	return true;
}

void model_add_text(struct uni_recipe_texts *texts, char *take, struct uni_pos pos)
{
	texts->items = uni_realloc_array(texts->items, texts->count + 1, sizeof(*texts->items));
	texts->items[texts->count++] = (struct uni_recipe_text){ .text = take, .pos = pos };
}

void model_texts(const struct uni_toml_value *table, const char *key, struct uni_recipe_texts *out)
{
	const struct uni_toml_value *list = model_get(table, key);

	if (list == NULL)
		return;
	for (const struct uni_toml_value *v = list->list.first; v != NULL; v = v->next)
		if ((v->flags & SCHEMA_BAD) == 0)
			model_add_text(out, uni_strdup(v->string.data), v->pos);
}

const struct schema_table *model_schema(const char *table)
{
	return schema_find(&schema_recipe, table)->table;
}

static void build_image(struct model *m)
{
	const struct uni_toml_value *table = model_get(m->root, "image");
	struct uni_recipe_image *image = &m->recipe->image;
	const struct uni_toml_value *wanted = model_get(table, "requires-uni");
	struct uni_version own;
	struct uni_range range;

	image->pos = model_pos(m->root, "image");
	image->name = model_string(table, "name");
	image->name_pos = model_pos(table, "name");
	image->version = model_string(table, "version");
	if (image->version == NULL)
		image->version = uni_strdup("0.0.0");
	image->has_epoch = model_epoch(table, &image->epoch);
	if (wanted == NULL || !uni_range_parse(wanted->string.data, &range) ||
	    !uni_version_parse(UNI_VERSION, &own) || uni_range_has(&range, &own))
		return;
	model_error(m, wanted->pos, "the recipe needs uni %s, this one is " UNI_VERSION,
		    wanted->string.data);
	model_hint(m, "other findings may come from that");
}

static void build_base(struct model *m)
{
	const struct uni_toml_value *table = model_get(m->root, "base");
	struct uni_recipe_base *base = &m->recipe->base;

	base->pos = model_pos(m->root, "base");
	base->name = model_string(table, "name");
	base->range = model_string(table, "version");
	model_texts(table, "devices", &base->devices);
	model_texts(table, "filesystems", &base->filesystems);
	model_texts(table, "protocols", &base->protocols);
	model_input(m, "[base]: path", model_get(table, "path"), INPUT_REGULAR | INPUT_FOLDER,
		    &base->path);
	if (!model_has(table, "path")) {
		if (base->name == NULL)
			base->name = uni_strdup("unibase");
	} else if (model_has(table, "name")) {
		model_error(m, model_pos(table, "path"),
			    "[base]: name and path cannot both be given");
	} else if (model_has(table, "version")) {
		model_error(m, model_pos(table, "version"),
			    "[base]: version chooses among packages and goes with name, not path");
	}
}

static void build_machine(struct model *m)
{
	const struct uni_toml_value *table = model_get(m->root, "machine");
	struct uni_recipe_machine *machine = &m->recipe->machine;

	machine->pos = model_pos(m->root, "machine");
	machine->memory = model_size(table, "memory", 128 << 20);
	machine->processors = (uint32_t)model_size(table, "processors", 1);
}

/* A bare word is a package, as in `[base] name`. */
static void build_ca(struct model *m)
{
	static const char word[] = "abcdefghijklmnopqrstuvwxyz0123456789-_";
	const struct uni_toml_value *value = model_get(model_get(m->root, "ca"), "bundle");
	const char *label = "[ca]: bundle";
	char *package UNI_AUTO_FREE = NULL;

	if (value == NULL || value->string.data[strspn(value->string.data, word)] != '\0') {
		model_input(m, label, value, INPUT_REGULAR, &m->recipe->ca);
		return;
	}
	package = uni_asprintf("pkg:%s", value->string.data);
	model_input_text(m, label, package, value->pos, INPUT_REGULAR, &m->recipe->ca);
}

void model_build(struct model *m)
{
	build_image(m);
	build_base(m);
	model_app(m);
	build_ca(m);
	model_config(m);
	build_machine(m);
	model_files(m);
	model_secrets(m);
	model_volumes(m);
	model_check_mounts(m);
	model_check_places(m);
	model_outputs(m);
	model_tests(m);
}
