/*
 * base.toml: one table of its keys reads and checks it; a key that is not in the table is an error.
 */
#include <uni/kernel/base.h>

#include <string.h>
#include <uni/base/file.h>
#include <uni/base/path.h>
#include <uni/kernel/kernel.h>
#include <uni/recipes/toml.h>

#include "words.h"

enum key_form { KEY_TEXT, KEY_TEXTS, KEY_NUMBER, KEY_SIZE, KEY_FILE, KEY_FILES, KEY_OTHER };

struct key {
	const char *table; /* NULL: the top */
	const char *name;
	enum key_form form;
	bool required; /* the table being there, or the top */
	size_t offset;
};

/* The keys of what is read into one struct. */
struct key_set {
	const struct key *keys;
	size_t count;
};

#define KEY(table_, name_, form_, required_, member)                                               \
	{                                                                                          \
		.table = (table_), .name = (name_), .form = (form_), .required = (required_),      \
		.offset = offsetof(struct uni_base, member)                                        \
	}

#define KERNEL_KEY(name_, form_, required_, member)                                                \
	{                                                                                          \
		.name = (name_), .form = (form_), .required = (required_),                         \
		.offset = offsetof(struct uni_base_kernel, member)                                 \
	}

static const struct key kernel_keys[] = {
	KERNEL_KEY("name", KEY_TEXT, true, name),
	KERNEL_KEY("file", KEY_FILE, true, file),
	KERNEL_KEY("symbols", KEY_FILE, false, symbols),
	KERNEL_KEY("devices", KEY_TEXTS, true, can.devices),
	KERNEL_KEY("filesystems", KEY_TEXTS, true, can.filesystems),
	KERNEL_KEY("compressions", KEY_TEXTS, false, can.compressions),
	KERNEL_KEY("protocols", KEY_TEXTS, false, can.protocols),
};

static const struct key keys[] = {
	/* Read apart from the table: what they mean is not a field. */
	{ .name = "base", .form = KEY_OTHER },
	{ .name = "kind", .form = KEY_OTHER },
	{ .name = "kernel", .form = KEY_OTHER },
	KEY(NULL, "name", KEY_TEXT, true, name),
	KEY(NULL, "version", KEY_TEXT, true, version),
	KEY(NULL, "arch", KEY_TEXT, true, arch),
	KEY(NULL, "calls", KEY_FILE, false, calls),
	KEY(NULL, "entries", KEY_TEXTS, true, entries),
	/* Of a base's only kernel; or what each of [[kernel]] can do besides its own. */
	KEY(NULL, "devices", KEY_TEXTS, false, can.devices),
	KEY(NULL, "filesystems", KEY_TEXTS, false, can.filesystems),
	KEY(NULL, "compressions", KEY_TEXTS, false, can.compressions),
	KEY(NULL, "protocols", KEY_TEXTS, false, can.protocols),
	KEY(NULL, "memory", KEY_SIZE, true, memory),
	KEY("config", "channel", KEY_TEXT, true, config_channel),
	KEY("config", "runtime", KEY_TEXTS, false, config_runtime),
	KEY("config", "oldest", KEY_NUMBER, true, config_oldest),
	KEY("config", "newest", KEY_NUMBER, true, config_newest),
	KEY("live", "oldest", KEY_NUMBER, true, live_oldest),
	KEY("live", "newest", KEY_NUMBER, true, live_newest),
	KEY("bios", "stage1", KEY_FILE, true, stage1),
	KEY("bios", "stage2", KEY_FILE, true, stage2),
	KEY("uefi", "loader", KEY_FILE, true, efi_loader),
	KEY("sysroot", "start", KEY_FILES, true, link_start),
	KEY("sysroot", "libraries", KEY_FILES, true, link_libraries),
	KEY("sysroot", "end", KEY_FILES, true, link_end),
	KEY("sysroot", "flags", KEY_TEXTS, false, link_flags),
};

static const struct key_set base_set = { keys, UNI_COUNT(keys) };
static const struct key_set kernel_set = { kernel_keys, UNI_COUNT(kernel_keys) };

struct reading {
	struct uni_base *base;
	const char *name;
	struct uni_diags *diags;
	uni_base_locate_fn *locate;
	void *user;
};

static void wrong_type(struct reading *r, const struct uni_toml_value *value, const char *expected)
{
	uni_diags_error(r->diags, r->name, value->pos, "\"%s\" is %s, not %s", value->key,
			uni_toml_type_name(value->type), expected);
}

/* NULL, and a finding, for what is not a plain string. */
static const char *take_string(struct reading *r, const struct uni_toml_value *value)
{
	if (value->type != UNI_TOML_STRING || value->string.size == 0 ||
	    memchr(value->string.data, '\0', value->string.size) != NULL) {
		uni_diags_error(r->diags, r->name, value->pos,
				"expected a string that is not empty");
		return NULL;
	}
	return value->string.data;
}

static void take_file(struct reading *r, const struct uni_toml_value *value,
		      struct uni_base_file *file)
{
	struct uni_err err = UNI_ERR_INIT;
	const char *text = take_string(r, value);
	UNI_AUTO_FREE char *normal = text != NULL ? uni_path_normal(text) : NULL;

	if (text == NULL)
		return;
	if (text[0] == '/' || !uni_str_eq(normal, text) || uni_str_starts(text, "..")) {
		uni_diags_error(r->diags, r->name, value->pos,
				"\"%s\" is not the plain path of a file of the base", text);
		return;
	}
	file->path = r->locate(r->user, text, &err);
	if (file->path == NULL) {
		uni_diags_error(r->diags, r->name, value->pos, "%s", err.text);
		return;
	}
	file->member = uni_strdup(text);
}

static void take_texts(struct reading *r, const struct uni_toml_value *value, struct uni_strv *list)
{
	for (const struct uni_toml_value *v = value->list.first; v != NULL; v = v->next) {
		const char *text = take_string(r, v);

		if (text != NULL)
			uni_strv_add(list, text);
	}
}

static void take_files(struct reading *r, const struct uni_toml_value *value,
		       struct uni_base_files *files)
{
	for (const struct uni_toml_value *v = value->list.first; v != NULL; v = v->next) {
		struct uni_base_file file = { .member = NULL };

		take_file(r, v, &file);
		if (file.member == NULL)
			continue;
		UNI_PUSH_ROOM(files->items, files->count, files->room);
		files->items[files->count++] = file;
	}
}

static void take_number(struct reading *r, const struct uni_toml_value *value, uint32_t *number)
{
	if (value->type != UNI_TOML_INTEGER)
		wrong_type(r, value, "an integer");
	else if (value->integer < 1 || value->integer > UINT32_MAX)
		uni_diags_error(r->diags, r->name, value->pos, "\"%s\" is not a version",
				value->key);
	else
		*number = (uint32_t)value->integer;
}

static void take_key(struct reading *r, const struct key *key, void *into,
		     const struct uni_toml_value *value)
{
	void *at = (char *)into + key->offset;
	const char *text;

	switch (key->form) {
	case KEY_TEXT:
		text = take_string(r, value);
		if (text != NULL)
			*(char **)at = uni_strdup(text);
		break;
	case KEY_SIZE:
		text = take_string(r, value);
		if (text != NULL && !uni_str_size(text, at))
			uni_diags_error(r->diags, r->name, value->pos,
					"\"%s\" is not a size like \"8M\"", text);
		break;
	case KEY_NUMBER:
		take_number(r, value, at);
		break;
	case KEY_FILE:
		take_file(r, value, at);
		break;
	case KEY_OTHER:
		break;
	case KEY_TEXTS:
	case KEY_FILES:
		if (value->type != UNI_TOML_ARRAY)
			wrong_type(r, value, "an array");
		else if (key->form == KEY_TEXTS)
			take_texts(r, value, at);
		else
			take_files(r, value, at);
		break;
	}
}

static bool same_table(const char *a, const char *b)
{
	return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

static bool is_table(const char *name)
{
	for (size_t i = 0; i < UNI_COUNT(keys); i++)
		if (keys[i].table != NULL && strcmp(keys[i].table, name) == 0)
			return true;
	return false;
}

static void unknown_key(struct reading *r, const struct key_set *set, const char *table,
			const struct uni_toml_value *value)
{
	const char *known[UNI_COUNT(keys) * 2];
	const char *nearest;
	size_t count = 0;

	for (size_t i = 0; i < set->count; i++) {
		if (same_table(set->keys[i].table, table))
			known[count++] = set->keys[i].name;
		else if (table == NULL)
			known[count++] = set->keys[i].table;
	}
	uni_diags_error(r->diags, r->name, value->key_pos, "unknown key \"%s\"%s%s%s", value->key,
			table != NULL ? " in [" : "", table != NULL ? table : "",
			table != NULL ? "]" : "");
	nearest = uni_str_nearest(value->key, known, count);
	if (nearest != NULL)
		uni_diags_hint(r->diags, "did you mean \"%s\"?", nearest);
}

static bool is_known(const struct key_set *set, const char *table,
		     const struct uni_toml_value *value)
{
	for (size_t i = 0; i < set->count; i++)
		if (same_table(set->keys[i].table, table) &&
		    uni_str_eq(set->keys[i].name, value->key))
			return true;
	return set == &base_set && table == NULL && value->type == UNI_TOML_TABLE &&
	       is_table(value->key);
}

/* What is unknown comes first: it is often the misspelt form of what is then missing. */
static void read_table(struct reading *r, const struct key_set *set, const char *name, void *into,
		       const struct uni_toml_value *table)
{
	for (const struct uni_toml_value *v = table->list.first; v != NULL; v = v->next)
		if (!is_known(set, name, v))
			unknown_key(r, set, name, v);
	for (size_t i = 0; i < set->count; i++) {
		const struct uni_toml_value *value;

		if (!same_table(set->keys[i].table, name))
			continue;
		value = uni_toml_get(table, set->keys[i].name);
		if (value != NULL)
			take_key(r, &set->keys[i], into, value);
		else if (set->keys[i].required)
			uni_diags_error(r->diags, r->name, table->pos, "\"%s\" is missing%s%s%s",
					set->keys[i].name, name != NULL ? " in [" : "",
					name != NULL ? name : "", name != NULL ? "]" : "");
	}
}

/* --- kernels --- */

static struct uni_base_kernel *add_kernel(struct uni_base *base, size_t room)
{
	if (base->kernels == NULL)
		base->kernels = uni_alloc_array(room, sizeof(*base->kernels));
	base->kernels[base->kernel_count].base = base;
	return &base->kernels[base->kernel_count++];
}

/* What stands at the top is said of the only kernel there is. */
static void take_only_kernel(struct reading *r, const struct uni_toml_value *root,
			     const struct uni_toml_value *value)
{
	static const char *const required[] = { "devices", "filesystems" };
	struct uni_base_kernel *kernel = add_kernel(r->base, 1);

	kernel->name = uni_strdup("kernel");
	take_file(r, value, &kernel->file);
	base_words_add(&kernel->can, &r->base->can);
	for (size_t i = 0; i < UNI_COUNT(required); i++)
		if (uni_toml_get(root, required[i]) == NULL)
			uni_diags_error(r->diags, r->name, root->pos, "\"%s\" is missing",
					required[i]);
}

static void take_kernels(struct reading *r, const struct uni_toml_value *root)
{
	const struct uni_toml_value *value = uni_toml_get(root, "kernel");
	struct uni_base_needs all = r->base->can;

	if (value == NULL) {
		uni_diags_error(r->diags, r->name, root->pos, "\"kernel\" is missing");
		return;
	}
	if (value->type != UNI_TOML_ARRAY || value->list.count == 0) {
		take_only_kernel(r, root, value);
		return;
	}
	r->base->can = (struct uni_base_needs){ .devices.items = NULL };
	for (const struct uni_toml_value *v = value->list.first; v != NULL; v = v->next) {
		struct uni_base_kernel *kernel;

		if (v->type != UNI_TOML_TABLE) {
			uni_diags_error(r->diags, r->name, v->pos, "a kernel is a table");
			continue;
		}
		kernel = add_kernel(r->base, value->list.count);
		base_words_add(&kernel->can, &all);
		read_table(r, &kernel_set, NULL, kernel, v);
		base_words_add(&r->base->can, &kernel->can);
	}
	uni_base_needs_clear(&all);
}

static void read_tables(struct reading *r, const struct uni_toml_value *root)
{
	static const char *const required[] = { "config", "sysroot" };
	const struct uni_toml_value *value;

	read_table(r, &base_set, NULL, r->base, root);
	for (const struct uni_toml_value *v = root->list.first; v != NULL; v = v->next)
		if (v->type == UNI_TOML_TABLE && is_table(v->key))
			read_table(r, &base_set, v->key, r->base, v);
	take_kernels(r, root);
	for (size_t i = 0; i < UNI_COUNT(required); i++)
		if (uni_toml_get(root, required[i]) == NULL)
			uni_diags_error(r->diags, r->name, root->pos, "table [%s] is missing",
					required[i]);
	value = uni_toml_get(root, "kind");
	if (value == NULL)
		uni_diags_error(r->diags, r->name, root->pos, "\"kind\" is missing");
	else if (take_string(r, value) != NULL) {
		r->base->kind = uni_kernel_kind_find(value->string.data);
		if (r->base->kind == NULL)
			uni_diags_error(r->diags, r->name, value->pos,
					"no kind of base is called \"%s\"", value->string.data);
	}
}

/* Says first whether this is a form of base.toml that we know: all else would be guessing. */
static int check_form(struct reading *r, const struct uni_toml_value *root, struct uni_err *err)
{
	const struct uni_toml_value *form = uni_toml_get(root, "base");

	if (form == NULL || form->type != UNI_TOML_INTEGER)
		return uni_err_set(err, UNI_E_INVAL,
				   "%s: is no description of a base: \"base = %d\" is missing",
				   r->name, UNI_BASE_FORM);
	if (form->integer != UNI_BASE_FORM) {
		uni_err_set(err, UNI_E_UNSUPPORTED, "%s: is of form %lld, only %d is known",
			    r->name, (long long)form->integer, UNI_BASE_FORM);
		return uni_err_hint(err, "this base needs another version of uni");
	}
	return 0;
}

static void check_values(struct reading *r)
{
	const struct uni_base *base = r->base;
	struct uni_pos top = { .line = 1, .column = 1 };

	if (base->arch != NULL && !uni_str_eq(base->arch, "x86_64"))
		uni_diags_error(r->diags, r->name, top, "architecture \"%s\" is not supported",
				base->arch);
	if (base->config_channel != NULL && !uni_str_eq(base->config_channel, "part"))
		uni_diags_error(r->diags, r->name, top,
				"configuration channel \"%s\" is not supported",
				base->config_channel);
	if (base->config_oldest > base->config_newest)
		uni_diags_error(r->diags, r->name, top, "config.oldest is above config.newest");
	if (base->live_oldest > base->live_newest)
		uni_diags_error(r->diags, r->name, top, "live.oldest is above live.newest");
}

int uni_base_parse(struct uni_base **out, const char *name, const char *text, size_t size,
		   uni_base_locate_fn *locate, void *user, struct uni_err *err)
{
	UNI_AUTO_DIAGS struct uni_diags diags = UNI_DIAGS_INIT;
	UNI_AUTO(uni_toml) struct uni_toml *toml = NULL;
	UNI_AUTO(uni_base) struct uni_base *base = uni_alloc(sizeof(*base));
	struct reading r = {
		.base = base, .name = name, .diags = &diags, .locate = locate, .user = user
	};
	int rc = uni_toml_parse(&toml, name, text, size, &diags, err);

	*out = NULL;
	if (rc == 0)
		rc = check_form(&r, uni_toml_root(toml), err);
	if (rc != 0)
		return rc;
	read_tables(&r, uni_toml_root(toml));
	check_values(&r);
	if (diags.errors != 0)
		return uni_diags_err(&diags, UNI_E_INVAL, err);
	*out = base;
	base = NULL;
	return 0;
}

static char *locate_in_dir(void *user, const char *member, struct uni_err *err)
{
	char *path = uni_path_join(user, member);

	if (!uni_file_exists(path)) {
		uni_err_set(err, UNI_E_NOENT, "\"%s\" does not exist", member);
		free(path);
		return NULL;
	}
	return path;
}

int uni_base_load(struct uni_base **out, const char *dir, struct uni_err *err)
{
	UNI_AUTO_BUF struct uni_buf text = UNI_BUF_INIT;
	UNI_AUTO_FREE char *path = uni_path_join(dir, UNI_BASE_FILE);
	UNI_AUTO_FREE char *user = uni_strdup(dir);
	int rc = uni_file_read(path, UNI_BASE_MAX, &text, err);

	*out = NULL;
	if (rc != 0)
		return rc;
	return uni_base_parse(out, path, uni_buf_text(&text), text.size, locate_in_dir, user, err);
}

static void file_clear(struct uni_base_file *file)
{
	free(file->member);
	free(file->path);
}

static void fields_clear(const struct key_set *set, void *of)
{
	for (size_t i = 0; i < set->count; i++) {
		void *at = (char *)of + set->keys[i].offset;

		if (set->keys[i].form == KEY_TEXT) {
			free(*(char **)at);
		} else if (set->keys[i].form == KEY_TEXTS) {
			uni_strv_free(at);
		} else if (set->keys[i].form == KEY_FILE) {
			file_clear(at);
		} else if (set->keys[i].form == KEY_FILES) {
			struct uni_base_files *files = at;

			for (size_t j = 0; j < files->count; j++)
				file_clear(&files->items[j]);
			free(files->items);
		}
	}
}

void uni_base_free(struct uni_base *base)
{
	if (base == NULL)
		return;
	for (size_t i = 0; i < base->kernel_count; i++)
		fields_clear(&kernel_set, &base->kernels[i]);
	free(base->kernels);
	fields_clear(&base_set, base);
	free(base);
}

static void add_members(const struct key_set *set, const void *of, struct uni_strv *members)
{
	for (size_t i = 0; i < set->count; i++) {
		const void *at = (const char *)of + set->keys[i].offset;

		if (set->keys[i].form == KEY_FILE) {
			const struct uni_base_file *file = at;

			if (file->member != NULL)
				uni_strv_add(members, file->member);
		} else if (set->keys[i].form == KEY_FILES) {
			const struct uni_base_files *files = at;

			for (size_t j = 0; j < files->count; j++)
				uni_strv_add(members, files->items[j].member);
		}
	}
}

void uni_base_members(const struct uni_base *base, struct uni_strv *members)
{
	uni_strv_add(members, UNI_BASE_FILE);
	add_members(&base_set, base, members);
	for (size_t i = 0; i < base->kernel_count; i++)
		add_members(&kernel_set, &base->kernels[i], members);
	uni_strv_sort(members);
}
