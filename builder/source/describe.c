/*
 * package.toml: what a package shall be. Every key is accounted for; all that is wrong is said at
 * once.
 */
#include "internal.h"

#include <string.h>
#include <uni/base/file.h>
#include <uni/base/path.h>
#include <uni/recipes/toml.h>
#include <uni/recipes/version.h>

static const char *const root_keys[] = { "package", "files" };
static const char *const package_keys[] = { "name",	   "version", "kind",	"arch",
					    "description", "licence", "member", "requires" };
static const char *const file_keys[] = { "source", "to", "mode" };

void pack_spec_free(struct pack_spec *spec)
{
	if (spec == NULL)
		return;
	uni_package_free(spec->package);
	for (size_t i = 0; i < spec->rule_count; i++) {
		free(spec->rules[i].source);
		free(spec->rules[i].to);
	}
	free(spec->rules);
	free(spec);
}

/* Where findings go. */
struct reading {
	const char *path;
	struct uni_diags *diags;
	struct pack_spec *spec;
};

static void known_keys(const struct reading *r, const struct uni_toml_value *table,
		       const char *const *keys, size_t count)
{
	for (const struct uni_toml_value *v = table->list.first; v != NULL; v = v->next) {
		const char *near;
		bool known = false;

		for (size_t i = 0; i < count; i++)
			known |= strcmp(v->key, keys[i]) == 0;
		if (known)
			continue;
		uni_diags_error(r->diags, r->path, v->key_pos, "unknown key \"%s\"", v->key);
		near = uni_str_nearest(v->key, keys, count);
		if (near != NULL)
			uni_diags_hint(r->diags, "did you mean \"%s\"?", near);
	}
}

static const struct uni_toml_value *typed(const struct reading *r,
					  const struct uni_toml_value *table, const char *key,
					  enum uni_toml_type type, bool needed)
{
	const struct uni_toml_value *value = uni_toml_get(table, key);

	if (value == NULL && needed)
		uni_diags_error(r->diags, r->path, table->pos, "\"%s\" is missing", key);
	if (value == NULL || value->type == type)
		return value;
	uni_diags_error(r->diags, r->path, value->pos, "\"%s\" is %s; it should be %s", key,
			uni_toml_type_name(value->type), uni_toml_type_name(type));
	return NULL;
}

static char *text(const struct reading *r, const struct uni_toml_value *table, const char *key,
		  bool needed)
{
	const struct uni_toml_value *value = typed(r, table, key, UNI_TOML_STRING, needed);

	if (value == NULL)
		return NULL;
	if (strlen(value->string.data) != value->string.size) {
		uni_diags_error(r->diags, r->path, value->pos, "\"%s\" holds a NUL", key);
		return NULL;
	}
	return uni_strdup(value->string.data);
}

static void read_kind(const struct reading *r, const struct uni_toml_value *table)
{
	char *kind UNI_AUTO_FREE = text(r, table, "kind", true);

	if (kind != NULL && !uni_package_kind_parse(kind, &r->spec->package->kind)) {
		uni_diags_error(r->diags, r->path, uni_toml_get(table, "kind")->pos,
				"\"%s\" is no kind of package", kind);
		uni_diags_hint(r->diags, "there are: base, objects, program, ca, volume, files");
	}
}

static void read_version(const struct reading *r, const struct uni_toml_value *table)
{
	struct uni_version version;

	r->spec->package->version = text(r, table, "version", true);
	if (r->spec->package->version != NULL &&
	    !uni_version_parse(r->spec->package->version, &version)) {
		uni_diags_error(r->diags, r->path, uni_toml_get(table, "version")->pos,
				"\"%s\" is no version", r->spec->package->version);
		uni_diags_hint(r->diags, "a version is MAJOR.MINOR.PATCH (semver.org)");
	}
}

static void read_requires(const struct reading *r, const struct uni_toml_value *table)
{
	const struct uni_toml_value *list = typed(r, table, "requires", UNI_TOML_ARRAY, false);

	if (list == NULL)
		return;
	for (const struct uni_toml_value *v = list->list.first; v != NULL; v = v->next) {
		if (v->type != UNI_TOML_STRING) {
			uni_diags_error(r->diags, r->path, v->pos, "a requirement is a string");
			continue;
		}
		uni_strv_add(&r->spec->package->requires, v->string.data);
	}
	uni_strv_sort(&r->spec->package->requires);
}

static void read_package(const struct reading *r, const struct uni_toml_value *table)
{
	struct uni_package *package = r->spec->package;

	known_keys(r, table, package_keys, UNI_COUNT(package_keys));
	package->name = text(r, table, "name", true);
	read_version(r, table);
	read_kind(r, table);
	package->arch = text(r, table, "arch", false);
	if (package->arch == NULL)
		package->arch = uni_strdup("x86_64");
	package->description = text(r, table, "description", false);
	package->licence = text(r, table, "licence", false);
	package->member = text(r, table, "member", false);
	read_requires(r, table);
}

static uint32_t read_mode(const struct reading *r, const struct uni_toml_value *table)
{
	char *mode UNI_AUTO_FREE = text(r, table, "mode", false);

	if (mode == NULL)
		return 0;
	if (strcmp(mode, "0644") == 0)
		return 0644;
	if (strcmp(mode, "0755") != 0)
		uni_diags_error(r->diags, r->path, uni_toml_get(table, "mode")->pos,
				"a mode is \"0644\" or \"0755\"");
	return 0755;
}

static void read_rule(const struct reading *r, const struct uni_toml_value *table)
{
	struct pack_spec *spec = r->spec;
	struct pack_rule rule = { .pos = table->pos };

	if (table->type != UNI_TOML_TABLE) {
		uni_diags_error(r->diags, r->path, table->pos, "[[files]] is a table");
		return;
	}
	known_keys(r, table, file_keys, UNI_COUNT(file_keys));
	rule.source = text(r, table, "source", true);
	rule.to = text(r, table, "to", false);
	rule.mode = read_mode(r, table);
	if (rule.source == NULL) {
		free(rule.to);
		return;
	}
	rule.pos = uni_toml_get(table, "source")->pos;
	if (rule.source[0] == '/' || rule.source[0] == '\0')
		uni_diags_error(r->diags, r->path, rule.pos,
				"a source is a path relative to the package's folder");
	UNI_PUSH_ROOM(spec->rules, spec->rule_count, spec->rule_room);
	spec->rules[spec->rule_count++] = rule;
}

static void read_root(const struct reading *r, const struct uni_toml_value *root)
{
	const struct uni_toml_value *package = typed(r, root, "package", UNI_TOML_TABLE, true);
	const struct uni_toml_value *files = typed(r, root, "files", UNI_TOML_ARRAY, true);

	known_keys(r, root, root_keys, UNI_COUNT(root_keys));
	if (package != NULL)
		read_package(r, package);
	if (files != NULL)
		for (const struct uni_toml_value *v = files->list.first; v != NULL; v = v->next)
			read_rule(r, v);
}

int pack_spec_read(struct pack_spec **spec, const char *path, struct uni_diags *diags,
		   struct uni_err *err)
{
	struct pack_spec *made UNI_AUTO(pack_spec) = uni_alloc(sizeof(*made));
	struct uni_toml *toml UNI_AUTO(uni_toml) = NULL;
	struct uni_buf content UNI_AUTO_BUF = UNI_BUF_INIT;
	struct reading r = { .path = path, .diags = diags, .spec = made };
	int rc = uni_file_read(path, UNI_TOML_MAX, &content, err);

	*spec = NULL;
	made->package = uni_alloc(sizeof(*made->package));
	if (rc == 0)
		rc = uni_toml_parse(&toml, path, uni_buf_text(&content), content.size, diags, err);
	if (rc != 0)
		return rc;
	read_root(&r, uni_toml_root(toml));
	if (diags->errors == 0) {
		struct uni_err trouble = UNI_ERR_INIT;
		char *member = made->package->member;

		/* Whether the member is there is known with the files. */
		made->package->member = NULL;
		if (uni_package_check(made->package, &trouble) != 0)
			uni_diags_error(diags, path, (struct uni_pos){ .line = 0 }, "%s",
					trouble.text);
		made->package->member = member;
	}
	uni_diags_sort(diags);
	if (diags->errors != 0)
		return uni_diags_err(diags, UNI_E_INVAL, err);
	*spec = made;
	made = NULL;
	return 0;
}
