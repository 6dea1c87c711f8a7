/*
 * The machines that have a volume: found by the records of those that run.
 */
#include <fnmatch.h>
#include <string.h>
#include <sys/stat.h>
#include <uni/base/mem.h>

#include "internal.h"

void uni_volume_users_clear(struct uni_volume_users *users)
{
	for (size_t i = 0; i < users->count; i++) {
		free(users->items[i].machine);
		free(users->items[i].volume);
		free(users->items[i].path);
		free(users->items[i].trouble);
	}
	free(users->items);
	*users = (struct uni_volume_users){ .items = NULL };
}

static void add_user(struct uni_volume_users *users, const struct uni_detached *machine,
		     size_t index)
{
	users->items = uni_realloc_array(users->items, users->count + 1, sizeof(*users->items));
	users->items[users->count++] = (struct uni_volume_user){
		.machine = uni_strdup(machine->name),
		.volume = uni_strdup(machine->volumes[index].name),
		.path = uni_strdup(machine->volumes[index].path),
		.index = machine->volumes[index].index,
		.has_bell = true,
	};
}

static bool is_file(const char *path, const struct stat *file)
{
	struct stat st;

	return stat(path, &st) == 0 && st.st_dev == file->st_dev && st.st_ino == file->st_ino;
}

void volume_users_with(const struct uni_detached_list *list, const char *path,
		       struct uni_volume_users *users)
{
	struct stat file;

	if (stat(path, &file) != 0)
		return;
	for (size_t i = 0; i < list->count; i++) {
		const struct uni_detached *m = list->items[i];

		for (size_t k = 0; m->running && k < m->volume_count; k++)
			if (is_file(m->volumes[k].path, &file))
				add_user(users, m, k);
	}
}

static void add_named(const struct uni_detached_list *list, const char *machine, const char *volume,
		      struct uni_volume_users *users)
{
	for (size_t i = 0; i < list->count; i++) {
		const struct uni_detached *m = list->items[i];

		for (size_t k = 0; m->running && k < m->volume_count; k++)
			if (fnmatch(machine, m->name, 0) == 0 &&
			    uni_str_eq(volume, m->volumes[k].name))
				add_user(users, m, k);
	}
}

int volume_users_named(const struct uni_detached_list *list, const char *pattern,
		       struct uni_volume_users *users, struct uni_err *err)
{
	const char *slash = strrchr(pattern, '/');
	UNI_AUTO_FREE char *machine = NULL;

	if (slash == NULL || slash == pattern || slash[1] == '\0')
		return uni_err_set(err, UNI_E_USAGE, "vm:%s is not vm:NAME/VOLUME", pattern);
	machine = uni_strndup(pattern, (size_t)(slash - pattern));
	add_named(list, machine, slash + 1, users);
	if (users->count != 0)
		return 0;
	uni_err_set(err, UNI_E_NOENT, "no machine \"%s\" runs with a live volume \"%s\"", machine,
		    slash + 1);
	return uni_err_hint(err, "\"uni ps\" lists what runs");
}

int uni_volume_users_find(const char *pattern, struct uni_volume_users *users, struct uni_err *err)
{
	UNI_AUTO(uni_detached_list) struct uni_detached_list *list = NULL;
	int rc = uni_detached_list(&list, err);

	return rc == 0 ? volume_users_named(list, pattern, users, err) : rc;
}

int uni_volume_users_of(const char *path, struct uni_volume_users *users, struct uni_err *err)
{
	UNI_AUTO(uni_detached_list) struct uni_detached_list *list = NULL;
	int rc = uni_detached_list(&list, err);

	if (rc == 0)
		volume_users_with(list, path, users);
	return rc;
}
