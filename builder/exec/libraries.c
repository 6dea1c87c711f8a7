/*
 * Whether a program that is a volume's file is there, and a dynamic one's loader and libraries:
 * looked for in the machine's file system as the recipe describes it, before there is one. The
 * same of the folder where the program starts. What comes from addresses is not fetched for this,
 * and is trusted to hold what is looked for.
 */
#include "internal.h"

#include <string.h>
#include <uni/base/path.h>
#include <uni/kernel/libraries.h>

enum { LINKS_MAX = 40 };

enum place { PLACE_ABSENT, PLACE_FOLDER, PLACE_FILE, PLACE_LINK, PLACE_UNKNOWN };

/* What stands at a path: a file's content on this machine, or a link's target, in `*text`. */
static enum place look_in_files(const struct build *b, const char *path, char **text)
{
	const struct uni_recipe *recipe = b->recipe;

	for (size_t i = 0; i < recipe->file_count; i++) {
		const struct uni_recipe_file *file = &recipe->files[i];

		if (uni_path_inside(file->path, path) && !uni_str_eq(file->path, path))
			return PLACE_FOLDER;
		if (!uni_str_eq(file->path, path))
			continue;
		if (file->link != NULL)
			*text = uni_strdup(file->link);
		else if (file->source.kind == UNI_INPUT_FILE)
			*text = uni_strdup(file->source.path);
		return file->link != NULL ? PLACE_LINK : PLACE_FILE;
	}
	return PLACE_ABSENT;
}

/* `folder`: the one that the tree was read from, or NULL. */
static enum place look_in_tree(const struct uni_tree *tree, const char *folder, const char *path,
			       char **text)
{
	struct uni_tree_entry entry;

	if (uni_tree_find(tree, path, &entry) == 0)
		return PLACE_ABSENT;
	if (entry.meta.type == UNI_ENTRY_DIR)
		return PLACE_FOLDER;
	if (entry.meta.type == UNI_ENTRY_SYMLINK && entry.meta.target != NULL) {
		*text = uni_strdup(entry.meta.target);
		return PLACE_LINK;
	}
	if (folder != NULL)
		*text = uni_path_join(folder, path);
	else if (entry.source != NULL)
		*text = uni_strdup(entry.source);
	return PLACE_FILE;
}

static const struct uni_recipe_volume *volume_of(const struct build *b, const char *path,
						 size_t *index)
{
	const struct uni_recipe_volume *found = NULL;

	for (size_t i = 0; i < b->recipe->volume_count; i++) {
		const struct uni_recipe_volume *volume = &b->recipe->volumes[i];

		if (uni_path_inside(path, volume->mount) &&
		    (found == NULL || strlen(volume->mount) > strlen(found->mount))) {
			found = volume;
			*index = i;
		}
	}
	return found;
}

/* Where a recipe has errors, nobody knows what it would hold without them. */
static bool left_out(const struct uni_recipe *recipe, const char *path)
{
	for (size_t i = 0; i < recipe->left_out.count; i++)
		if (uni_path_inside(path, recipe->left_out.items[i].text))
			return true;
	return false;
}

static enum place look(const struct build *b, const char *path, char **text)
{
	size_t index = 0;
	const struct uni_recipe_volume *volume = volume_of(b, path, &index);
	const struct uni_recipe_input *source = volume != NULL ? &volume->source : NULL;
	const char *below;

	if (left_out(b->recipe, path))
		return PLACE_UNKNOWN;
	if (volume == NULL) {
		enum place place = look_in_files(b, path, text);

		/* A folder of the root exists as far as it is on the way to something. */
		return place == PLACE_ABSENT ? PLACE_FOLDER : place;
	}
	below = path + strlen(volume->mount);
	below += *below == '/';
	if (*below == '\0')
		return PLACE_FOLDER;
	if (b->volumes[index].tree != NULL)
		return look_in_tree(b->volumes[index].tree,
				    source->kind == UNI_INPUT_FILE && source->folder ? source->path
										     : NULL,
				    below, text);
	return source->kind != UNI_INPUT_NONE ? PLACE_UNKNOWN : PLACE_ABSENT;
}

/* A walk to a path, links followed, as the kernel does it. */
struct walk {
	char *at;   /* the folder where it is */
	char *rest; /* what is to go from there */
	unsigned links;
};

static void walk_clear(struct walk *w)
{
	free(w->at);
	free(w->rest);
}

/* The path of the next step; `*behind` is what follows it. */
static char *walk_next(const struct walk *w, const char **behind)
{
	const char *name = w->rest + strspn(w->rest, "/");
	size_t size = strcspn(name, "/");
	UNI_AUTO_FREE char *part = uni_strndup(name, size);
	UNI_AUTO_FREE char *joined = uni_path_join(w->at, part);

	*behind = name + size + strspn(name + size, "/");
	return uni_path_normal(joined);
}

static void walk_into(struct walk *w, char *folder, const char *behind)
{
	free(w->at);
	w->at = folder;
	memmove(w->rest, behind, strlen(behind) + 1);
}

static bool walk_follow(struct walk *w, const char *target, const char *behind)
{
	char *rest = uni_asprintf("%s/%s", target, behind);

	if (target[0] == '/') {
		free(w->at);
		w->at = uni_strdup("/");
	}
	free(w->rest);
	w->rest = rest;
	return ++w->links <= LINKS_MAX;
}

/* What is at a path's end, behind all links. `*real`: where a file lies. */
static enum place follow(const struct build *b, const char *path, char **source, char **real)
{
	__attribute__((cleanup(walk_clear))) struct walk w = { .at = uni_strdup("/"),
							       .rest = uni_strdup(path) };

	for (;;) {
		const char *behind;
		UNI_AUTO_FREE char *next = walk_next(&w, &behind), *text = NULL;
		enum place place = look(b, next, &text);

		if (place == PLACE_FILE && *behind == '\0') {
			*source = text;
			text = NULL;
		}
		if (place == PLACE_UNKNOWN || (place != PLACE_LINK && *behind == '\0')) {
			*real = place == PLACE_FILE ? uni_strdup(next) : NULL;
			return place;
		}
		if (place == PLACE_LINK && text != NULL && walk_follow(&w, text, behind))
			continue;
		if (place != PLACE_FOLDER)
			return PLACE_ABSENT;
		walk_into(&w, next, behind);
		next = NULL;
	}
}

static bool find_real(const struct build *b, const char *path, char **source, char **real)
{
	enum place place = follow(b, path, source, real);

	return place == PLACE_FILE || place == PLACE_UNKNOWN;
}

static bool find_file(void *user, const char *path, char **source)
{
	UNI_AUTO_FREE char *real = NULL;

	return find_real(user, path, source, &real);
}

/* The folder where a program is, as loaders tell it; NULL: not known. */
static char *real_folder(const struct build *b, const char *path)
{
	UNI_AUTO_FREE char *source = NULL, *real = NULL;

	if (b->recipe->app.path == NULL)
		return uni_path_dir(path);
	return find_real(b, path, &source, &real) && real != NULL ? uni_path_dir(real) : NULL;
}

/* What `look` looks into. A build has it already. */
static int read_volumes(struct build *b, struct uni_err *err)
{
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < b->recipe->volume_count; i++)
		rc = volume_look(b, i, err);
	return rc;
}

static const char *search_path(const struct uni_recipe *recipe)
{
	for (size_t i = 0; i < recipe->app.env_count; i++)
		if (uni_str_eq(recipe->app.env[i].name, "LD_LIBRARY_PATH"))
			return recipe->app.env[i].value;
	return NULL;
}

static void complain(struct build *b, const struct uni_elf *program,
		     const struct uni_libraries *found)
{
	for (size_t i = 0; i < found->missing.count; i++) {
		uni_diags_warning(b->diags, b->recipe->path, uni_recipe_program_pos(b->recipe),
				  "%s needs the library %s, which no file or volume holds where "
				  "loaders look",
				  program->name, found->missing.items[i]);
		uni_diags_hint(b->diags, "LD_LIBRARY_PATH in app.env names other folders");
	}
}

int libraries_check(struct build *b, const struct uni_elf *program, struct uni_err *err)
{
	UNI_AUTO_FREE char *path = uni_plan_program_path(b->recipe), *folder = NULL;
	struct uni_library_view view = { .find = find_file,
					 .user = b,
					 .search = search_path(b->recipe),
					 .cwd = b->recipe->app.cwd };
	UNI_AUTO_LIBRARIES struct uni_libraries found = UNI_LIBRARIES_INIT;
	int rc;

	if (program->interpreter == NULL)
		return 0;
	rc = read_volumes(b, err);
	if (rc != 0)
		return rc;
	folder = real_folder(b, path);
	view.origin = folder;
	rc = uni_libraries_find(program, &view, &found, err);
	if (rc == UNI_E_NOENT) {
		struct uni_err why = *err;

		uni_err_set(err, UNI_E_NOENT, "%s, which no file or volume of the recipe brings",
			    why.text);
		return uni_err_hint(err, "uni import collects a program's loader and libraries for "
					 "a volume; or link it statically");
	}
	if (rc == 0)
		complain(b, program, &found);
	return rc;
}

int volume_program_open(struct build *b, struct uni_elf **elf, struct uni_err *err)
{
	UNI_AUTO_FREE char *source = NULL;
	const char *path = b->recipe->app.path;

	if (read_volumes(b, err) != 0)
		return err->code;
	if (!find_file(b, path, &source))
		return uni_err_set(err, UNI_E_NOENT, "[app]: path \"%s\" is no file of its volume",
				   path);
	if (source == NULL)
		return 0;
	if (uni_elf_open_file(elf, source, path, err) != 0)
		return err->code;
	return uni_elf_check_program(*elf, err);
}

static int open_program(struct build *b, struct uni_elf **elf, struct uni_err *err)
{
	UNI_AUTO_FREE char *path = NULL;

	if (b->recipe->app.path != NULL)
		return volume_program_open(b, elf, err);
	/* One that is fetched only when it is wanted is not wanted for this. */
	if (b->program.name == NULL || (b->program.remote != NULL && !b->program.is_blob))
		return 0;
	if (item_path(b, &b->program, &path, err) != 0)
		return err->code;
	if (uni_elf_open_file(elf, path, b->recipe->app.program.text, err) != 0)
		return err->code;
	return uni_elf_check_program(*elf, err);
}

/* What machines keep may get the folder before they start, from what makes the volume's disk. */
static void warn_folder(struct build *b, const struct uni_recipe_volume *volume)
{
	uni_diags_warning(b->diags, b->recipe->path, b->recipe->app.cwd_pos,
			  "[app]: cwd \"%s\" is no folder of volume \"%s\" as it is made here",
			  b->recipe->app.cwd, volume->name);
	uni_diags_hint(b->diags, "a machine does not start without it");
}

int working_folder_check(struct build *b, struct uni_err *err)
{
	UNI_AUTO_FREE char *source = NULL, *real = NULL;
	const char *cwd = b->recipe->app.cwd;
	size_t index = 0;
	const struct uni_recipe_volume *volume = volume_of(b, cwd, &index);
	enum place place;

	if (volume == NULL)
		return 0;
	if (volume_look(b, index, err) != 0)
		return err->code;
	place = follow(b, cwd, &source, &real);
	if (place == PLACE_FOLDER || place == PLACE_UNKNOWN)
		return 0;
	if (volume->writable)
		return warn_folder(b, volume), 0;
	return uni_err_set(err, UNI_E_NOENT, "[app]: cwd \"%s\" is no folder of volume \"%s\"", cwd,
			   volume->name);
}

int program_libraries_check(struct build *b, struct uni_err *err)
{
	UNI_AUTO(uni_elf) struct uni_elf *elf = NULL;

	if (open_program(b, &elf, err) == 0 && (elf == NULL || libraries_check(b, elf, err) == 0))
		return 0;
	return uni_recipe_place(b->recipe, uni_recipe_program_pos(b->recipe), err);
}
