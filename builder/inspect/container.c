/*
 * What a container image starts, and how the same is said in a recipe. The image's folders become
 * volumes, but for those that a machine has of its own; /etc is made of [[file]] tables, and only
 * the program's own folder in it is taken.
 */
#include <uni/inspect/container.h>

#include <string.h>
#include <uni/base/file.h>
#include <uni/base/json.h>
#include <uni/base/path.h>

#include "internal.h"

#define DEFAULT_PATH "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
#define ROOT_FILES_MAX 16
#define MAGIC 4

struct looking {
	const struct uni_fetch *fetch;
	const struct uni_container *container;
	struct uni_store_record files;
	struct uni_files_view *view;
	struct uni_json *config;
	struct uni_strv argv, env;
	const char *cwd;
	char *program; /* its path in the image */
	struct uni_program_look *look;
	struct uni_buf tables;
	size_t root_files;
};

static void looking_end(struct looking *l)
{
	uni_store_record_free(&l->files);
	uni_files_view_free(l->view);
	uni_json_free(l->config);
	uni_strv_free(&l->argv);
	uni_strv_free(&l->env);
	uni_buf_free(&l->tables);
	free(l->program);
}

/* --- the configuration --- */

static const struct uni_json *setting(const struct looking *l, const char *key)
{
	return uni_json_get(uni_json_get(l->config, "config"), key);
}

static void add_texts(struct uni_strv *out, const struct uni_json *list)
{
	for (size_t i = 0; i < uni_json_count(list); i++) {
		const char *text = uni_json_text(uni_json_item(list, i));

		if (text != NULL)
			uni_strv_add(out, text);
	}
}

static void read_env(struct looking *l)
{
	const struct uni_json *list = setting(l, "Env");

	for (size_t i = 0; i < uni_json_count(list); i++) {
		const char *text = uni_json_text(uni_json_item(list, i));

		if (text != NULL && strchr(text, '=') != NULL && text[0] != '=')
			uni_strv_add(&l->env, text);
	}
}

static void note_settings(struct looking *l)
{
	const char *user = uni_json_text(setting(l, "User"));
	const char *signal = uni_json_text(setting(l, "StopSignal"));

	if (user != NULL && *user != '\0' && !uni_str_eq(user, "0") && !uni_str_eq(user, "root"))
		program_finding(l->look, UNI_PROGRAM_NOTE,
				uni_asprintf("the image runs it as user %s; in a machine it is "
					     "alone, and user 0",
					     user),
				NULL);
	if (signal != NULL && !uni_str_eq(signal, "SIGTERM") && !uni_str_eq(signal, "15"))
		program_finding(l->look, UNI_PROGRAM_MAY,
				uni_asprintf("the image is stopped by %s; a machine is stopped by "
					     "SIGTERM",
					     signal),
				NULL);
}

static int note_data(void *user, const char *key, const struct uni_json *value, struct uni_err *err)
{
	struct looking *l = user;

	(void)value;
	(void)err;
	program_finding(l->look, UNI_PROGRAM_MAY,
			uni_asprintf("the image keeps data in %s; what is to stay there needs a "
				     "writable volume",
				     key),
			"a [[volume]] with format = \"ext4\", mode = \"rw\" and a size, mounted "
			"there");
	return 0;
}

/* --- the program --- */

/* The path of what a command names, by the image's PATH; NULL: it is not there. */
static char *find_program(const struct looking *l, const char *name, struct uni_store_entry **entry)
{
	UNI_AUTO_FREE char *path = NULL;
	struct uni_err ignored = UNI_ERR_INIT;
	char *real = NULL, *save = NULL;

	if (strchr(name, '/') != NULL) {
		path = uni_path_join(l->cwd, name);
		if (uni_files_view_find(l->view, path, &real, entry, &ignored) != 0)
			return NULL;
		return real;
	}
	for (size_t i = 0; i < l->env.count && path == NULL; i++)
		if (uni_str_starts(l->env.items[i], "PATH="))
			path = uni_strdup(l->env.items[i] + strlen("PATH="));
	if (path == NULL)
		path = uni_strdup(DEFAULT_PATH);
	for (char *folder = strtok_r(path, ":", &save); folder != NULL;
	     folder = strtok_r(NULL, ":", &save)) {
		UNI_AUTO_FREE char *candidate = uni_path_join(folder, name);

		uni_err_clear(&ignored);
		if (uni_files_view_find(l->view, candidate, &real, entry, &ignored) != 0)
			continue;
		if (*entry != NULL)
			return real;
		free(real);
	}
	return NULL;
}

static bool is_script(struct looking *l, struct uni_store_entry *entry)
{
	UNI_AUTO_FREE char *path = NULL;
	struct uni_err ignored = UNI_ERR_INIT;
	char magic[MAGIC] = "";
	UNI_AUTO_CLOSE int fd = -1;

	if (uni_store_blob_open(l->fetch->store, entry, &fd, &ignored) != 0 ||
	    entry->size < MAGIC ||
	    uni_pread_full(fd, magic, sizeof(magic), 0, "program", &ignored) != 0)
		return false;
	return magic[0] == '#' && magic[1] == '!';
}

static bool is_shell(const char *path)
{
	static const char *const shells[] = { "sh", "bash", "dash", "ash", "busybox" };

	for (size_t i = 0; i < UNI_COUNT(shells); i++)
		if (strcmp(uni_path_base(path), shells[i]) == 0)
			return true;
	return false;
}

static void drop_first(struct uni_strv *v, size_t count)
{
	struct uni_strv rest = { .items = NULL };

	for (size_t i = count; i < v->count; i++)
		uni_strv_add(&rest, v->items[i]);
	uni_strv_free(v);
	*v = rest;
}

/* A script that is given a command ends, as a rule, by starting that. */
static struct uni_store_entry *behind_script(struct looking *l, size_t entrypoint)
{
	struct uni_store_entry *entry = NULL;
	char *path = entrypoint < l->argv.count ? find_program(l, l->argv.items[entrypoint], &entry)
						: NULL;

	if (path == NULL || entry == NULL || is_script(l, entry)) {
		free(path);
		program_finding(l->look, UNI_PROGRAM_STOPS,
				uni_asprintf("the image starts a script, /%s, and there is no "
					     "shell in a machine that could start the program",
					     l->program),
				"see what it starts, and say that by --program PATH");
		return NULL;
	}
	program_finding(l->look, UNI_PROGRAM_MAY,
			uni_asprintf("the image starts a script, /%s; the recipe starts what that "
				     "is given, /%s",
				     l->program, path),
			"what the script prepares has to be in the recipe: files, environment, "
			"arguments");
	drop_first(&l->argv, entrypoint);
	free(l->program);
	l->program = path;
	return entry;
}

/* NULL: the image has none that could be started; a finding says why. */
static struct uni_store_entry *choose_program(struct looking *l)
{
	struct uni_store_entry *entry = NULL;
	size_t entrypoint;

	add_texts(&l->argv, setting(l, "Entrypoint"));
	entrypoint = l->argv.count;
	add_texts(&l->argv, setting(l, "Cmd"));
	if (l->container->program != NULL) {
		uni_strv_free(&l->argv);
		uni_strv_add(&l->argv, l->container->program);
	}
	if (l->argv.count == 0) {
		program_finding(l->look, UNI_PROGRAM_STOPS,
				uni_strdup("the image does not say what it starts"),
				"say it by --program PATH");
		return NULL;
	}
	l->program = find_program(l, l->argv.items[0], &entry);
	if (l->program == NULL || entry == NULL) {
		program_finding(l->look, UNI_PROGRAM_STOPS,
				uni_asprintf("the image starts %s, which is no file in it",
					     l->argv.items[0]),
				NULL);
		return NULL;
	}
	if (is_script(l, entry))
		return behind_script(l, entrypoint);
	if (is_shell(l->program) && l->argv.count > 1)
		program_finding(l->look, UNI_PROGRAM_STOPS,
				uni_asprintf("the image starts commands of a shell: %s",
					     l->argv.items[l->argv.count - 1]),
				"there is one program in a machine: say which, by --program PATH");
	drop_first(&l->argv, 1);
	return entry;
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
	const struct uni_library_view view = { .find = find_library, .user = l };
	UNI_AUTO_FREE char *path = NULL;
	int rc = uni_store_blob_path(l->fetch->store, entry, &path, err);

	if (rc != 0)
		return rc;
	l->look->view = &view;
	rc = uni_program_look(path, l->container->base, l->container->table, l->look, err);
	l->look->view = NULL;
	free(l->look->name);
	l->look->name = program_image_name(l->program);
	return rc != 0 ? uni_err_context(err, "/%s", l->program) : 0;
}

/* --- folders, links and files of the root --- */

/* What a machine fills itself (its program is in /bin), or what no machine needs. */
static bool is_machines_own(const char *name)
{
	static const char *const own[] = { "bin",  "boot", "dev",  "etc", "media", "mnt",
					   "proc", "run",  "sbin", "sys", "tmp" };

	for (size_t i = 0; i < UNI_COUNT(own); i++)
		if (strcmp(own[i], name) == 0)
			return true;
	return name[0] == '.';
}

static void put_member(struct looking *l, const char *path)
{
	UNI_AUTO_FREE char *text = uni_asprintf("%s//%s", l->container->address, path);

	uni_buf_puts(&l->tables, "source = ");
	program_put_string(&l->tables, text);
	uni_buf_puts(&l->tables, "\n");
}

static void put_volume(struct looking *l, const char *path)
{
	UNI_AUTO_FREE char *flat = uni_strdup(path), *mount = uni_asprintf("/%s", path);
	UNI_AUTO_FREE char *name = NULL;

	for (char *slash = strchr(flat, '/'); slash != NULL; slash = strchr(slash, '/'))
		*slash = '-';
	name = program_image_name(flat);
	uni_buf_printf(&l->tables, "\n[[volume]]\nname = \"%s\"\nmount = ", name);
	program_put_string(&l->tables, mount);
	uni_buf_puts(&l->tables, "\n");
	put_member(l, path);
}

static int put_root_item(void *user, const struct uni_files_item *item, struct uni_err *err)
{
	struct looking *l = user;
	UNI_AUTO_FREE char *path = uni_asprintf("/%s", item->path);

	(void)err;
	if (is_machines_own(item->path) || (item->type == UNI_ENTRY_DIR && item->count == 0) ||
	    strcmp(item->path, l->program) == 0)
		return 0;
	if (item->type == UNI_ENTRY_DIR) {
		put_volume(l, item->path);
		return 0;
	}
	if (++l->root_files > ROOT_FILES_MAX)
		return 0;
	uni_buf_puts(&l->tables, "\n[[file]]\npath = ");
	program_put_string(&l->tables, path);
	uni_buf_puts(&l->tables, "\n");
	if (item->type == UNI_ENTRY_FILE) {
		put_member(l, item->path);
		return 0;
	}
	uni_buf_puts(&l->tables, "link = ");
	program_put_string(&l->tables, item->target);
	uni_buf_puts(&l->tables, "\n");
	return 0;
}

/* What the program is called in /etc, where its settings are. */
static void put_settings(struct looking *l)
{
	UNI_AUTO_FREE char *path = uni_asprintf("etc/%s", uni_path_base(l->program));
	UNI_AUTO_FREE char *real = NULL;
	struct uni_store_entry *entry = NULL;
	struct uni_err ignored = UNI_ERR_INIT;

	if (uni_files_view_find(l->view, path, &real, &entry, &ignored) == 0 && entry == NULL)
		put_volume(l, path);
	program_finding(l->look, UNI_PROGRAM_NOTE,
			uni_strdup("of the image's /etc only the program's own folder is taken"),
			"more of it: a [[file]] or [[volume]] with //etc/NAME of the image as its "
			"source");
}

static int put_recipe(struct looking *l, struct uni_buf *recipe, struct uni_err *err)
{
	UNI_AUTO_FREE char *program = uni_asprintf("%s//%s", l->container->address, l->program);
	const struct uni_program_words words = { .base = l->container->base,
						 .program = program,
						 .args = &l->argv,
						 .env = &l->env,
						 .cwd = l->cwd,
						 .more = "" };
	int rc = uni_files_view_list(l->view, "", put_root_item, l, err);

	if (rc != 0)
		return rc;
	put_settings(l);
	uni_program_recipe(l->look, &words, recipe);
	uni_buf_puts(recipe, uni_buf_text(&l->tables));
	return 0;
}

/* "site" of "oci://host/team/site:1.0@sha256:...". */
static char *name_of_address(const char *address)
{
	const char *base = uni_path_base(address);
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
	l.cwd = uni_json_text(setting(&l, "WorkingDir"));
	if (l.cwd == NULL || l.cwd[0] != '/')
		l.cwd = "/";
	read_env(&l);
	note_settings(&l);
	rc = uni_json_each(setting(&l, "Volumes"), note_data, &l, err);
	if (rc != 0)
		return rc;
	entry = choose_program(&l);
	if (entry == NULL) {
		free(l.program);
		l.program = uni_strdup("PATH");
		look->name = name_of_address(container->address);
		look->memory = UINT64_C(128) << 20;
	} else {
		rc = look_at_program(&l, entry, err);
	}
	return rc == 0 ? put_recipe(&l, recipe, err) : rc;
}
