/*
 * Whose place an output may take: nobody's, unless the user says so. A look before the work saves
 * it; the name itself is given in one step, which no other process can come between.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <uni/base/file.h>

static int taken(const char *path, struct uni_err *err)
{
	uni_err_set(err, UNI_E_EXIST, "%s stands there already", path);
	return uni_err_hint(err, "it was kept; --force replaces it");
}

int uni_output_check(const char *path, bool replace, struct uni_err *err)
{
	struct stat st;

	return replace || lstat(path, &st) != 0 ? 0 : taken(path, err);
}

int uni_output_name(const char *made, const char *path, bool replace, struct uni_err *err)
{
	if (renameat2(AT_FDCWD, made, AT_FDCWD, path, replace ? 0 : RENAME_NOREPLACE) == 0)
		return 0;
	if (errno == EEXIST && !replace)
		return taken(path, err);
	/* A file system that knows no RENAME_NOREPLACE: there another look has to do. */
	if (errno == EINVAL && !replace) {
		if (uni_output_check(path, replace, err) != 0)
			return err->code;
		if (rename(made, path) == 0)
			return 0;
	}
	return uni_err_errno(err, "cannot give %s its name", path);
}
