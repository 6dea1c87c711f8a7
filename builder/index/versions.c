/*
 * packages/NAME.json: read, checked, written in one spelling.
 */
#include "internal.h"
#include <string.h>
#include <uni/base/json.h>
#include <uni/base/path.h>
#include <uni/recipes/version.h>

void index_version_clear(struct uni_index_version *v)
{
	free(v->version);
	free(v->arch);
	free(v->kind);
	free(v->description);
	free(v->licence);
	free(v->yanked);
	free(v->path);
	uni_strv_free(&v->requires);
}

void uni_index_package_free(struct uni_index_package *package)
{
	if (package == NULL)
		return;
	for (size_t i = 0; i < package->count; i++)
		index_version_clear(&package->versions[i]);
	free(package->versions);
	free(package->name);
	free(package->index);
	free(package);
}

void index_package_take(struct uni_index_package *package, struct uni_index_version *version)
{
	UNI_PUSH_ROOM(package->versions, package->count, package->room);
	package->versions[package->count++] = *version;
	memset(version, 0, sizeof(*version));
}

static char *text_of(const struct uni_json *object, const char *key)
{
	const char *text = uni_json_text(uni_json_get(object, key));
	return text != NULL ? uni_strdup(text) : NULL;
}

static bool digest_of(const struct uni_json *object, const char *key, struct uni_digest *digest)
{
	const char *text = uni_json_text(uni_json_get(object, key));
	return text != NULL && uni_digest_parse(text, digest);
}

static bool path_is_sound(const char *path)
{
	char *normal UNI_AUTO_FREE = uni_path_normal(path);
	return uni_str_eq(normal, path) && path[0] != '/' && path[0] != '.';
}

static bool read_version(const struct uni_json *one, struct uni_index_version *v)
{
	const struct uni_json *requires = uni_json_get(one, "requires");
	struct uni_version version;
	v->version = text_of(one, "version");
	v->arch = text_of(one, "arch");
	v->kind = text_of(one, "kind");
	v->description = text_of(one, "description");
	v->licence = text_of(one, "licence");
	v->yanked = text_of(one, "yanked");
	v->path = text_of(one, "path");
	for (size_t i = 0; i < uni_json_count(requires); i++) {
		const char *text = uni_json_text(uni_json_item(requires, i));
		if (text == NULL)
			return false;
		uni_strv_add(&v->requires, text);
	}
	return v->version != NULL && uni_version_parse(v->version, &version) && v->arch != NULL &&
	       v->kind != NULL && v->path != NULL && path_is_sound(v->path) &&
	       digest_of(one, "sha256", &v->digest) && digest_of(one, "digest", &v->package) &&
	       uni_json_u64(uni_json_get(one, "size"), &v->size);
}

static int newest_first(const void *a, const void *b)
{
	const struct uni_index_version *x = a, *y = b;
	struct uni_version one, two;
	int order = 0;
	if (uni_version_parse(x->version, &one) && uni_version_parse(y->version, &two))
		order = uni_version_cmp(&two, &one);
	if (order == 0)
		order = strcmp(x->version, y->version);
	return order != 0 ? order : strcmp(x->arch, y->arch);
}

int uni_index_package_parse(struct uni_index_package **out, const char *name, const char *text,
			    size_t size, struct uni_err *err)
{
	struct uni_json *json UNI_AUTO(uni_json) = NULL;
	struct uni_index_package *package UNI_AUTO(uni_index_package) = uni_alloc(sizeof(*package));
	int rc = uni_json_parse(&json, name, text, size, err);
	if (rc != 0)
		return rc;
	const struct uni_json *versions = uni_json_get(json, "versions");
	package->name = uni_strdup(name);
	if (!uni_str_eq(uni_json_text(uni_json_get(json, "name")), name))
		return uni_err_set(err, UNI_E_CORRUPT, "what the index says of %s is of another",
				   name);
	if (uni_json_count(versions) > VERSIONS_MAX)
		return uni_err_set(err, UNI_E_LIMIT, "%s has too many versions", name);
	for (size_t i = 0; i < uni_json_count(versions); i++) {
		UNI_PUSH_ROOM(package->versions, package->count, package->room);
		struct uni_index_version *v = &package->versions[package->count++];
		memset(v, 0, sizeof(*v));
		if (!read_version(uni_json_item(versions, i), v))
			return uni_err_set(err, UNI_E_CORRUPT,
					   "what the index says of %s is not sound", name);
	}
	if (package->count != 0)
		qsort(package->versions, package->count, sizeof(*package->versions), newest_first);
	*out = package;
	package = NULL;
	return 0;
}

static void put_text(struct uni_buf *out, const char *key, const char *value)
{
	if (value == NULL)
		return;
	uni_buf_printf(out, ", \"%s\": ", key);
	uni_json_string(out, value);
}

static void put_digest(struct uni_buf *out, const char *key, const struct uni_digest *digest)
{
	char text[UNI_DIGEST_TEXT];
	uni_digest_text(digest, text);
	put_text(out, key, text);
}

void uni_index_package_text(const struct uni_index_package *package, struct uni_buf *out)
{
	struct uni_index_package sorted = *package;
	if (sorted.count != 0)
		qsort(sorted.versions, sorted.count, sizeof(*sorted.versions), newest_first);
	uni_buf_puts(out, "{\"name\": ");
	uni_json_string(out, package->name);
	uni_buf_puts(out, ", \"versions\": [");
	for (size_t i = 0; i < package->count; i++) {
		const struct uni_index_version *v = &package->versions[i];
		uni_buf_printf(out, "%s\n  {\"version\": ", i != 0 ? "," : "");
		uni_json_string(out, v->version);
		put_text(out, "arch", v->arch);
		put_text(out, "kind", v->kind);
		put_text(out, "path", v->path);
		put_digest(out, "sha256", &v->digest);
		put_digest(out, "digest", &v->package);
		uni_buf_printf(out, ", \"size\": %llu", (unsigned long long)v->size);
		put_text(out, "description", v->description);
		put_text(out, "licence", v->licence);
		put_text(out, "yanked", v->yanked);
		uni_buf_puts(out, ", \"requires\": [");
		for (size_t j = 0; j < v->requires.count; j++) {
			uni_buf_puts(out, j != 0 ? ", " : "");
			uni_json_string(out, v->requires.items[j]);
		}
		uni_buf_puts(out, "]}");
	}
	uni_buf_puts(out, "\n]}\n");
}
