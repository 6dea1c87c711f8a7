/*
 * From package.toml to a package file.
 */
#include "internal.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <uni/base/file.h>
#include <uni/base/path.h>

struct packing {
	const char *toml;
	const char *dir;
	bool replace;
	struct uni_diags *diags;
	struct pack_spec *spec;
	struct uni_strv paths; /* of files[i] on this machine */
	size_t room;
};

static int add_file(struct packing *p, const struct pack_rule *rule, const char *source, char *to,
		    struct uni_err *err)
{
	struct uni_package *package = p->spec->package;
	struct uni_package_file file = { .path = to };
	char *full UNI_AUTO_FREE = uni_path_join(p->dir, source);
	struct stat st;

	if (stat(full, &st) != 0 || !S_ISREG(st.st_mode)) {
		uni_diags_error(p->diags, p->toml, rule->pos, "%s %s", source,
				errno == ENOENT ? "does not exist" : "is not a file");
		free(to);
		return 0;
	}
	file.mode = rule->mode != 0 ? rule->mode : (st.st_mode & S_IXUSR) != 0 ? 0755 : 0644;
	UNI_PUSH_ROOM(package->files, package->file_count, p->room);
	package->files[package->file_count++] = file;
	uni_strv_add(&p->paths, full);
	return uni_digest_file(full, &package->files[package->file_count - 1].size,
			       &package->files[package->file_count - 1].digest, err);
}

/* Where a file goes that was found behind `fixed` (folders, "" for none). */
static char *destination(const struct pack_rule *rule, const char *source, const char *fixed)
{
	const char *behind = source;

	if (rule->to == NULL)
		return uni_path_normal(source);
	if (fixed[0] != '\0')
		behind += strlen(fixed) + 1;
	{
		char *joined UNI_AUTO_FREE = uni_path_join(rule->to, behind);

		return uni_path_normal(joined);
	}
}

static int add_rule(struct packing *p, const struct pack_rule *rule, struct uni_err *err)
{
	struct uni_strv files UNI_AUTO_STRV = { .items = NULL };
	char *fixed UNI_AUTO_FREE = NULL;
	int rc;

	if (!pattern_is(rule->source)) {
		bool folder = rule->to != NULL && uni_str_ends(rule->to, "/");
		char *dir UNI_AUTO_FREE = uni_path_dir(rule->source);

		if (rule->to != NULL && !folder)
			return add_file(p, rule, rule->source, uni_path_normal(rule->to), err);
		return add_file(p, rule, rule->source,
				destination(rule, rule->source,
					    strchr(rule->source, '/') != NULL ? dir : ""),
				err);
	}
	fixed = pattern_fixed(rule->source);
	rc = pattern_files(p->dir, rule->source, &files, err);
	if (rc == UNI_E_NOENT) {
		uni_err_clear(err);
		rc = 0;
	}
	if (rc == 0 && files.count == 0)
		uni_diags_error(p->diags, p->toml, rule->pos, "no file matches \"%s\"",
				rule->source);
	for (size_t i = 0; rc == 0 && i < files.count; i++)
		rc = add_file(p, rule, files.items[i], destination(rule, files.items[i], fixed),
			      err);
	return rc;
}

/* Files and their paths on this machine, side by side, in the order of the package. */
static void sort_files(struct packing *p)
{
	struct uni_package_file *files = p->spec->package->files;

	/* Patterns give sorted runs, which is where insertion is quick. */
	for (size_t i = 1; i < p->spec->package->file_count; i++) {
		struct uni_package_file file = files[i];
		char *path = p->paths.items[i];
		size_t at = i;

		for (; at > 0 && strcmp(files[at - 1].path, file.path) > 0; at--) {
			files[at] = files[at - 1];
			p->paths.items[at] = p->paths.items[at - 1];
		}
		files[at] = file;
		p->paths.items[at] = path;
	}
}

static int open_packed(void *user, size_t index, int *fd, struct uni_err *err)
{
	const struct packing *p = user;

	*fd = open(p->paths.items[index], O_RDONLY | O_CLOEXEC);
	return *fd < 0 ? uni_err_errno(err, "%s", p->paths.items[index]) : 0;
}

/* The same package once more is no other file. */
static bool is_written(const char *path, const char *made)
{
	struct uni_digest old, new;
	struct uni_err ignored = UNI_ERR_INIT;
	uint64_t size;

	return uni_digest_file(path, &size, &old, &ignored) == 0 &&
	       uni_digest_file(made, &size, &new, &ignored) == 0 && uni_digest_eq(&old, &new);
}

static int write_package(struct packing *p, const char *out_dir, char **path, struct uni_err *err)
{
	const struct uni_package *package = p->spec->package;
	struct uni_outfile *out UNI_AUTO(uni_outfile) = NULL;
	char *name UNI_AUTO_FREE = uni_package_filename(package);
	char *final UNI_AUTO_FREE = uni_path_join(out_dir, name);
	int rc = uni_dir_make(out_dir, 0755, err);

	if (rc == 0)
		rc = uni_outfile_open(&out, final, 0644, err);
	if (rc == 0)
		rc = uni_package_write(uni_outfile_fd(out), final, package, open_packed, p, err);
	if (rc == 0 && !p->replace)
		uni_outfile_keep(out);
	if (rc == 0 && !is_written(final, uni_outfile_tmp(out)))
		rc = uni_outfile_commit(out, true, err);
	if (rc == 0 && path != NULL) {
		*path = final;
		final = NULL;
	}
	return rc;
}

static int pack(struct packing *p, const char *out_dir, char **path, struct uni_digest *digest,
		struct uni_err *err)
{
	struct uni_err trouble = UNI_ERR_INIT;
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < p->spec->rule_count; i++)
		rc = add_rule(p, &p->spec->rules[i], err);
	if (rc != 0)
		return rc;
	sort_files(p);
	if (p->diags->errors == 0 && uni_package_check(p->spec->package, &trouble) != 0)
		uni_diags_error(p->diags, p->toml, (struct uni_pos){ .line = 0 }, "%s",
				trouble.text);
	if (p->diags->errors != 0) {
		uni_diags_sort(p->diags);
		return uni_diags_err(p->diags, UNI_E_INVAL, err);
	}
	if (digest != NULL)
		*digest = uni_package_digest(p->spec->package);
	return write_package(p, out_dir, path, err);
}

int uni_package_pack(const struct uni_pack *how, char **path, struct uni_digest *digest,
		     struct uni_diags *diags, struct uni_err *err)
{
	struct pack_spec *spec UNI_AUTO(pack_spec) = NULL;
	char *own UNI_AUTO_FREE = uni_path_dir(how->toml);
	struct packing p = { .toml = how->toml,
			     .dir = how->dir != NULL ? how->dir : own,
			     .replace = how->replace,
			     .diags = diags };
	int rc = pack_spec_read(&spec, how->toml, diags, err);

	if (path != NULL)
		*path = NULL;
	if (rc != 0)
		return rc;
	p.spec = spec;
	rc = pack(&p, how->out_dir, path, digest, err);
	uni_strv_free(&p.paths);
	return rc;
}
