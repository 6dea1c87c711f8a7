/*
 * A recipe with errors, without the parts that have them. What is left is whole in itself: every
 * volume has a name, a mount and a source that is there. It says less than the recipe does, so
 * that only what stands in it can be judged by it, never what it lacks.
 */
#include "model.h"

static void prune_input(struct uni_recipe_input *input)
{
	if (!input->bad)
		return;
	recipe_free_input(input);
	*input = (struct uni_recipe_input){ .kind = UNI_INPUT_NONE };
}

static void prune_inputs(struct uni_recipe_inputs *inputs)
{
	size_t kept = 0;

	for (size_t i = 0; i < inputs->count; i++) {
		if (inputs->items[i].bad)
			recipe_free_input(&inputs->items[i]);
		else
			inputs->items[kept++] = inputs->items[i];
	}
	inputs->count = kept;
}

/* Takes the path; without one it may be anywhere. */
static void leave_out(struct uni_recipe *recipe, char **path, struct uni_pos pos)
{
	model_add_text(&recipe->left_out, *path != NULL ? *path : uni_strdup("/"), pos);
	*path = NULL;
}

static void prune_files(struct uni_recipe *recipe)
{
	size_t kept = 0;

	for (size_t i = 0; i < recipe->file_count; i++) {
		struct uni_recipe_file *file = &recipe->files[i];

		if (file->bad) {
			leave_out(recipe, &file->path, file->pos);
			recipe_free_file(file);
		} else {
			recipe->files[kept++] = *file;
		}
	}
	recipe->file_count = kept;
}

static void prune_volumes(struct uni_recipe *recipe)
{
	size_t kept = 0;

	for (size_t i = 0; i < recipe->volume_count; i++) {
		struct uni_recipe_volume *volume = &recipe->volumes[i];

		if (volume->bad) {
			leave_out(recipe, &volume->mount, volume->pos);
			recipe_free_volume(volume);
		} else {
			recipe->volumes[kept++] = *volume;
		}
	}
	recipe->volume_count = kept;
}

/* Tables of which nothing could be read. */
static void prune_tables(struct model *m, const char *key, size_t count)
{
	const struct uni_toml_value *array = model_get(m->root, key);
	char *nowhere = NULL;

	if (array != NULL ? array->list.count != count : model_has(m->root, key))
		leave_out(m->recipe, &nowhere, model_pos(m->root, key));
}

void model_prune(struct model *m)
{
	struct uni_recipe *recipe = m->recipe;

	prune_input(&recipe->base.path);
	prune_inputs(&recipe->app.sources);
	prune_inputs(&recipe->app.includes);
	prune_inputs(&recipe->app.objects);
	prune_inputs(&recipe->app.libraries);
	prune_input(&recipe->app.program);
	prune_input(&recipe->ca);
	prune_input(&recipe->boot.key);
	prune_input(&recipe->boot.certificate);
	prune_tables(m, "file", recipe->file_count);
	prune_tables(m, "volume", recipe->volume_count);
	prune_files(recipe);
	prune_volumes(recipe);
	if (recipe->image.name == NULL)
		recipe->image.name = uni_strdup("image");
}
