/*
 * Recipes from file to model, step by step: TOML, schema, variant, required keys, model. A step's
 * findings do not keep the next ones from looking, as far as that makes sense; a recipe with any
 * error is no recipe.
 */
#include "model.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <uni/base/file.h>
#include <uni/base/path.h>

static void find_real_dir(struct model *m)
{
	char real[PATH_MAX];

	if (!m->options->no_files && realpath(m->recipe->dir, real) != NULL)
		m->real_dir = uni_strdup(real);
}

static struct uni_recipe *new_recipe(const char *path, const char *text, size_t size,
				     const struct uni_recipe_options *options)
{
	struct uni_recipe *recipe = uni_alloc(sizeof(*recipe));

	recipe->path = uni_strdup(path);
	recipe->dir = uni_path_dir(path);
	recipe->text = uni_strndup(text, size);
	recipe->text_size = size;
	if (options->variant != NULL)
		recipe->variant = uni_strdup(options->variant);
	return recipe;
}

/* Adds all findings; false: there is no such recipe. */
static bool check_and_build(struct model *m, struct uni_toml_value *root)
{
	m->root = root;
	if (m->options->variant != NULL &&
	    !schema_merge_variant(&m->context, root, m->options->variant))
		return false;
	schema_check_required(&m->context, root);
	find_real_dir(m);
	model_build(m);
	free(m->real_dir);
	return true;
}

int uni_recipe_parse(struct uni_recipe **out, const char *path, const char *text, size_t size,
		     const struct uni_recipe_options *options, struct uni_diags *diags,
		     struct uni_err *err)
{
	static const struct uni_recipe_options none;
	struct uni_toml *toml UNI_AUTO(uni_toml) = NULL;
	struct uni_recipe *recipe UNI_AUTO(uni_recipe) = NULL;
	struct model m = { .context = { path, diags }, .options = options ? options : &none };
	size_t errors = diags->errors;
	bool built = false;
	int code;

	*out = NULL;
	code = uni_toml_parse_partial(&toml, path, text, size, diags, err);
	schema_check(&m.context, uni_toml_root(toml));
	if (code == 0) {
		recipe = m.recipe = new_recipe(path, text, size, m.options);
		built = check_and_build(&m, uni_toml_root(toml));
	}
	uni_diags_sort(diags);
	if (diags->errors != errors)
		code = uni_diags_err(diags, code != 0 ? code : UNI_E_INVAL, err);
	if (code != 0 && (!built || !m.options->partial))
		return code;
	if (code != 0)
		model_prune(&m);
	*out = recipe;
	recipe = NULL;
	return code;
}

int uni_recipe_load(struct uni_recipe **out, const char *path,
		    const struct uni_recipe_options *options, struct uni_diags *diags,
		    struct uni_err *err)
{
	struct uni_buf text UNI_AUTO_BUF = UNI_BUF_INIT;
	struct stat st;
	int code = uni_file_read(path, UNI_RECIPE_MAX, &text, err);

	*out = NULL;
	if (code == UNI_E_INVAL && stat(path, &st) == 0 && S_ISDIR(st.st_mode)) {
		uni_err_set(err, UNI_E_INVAL, "%s is a folder", path);
		return uni_err_hint(err, "name the recipe in it, such as %s%srecipe.toml", path,
				    uni_str_ends(path, "/") ? "" : "/");
	}
	if (code != 0 && (uni_str_eq(path, "-") || uni_str_eq(path, "/dev/stdin")))
		return uni_err_hint(err,
				    "a recipe is a file: its paths are relative to its folder");
	if (code != 0)
		return code;
	return uni_recipe_parse(out, path, uni_buf_text(&text), text.size, options, diags, err);
}

int uni_recipe_error(const struct uni_recipe *recipe, struct uni_pos pos, int code,
		     struct uni_err *err, const char *fmt, ...)
{
	char text[1024];
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	if (pos.line == 0)
		return uni_err_set(err, code, "%s: %s", recipe->path, text);
	return uni_err_set(err, code, "%s:%u:%u: %s", recipe->path, pos.line, pos.column, text);
}

int uni_recipe_place(const struct uni_recipe *recipe, struct uni_pos pos, struct uni_err *err)
{
	const struct uni_err why = *err;

	if (err->code == 0)
		return 0;
	uni_recipe_error(recipe, pos, why.code, err, "%s", why.text);
	return why.hint[0] != '\0' ? uni_err_hint(err, "%s", why.hint) : err->code;
}

const char *uni_recipe_compression_name(enum uni_recipe_compression compression)
{
	static const char *const names[] = {
		[UNI_COMPRESSION_NONE] = "none",
		[UNI_COMPRESSION_GZIP] = "gzip",
		[UNI_COMPRESSION_LZ4] = "lz4",
		[UNI_COMPRESSION_ZSTD] = "zstd",
	};

	return names[compression];
}

bool uni_recipe_has_network(const struct uni_recipe *recipe)
{
	const struct uni_recipe_texts *networks = &recipe->config.networks;

	return networks->count != 0 && strcmp(networks->items[0].text, "none") != 0;
}

const char *uni_recipe_argv0(const struct uni_recipe *recipe)
{
	return recipe->app.path != NULL ? recipe->app.path : recipe->image.name;
}

struct uni_pos uni_recipe_program_pos(const struct uni_recipe *recipe)
{
	return recipe->app.path != NULL ? recipe->app.path_pos : recipe->app.program.pos;
}

bool uni_recipe_volume_beside(const struct uni_recipe_volume *volume)
{
	return volume->format == UNI_FS_LIVE || (volume->writable && !volume->embed);
}

const char *uni_recipe_format_name(enum uni_config_fs format)
{
	switch (format) {
	case UNI_FS_SQUASHFS:
		return "squashfs";
	case UNI_FS_EXT4:
		return "ext4";
	case UNI_FS_LIVE:
		return "live";
	case UNI_FS_TMPFS:
		return "tmpfs";
	}
	return "unknown";
}

void recipe_free_input(struct uni_recipe_input *input)
{
	free(input->text);
	free(input->path);
	free(input->package);
	free(input->range);
	free(input->member);
	free(input->url);
	free(input->commit);
	free(input->tag);
}

static void free_inputs(struct uni_recipe_inputs *inputs)
{
	for (size_t i = 0; i < inputs->count; i++)
		recipe_free_input(&inputs->items[i]);
	free(inputs->items);
}

static void free_texts(struct uni_recipe_texts *texts)
{
	for (size_t i = 0; i < texts->count; i++)
		free(texts->items[i].text);
	free(texts->items);
}

static void free_env(struct uni_recipe_env *env, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		free(env[i].name);
		free(env[i].value);
	}
	free(env);
}

static void free_app(struct uni_recipe_app *app)
{
	free_inputs(&app->sources);
	free_inputs(&app->includes);
	free_texts(&app->cflags);
	free_inputs(&app->objects);
	free_inputs(&app->libraries);
	recipe_free_input(&app->program);
	free(app->path);
	free_texts(&app->args);
	free_env(app->env, app->env_count);
	free(app->cwd);
}

static void free_config(struct uni_recipe_config *config)
{
	free(config->hostname);
	free_texts(&config->hosts);
	free_texts(&config->resolvers);
	free_texts(&config->networks);
	free(config->runtime);
}

void recipe_free_file(struct uni_recipe_file *file)
{
	free(file->path);
	recipe_free_input(&file->source);
	free(file->text);
	free(file->link);
}

void recipe_free_volume(struct uni_recipe_volume *volume)
{
	free(volume->name);
	free(volume->mount);
	recipe_free_input(&volume->source);
	free_texts(&volume->allow_secret);
}

static void free_mounts(struct uni_recipe *recipe)
{
	for (size_t i = 0; i < recipe->file_count; i++)
		recipe_free_file(&recipe->files[i]);
	free(recipe->files);
	for (size_t i = 0; i < recipe->secret_count; i++) {
		free(recipe->secrets[i].name);
		free(recipe->secrets[i].path);
	}
	free(recipe->secrets);
	for (size_t i = 0; i < recipe->volume_count; i++)
		recipe_free_volume(&recipe->volumes[i]);
	free(recipe->volumes);
}

static void free_step(struct uni_recipe_step *step)
{
	free(step->expect.text);
	free(step->method);
	free(step->target);
	free_env(step->headers, step->header_count);
	for (size_t i = 0; i < step->expect_header_count; i++) {
		free(step->expect_headers[i].name);
		free(step->expect_headers[i].match.text);
	}
	free(step->expect_headers);
	free(step->host);
	recipe_free_input(&step->ca);
	free(step->send);
	free(step->name);
	free(step->type);
	free_texts(&step->answers);
}

static void free_test(struct uni_recipe_test *test)
{
	free(test->name);
	free_texts(&test->args);
	free_env(test->env, test->env_count);
	for (size_t i = 0; i < test->console_count; i++)
		free(test->console[i].text);
	free(test->console);
	for (size_t i = 0; i < test->step_count; i++)
		free_step(&test->steps[i]);
	free(test->steps);
	free(test->load.target);
	free(test->after);
	free(test->ready.text);
	for (size_t i = 0; i < test->file_count; i++) {
		free(test->files[i].volume);
		free(test->files[i].path);
		free(test->files[i].expect.text);
	}
	free(test->files);
}

void uni_recipe_free(struct uni_recipe *recipe)
{
	if (recipe == NULL)
		return;
	free(recipe->path);
	free(recipe->dir);
	free(recipe->variant);
	free(recipe->text);
	free(recipe->image.name);
	free(recipe->image.version);
	free(recipe->base.name);
	free(recipe->base.range);
	recipe_free_input(&recipe->base.path);
	free_texts(&recipe->base.devices);
	free_texts(&recipe->base.filesystems);
	free_texts(&recipe->base.protocols);
	free_app(&recipe->app);
	recipe_free_input(&recipe->ca);
	free_config(&recipe->config);
	free_mounts(recipe);
	free_texts(&recipe->left_out);
	for (size_t i = 0; i < recipe->output_count; i++) {
		free(recipe->outputs[i].format);
		free(recipe->outputs[i].variant);
		free(recipe->outputs[i].compression);
		free(recipe->outputs[i].folder);
	}
	free(recipe->outputs);
	recipe_free_input(&recipe->boot.key);
	recipe_free_input(&recipe->boot.certificate);
	for (size_t i = 0; i < recipe->test_count; i++)
		free_test(&recipe->tests[i]);
	free(recipe->tests);
	free(recipe);
}
