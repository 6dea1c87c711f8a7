/*
 * Lock files from text. They travel with recipes, so they are checked as these are: unknown keys,
 * names, digests, and paths that could lead out of an index.
 */
#include "schema.h"

#include <string.h>
#include <uni/base/file.h>
#include <uni/base/path.h>
#include <uni/recipes/lock.h>
#include <uni/recipes/toml.h>

enum { ARCH_MAX = 32, TOOL_MAX = 64 };

struct lock_reader {
	const char *name;
	struct uni_diags *diags;
	struct uni_lock *lock;
	const char *arch;
};

static bool complain(const struct lock_reader *r, struct uni_pos pos, const char *what,
		     const char *key, const char *wrong)
{
	uni_diags_error(r->diags, r->name, pos, "%s: %s %s", what, key, wrong);
	return false;
}

/* The string under `key`; NULL, with a finding unless it is optional and absent. */
static const char *take_text(const struct lock_reader *r, const struct uni_toml_value *table,
			     const char *what, const char *key, bool required)
{
	const struct uni_toml_value *value = uni_toml_get(table, key);

	if (value == NULL) {
		if (required)
			complain(r, table->pos, what, key, "is missing");
		return NULL;
	}
	if (value->type != UNI_TOML_STRING || value->string.size == 0 ||
	    strlen(value->string.data) != value->string.size) {
		complain(r, value->pos, what, key, "is not a text");
		return NULL;
	}
	return value->string.data;
}

static bool check_form(const struct lock_reader *r, const struct uni_toml_value *table,
		       const char *what, const char *key, const char *text, enum schema_form form)
{
	if (text == NULL || schema_form_check(form, text))
		return text != NULL;
	uni_diags_error(r->diags, r->name, uni_toml_get(table, key)->pos, "%s: %s \"%s\" is not %s",
			what, key, text, schema_forms[form].name);
	return false;
}

static bool take_digest(const struct lock_reader *r, const struct uni_toml_value *table,
			const char *what, struct uni_digest *digest)
{
	const char *text = take_text(r, table, what, "sha256", true);

	if (text == NULL)
		return false;
	if (strlen(text) != 64 || strspn(text, "0123456789abcdef") != 64 ||
	    !uni_digest_parse(text, digest))
		return complain(r, uni_toml_get(table, "sha256")->pos, what, "sha256",
				"is not 64 hexadecimal digits in lower case");
	return true;
}

static bool check_keys(const struct lock_reader *r, const struct uni_toml_value *table,
		       const char *what, const char *const *known, size_t count)
{
	bool sound = true;

	for (const struct uni_toml_value *v = table->list.first; v != NULL; v = v->next) {
		bool found = false;

		for (size_t i = 0; i < count; i++)
			found = found || strcmp(known[i], v->key) == 0;
		if (found)
			continue;
		uni_diags_error(r->diags, r->name, v->key_pos, "%s: unknown key \"%s\"", what,
				v->key);
		sound = false;
	}
	return sound;
}

/* A path below the index, plainly: no URL, no way up. */
static bool is_index_path(const char *path)
{
	char *normal UNI_AUTO_FREE = uni_path_normal(path);

	if (strcmp(normal, path) != 0 || path[0] == '/' || strcmp(path, ".") == 0 ||
	    strcmp(path, "..") == 0 || uni_str_starts(path, "../") || strchr(path, ':') != NULL)
		return false;
	for (const char *c = path; *c != '\0'; c++)
		if ((unsigned char)*c < 0x20 || *c == 0x7f)
			return false;
	return true;
}

/* Where it came from: both keys or none. */
static bool take_place(const struct lock_reader *r, const struct uni_toml_value *table,
		       const char *what, const char **index, const char **path)
{
	bool given = uni_toml_get(table, "index") != NULL || uni_toml_get(table, "path") != NULL;

	*index = take_text(r, table, what, "index", given);
	*path = take_text(r, table, what, "path", given);
	if (!given)
		return true;
	if (*path != NULL && !is_index_path(*path))
		return complain(r, uni_toml_get(table, "path")->pos, what, "path",
				"is not a path inside of an index");
	return check_form(r, table, what, "index", *index, FORM_NAME) && *path != NULL;
}

static bool take_size(const struct lock_reader *r, const struct uni_toml_value *table,
		      const char *what, uint64_t *size)
{
	const struct uni_toml_value *value = uni_toml_get(table, "size");

	if (value == NULL)
		return complain(r, table->pos, what, "size", "is missing");
	if (value->type != UNI_TOML_INTEGER || value->integer < 0)
		return complain(r, value->pos, what, "size", "is not a number of bytes");
	*size = (uint64_t)value->integer;
	return true;
}

static void read_package(const struct lock_reader *r, const struct uni_toml_value *table)
{
	static const char *const known[] = { "name", "version", "index", "path", "sha256", "size" };
	static const char what[] = "package";
	const char *name = take_text(r, table, what, "name", true);
	const char *version = take_text(r, table, what, "version", true);
	const char *index, *path;
	struct uni_lock_package package = { .name = NULL };
	bool sound = check_keys(r, table, what, known, UNI_COUNT(known));

	sound = check_form(r, table, what, "name", name, FORM_PACKAGE) && sound;
	sound = check_form(r, table, what, "version", version, FORM_VERSION) && sound;
	sound = take_place(r, table, what, &index, &path) && sound;
	sound = take_digest(r, table, what, &package.digest) && sound;
	sound = take_size(r, table, what, &package.size) && sound;
	if (!sound)
		return;
	if (uni_lock_package(uni_lock_arch(r->lock, r->arch), name) != NULL) {
		uni_diags_error(r->diags, r->name, table->pos, "package \"%s\" is given twice",
				name);
		return;
	}
	package.name = uni_strdup(name);
	package.version = uni_strdup(version);
	package.index = index != NULL ? uni_strdup(index) : NULL;
	package.path = path != NULL ? uni_strdup(path) : NULL;
	uni_lock_put_package(r->lock, r->arch, &package);
	free(package.name);
	free(package.version);
	free(package.index);
	free(package.path);
}

/* A kind of things that have a name and a digest. */
struct named_kind {
	const char *what;
	bool (*is_name)(const char *name);
	const char *otherwise; /* what is said of a name that is none */
	const struct uni_lock_named *(*find)(const struct uni_lock_arch *arch, const char *name);
	void (*put)(struct uni_lock *lock, const char *arch, const struct uni_lock_named *named);
};

static void read_named(const struct lock_reader *r, const struct uni_toml_value *table,
		       const struct named_kind *kind)
{
	static const char *const known[] = { "name", "sha256" };
	const char *name = take_text(r, table, kind->what, "name", true);
	bool sound = check_keys(r, table, kind->what, known, UNI_COUNT(known));
	struct uni_lock_named named;

	if (!take_digest(r, table, kind->what, &named.digest) || !sound || name == NULL)
		return;
	if (!kind->is_name(name)) {
		complain(r, uni_toml_get(table, "name")->pos, kind->what, "name", kind->otherwise);
		return;
	}
	if (kind->find(uni_lock_arch(r->lock, r->arch), name) != NULL) {
		uni_diags_error(r->diags, r->name, table->pos, "%s \"%s\" is given twice",
				kind->what, name);
		return;
	}
	named.name = uni_strdup(name);
	kind->put(r->lock, r->arch, &named);
	free(named.name);
}

static bool is_image(const char *name)
{
	return uni_str_starts(name, "oci://") && strpbrk(name, "\n\r\t @#") == NULL;
}

static void read_image(const struct lock_reader *r, const struct uni_toml_value *table)
{
	static const struct named_kind image = { "image", is_image,
						 "is not the address of an image", uni_lock_image,
						 uni_lock_put_image };

	read_named(r, table, &image);
}

static bool is_tool(const char *name)
{
	return strlen(name) <= TOOL_MAX && strpbrk(name, "/\n\r\t") == NULL;
}

static void read_tool(const struct lock_reader *r, const struct uni_toml_value *table)
{
	static const struct named_kind tool = { "tool", is_tool, "is not the name of a program",
						uni_lock_tool, uni_lock_put_tool };

	read_named(r, table, &tool);
}

static void read_list(const struct lock_reader *r, const struct uni_toml_value *list,
		      void (*read)(const struct lock_reader *, const struct uni_toml_value *))
{
	if (list->type != UNI_TOML_ARRAY) {
		complain(r, list->pos, r->arch, list->key, "is not an array of tables");
		return;
	}
	for (const struct uni_toml_value *v = list->list.first; v != NULL; v = v->next) {
		if (v->type == UNI_TOML_TABLE)
			read(r, v);
		else
			complain(r, v->pos, r->arch, list->key, "is not an array of tables");
	}
}

static void read_arch(struct lock_reader *r, const struct uni_toml_value *table)
{
	static const char *const known[] = { "package", "image", "tool" };
	const struct uni_toml_value *packages, *images, *tools;

	if (table->type != UNI_TOML_TABLE || table->key_size == 0 || table->key_size > ARCH_MAX ||
	    strspn(table->key, "abcdefghijklmnopqrstuvwxyz0123456789_") != table->key_size) {
		uni_diags_error(r->diags, r->name, table->key_pos,
				"\"%s\" is neither \"version\" nor the table of an architecture",
				table->key);
		return;
	}
	r->arch = table->key;
	check_keys(r, table, table->key, known, UNI_COUNT(known));
	packages = uni_toml_get(table, "package");
	images = uni_toml_get(table, "image");
	tools = uni_toml_get(table, "tool");
	if (packages != NULL)
		read_list(r, packages, read_package);
	if (images != NULL)
		read_list(r, images, read_image);
	if (tools != NULL)
		read_list(r, tools, read_tool);
}

/* Nothing more is read of a lock whose version is not ours. */
static bool check_version(const struct lock_reader *r, const struct uni_toml_value *root)
{
	const struct uni_toml_value *version = uni_toml_get(root, "version");

	if (version == NULL || version->type != UNI_TOML_INTEGER || version->integer < 1) {
		uni_diags_error(r->diags, r->name,
				version != NULL ? version->pos : (struct uni_pos){ 1, 1 },
				"this is no lock file: it has no version");
		return false;
	}
	if (version->integer == UNI_LOCK_VERSION)
		return true;
	uni_diags_error(r->diags, r->name, version->pos,
			"lock files of version %lld need a later version of uni than this "
			"one, " UNI_VERSION,
			(long long)version->integer);
	return false;
}

int uni_lock_parse(struct uni_lock **out, const char *name, const char *text, size_t size,
		   struct uni_diags *diags, struct uni_err *err)
{
	struct uni_toml *toml UNI_AUTO(uni_toml) = NULL;
	struct uni_lock *lock UNI_AUTO(uni_lock) = NULL;
	struct lock_reader r = { .name = name, .diags = diags };
	size_t errors = diags->errors;
	int code = uni_toml_parse(&toml, name, text, size, diags, err);
	const struct uni_toml_value *root;

	*out = NULL;
	if (code != 0)
		return code;
	root = uni_toml_root(toml);
	r.lock = lock = uni_lock_new();
	if (check_version(&r, root))
		for (const struct uni_toml_value *v = root->list.first; v != NULL; v = v->next)
			if (strcmp(v->key, "version") != 0)
				read_arch(&r, v);
	if (diags->errors != errors) {
		uni_diags_sort(diags);
		return uni_diags_err(diags, UNI_E_INVAL, err);
	}
	*out = lock;
	lock = NULL;
	return 0;
}

int uni_lock_load(struct uni_lock **out, const char *path, struct uni_diags *diags,
		  struct uni_err *err)
{
	struct uni_buf text UNI_AUTO_BUF = UNI_BUF_INIT;
	int code = uni_file_read(path, UNI_LOCK_MAX, &text, err);

	*out = NULL;
	if (code == UNI_E_NOENT)
		return code;
	if (code != 0)
		return uni_err_context(err, "lock file");
	return uni_lock_parse(out, path, uni_buf_text(&text), text.size, diags, err);
}
