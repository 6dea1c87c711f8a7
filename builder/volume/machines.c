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

static bool same_file(const char *a, const char *b)
{
	struct stat x;
	struct stat y;

	return stat(a, &x) == 0 && stat(b, &y) == 0 && x.st_dev == y.st_dev && x.st_ino == y.st_ino;
}

/* By name and volume, or by file. */
static int find(const char *machine, const char *volume, const char *path,
		struct uni_volume_users *users, struct uni_err *err)
{
	UNI_AUTO(uni_detached_list) struct uni_detached_list *list = NULL;
	int rc = uni_detached_list(&list, err);

	for (size_t i = 0; rc == 0 && i < list->count; i++) {
		const struct uni_detached *m = list->items[i];

		for (size_t k = 0; m->running && k < m->volume_count; k++)
			if (path != NULL ? same_file(path, m->volumes[k].path)
					 : fnmatch(machine, m->name, 0) == 0 &&
						   uni_str_eq(volume, m->volumes[k].name))
				add_user(users, m, k);
	}
	return rc;
}

int uni_volume_users_find(const char *pattern, struct uni_volume_users *users, struct uni_err *err)
{
	const char *slash = strrchr(pattern, '/');
	UNI_AUTO_FREE char *machine = NULL;
	int rc;

	if (slash == NULL || slash == pattern || slash[1] == '\0')
		return uni_err_set(err, UNI_E_USAGE, "vm:%s is not vm:NAME/VOLUME", pattern);
	machine = uni_strndup(pattern, (size_t)(slash - pattern));
	rc = find(machine, slash + 1, NULL, users, err);
	if (rc == 0 && users->count == 0) {
		uni_err_set(err, UNI_E_NOENT, "no machine \"%s\" runs with a live volume \"%s\"",
			    machine, slash + 1);
		rc = uni_err_hint(err, "\"uni ps\" lists what runs");
	}
	return rc;
}

int uni_volume_users_of(const char *path, struct uni_volume_users *users, struct uni_err *err)
{
	return find(NULL, NULL, path, users, err);
}
