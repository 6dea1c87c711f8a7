/*
 * [output]: the forms asked for, and options of forms whether asked for or not, since the command
 * line can ask for them too; and by which firmware disks start.
 */
#include "model.h"

#include <string.h>

static struct uni_recipe_output *find_output(const struct uni_recipe *recipe, const char *format)
{
	for (size_t i = 0; i < recipe->output_count; i++)
		if (strcmp(recipe->outputs[i].format, format) == 0)
			return &recipe->outputs[i];
	return NULL;
}

const struct uni_recipe_output *uni_recipe_output_find(const struct uni_recipe *recipe,
						       const char *format)
{
	return find_output(recipe, format);
}

static struct uni_recipe_output *add_output(struct uni_recipe *recipe, const char *format,
					    bool asked, struct uni_pos pos)
{
	struct uni_recipe_output *output;

	recipe->outputs = uni_realloc_array(recipe->outputs, recipe->output_count + 1,
					    sizeof(*recipe->outputs));
	output = &recipe->outputs[recipe->output_count++];
	*output = (struct uni_recipe_output){ .format = uni_strdup(format),
					      .asked = asked,
					      .pos = pos };
	return output;
}

static void add_formats(struct model *m, const struct uni_toml_value *table)
{
	const struct uni_toml_value *formats = model_get(table, "formats");
	struct uni_recipe *recipe = m->recipe;

	for (const struct uni_toml_value *v = formats != NULL ? formats->list.first : NULL;
	     v != NULL; v = v->next) {
		if ((v->flags & SCHEMA_BAD) != 0)
			continue;
		if (find_output(recipe, v->string.data) != NULL)
			model_error(m, v->pos, "[output]: format \"%s\" is given twice",
				    v->string.data);
		else
			add_output(recipe, v->string.data, true, v->pos);
	}
	if (formats != NULL && formats->list.count == 0)
		model_error(m, formats->pos, "[output]: formats names no form to write");
	if (!model_has(table, "formats")) {
		add_output(recipe, "raw", true, model_pos(m->root, "output"));
		add_output(recipe, "elf", true, model_pos(m->root, "output"));
	}
}

static void read_options(struct model *m, const struct uni_toml_value *options)
{
	struct uni_recipe_output *output = find_output(m->recipe, options->key);

	if (output == NULL) {
		uni_diags_warning(m->context.diags, m->context.file, options->key_pos,
				  "[output.%s]: \"%s\" is not among the formats to write",
				  options->key, options->key);
		output = add_output(m->recipe, options->key, false, options->key_pos);
	}
	output->size = model_size(options, "size", 0);
	output->size_pos = model_pos(options, "size");
	output->variant = model_string(options, "variant");
	output->compression = model_string(options, "compression");
	output->folder = model_string(options, "folder");
	output->level = (unsigned)model_size(options, "level", 0);
}

static void read_boot(struct model *m, const struct uni_toml_value *table)
{
	const struct uni_toml_value *ways = model_get(table, "boot");
	const struct uni_toml_value *secure = model_get(table, "secure-boot");
	struct uni_recipe_boot *boot = &m->recipe->boot;

	boot->pos = model_pos(ways != NULL ? table : m->root, ways != NULL ? "boot" : "output");
	boot->bios = !model_has(table, "boot");
	for (const struct uni_toml_value *v = ways != NULL ? ways->list.first : NULL; v != NULL;
	     v = v->next) {
		bool *way;

		if ((v->flags & SCHEMA_BAD) != 0)
			continue;
		way = strcmp(v->string.data, "uefi") == 0 ? &boot->uefi : &boot->bios;
		if (*way)
			model_error(m, v->pos, "[output]: boot \"%s\" is given twice",
				    v->string.data);
		*way = true;
	}
	if (ways != NULL && ways->list.count == 0)
		model_error(m, ways->pos, "[output]: boot names no firmware");
	if (secure == NULL)
		return;
	model_input(m, "[output.secure-boot]: key", model_get(secure, "key"), INPUT_REGULAR,
		    &boot->key);
	model_input(m, "[output.secure-boot]: certificate", model_get(secure, "certificate"),
		    INPUT_REGULAR, &boot->certificate);
	if (!boot->uefi) {
		model_error(m, model_pos(table, "secure-boot"),
			    "[output.secure-boot]: disks do not start by UEFI");
		model_hint(m, "add \"uefi\" to [output] boot");
	}
}

void model_outputs(struct model *m)
{
	const struct uni_toml_value *table = model_get(m->root, "output");

	add_formats(m, table);
	for (const struct uni_toml_value *v = table != NULL ? table->list.first : NULL; v != NULL;
	     v = v->next)
		if (v->type == UNI_TOML_TABLE && (v->flags & SCHEMA_BAD) == 0 &&
		    strcmp(v->key, "secure-boot") != 0)
			read_options(m, v);
	read_boot(m, table);
}
