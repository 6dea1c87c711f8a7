/*
 * What a container image starts, and how the same is said in a recipe.
 */
#include <uni/inspect/container.h>

#include <string.h>
#include <uni/base/path.h>

#include "container_internal.h"

static void looking_end(struct looking *l)
{
	uni_store_record_free(&l->files);
	uni_files_view_free(l->view);
	uni_json_free(l->config);
	uni_strv_free(&l->argv);
	uni_strv_free(&l->env);
	uni_strv_free(&l->data);
	uni_buf_free(&l->tables);
	uni_buf_free(&l->tests);
	free(l->program);
	free(l->named);
}

const char *looking_program(const struct looking *l)
{
	return l->named != NULL ? l->named : l->program;
}

static void read_env(struct looking *l)
{
	const struct uni_json *list = looking_setting(l, "Env");

	for (size_t i = 0; i < uni_json_count(list); i++) {
		const char *text = uni_json_text(uni_json_item(list, i));

		if (text != NULL && strchr(text, '=') != NULL && text[0] != '=')
			uni_strv_add(&l->env, text);
	}
}

static bool find_library(void *user, const char *path, char **source)
{
	struct looking *l = user;
	struct uni_store_entry *entry = NULL;
	struct uni_err ignored = UNI_ERR_INIT;
	UNI_AUTO_FREE char *real = NULL;

	if (uni_files_view_find(l->view, path, &real, &entry, &ignored) != 0 || entry == NULL)
		return false;
	if (uni_store_blob_path(l->fetch->store, entry, source, &ignored) != 0)
		*source = NULL;
	return true;
}

static int look_at_program(struct looking *l, struct uni_store_entry *entry, struct uni_err *err)
{
	UNI_AUTO_FREE char *path = NULL, *real = uni_asprintf("/%s", l->program);
	UNI_AUTO_FREE char *origin =
		container_takes(l, l->program) ? uni_path_dir(real) : uni_strdup("/bin");
	const struct uni_library_view view = {
		.find = find_library, .user = l, .origin = origin, .cwd = l->cwd
	};
	int rc = uni_store_blob_path(l->fetch->store, entry, &path, err);

	if (rc != 0)
		return rc;
	l->look->view = &view;
	rc = uni_program_look(path, l->container->base, l->container->table, l->look, err);
	l->look->view = NULL;
	free(l->look->name);
	l->look->name = program_image_name(looking_program(l));
	return rc != 0 ? uni_err_context(err, "/%s", l->program) : 0;
}

/* A program of a folder that becomes a volume stays there. */
static void choose_place(const struct looking *l, struct uni_program_words *words, char **owned)
{
	if (container_takes(l, l->program)) {
		*owned = l->named != NULL && container_takes(l, l->named + 1)
				 ? uni_strdup(l->named)
				 : uni_asprintf("/%s", l->program);
		words->path = *owned;
		return;
	}
	*owned = uni_asprintf("%s//%s", l->container->address, l->program);
	words->program = *owned;
}

static int put_recipe(struct looking *l, struct uni_buf *recipe, struct uni_err *err)
{
	UNI_AUTO_FREE char *program = NULL;
	struct uni_program_words words = { .base = l->container->base,
					   .args = &l->argv,
					   .env = &l->env,
					   .cwd = l->cwd,
					   .user = l->user,
					   .group = l->group,
					   .more = "" };
	int rc = container_put_files(l, err);

	if (rc != 0)
		return rc;
	choose_place(l, &words, &program);
	uni_program_recipe(l->look, &words, recipe);
	uni_buf_puts(recipe, uni_buf_text(&l->tables));
	uni_buf_puts(recipe, uni_buf_text(&l->tests));
	return 0;
}

/* "site" of "oci://host/team/site:1.0@sha256:...". */
static char *name_of_address(const char *address)
{
	const char *base = uni_path_base(address + strlen("oci:"));
	UNI_AUTO_FREE char *name = uni_strndup(base, strcspn(base, ":@"));

	return program_image_name(name);
}

static int open_image(struct looking *l, struct uni_err *err)
{
	UNI_AUTO_BUF struct uni_buf json = UNI_BUF_INIT;
	int rc = uni_fetch_image(l->fetch, l->container->image, &l->files, err);

	if (rc == 0)
		rc = uni_fetch_image_config(l->fetch, l->container->image, &json, err);
	if (rc == 0)
		rc = uni_json_parse(&l->config, "configuration", uni_buf_text(&json), json.size,
				    err);
	return rc == 0 ? uni_files_view_new(&l->view, &l->files, err) : rc;
}

int uni_container_look(const struct uni_fetch *fetch, const struct uni_container *container,
		       struct uni_program_look *look, struct uni_buf *recipe, struct uni_err *err)
{
	struct looking l __attribute__((
		cleanup(looking_end))) = { .fetch = fetch, .container = container, .look = look };
	struct uni_store_entry *entry;
	int rc = open_image(&l, err);

	if (rc != 0)
		return rc;
	l.cwd = uni_json_text(looking_setting(&l, "WorkingDir"));
	if (l.cwd == NULL || l.cwd[0] != '/')
		l.cwd = "/";
	read_env(&l);
	entry = container_choose_program(&l);
	if (entry == NULL) {
		free(l.program);
		l.program = uni_strdup("PATH");
		look->name = name_of_address(container->address);
		look->memory = UINT64_C(128) << 20;
	} else {
		rc = look_at_program(&l, entry, err);
	}
	if (rc == 0)
		rc = container_settings(&l, err);
	return rc == 0 ? put_recipe(&l, recipe, err) : rc;
}
