/*
 * Paths as text. Nothing here asks the file system, but for the working folder.
 */
#include <string.h>
#include <uni/base/path.h>
#include <unistd.h>

char *uni_path_join(const char *dir, const char *name)
{
	if (name[0] == '/' || dir[0] == '\0')
		return uni_strdup(name);
	return uni_asprintf("%s%s%s", dir, uni_str_ends(dir, "/") ? "" : "/", name);
}

/* Takes the last component off `out`, unless it is one that cannot be taken back. */
static bool drop_last(char *out, size_t *length, size_t root)
{
	size_t start = *length;
	while (start > root && out[start - 1] != '/')
		start--;
	if (*length == root || (*length - start == 2 && memcmp(out + start, "..", 2) == 0))
		return false;
	*length = start > root ? start - 1 : root;
	return true;
}

char *uni_path_normal(const char *path)
{
	char *out = uni_alloc(strlen(path) + 2);
	size_t root = path[0] == '/' ? 1 : 0;
	size_t length = root;
	memcpy(out, "/", root);
	while (*path != '\0') {
		size_t part = strcspn(path, "/");
		bool up = part == 2 && memcmp(path, "..", 2) == 0;
		bool here = part == 0 || (part == 1 && path[0] == '.');
		if (!here && !(up && (drop_last(out, &length, root) || root != 0))) {
			if (length > root)
				out[length++] = '/';
			memcpy(out + length, path, part);
			length += part;
		}
		path += part;
		path += *path == '/';
	}
	if (length == 0)
		out[length++] = '.';
	out[length] = '\0';
	return out;
}

char *uni_path_absolute(const char *path)
{
	if (path[0] == '/')
		return uni_path_normal(path);
	char *cwd UNI_AUTO_FREE = getcwd(NULL, 0);
	/* A working folder that was removed has no name; the relative path fails where it is used.
	 */
	char *joined UNI_AUTO_FREE = uni_path_join(cwd != NULL ? cwd : "", path);
	return uni_path_normal(joined);
}

char *uni_path_dir(const char *path)
{
	const char *slash = strrchr(path, '/');
	if (slash == NULL)
		return uni_strdup(".");
	while (slash > path && slash[-1] == '/')
		slash--;
	return slash == path ? uni_strdup("/") : uni_strndup(path, (size_t)(slash - path));
}

const char *uni_path_base(const char *path)
{
	const char *slash = strrchr(path, '/');
	return slash != NULL ? slash + 1 : path;
}

bool uni_path_inside(const char *path, const char *dir)
{
	size_t length = strlen(dir);
	if (uni_str_eq(dir, "/"))
		return path[0] == '/';
	if (uni_str_eq(dir, "."))
		return path[0] != '/' && !uni_str_eq(path, "..") && !uni_str_starts(path, "../");
	return strncmp(path, dir, length) == 0 && (path[length] == '\0' || path[length] == '/');
}
