/*
 * May a form take the place of what stands there? A form that is a folder replaces one of its kind,
 * and the old one's content is gone then: so nothing may be in it that the form does not write.
 */
#include <errno.h>
#include <fnmatch.h>
#include <sys/stat.h>
#include <uni/base/file.h>
#include <uni/base/path.h>

#include "internal.h"

enum { DEPTH_MAX = 4 }; /* of the folders that forms make */

struct looking {
	const struct uni_form *form;
	const char *top;
	bool known; /* the file is there that such a folder is known by */
};

static int refuse(const char *path, const char *why, const char *more, struct uni_err *err)
{
	uni_err_set(err, UNI_E_EXIST, "%s: %s%s", path, why, more);
	return uni_err_hint(err, "a folder is replaced by a form that wrote it, and by nothing "
				 "else; nothing was changed");
}

static bool is_of(const struct uni_form *form, const char *path)
{
	for (size_t i = 0; form->files[i] != NULL; i++)
		if (fnmatch(form->files[i], path, FNM_PATHNAME | FNM_PERIOD) == 0)
			return true;
	return false;
}

static int look(struct looking *l, const char *below, unsigned depth, struct uni_err *err)
{
	char *folder UNI_AUTO_FREE = uni_path_join(l->top, below);
	UNI_AUTO_STRV struct uni_strv names = { .items = NULL };
	int rc = uni_dir_list(folder, &names, err);

	for (size_t i = 0; rc == 0 && i < names.count; i++) {
		char *path UNI_AUTO_FREE = *below != '\0' ? uni_path_join(below, names.items[i])
							  : uni_strdup(names.items[i]);
		char *full UNI_AUTO_FREE = uni_path_join(l->top, path);
		struct stat st;

		if (lstat(full, &st) != 0)
			return uni_err_errno(err, "%s", full);
		if (S_ISDIR(st.st_mode) && depth < DEPTH_MAX)
			rc = look(l, path, depth + 1, err);
		else if (!is_of(l->form, path))
			return refuse(l->top, "holds a file that is not the form's: ", path, err);
		l->known |= uni_str_eq(path, l->form->files[0]);
	}
	return rc;
}

int uni_form_may_replace(const struct uni_form *form, const char *path, struct uni_err *err)
{
	struct looking l = { .form = form, .top = path };
	struct stat st;
	int rc;

	if (lstat(path, &st) != 0 || !S_ISDIR(st.st_mode))
		return 0;
	if (form == NULL || form->files == NULL)
		return refuse(path, "is a folder", ", and a file was to take its place", err);
	rc = look(&l, "", 0, err);
	if (rc == 0 && !l.known)
		return refuse(path, "is a folder that was not written as ", form->name, err);
	return rc;
}
