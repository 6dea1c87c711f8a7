/*
 * What files, secrets and volumes leave to the machine: the folders that it makes for itself, the
 * place of its program, and how long the paths may be that it is told. A kernel finds all this
 * wrong as well, but only when it starts.
 */
#include "model.h"

#include <string.h>
#include <uni/base/path.h>

/* Made before anything else; what a link stands at instead must lead to a folder. */
static const char *const machines_folders[] = { "/dev", "/etc", "/proc", "/run", "/tmp" };

/* Something that a recipe puts at a path of the root. */
struct place {
	const char *what;	 /* "file" */
	const char *path, *link; /* link: its target, NULL for a file */
	struct uni_pos pos;
};

/* Of these the machine fills every name. */
static const char *filled_folder(const char *path)
{
	static const char *const filled[] = { "/dev", "/proc" };

	for (size_t i = 0; i < UNI_COUNT(filled); i++)
		if (uni_path_inside(path, filled[i]))
			return filled[i];
	return NULL;
}

static bool is_machines_folder(const char *path)
{
	for (size_t i = 0; i < UNI_COUNT(machines_folders); i++)
		if (strcmp(path, machines_folders[i]) == 0)
			return true;
	return false;
}

/* Where a program that is no volume's file stands; NULL: it is one, or has no name. */
static char *program_place(const struct uni_recipe *recipe)
{
	if (recipe->app.path != NULL || recipe->image.name == NULL)
		return NULL;
	return uni_asprintf(UNI_RECIPE_PROGRAM_FOLDER "/%s", recipe->image.name);
}

static void check_length(struct model *m, const char *path, struct uni_pos pos, const char *what)
{
	if (path != NULL && strlen(path) > UNI_CONFIG_PATH_MAX)
		model_error(m, pos, "%s has %zu bytes, at most %d are possible here", what,
			    strlen(path), UNI_CONFIG_PATH_MAX);
}

static void check_mount(struct model *m, const struct uni_recipe_volume *volume)
{
	char *program UNI_AUTO_FREE = program_place(m->recipe);
	const char *filled = filled_folder(volume->mount);

	check_length(m, volume->mount, volume->mount_pos, "mount");
	if (filled != NULL && !uni_path_inside(volume->mount, "/dev/shm"))
		model_error(m, volume->mount_pos,
			    "mount \"%s\" is inside of %s, which the machine fills itself",
			    volume->mount, filled);
	if (program != NULL && uni_path_inside(volume->mount, program)) {
		model_error(m, volume->mount_pos, "mount \"%s\" is where the program is, %s",
			    volume->mount, program);
		model_hint(m, "the program is named like the image");
	}
	if (m->recipe->ca.kind != UNI_INPUT_NONE && strcmp(volume->mount, "/") != 0 &&
	    uni_path_inside(UNI_RECIPE_CA_PLACE, volume->mount)) {
		model_error(m, volume->mount_pos, "mount \"%s\" hides the bundle of [ca] at %s",
			    volume->mount, UNI_RECIPE_CA_PLACE);
		model_hint(m, "put the bundle into the volume's source, without [ca]");
	}
}

/* Whether something that stands at `path` makes `folder` on its way there, or may as a link. */
static bool leads_to(const char *path, const char *folder, bool link)
{
	return path != NULL && ((uni_path_inside(path, folder) && strcmp(path, folder) != 0) ||
				(link && uni_path_inside(folder, path)));
}

/* What is in a volume is looked at when there is content to look at; in a tmpfs there is none. */
static bool is_made(const struct uni_recipe *recipe, const char *folder)
{
	if (strcmp(folder, "/") == 0 || is_machines_folder(folder) ||
	    filled_folder(folder) != NULL ||
	    (recipe->app.path == NULL && strcmp(folder, UNI_RECIPE_PROGRAM_FOLDER) == 0) ||
	    (recipe->ca.kind != UNI_INPUT_NONE && leads_to(UNI_RECIPE_CA_PLACE, folder, false)))
		return true;
	for (size_t i = 0; i < recipe->volume_count; i++) {
		const struct uni_recipe_volume *v = &recipe->volumes[i];

		if (v->mount != NULL &&
		    (uni_path_inside(v->mount, folder) ||
		     (v->format != UNI_FS_TMPFS && uni_path_inside(folder, v->mount))))
			return true;
	}
	for (size_t i = 0; i < recipe->file_count; i++)
		if (leads_to(recipe->files[i].path, folder, recipe->files[i].link != NULL))
			return true;
	for (size_t i = 0; i < recipe->secret_count; i++)
		if (recipe->secrets[i].required && leads_to(recipe->secrets[i].path, folder, false))
			return true;
	return false;
}

/* A folder that the machine makes may be a link to another that is there. */
static void check_folder(struct model *m, const struct place *place)
{
	char *above UNI_AUTO_FREE = uni_path_dir(place->path), *joined UNI_AUTO_FREE = NULL;
	char *target UNI_AUTO_FREE = NULL;

	if (place->link == NULL) {
		model_error(m, place->pos, "%s \"%s\" is a folder of the machine", place->what,
			    place->path);
		return;
	}
	joined =
		place->link[0] == '/' ? uni_strdup(place->link) : uni_path_join(above, place->link);
	target = uni_path_normal(joined);
	if (!is_made(m->recipe, target))
		model_error(m, place->pos,
			    "%s \"%s\" is a folder of the machine, and \"%s\" is none", place->what,
			    place->path, target);
}

static void check_content(struct model *m, const struct place *place)
{
	const char *path = place->path;
	struct uni_pos pos = place->pos;
	char *program UNI_AUTO_FREE = program_place(m->recipe);
	const char *filled = filled_folder(path);

	if (filled != NULL) {
		model_error(m, pos, "%s \"%s\" is inside of %s, which the machine fills itself",
			    place->what, path, filled);
	} else if (program != NULL && uni_path_inside(path, program)) {
		model_error(m, pos, "%s \"%s\" stands where the program is, %s", place->what, path,
			    program);
		model_hint(m, "the program is named like the image");
	} else if (is_machines_folder(path) ||
		   (program != NULL && strcmp(path, UNI_RECIPE_PROGRAM_FOLDER) == 0)) {
		check_folder(m, place);
	}
}

static void check_app(struct model *m)
{
	const struct uni_recipe_app *app = &m->recipe->app;

	check_length(m, app->path, app->path_pos, "[app]: path");
	if (app->cwd == NULL)
		return;
	check_length(m, app->cwd, app->cwd_pos, "[app]: cwd");
	if (is_made(m->recipe, app->cwd))
		return;
	model_error(m, app->cwd_pos,
		    "[app]: cwd \"%s\" will not be there: no volume and no file makes it",
		    app->cwd);
	model_hint(m, "an empty folder to write to is a [[volume]] with format = \"tmpfs\"");
}

void model_check_places(struct model *m)
{
	const struct uni_recipe *recipe = m->recipe;

	check_app(m);
	for (size_t i = 0; i < recipe->volume_count; i++)
		if (recipe->volumes[i].mount != NULL)
			check_mount(m, &recipe->volumes[i]);
	for (size_t i = 0; i < recipe->file_count; i++) {
		const struct uni_recipe_file *file = &recipe->files[i];

		if (file->path == NULL)
			continue;
		check_content(m, &(struct place){ "file", file->path, file->link, file->pos });
		if (file->runtime)
			check_length(m, file->path, file->pos, "a path that is given at start");
	}
	for (size_t i = 0; i < recipe->secret_count; i++) {
		const struct uni_recipe_secret *secret = &recipe->secrets[i];

		check_content(m,
			      &(struct place){ "secret's path", secret->path, NULL, secret->pos });
		check_length(m, secret->path, secret->pos, "a secret's path");
	}
}
