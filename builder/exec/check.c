/*
 * Looking at inputs without building: packages that are not there, programs and objects that will
 * not do, trees with something in them that no volume can hold.
 */
#include "internal.h"

#include <stdio.h>
#include <string.h>
#include <uni/base/file.h>
#include <uni/base/system.h>
#include <uni/kernel/calls.h>

/* An error that names a place in the recipe: the place, and what stands behind it. */
static const char *split_place(const struct build *b, const char *text, struct uni_pos *pos)
{
	size_t size = strlen(b->recipe->path);
	struct uni_pos found;
	int end = 0;

	if (strncmp(text, b->recipe->path, size) != 0 ||
	    sscanf(text + size, ":%u:%u: %n", &found.line, &found.column, &end) != 2 || end == 0)
		return text;
	*pos = found;
	return text + size + end;
}

void complain_at(struct build *b, struct uni_pos pos, const struct uni_err *why)
{
	const char *text = split_place(b, why->text, &pos);

	if (why->code == UNI_E_CANCELLED)
		return;
	for (size_t i = 0; i < b->told_count; i++)
		if (b->told[i].line == pos.line && b->told[i].column == pos.column)
			return;
	uni_diags_error(b->diags, b->recipe->path, pos, "%s", text);
	if (why->hint[0] != '\0')
		uni_diags_hint(b->diags, "%s", why->hint);
}

/* Whether it can be looked at without fetching anything. */
static bool can_look(const struct build *b, const struct uni_recipe_input *input)
{
	return input_at_hand(input) && !(b->no_packages && input->kind == UNI_INPUT_PACKAGE);
}

/* A file of this machine, of a package or of a local image; `*path` stays NULL for what is fetched
 * only when it is wanted, which is not for this, and `item` is the caller's to clear. */
static int find_file(struct build *b, const struct uni_recipe_input *input, struct item *item,
		     char **path, struct uni_err *err)
{
	if (!can_look(b, input))
		return 0;
	if (input->kind == UNI_INPUT_FILE) {
		item->name = uni_strdup(input->text);
		*path = uni_strdup(input->path);
		return 0;
	}
	if (item_resolve(b, input, item, err) != 0)
		return err->code;
	return uni_store_blob_path(b->store, &item->blob, path, err);
}

typedef int look_fn(const char *path, const char *name, struct uni_err *err);

static void check_file(struct build *b, const struct uni_recipe_input *input, look_fn *look)
{
	struct item item UNI_AUTO_ITEM = { .name = NULL };
	char *path UNI_AUTO_FREE = NULL;
	struct uni_err why = UNI_ERR_INIT;

	if (find_file(b, input, &item, &path, &why) != 0 ||
	    (path != NULL && look(path, item.name, &why) != 0))
		complain_at(b, input->pos, &why);
}

/* All of a package's files of a kind. */
static void check_members(struct build *b, const struct uni_recipe_input *input, const char *suffix)
{
	struct items items = { .items = NULL };
	struct uni_err why = UNI_ERR_INIT;

	if (package_items(b, input, suffix, &items, &why) != 0)
		complain_at(b, input->pos, &why);
	for (size_t i = 0; i < items.count; i++) {
		char *path UNI_AUTO_FREE = NULL;
		struct uni_err bad = UNI_ERR_INIT;

		if (uni_store_blob_path(b->store, &items.items[i].blob, &path, &bad) != 0 ||
		    uni_elf_check_members(path, items.items[i].name, &bad) != 0)
			complain_at(b, input->pos, &bad);
	}
	items_clear(&items);
}

static void check_objects(struct build *b, const struct uni_recipe_inputs *inputs,
			  const char *suffix)
{
	for (size_t i = 0; i < inputs->count; i++) {
		const struct uni_recipe_input *input = &inputs->items[i];

		if (input->kind == UNI_INPUT_PACKAGE && input->member == NULL && can_look(b, input))
			check_members(b, input, suffix);
		else
			check_file(b, input, uni_elf_check_members);
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

/* `*elf` stays NULL for what is not at hand. */
static int open_program(struct build *b, struct uni_elf **elf, struct uni_err *err)
{
	const struct uni_recipe_input *input = &b->recipe->app.program;
	struct item item UNI_AUTO_ITEM = { .name = NULL };
	char *path UNI_AUTO_FREE = NULL;
	int rc;

	if (b->recipe->app.path != NULL)
		return volume_program_open(b, elf, err);
	rc = find_file(b, input, &item, &path, err);
	if (rc == 0 && path != NULL)
		rc = uni_elf_open_file(elf, path, input->text, err);
	return rc == 0 && *elf != NULL ? uni_elf_check_program(*elf, err) : rc;
}

static void check_program(struct build *b)
{
	struct uni_elf *elf UNI_AUTO(uni_elf) = NULL;
	struct uni_err why = UNI_ERR_INIT;
	int rc = open_program(b, &elf, &why);

	if (rc == 0 && elf != NULL)
		rc = libraries_check(b, elf, &why);
	if (rc == 0 && elf != NULL)
		check_calls(b, elf, &why);
	if (why.code != 0)
		complain_at(b, uni_recipe_program_pos(b->recipe), &why);
}

/* What is unpacked for a volume is not for this. */
static int look_at_tree(struct build *b, size_t index, struct uni_err *err)
{
	const struct uni_recipe_volume *volume = &b->recipe->volumes[index];
	const struct uni_recipe_input *source = &volume->source;
	struct item item UNI_AUTO_ITEM = { .name = NULL };
	char *path UNI_AUTO_FREE = NULL;
	int rc;

	if (source->kind == UNI_INPUT_PACKAGE && source->member != NULL)
		return find_file(b, source, &item, &path, err);
	if (!can_look(b, source) || source->kind == UNI_INPUT_IMAGE)
		return 0;
	if (source->kind == UNI_INPUT_FILE && !source->folder)
		rc = tarball_look(source->path, source->text, err);
	else
		rc = volume_look(b, index, err);
	if (rc == 0)
		return 0;
	return source->kind == UNI_INPUT_FILE ? uni_err_context(err, "volume \"%s\"", volume->name)
					      : err->code;
}

static void check_tree(struct build *b, size_t index)
{
	const struct uni_recipe_volume *volume = &b->recipe->volumes[index];
	struct uni_err why = UNI_ERR_INIT;

	if (look_at_tree(b, index, &why) != 0)
		complain_at(b, volume->source.pos, &why);
	else if (volume_fits(b, volume, b->volumes[index].tree, &why) != 0)
		complain_at(b, volume->size_pos, &why);
}

static void check_working_folder(struct build *b)
{
	struct uni_err why = UNI_ERR_INIT;

	if (working_folder_check(b, &why) != 0)
		complain_at(b, b->recipe->app.cwd_pos, &why);
}

static void check_secure_boot(struct build *b)
{
	struct uni_err why = UNI_ERR_INIT;

	if (secure_boot_check(b, &why) != 0)
		complain_at(b, b->recipe->boot.key.pos, &why);
}

static int ca_look(const char *path, const char *name, struct uni_err *err)
{
	int rc = ca_size_check(path, name, err);

	return rc != 0 ? rc : ca_check(path, name, err);
}

static void check_inputs(struct build *b)
{
	const struct uni_recipe *recipe = b->recipe;

	check_objects(b, &recipe->app.objects, ".o");
	check_objects(b, &recipe->app.libraries, ".a");
	check_file(b, &recipe->ca, ca_look);
	for (size_t i = 0; i < recipe->file_count; i++)
		check_file(b, &recipe->files[i].source, root_file_check);
	(void)volume_inputs(b);
	for (size_t i = 0; i < recipe->volume_count; i++)
		if (recipe->volumes[i].format != UNI_FS_TMPFS)
			check_tree(b, i);
	check_program(b);
	check_working_folder(b);
	check_secure_boot(b);
}

/* A base that is not there, or cannot do what is wanted, hides nothing else. */
static void check_base(struct build *b)
{
	const struct uni_recipe_base *base = &b->recipe->base;
	size_t before = b->diags->errors;
	struct uni_err why = UNI_ERR_INIT;
	int rc;

	if (base->name != NULL ? b->no_packages : base->path.kind == UNI_INPUT_NONE)
		return;
	rc = base_resolve(b, &why);
	if (rc == 0)
		rc = base_check(b, &why);
	if (rc != 0 && b->diags->errors == before)
		complain_at(b, base->name != NULL ? base->pos : base->path.pos, &why);
}

int recipe_check(struct build *b, struct uni_err *err)
{
	struct uni_pos pos = { 0 };
	size_t before = b->diags->errors;
	struct uni_err why = UNI_ERR_INIT;
	bool told;

	b->no_packages = lock_resolve(b, &why) != 0;
	/* What is wrong in a lock its reader says itself. */
	told = !b->no_packages || b->diags->errors != before;
	check_base(b);
	check_inputs(b);
	if (uni_check_cancel(err) != 0)
		return err->code;
	/* Trouble with an index is no finding about the recipe where that is all there is. */
	if (!told && b->diags->errors == 0 && split_place(b, why.text, &pos) == why.text)
		return *err = why, why.code;
	if (!told)
		complain_at(b, pos, &why);
	uni_diags_sort(b->diags);
	return b->diags->errors != 0 ? uni_diags_err(b->diags, UNI_E_INVAL, err) : 0;
}
