/*
 * Paths of this machine and their names. A path below the recipe's folder is called by what follows
 * it; for others the caller gives names; the rest (the system's headers) is called as it is.
 */
#include <string.h>
#include <uni/base/path.h>

#include "run.h"

/* What of `path` follows `dir`; NULL when it is not inside. Both absolute and normal. */
static const char *below(const char *path, const char *dir)
{
	size_t size = strlen(dir);

	if (strcmp(dir, "/") == 0 || !uni_path_inside(path, dir))
		return NULL;
	return path[size] == '/' ? path + size + 1 : path + size;
}

char *path_for_compiler(const struct uni_compile *unit, const char *path)
{
	UNI_AUTO_FREE char *full = uni_path_absolute(path);
	UNI_AUTO_FREE char *dir = uni_path_absolute(unit->dir);
	const char *inside = below(full, dir);

	if (inside == NULL)
		return uni_strdup(full);
	return uni_strdup(*inside != '\0' ? inside : ".");
}

char *name_of_path(const struct uni_compile *unit, const char *path)
{
	UNI_AUTO_FREE char *relative = path_for_compiler(unit, path);

	if (relative[0] != '/')
		return uni_strdup(relative);
	for (size_t i = 0; i < unit->name_count; i++) {
		UNI_AUTO_FREE char *from = uni_path_absolute(unit->names[i].path);
		const char *inside = below(relative, from);

		if (inside == NULL)
			continue;
		return *inside != '\0' ? uni_path_join(unit->names[i].name, inside)
				       : uni_strdup(unit->names[i].name);
	}
	return uni_strdup(relative);
}
