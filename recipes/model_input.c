/*
 * Files and packages that a recipe names. A file is looked at here, so that everything that is
 * missing is told at once; whoever opens it later looks again. Paths may not lead out of the
 * recipe's folder, neither by their text nor through links, because a recipe from elsewhere should
 * not put this machine's files into an image.
 */
#include "model.h"

#include <errno.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <uni/base/file.h>
#include <uni/base/path.h>
#include <unistd.h>

/* "did you mean" by the names beside it. */
static void hint_neighbour(struct model *m, const char *path)
{
	char *dir UNI_AUTO_FREE = uni_path_dir(path);
	struct uni_strv names UNI_AUTO_STRV = { .items = NULL };
	struct uni_err err = UNI_ERR_INIT;
	const char *near = NULL;

	if (uni_dir_list(dir, &names, &err) == 0 && names.count != 0)
		near = uni_str_nearest(uni_path_base(path), (const char *const *)names.items,
				       names.count);
	if (near != NULL)
		model_hint(m, "did you mean \"%s\"?", near);
	else
		model_hint(m, "paths are relative to the recipe's folder%s%s",
			   uni_str_eq(m->recipe->dir, ".") ? "" : ", ",
			   uni_str_eq(m->recipe->dir, ".") ? "" : m->recipe->dir);
}

static void complain_absent(struct model *m, const char *label,
			    const struct uni_recipe_input *input, int error)
{
	struct stat link;

	if (error == ELOOP) {
		model_error(m, input->pos, "%s \"%s\" is a loop of symbolic links", label,
			    input->text);
	} else if (error == ENOENT && lstat(input->path, &link) == 0) {
		model_error(m, input->pos,
			    "%s \"%s\" is a symbolic link to something that does not exist", label,
			    input->text);
	} else if (error == ENOENT || error == ENOTDIR) {
		model_error(m, input->pos, "%s \"%s\" does not exist", label, input->text);
		hint_neighbour(m, input->path);
	} else {
		model_error(m, input->pos, "%s \"%s\" cannot be read: %s", label, input->text,
			    strerror(error));
	}
}

static void check_kind(struct model *m, const char *label, struct uni_recipe_input *input,
		       unsigned kinds, const char *real)
{
	struct stat st;

	if (stat(real, &st) != 0) {
		complain_absent(m, label, input, errno);
		return;
	}
	input->folder = S_ISDIR(st.st_mode);
	if (!S_ISDIR(st.st_mode) && !S_ISREG(st.st_mode))
		model_error(m, input->pos, "%s \"%s\" is neither a file nor a folder", label,
			    input->text);
	else if (S_ISDIR(st.st_mode) && (kinds & INPUT_FOLDER) == 0)
		model_error(m, input->pos, "%s \"%s\" is a folder, not a file", label, input->text);
	else if (S_ISREG(st.st_mode) && (kinds & INPUT_REGULAR) == 0)
		model_error(m, input->pos, "%s \"%s\" is a file, not a folder", label, input->text);
	else if (access(real, S_ISDIR(st.st_mode) ? R_OK | X_OK : R_OK) != 0)
		complain_absent(m, label, input, errno);
}

static bool leaves_by_text(const char *text)
{
	char *normal UNI_AUTO_FREE = uni_path_normal(text);

	return normal[0] == '/' || strcmp(normal, "..") == 0 || uni_str_starts(normal, "../");
}

/* `text` is the path as it stands in the recipe. */
static void check_file(struct model *m, const char *label, const char *text, unsigned kinds,
		       struct uni_recipe_input *input)
{
	char real[PATH_MAX];

	if (!m->options->allow_outside && leaves_by_text(text)) {
		model_error(m, input->pos, "%s \"%s\" is outside of the recipe's folder", label,
			    input->text);
		model_hint(m, "--allow-outside permits it");
		return;
	}
	if (m->real_dir == NULL)
		return;
	if (realpath(input->path, real) == NULL) {
		complain_absent(m, label, input, errno);
		return;
	}
	if (!m->options->allow_outside && !uni_path_inside(real, m->real_dir)) {
		model_error(m, input->pos, "%s \"%s\" leads out of the recipe's folder, to \"%s\"",
			    label, input->text, real);
		model_hint(m, "--allow-outside permits it");
		return;
	}
	check_kind(m, label, input, kinds, real);
}

static void split_package(struct uni_recipe_input *input)
{
	const char *text = input->text + strlen("pkg:");
	size_t size = strcspn(text, "@/");

	input->kind = UNI_INPUT_PACKAGE;
	input->package = uni_strndup(text, size);
	text += size;
	if (*text == '@') {
		size = strcspn(++text, "/");
		input->range = uni_strndup(text, size);
		text += size;
	}
	if (*text == '/')
		input->member = uni_strdup(text + 1);
}

/* What the schema found well-formed: URL[?submodules]#REST. */
static void split_remote(struct model *m, const char *label, unsigned kinds,
			 struct uni_recipe_input *input)
{
	const char *url = input->text, *mark = strchr(url, '#'), *rest = mark + 1;
	static const char follow[] = "?submodules";

	if (!uni_str_starts(url, "git+")) {
		input->kind = UNI_INPUT_HTTPS;
		input->url = uni_strndup(url, (size_t)(mark - url));
		(void)uni_digest_parse(rest, &input->digest);
		return;
	}
	input->kind = UNI_INPUT_GIT;
	input->folder = (kinds & INPUT_FOLDER) != 0;
	url += strlen("git+");
	input->url = uni_strndup(url, (size_t)(mark - url));
	input->submodules = uni_str_ends(input->url, follow);
	if (input->submodules)
		input->url[strlen(input->url) - strlen(follow)] = '\0';
	input->commit = uni_strndup(rest, strcspn(rest, ":"));
	rest += strcspn(rest, ":");
	if (*rest == ':')
		input->member = uni_strdup(rest + 1);
	else if ((kinds & INPUT_FOLDER) == 0)
		model_error(m, input->pos,
			    "%s \"%s\" is a whole repository: name a file of it, as "
			    "\"...:FILE\"",
			    label, input->text);
}

static void split_image(struct model *m, const char *label, unsigned kinds,
			struct uni_recipe_input *input)
{
	bool remote = uni_str_starts(input->text, "oci://");
	const char *start = input->text + (remote ? strlen("oci://") : strlen("oci:"));
	const char *member = strstr(start, "//");
	char *place UNI_AUTO_FREE =
		member != NULL ? uni_strndup(start, (size_t)(member - start)) : uni_strdup(start);
	char *mark;

	input->kind = UNI_INPUT_IMAGE;
	if (member != NULL)
		input->member = uni_strdup(member + 2);
	else if ((kinds & INPUT_FOLDER) == 0)
		model_error(m, input->pos,
			    "%s \"%s\" is a whole image: name a file of it, as \"...//FILE\"",
			    label, input->text);
	if (remote) {
		mark = strchr(place, '@');
		if (mark != NULL) {
			*mark = '\0';
			input->has_digest = uni_digest_parse(mark + 1, &input->digest);
		}
		input->url = uni_asprintf("oci://%s", place);
		return;
	}
	mark = strrchr(place, ':');
	if (mark != NULL && strchr(mark, '/') == NULL) {
		*mark = '\0';
		input->tag = uni_strdup(mark + 1);
	}
	input->path = strcmp(m->recipe->dir, ".") == 0 ? uni_strdup(place)
						       : uni_path_join(m->recipe->dir, place);
	check_file(m, label, place, INPUT_REGULAR | INPUT_FOLDER, input);
}

static void read_input(struct model *m, const char *label, const char *text, struct uni_pos pos,
		       unsigned kinds, struct uni_recipe_input *out)
{
	out->text = uni_strdup(text);
	out->pos = pos;
	if (uni_str_starts(text, "pkg:")) {
		split_package(out);
		return;
	}
	if (uni_str_starts(text, "oci:")) {
		split_image(m, label, kinds, out);
		return;
	}
	if (schema_is_remote(text)) {
		split_remote(m, label, kinds, out);
		return;
	}
	out->kind = UNI_INPUT_FILE;
	out->path = strcmp(m->recipe->dir, ".") == 0 ? uni_strdup(text)
						     : uni_path_join(m->recipe->dir, text);
	check_file(m, label, text, kinds, out);
}

void model_input_text(struct model *m, const char *label, const char *text, struct uni_pos pos,
		      unsigned kinds, struct uni_recipe_input *out)
{
	size_t before = m->context.diags->errors;

	read_input(m, label, text, pos, kinds, out);
	out->bad = m->context.diags->errors != before;
}

void model_input(struct model *m, const char *label, const struct uni_toml_value *value,
		 unsigned kinds, struct uni_recipe_input *out)
{
	if (value != NULL)
		model_input_text(m, label, value->string.data, value->pos, kinds, out);
}

void model_inputs(struct model *m, const char *label, const struct uni_toml_value *list,
		  unsigned kinds, struct uni_recipe_inputs *out)
{
	if (list == NULL)
		return;
	out->items = uni_alloc_array(list->list.count + 1, sizeof(*out->items));
	for (const struct uni_toml_value *v = list->list.first; v != NULL; v = v->next)
		if ((v->flags & SCHEMA_BAD) == 0)
			model_input(m, label, v, kinds, &out->items[out->count++]);
}
