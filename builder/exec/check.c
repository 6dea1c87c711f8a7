/*
 * Looking at inputs without building: packages that are not there, programs and objects that will
 * not do, trees with something in them that no volume can hold.
 */
#include "internal.h"

#include <fcntl.h>
#include <uni/base/file.h>
#include <uni/kernel/calls.h>
#include <unistd.h>

static void complain(struct build *b, struct uni_pos pos, const struct uni_err *why)
{
	uni_diags_error(b->diags, b->recipe->path, pos, "%s", why->text);
	if (why->hint[0] != '\0')
		uni_diags_hint(b->diags, "%s", why->hint);
}

static void check_package(struct build *b, const struct uni_recipe_input *input)
{
	struct uni_installed *installed UNI_AUTO(uni_installed) = NULL;
	struct uni_err why = UNI_ERR_INIT;

	if (input->kind != UNI_INPUT_PACKAGE)
		return;
	if (lock_find(b, input, &installed, &why) != 0) {
		complain(b, input->pos, &why);
		return;
	}
	if (input->member == NULL ||
	    uni_package_find_file(installed->package, input->member) != NULL)
		return;
	uni_err_set(&why, UNI_E_NOENT, "package %s has no file %s", input->package, input->member);
	complain(b, input->pos, &why);
}

bool base_there(struct build *b)
{
	struct uni_recipe_input input = {
		.kind = UNI_INPUT_PACKAGE,
		.package = b->recipe->base.name,
		.range = b->recipe->base.range,
		.pos = b->recipe->base.pos,
	};
	size_t before = b->diags->errors;

	if (b->recipe->base.name != NULL)
		check_package(b, &input);
	return b->diags->errors == before;
}

static void check_objects(struct build *b, const struct uni_recipe_inputs *inputs)
{
	for (size_t i = 0; i < inputs->count; i++) {
		struct uni_err why = UNI_ERR_INIT;

		check_package(b, &inputs->items[i]);
		if (inputs->items[i].kind == UNI_INPUT_FILE &&
		    uni_elf_check_object(inputs->items[i].path, inputs->items[i].text, &why) != 0)
			complain(b, inputs->items[i].pos, &why);
	}
}

/* The base's table of calls; NULL when it is not there, or has none. */
static struct uni_calls *open_calls(struct build *b)
{
	UNI_AUTO_BUF struct uni_buf text = UNI_BUF_INIT;
	const struct uni_base *base = b->base.base;
	struct uni_calls *calls = NULL;
	struct uni_err ignored = UNI_ERR_INIT;

	if (base == NULL || base->calls.path == NULL ||
	    uni_file_read(base->calls.path, UNI_CALLS_TABLE_MAX, &text, &ignored) != 0 ||
	    uni_calls_parse(&calls, base->calls.member, uni_buf_text(&text), text.size, &ignored) !=
		    0)
		return NULL;
	return calls;
}

/* What it can ask for and will not get; that other programs cannot be started is the worst. */
static void check_calls(struct build *b, const struct uni_elf *elf, struct uni_err *err)
{
	UNI_AUTO(uni_calls) struct uni_calls *table = open_calls(b);
	UNI_AUTO_BUF struct uni_buf names = UNI_BUF_INIT;
	struct uni_elf_calls made;

	if (table == NULL || uni_elf_calls(elf, &made, err) != 0 ||
	    !uni_calls_starting(table, elf, &made, &names))
		return;
	uni_diags_warning(b->diags, b->recipe->path, uni_recipe_program_pos(b->recipe),
			  "%s can start other processes (%s), which base %s refuses", elf->name,
			  names.data, b->base.name);
	uni_diags_hint(b->diags, "what never does so works; what forks for each connection, as "
				 "busybox's httpd, does not");
}

/* A package's program, or a local image's, as a file of the store. */
static int blob_path(struct build *b, const struct uni_recipe_input *input, char **path,
		     struct uni_err *err)
{
	struct item item UNI_AUTO_ITEM = { .name = NULL };

	if (item_resolve(b, input, &item, err) != 0)
		return err->code;
	return uni_store_blob_path(b->store, &item.blob, path, err);
}

/* `*elf` stays NULL for what is fetched only when it is wanted, which is not for this. */
static int open_program(struct build *b, const struct uni_recipe_input *input, struct uni_elf **elf,
			struct uni_err *err)
{
	UNI_AUTO_FREE char *blob = NULL;
	const char *path = input->path;

	if (!input_at_hand(input))
		return 0;
	if (input->kind != UNI_INPUT_FILE) {
		if (blob_path(b, input, &blob, err) != 0)
			return err->code;
		path = blob;
	}
	if (uni_elf_open_file(elf, path, input->text, err) != 0)
		return err->code;
	return uni_elf_check_program(*elf, err);
}

static void check_program(struct build *b)
{
	struct uni_elf *elf UNI_AUTO(uni_elf) = NULL;
	const struct uni_recipe_input *input = &b->recipe->app.program;
	struct uni_err why = UNI_ERR_INIT;
	size_t before = b->diags->errors;

	check_package(b, input);
	if (b->diags->errors != before)
		return;
	if (b->recipe->app.path != NULL)
		volume_program_open(b, &elf, &why);
	else
		open_program(b, input, &elf, &why);
	if (why.code == 0 && elf != NULL && libraries_check(b, elf, &why) == 0)
		check_calls(b, elf, &why);
	if (why.code != 0)
		complain(b, uni_recipe_program_pos(b->recipe), &why);
}

static void check_tree(struct build *b, size_t index)
{
	const struct uni_recipe_volume *volume = &b->recipe->volumes[index];
	struct uni_err why = UNI_ERR_INIT;

	if (volume->source.kind == UNI_INPUT_NONE)
		return;
	check_package(b, &volume->source);
	if (volume->source.kind != UNI_INPUT_FILE || !volume->source.folder)
		return;
	if (volume_look(b, index, &why) != 0)
		complain(b, volume->source.pos, &why);
	else if (volume_fits(b, volume, b->volumes[index].tree, &why) != 0)
		complain(b, volume->size_pos, &why);
}

static void check_ca(struct build *b)
{
	const struct uni_recipe_input *ca = &b->recipe->ca;
	struct uni_err why = UNI_ERR_INIT;

	check_package(b, ca);
	if (ca->kind == UNI_INPUT_FILE && ca_check(ca->path, ca->text, &why) != 0)
		complain(b, ca->pos, &why);
}

static void check_working_folder(struct build *b)
{
	struct uni_err why = UNI_ERR_INIT;

	/* What is wrong with its volume was said. */
	if (b->diags->errors == 0 && working_folder_check(b, &why) != 0)
		complain(b, b->recipe->app.cwd_pos, &why);
}

int inputs_check(struct build *b, struct uni_err *err)
{
	const struct uni_recipe *recipe = b->recipe;

	for (size_t i = 0; i < recipe->app.sources.count; i++)
		check_package(b, &recipe->app.sources.items[i]);
	check_objects(b, &recipe->app.objects);
	check_objects(b, &recipe->app.libraries);
	check_program(b);
	check_ca(b);
	for (size_t i = 0; i < recipe->file_count; i++)
		check_package(b, &recipe->files[i].source);
	for (size_t i = 0; i < recipe->volume_count; i++)
		if (recipe->volumes[i].format != UNI_FS_TMPFS)
			check_tree(b, i);
	check_working_folder(b);
	uni_diags_sort(b->diags);
	return b->diags->errors != 0 ? uni_diags_err(b->diags, UNI_E_INVAL, err) : 0;
}
