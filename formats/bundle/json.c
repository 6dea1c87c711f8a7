/*
 * package.json: written in one canonical form, since its digest is the package's; read with every
 * key accounted for.
 */
#include "internal.h"

#include <inttypes.h>
#include <string.h>
#include <uni/base/json.h>

static void member(struct uni_buf *out, const char *key, const char *value)
{
	if (value == NULL)
		return;
	uni_buf_printf(out, "  \"%s\": ", key);
	uni_json_string(out, value);
	uni_buf_puts(out, ",\n");
}

void uni_package_json(const struct uni_package *package, struct uni_buf *out)
{
	char digest[UNI_DIGEST_TEXT];

	uni_buf_puts(out, "{\n");
	member(out, "arch", package->arch);
	member(out, "description", package->description);
	uni_buf_puts(out, "  \"files\": [");
	for (size_t i = 0; i < package->file_count; i++) {
		const struct uni_package_file *file = &package->files[i];

		uni_digest_text(&file->digest, digest);
		uni_buf_puts(out, i != 0 ? ",\n    {\"path\": " : "\n    {\"path\": ");
		uni_json_string(out, file->path);
		uni_buf_printf(out,
			       ", \"mode\": \"%04o\", \"size\": %" PRIu64 ", \"sha256\": \"%s\"}",
			       file->mode, file->size, digest + strlen("sha256:"));
	}
	uni_buf_puts(out, package->file_count != 0 ? "\n  ],\n" : "],\n");
	uni_buf_printf(out, "  \"format\": %d,\n", UNI_PACKAGE_FORMAT);
	member(out, "kind", uni_package_kind_name(package->kind));
	member(out, "licence", package->licence);
	member(out, "member", package->member);
	member(out, "name", package->name);
	uni_buf_puts(out, "  \"requires\": [");
	for (size_t i = 0; i < package->requires.count; i++) {
		uni_buf_puts(out, i != 0 ? ", " : "");
		uni_json_string(out, package->requires.items[i]);
	}
	uni_buf_puts(out, "],\n  \"version\": ");
	uni_json_string(out, package->version);
	uni_buf_puts(out, "\n}\n");
}

static int wrong(const char *what, struct uni_err *err)
{
	return uni_err_set(err, UNI_E_CORRUPT, PACKAGE_JSON ": %s", what);
}

static bool take_text(const struct uni_json *root, const char *key, bool needed, char **out)
{
	const struct uni_json *value = uni_json_get(root, key);
	const char *text = uni_json_text(value);

	if (text == NULL)
		return value == NULL && !needed;
	*out = uni_strdup(text);
	return true;
}

static bool take_mode(const struct uni_json *item, uint32_t *mode)
{
	const char *text = uni_json_text(uni_json_get(item, "mode"));

	*mode = uni_str_eq(text, "0755") ? 0755 : 0644;
	return text != NULL && (*mode == 0755 || strcmp(text, "0644") == 0);
}

static bool take_file(const struct uni_json *item, struct uni_package_file *file)
{
	static const char *const keys[] = { "path", "mode", "size", "sha256" };
	const char *digest = uni_json_text(uni_json_get(item, "sha256"));

	return uni_json_only(item, keys, UNI_COUNT(keys)) && digest != NULL &&
	       strlen(digest) == 64 && uni_digest_parse(digest, &file->digest) &&
	       uni_json_u64(uni_json_get(item, "size"), &file->size) &&
	       take_mode(item, &file->mode) && take_text(item, "path", true, &file->path);
}

static bool take_files(const struct uni_json *list, struct uni_package *package)
{
	size_t count = uni_json_count(list);

	if (!uni_json_is_array(list) || count > UNI_PACKAGE_FILES_MAX)
		return false;
	package->files = uni_alloc_array(count + 1, sizeof(*package->files));
	for (; package->file_count < count; package->file_count++)
		if (!take_file(uni_json_item(list, package->file_count),
			       &package->files[package->file_count]))
			return false;
	return true;
}

static bool take_requires(const struct uni_json *list, struct uni_package *package)
{
	size_t count = uni_json_count(list);

	for (size_t i = 0; i < count; i++) {
		const char *text = uni_json_text(uni_json_item(list, i));

		if (text == NULL)
			return false;
		uni_strv_add(&package->requires, text);
	}
	return uni_json_is_array(list);
}

static int take_package(const struct uni_json *root, struct uni_package *package,
			struct uni_err *err)
{
	static const char *const keys[] = {
		"arch",	   "description", "files", "format",   "kind",
		"licence", "member",	  "name",  "requires", "version"
	};
	const char *kind = uni_json_text(uni_json_get(root, "kind"));
	uint64_t format;

	if (!uni_json_u64(uni_json_get(root, "format"), &format))
		return wrong("it does not say its format", err);
	if (format != UNI_PACKAGE_FORMAT)
		return uni_err_set(err, UNI_E_UNSUPPORTED, "packages of format %" PRIu64, format);
	if (!uni_json_only(root, keys, UNI_COUNT(keys)))
		return wrong("it has keys that are not known", err);
	if (kind == NULL || !uni_package_kind_parse(kind, &package->kind))
		return wrong("its kind is not known", err);
	if (!take_text(root, "name", true, &package->name) ||
	    !take_text(root, "version", true, &package->version) ||
	    !take_text(root, "arch", true, &package->arch) ||
	    !take_text(root, "description", false, &package->description) ||
	    !take_text(root, "licence", false, &package->licence) ||
	    !take_text(root, "member", false, &package->member) ||
	    !take_requires(uni_json_get(root, "requires"), package))
		return wrong("something is missing or of a wrong type", err);
	if (!take_files(uni_json_get(root, "files"), package))
		return wrong("its files are not listed as they should be", err);
	return 0;
}

int uni_package_parse(struct uni_package **package, const char *json, size_t size,
		      struct uni_err *err)
{
	struct uni_package *made UNI_AUTO(uni_package) = uni_alloc(sizeof(*made));
	struct uni_json *document UNI_AUTO(uni_json) = NULL;
	int rc;

	*package = NULL;
	if (size > UNI_PACKAGE_JSON_MAX)
		return uni_err_set(err, UNI_E_LIMIT, PACKAGE_JSON ": more than %u bytes",
				   UNI_PACKAGE_JSON_MAX);
	rc = uni_json_parse(&document, PACKAGE_JSON, json, size, err);
	if (rc == 0)
		rc = take_package(document, made, err);
	if (rc == 0)
		rc = uni_package_check(made, err);
	if (rc != 0)
		return rc;
	*package = made;
	made = NULL;
	return 0;
}
