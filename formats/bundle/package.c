/*
 * The description of a package, and what may stand in it.
 */
#include "internal.h"

#include <stdlib.h>
#include <string.h>
#include <uni/base/path.h>

static const char *const kinds[] = {
	[UNI_PACKAGE_BASE] = "base",	   [UNI_PACKAGE_OBJECTS] = "objects",
	[UNI_PACKAGE_PROGRAM] = "program", [UNI_PACKAGE_CA] = "ca",
	[UNI_PACKAGE_VOLUME] = "volume",   [UNI_PACKAGE_FILES] = "files",
};

const char *uni_package_kind_name(enum uni_package_kind kind)
{
	return kinds[kind];
}

bool uni_package_kind_parse(const char *name, enum uni_package_kind *kind)
{
	for (size_t i = 0; i < UNI_COUNT(kinds); i++) {
		if (strcmp(name, kinds[i]) == 0) {
			*kind = (enum uni_package_kind)i;
			return true;
		}
	}
	return false;
}

void uni_package_free(struct uni_package *package)
{
	if (package == NULL)
		return;
	free(package->name);
	free(package->version);
	free(package->arch);
	free(package->description);
	free(package->licence);
	free(package->member);
	uni_strv_free(&package->requires);
	for (size_t i = 0; i < package->file_count; i++)
		free(package->files[i].path);
	free(package->files);
	free(package);
}

/* One of `first`, then any of `rest`, at most `limit` bytes. */
static bool spelled(const char *text, const char *first, const char *rest, size_t limit)
{
	return text != NULL && text[0] != '\0' && strchr(first, text[0]) != NULL &&
	       text[strspn(text, rest)] == '\0' && strlen(text) <= limit;
}

#define LOWER "abcdefghijklmnopqrstuvwxyz"
#define UPPER "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define DIGITS "0123456789"

static bool name_ok(const char *name)
{
	return spelled(name, LOWER DIGITS, LOWER DIGITS "._+-", 64);
}

static bool arch_ok(const char *arch)
{
	return spelled(arch, LOWER, LOWER DIGITS "_", 16);
}

/* The letters alone; the order of versions is another's affair. */
static bool version_ok(const char *version)
{
	return spelled(version, DIGITS, LOWER UPPER DIGITS ".+-", 64);
}

static bool line_ok(const char *text, size_t limit)
{
	if (text == NULL)
		return true;
	for (const char *c = text; *c != '\0'; c++)
		if ((unsigned char)*c < 0x20 || *c == 0x7f)
			return false;
	return text[0] != '\0' && strlen(text) <= limit && uni_utf8_valid(text, strlen(text));
}

/* Relative, as text already what it resolves to, and not the description's own name. */
static bool path_ok(const char *path)
{
	char *normal UNI_AUTO_FREE = NULL;

	if (path == NULL || path[0] == '\0' || path[0] == '/' || !line_ok(path, 255) ||
	    strcmp(path, PACKAGE_JSON) == 0 || strcmp(path, PACKAGE_SPDX) == 0 ||
	    strcmp(path, PACKAGE_PROVENANCE) == 0)
		return false;
	normal = uni_path_normal(path);
	return strcmp(normal, path) == 0 && strcmp(path, ".") != 0 && strcmp(path, "..") != 0 &&
	       strncmp(path, "../", 3) != 0;
}

static int check_head(const struct uni_package *package, struct uni_err *err)
{
	if (!name_ok(package->name))
		return uni_err_set(err, UNI_E_INVAL,
				   "a package's name is lower-case letters, digits and ._+-");
	if (!version_ok(package->version))
		return uni_err_set(err, UNI_E_INVAL, "package %s: its version is not one",
				   package->name);
	if (!arch_ok(package->arch))
		return uni_err_set(err, UNI_E_INVAL, "package %s: its architecture is not one",
				   package->name);
	if (!line_ok(package->description, 1024) || !line_ok(package->licence, 256))
		return uni_err_set(err, UNI_E_INVAL,
				   "package %s: description and licence are one line of UTF-8 each",
				   package->name);
	for (size_t i = 0; i < package->requires.count; i++) {
		const char *item = package->requires.items[i];

		if (!line_ok(item, 256) ||
		    (i > 0 && strcmp(package->requires.items[i - 1], item) >= 0))
			return uni_err_set(err, UNI_E_INVAL,
					   "package %s: requirements are lines, sorted, each once",
					   package->name);
	}
	return 0;
}

/* A path that is a folder of another: as sorted by bytes, some names come between "a" and "a/b". */
static const char *folder_clash(const struct uni_package *package, const char *path)
{
	char *dir UNI_AUTO_FREE = uni_strdup(path);

	for (char *slash; (slash = strrchr(dir, '/')) != NULL;) {
		const struct uni_package_file *file;

		*slash = '\0';
		file = uni_package_find_file(package, dir);
		if (file != NULL)
			return file->path;
	}
	return NULL;
}

static int check_files(const struct uni_package *package, struct uni_err *err)
{
	uint64_t total = 0;

	if (package->file_count > UNI_PACKAGE_FILES_MAX)
		return uni_err_set(err, UNI_E_LIMIT, "package %s: more than %d files",
				   package->name, UNI_PACKAGE_FILES_MAX);
	for (size_t i = 0; i < package->file_count; i++) {
		const struct uni_package_file *file = &package->files[i];

		if (!path_ok(file->path))
			return uni_err_set(err, UNI_E_INVAL,
					   "package %s: \"%s\" is no path of a package's file",
					   package->name, file->path != NULL ? file->path : "");
		if (i > 0 && strcmp(package->files[i - 1].path, file->path) >= 0)
			return uni_err_set(err, UNI_E_INVAL,
					   "package %s: %s is there twice, or not in order",
					   package->name, file->path);
		if (file->mode != 0644 && file->mode != 0755)
			return uni_err_set(err, UNI_E_INVAL, "package %s: %s has mode %o",
					   package->name, file->path, file->mode);
		if (file->size > UNI_PACKAGE_SIZE_MAX - total)
			return uni_err_set(err, UNI_E_LIMIT, "package %s: over %s of files",
					   package->name, uni_size_text(UNI_PACKAGE_SIZE_MAX));
		total += file->size;
	}
	for (size_t i = 0; i < package->file_count; i++) {
		const char *clash = folder_clash(package, package->files[i].path);

		if (clash != NULL)
			return uni_err_set(err, UNI_E_INVAL,
					   "package %s: %s is a file and a folder", package->name,
					   clash);
	}
	return 0;
}

int uni_package_check(const struct uni_package *package, struct uni_err *err)
{
	int rc = check_head(package, err);

	if (rc == 0)
		rc = check_files(package, err);
	if (rc == 0 && package->member != NULL &&
	    uni_package_find_file(package, package->member) == NULL)
		return uni_err_set(err, UNI_E_INVAL, "package %s: there is no file %s",
				   package->name, package->member);
	return rc;
}

struct uni_digest uni_package_digest(const struct uni_package *package)
{
	struct uni_buf json UNI_AUTO_BUF = UNI_BUF_INIT;

	uni_package_json(package, &json);
	return uni_digest_of(json.data, json.size);
}

char *uni_package_filename(const struct uni_package *package)
{
	return uni_asprintf("%s-%s-%s" UNI_PACKAGE_SUFFIX, package->name, package->version,
			    package->arch);
}

static int file_cmp(const void *path, const void *file)
{
	return strcmp(path, ((const struct uni_package_file *)file)->path);
}

const char *uni_package_chief(const struct uni_package *package)
{
	if (package->member != NULL)
		return package->member;
	return package->file_count == 1 ? package->files[0].path : NULL;
}

const struct uni_package_file *uni_package_find_file(const struct uni_package *package,
						     const char *path)
{
	if (package->file_count == 0)
		return NULL;
	return bsearch(path, package->files, package->file_count, sizeof(*package->files),
		       file_cmp);
}

struct uni_entry package_entry(const char *path, uint32_t mode, uint64_t size)
{
	return (struct uni_entry){
		.type = UNI_ENTRY_FILE, .path = path, .mode = mode, .size = size
	};
}
