/*
 * Patterns of files: *, ? and [..] within a name, ** for any number of folders. Our own and not
 * glob(3), whose order follows the locale.
 */
#include "internal.h"

#include <errno.h>
#include <fnmatch.h>
#include <string.h>
#include <sys/stat.h>
#include <uni/base/file.h>
#include <uni/base/path.h>

#define DEPTH_MAX 64
#define FILES_MAX UNI_PACKAGE_FILES_MAX

bool pattern_is(const char *text)
{
	return strpbrk(text, "*?[") != NULL;
}

char *pattern_fixed(const char *pattern)
{
	size_t first = strcspn(pattern, "*?[");

	while (first > 0 && pattern[first - 1] != '/')
		first--;
	return uni_strndup(pattern, first > 0 ? first - 1 : 0);
}

/* FNM_PERIOD: names that start with a dot are named, or not meant. */
static bool name_matches(const char *pattern, size_t size, const char *name)
{
	char *part UNI_AUTO_FREE = uni_strndup(pattern, size);

	return fnmatch(part, name, FNM_PERIOD | FNM_NOESCAPE) == 0;
}

static bool path_matches(const char *pattern, const char *path)
{
	size_t part = strcspn(pattern, "/");
	size_t name = strcspn(path, "/");

	if (part == 2 && pattern[0] == '*' && pattern[1] == '*') {
		if (pattern[2] == '\0')
			return true;
		if (path_matches(pattern + 3, path))
			return true;
		return path[name] == '/' && path_matches(pattern, path + name + 1);
	}
	{
		char *first UNI_AUTO_FREE = uni_strndup(path, name);

		if (!name_matches(pattern, part, first))
			return false;
	}
	if (pattern[part] == '\0' || path[name] == '\0')
		return pattern[part] == '\0' && path[name] == '\0';
	return path_matches(pattern + part + 1, path + name + 1);
}

struct walk {
	const char *dir;
	const char *pattern;
	struct uni_strv *files;
};

static int walk(const struct walk *w, const char *below, unsigned depth, struct uni_err *err)
{
	char *path UNI_AUTO_FREE = uni_path_join(w->dir, below[0] != '\0' ? below : ".");
	struct uni_strv names UNI_AUTO_STRV = { .items = NULL };
	int rc = uni_dir_list(path, &names, err);

	if (depth > DEPTH_MAX)
		return uni_err_set(err, UNI_E_LIMIT, "%s: folders too deep", path);
	for (size_t i = 0; rc == 0 && i < names.count; i++) {
		char *rel UNI_AUTO_FREE = below[0] != '\0' ? uni_path_join(below, names.items[i])
							   : uni_strdup(names.items[i]);
		char *full UNI_AUTO_FREE = uni_path_join(w->dir, rel);
		struct stat st;

		if (lstat(full, &st) != 0)
			return uni_err_errno(err, "%s", full);
		if (S_ISDIR(st.st_mode)) {
			rc = walk(w, rel, depth + 1, err);
			continue;
		}
		if (!path_matches(w->pattern, rel))
			continue;
		if (S_ISLNK(st.st_mode) && stat(full, &st) == 0 && S_ISDIR(st.st_mode))
			continue;
		if (w->files->count >= FILES_MAX)
			return uni_err_set(err, UNI_E_LIMIT, "%s: more than %d files", w->pattern,
					   FILES_MAX);
		uni_strv_add(w->files, rel);
	}
	return rc;
}

int pattern_files(const char *dir, const char *pattern, struct uni_strv *files, struct uni_err *err)
{
	char *fixed UNI_AUTO_FREE = pattern_fixed(pattern);
	struct walk w = { .dir = dir, .pattern = pattern, .files = files };
	int rc = walk(&w, fixed, 0, err);

	if (rc == 0)
		uni_strv_sort(files);
	return rc;
}
