/*
 * Whole recipes from anything, with the variant "v" where there is one. No file is looked at.
 */
#include <stdint.h>
#include <stdlib.h>
#include <uni/recipes/recipe.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void read_with(const char *text, size_t size, const char *variant)
{
	struct uni_recipe_options options = { .no_files = true, .variant = variant };
	struct uni_diags diags UNI_AUTO_DIAGS = UNI_DIAGS_INIT;
	struct uni_recipe *recipe UNI_AUTO(uni_recipe) = NULL;
	struct uni_err err = UNI_ERR_INIT;
	int code = uni_recipe_parse(&recipe, "fuzz.toml", text, size, &options, &diags, &err);

	if ((code == 0) != (recipe != NULL) || (code == 0) != (diags.errors == 0))
		abort();
	if (recipe != NULL && (recipe->image.name == NULL || recipe->output_count == 0))
		abort();
}

/* What is given of a recipe with errors is whole in itself. */
static void read_partial(const char *text, size_t size)
{
	struct uni_recipe_options options = { .no_files = true, .partial = true };
	struct uni_diags diags UNI_AUTO_DIAGS = UNI_DIAGS_INIT;
	struct uni_recipe *recipe UNI_AUTO(uni_recipe) = NULL;
	struct uni_err err = UNI_ERR_INIT;
	int code = uni_recipe_parse(&recipe, "fuzz.toml", text, size, &options, &diags, &err);

	if (code == 0 && recipe == NULL)
		abort();
	if (recipe != NULL && recipe->image.name == NULL)
		abort();
	for (size_t i = 0; recipe != NULL && i < recipe->volume_count; i++)
		if (recipe->volumes[i].name == NULL || recipe->volumes[i].mount == NULL)
			abort();
	for (size_t i = 0; recipe != NULL && i < recipe->file_count; i++)
		if (recipe->files[i].path == NULL)
			abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	read_partial((const char *)data, size);
	read_with((const char *)data, size, NULL);
	read_with((const char *)data, size, "v");
	return 0;
}
