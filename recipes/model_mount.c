/*
 * [[file]] and [[volume]]: what stands where in the machine's file system, and that no two of them
 * are in each other's way.
 */
#include "model.h"

#include <stdio.h>
#include <string.h>
#include <uni/base/path.h>
#include <uni/base/search.h>

enum { LABEL_MAX = 160, VOLUMES_MAX = 64 };

static const char *label_file(const struct uni_recipe_file *file, const char *key,
			      char label[LABEL_MAX])
{
	if (file->path == NULL)
		snprintf(label, LABEL_MAX, "[[file]]%s%s", key[0] != '\0' ? ": " : "", key);
	else
		snprintf(label, LABEL_MAX, "file \"%.120s\"%s%s", file->path,
			 key[0] != '\0' ? ": " : "", key);
	return label;
}

static const char *label_volume(const struct uni_recipe_volume *volume, const char *key,
				char label[LABEL_MAX])
{
	if (volume->name == NULL)
		snprintf(label, LABEL_MAX, "[[volume]]%s%s", key[0] != '\0' ? ": " : "", key);
	else
		snprintf(label, LABEL_MAX, "volume \"%s\"%s%s", volume->name,
			 key[0] != '\0' ? ": " : "", key);
	return label;
}

/* One of source, text and link; a link has no bits of its own, and nothing to be given at start. */
static void check_file_content(struct model *m, const struct uni_toml_value *table,
			       const char *label)
{
	static const char *const contents[] = { "source", "text", "link" };
	static const char *const not_of_links[] = { "mode", "runtime" };
	const char *first = NULL;

	for (size_t i = 0; i < UNI_COUNT(contents); i++) {
		if (!model_has(table, contents[i]))
			continue;
		if (first != NULL)
			model_error(m, uni_toml_get(table, contents[i])->key_pos,
				    "%s: %s and %s cannot both be given", label, first,
				    contents[i]);
		first = contents[i];
	}
	if (first == NULL)
		model_error(m, table->pos, "%s: neither source nor text nor link is given", label);
	for (size_t i = 0; i < UNI_COUNT(not_of_links); i++)
		if (model_has(table, "link") && model_has(table, not_of_links[i]))
			model_error(m, uni_toml_get(table, not_of_links[i])->key_pos,
				    "%s: a link has no %s", label, not_of_links[i]);
}

/* Whether something of a table was read as if it were not there. */
static bool has_bad_key(const struct uni_toml_value *table, const struct schema_table *schema)
{
	for (const struct uni_toml_value *v = table->list.first; v != NULL; v = v->next)
		if ((v->flags & SCHEMA_BAD) != 0 && schema_find(schema, v->key) != NULL)
			return true;
	return false;
}

static void build_file(struct model *m, const struct uni_toml_value *table,
		       struct uni_recipe_file *file)
{
	const struct uni_toml_value *text = model_get(table, "text");
	size_t before = m->context.diags->errors;
	char label[LABEL_MAX];

	file->path = model_string(table, "path");
	file->pos = model_pos(table, "path");
	file->mode = (uint32_t)model_size(table, "mode", 0644);
	file->runtime = model_bool(table, "runtime", false);
	file->allow_secret = model_bool(table, "allow-secret", false);
	model_input(m, label_file(file, "source", label), model_get(table, "source"), INPUT_REGULAR,
		    &file->source);
	if (text != NULL) {
		file->text = uni_strdup(text->string.data);
		file->text_size = text->string.size;
	}
	file->link = model_string(table, "link");
	label_file(file, "", label);
	check_file_content(m, table, label);
	if (file->link != NULL && file->link[0] == '\0')
		model_error(m, file->pos, "%s: link is empty", label);
	if (file->path != NULL && strcmp(file->path, "/") == 0)
		model_error(m, file->pos, "%s: path is the root folder", label);
	file->bad = file->path == NULL || m->context.diags->errors != before ||
		    has_bad_key(table, model_schema("file"));
}

static int compare_files(const void *a, const void *b)
{
	const struct uni_recipe_file *x = a, *y = b;
	int order;

	if (x->path == NULL || y->path == NULL)
		order = (x->path != NULL) - (y->path != NULL);
	else
		order = strcmp(x->path, y->path);
	if (order == 0)
		order = (x->pos.line > y->pos.line) - (x->pos.line < y->pos.line);
	return order;
}

void model_files(struct model *m)
{
	const struct uni_toml_value *array = model_get(m->root, "file");
	struct uni_recipe *recipe = m->recipe;

	if (array == NULL)
		return;
	recipe->files = uni_alloc_array(array->list.count + 1, sizeof(*recipe->files));
	for (const struct uni_toml_value *v = array->list.first; v != NULL; v = v->next)
		if ((v->flags & SCHEMA_BAD) == 0)
			build_file(m, v, &recipe->files[recipe->file_count++]);
	qsort(recipe->files, recipe->file_count, sizeof(*recipe->files), compare_files);
}

static int compare_secrets(const void *a, const void *b)
{
	const struct uni_recipe_secret *x = a, *y = b;

	return strcmp(x->name, y->name);
}

void model_secrets(struct model *m)
{
	const struct uni_toml_value *array = model_get(m->root, "secret");
	struct uni_recipe *recipe = m->recipe;

	if (array == NULL)
		return;
	recipe->secrets = uni_alloc_array(array->list.count + 1, sizeof(*recipe->secrets));
	for (const struct uni_toml_value *v = array->list.first; v != NULL; v = v->next) {
		struct uni_recipe_secret *secret = &recipe->secrets[recipe->secret_count];

		if ((v->flags & SCHEMA_BAD) != 0 || !model_has(v, "name") ||
		    model_get(v, "name") == NULL)
			continue;
		recipe->secret_count++;
		secret->name = model_string(v, "name");
		secret->name_pos = model_pos(v, "name");
		secret->path = model_string(v, "path");
		if (secret->path == NULL)
			secret->path = uni_asprintf("/run/secrets/%s", secret->name);
		secret->mode = (uint32_t)model_size(v, "mode", 0400);
		secret->required = model_bool(v, "required", true);
		secret->pos = v->pos;
	}
	if (recipe->secret_count > 1)
		qsort(recipe->secrets, recipe->secret_count, sizeof(*recipe->secrets),
		      compare_secrets);
}

/* Both are files: neither has the other's place, nor is one a folder of the other. */
static void check_secret_and_path(struct model *m, const struct uni_recipe_secret *secret,
				  const char *path, const char *kind, const char *name)
{
	if (strcmp(path, secret->path) == 0)
		model_error(m, secret->pos, "secret \"%s\": %s \"%s\" has this path as well",
			    secret->name, kind, name);
	else if (uni_path_inside(secret->path, path))
		model_error(m, secret->pos,
			    "secret \"%s\": %s \"%s\" stands where it needs a folder", secret->name,
			    kind, name);
	else if (uni_path_inside(path, secret->path))
		model_error(m, secret->pos, "secret \"%s\" stands where %s \"%s\" needs a folder",
			    secret->name, kind, name);
}

static void check_secret_and_volume(struct model *m, const struct uni_recipe_secret *secret,
				    const struct uni_recipe_volume *volume)
{
	const char *name = volume->name != NULL ? volume->name : "?";

	if (volume->mount == NULL)
		return;
	if (uni_path_inside(volume->mount, secret->path))
		model_error(m, secret->pos,
			    "secret \"%s\" stands where volume \"%s\" needs a folder", secret->name,
			    name);
	else if (volume->format != UNI_FS_TMPFS && uni_path_inside(secret->path, volume->mount))
		model_error(m, secret->pos, "secret \"%s\": its path is inside volume \"%s\"",
			    secret->name, name);
}

/* Names and places of secrets, among themselves and beside files and volumes. */
static void check_secret(struct model *m, size_t index)
{
	const struct uni_recipe *recipe = m->recipe;
	const struct uni_recipe_secret *secret = &recipe->secrets[index];

	if (index > 0 && strcmp(recipe->secrets[index - 1].name, secret->name) == 0)
		model_error(m, secret->name_pos, "secret \"%s\" is given twice", secret->name);
	for (size_t i = 0; i < index; i++)
		check_secret_and_path(m, secret, recipe->secrets[i].path, "secret",
				      recipe->secrets[i].name);
	for (size_t i = 0; i < recipe->file_count; i++)
		if (recipe->files[i].path != NULL)
			check_secret_and_path(m, secret, recipe->files[i].path, "file",
					      recipe->files[i].path);
	for (size_t i = 0; i < recipe->volume_count; i++)
		check_secret_and_volume(m, secret, &recipe->volumes[i]);
}

static void refuse_keys(struct model *m, const struct uni_toml_value *table, const char *label,
			const char *format, const char *const *keys, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (model_has(table, keys[i]))
			model_error(m, uni_toml_get(table, keys[i])->key_pos,
				    "%s: %s says nothing for a %s", label, keys[i], format);
}

static void check_compression(struct model *m, const struct uni_toml_value *table,
			      const struct uni_recipe_volume *volume)
{
	const char *name = uni_recipe_compression_name(volume->compression);
	bool levels = volume->compression == UNI_COMPRESSION_ZSTD ||
		      volume->compression == UNI_COMPRESSION_GZIP;
	char label[LABEL_MAX];

	label_volume(volume, "", label);
	if (volume->level != 0 && !levels)
		model_error(m, model_pos(table, "level"), "%s: compression \"%s\" has no levels",
			    label, name);
	else if (volume->compression == UNI_COMPRESSION_GZIP && volume->level > 9)
		model_error(m, model_pos(table, "level"),
			    "%s: level of gzip is not between 1 and 9", label);
	if ((volume->block_size & (volume->block_size - 1)) != 0)
		model_error(m, model_pos(table, "block-size"),
			    "%s: block-size is not a power of two", label);
	if (volume->embed && volume->size > UNI_RECIPE_EMBED_MAX) {
		model_error(m, model_pos(table, "size"),
			    "%s: size is over the 4 MiB of an embedded volume", label);
		model_hint(m, "leave embed out, and the volume gets a partition");
	}
}

static void build_modes(const struct uni_toml_value *table, struct uni_recipe_volume *volume)
{
	const struct uni_toml_value *mode = model_get(table, "mode");

	if (mode == NULL)
		return;
	if (mode->type == UNI_TOML_INTEGER) {
		volume->modes = UNI_MODES_FIXED;
		volume->mode = (uint32_t)mode->integer;
	} else if (strcmp(mode->string.data, "normal") != 0) {
		volume->modes = UNI_MODES_KEEP;
		volume->writable = strcmp(mode->string.data, "rw") == 0;
	}
}

/* What only a live volume has, and what it has not. */
static void build_live(struct model *m, const struct uni_toml_value *table,
		       struct uni_recipe_volume *volume)
{
	static const char *const refused[] = { "embed", "verity" };
	const struct uni_toml_value *key = model_get(table, "key");
	char label[LABEL_MAX];

	label_volume(volume, "", label);
	refuse_keys(m, table, label, "live volume", refused, UNI_COUNT(refused));
	volume->verity = false;
	volume->embed = false;
	volume->least_generation = model_size(table, "least-generation", 1);
	volume->has_key = key != NULL;
	if (key == NULL || uni_unhex(key->string.data, volume->key, sizeof(volume->key)))
		return;
	model_error(m, key->pos, "%s: key is not 64 hex digits", label);
	model_hint(m, "openssl pkey -in KEY.pem -pubout -outform DER | tail -c 32 | xxd -p -c 32");
}

static void build_ext4(struct model *m, const struct uni_toml_value *table,
		       struct uni_recipe_volume *volume)
{
	static const char *const squashfs_only[] = { "compression", "level", "block-size",
						     "verity" };
	char label[LABEL_MAX];

	label_volume(volume, "", label);
	volume->format = UNI_FS_EXT4;
	volume->verity = false;
	volume->compression = UNI_COMPRESSION_NONE;
	volume->block_size = 0;
	refuse_keys(m, table, label, "ext4", squashfs_only, UNI_COUNT(squashfs_only));
	if (volume->writable && volume->size == 0 && !model_has(table, "size")) {
		model_error(m, table->pos, "%s: size is missing", label);
		model_hint(m, "a volume that is written to has a size: at least 8M");
	} else if (volume->writable && volume->size < UNI_RECIPE_WRITABLE_MIN) {
		model_error(m, model_pos(table, "size"),
			    "%s: size is under the 8 MiB that a journal and some files need",
			    label);
	}
	if (volume->size % 4096 != 0)
		model_error(m, model_pos(table, "size"), "%s: size is not in blocks of 4096",
			    label);
	if (volume->embed && !volume->writable)
		model_error(m, model_pos(table, "embed"),
			    "%s: an ext4 that is only read cannot be embedded", label);
	if (!volume->writable && !model_has(table, "source"))
		model_error(m, table->pos, "%s: source is missing", label);
}

static void build_format(struct model *m, const struct uni_toml_value *table,
			 struct uni_recipe_volume *volume)
{
	static const char *const squashfs_only[] = { "source",	   "compression", "level",
						     "block-size", "mode",	  "embed",
						     "verity",	   "epoch" };
	static const char *const live_only[] = { "key", "least-generation" };
	static const enum uni_recipe_compression compressions[] = { UNI_COMPRESSION_ZSTD,
								    UNI_COMPRESSION_LZ4,
								    UNI_COMPRESSION_GZIP,
								    UNI_COMPRESSION_NONE };
	const struct schema_table *schema = model_schema("volume");
	unsigned format = model_word(table, schema, "format", "squashfs");
	char label[LABEL_MAX];

	label_volume(volume, "", label);
	if (format != 2)
		refuse_keys(m, table, label,
			    format == 1	  ? "tmpfs"
			    : format == 3 ? "ext4"
					  : "squashfs",
			    live_only, UNI_COUNT(live_only));
	if (format == 3) {
		build_ext4(m, table, volume);
		return;
	}
	if (volume->writable)
		model_error(m, model_pos(table, "mode"),
			    "%s: only an ext4 is written to: mode \"rw\"", label);
	if (format == 1) {
		volume->format = UNI_FS_TMPFS;
		volume->verity = false;
		refuse_keys(m, table, label, "tmpfs", squashfs_only, UNI_COUNT(squashfs_only));
		return;
	}
	volume->format = format == 2 ? UNI_FS_LIVE : UNI_FS_SQUASHFS;
	if (format == 2)
		build_live(m, table, volume);
	volume->compression = compressions[model_word(table, schema, "compression", "zstd")];
	/* A format that is wrong in itself leaves open what else is needed. */
	if (!model_has(table, "source") &&
	    (model_get(table, "format") != NULL || !model_has(table, "format"))) {
		model_error(m, table->pos, "%s: source is missing", label);
		model_hint(m, "a squashfs holds the content of a folder, a tar file or a package");
	}
	check_compression(m, table, volume);
}

static void build_volume(struct model *m, const struct uni_toml_value *table,
			 struct uni_recipe_volume *volume)
{
	size_t before = m->context.diags->errors;
	char label[LABEL_MAX];

	volume->pos = table->pos;
	volume->name = model_string(table, "name");
	volume->name_pos = model_pos(table, "name");
	volume->mount = model_string(table, "mount");
	volume->mount_pos = model_pos(table, "mount");
	volume->level = (uint32_t)model_size(table, "level", 0);
	volume->block_size = (uint32_t)model_size(table, "block-size", 131072);
	volume->size = model_size(table, "size", 0);
	volume->size_pos = model_pos(table, "size");
	volume->embed = model_bool(table, "embed", false);
	volume->verity = model_bool(table, "verity", true);
	volume->has_epoch = model_epoch(table, &volume->epoch);
	model_texts(table, "allow-secret", &volume->allow_secret);
	build_modes(table, volume);
	model_input(m, label_volume(volume, "source", label), model_get(table, "source"),
		    INPUT_REGULAR | INPUT_FOLDER, &volume->source);
	build_format(m, table, volume);
	if (volume->mount != NULL && strcmp(volume->mount, "/") == 0) {
		model_error(m, volume->mount_pos, "%s: mount is the root folder",
			    label_volume(volume, "", label));
		model_hint(m, "the root file system is made of [[file]] tables");
	}
	volume->bad = volume->name == NULL || volume->mount == NULL ||
		      m->context.diags->errors != before ||
		      has_bad_key(table, model_schema("volume"));
}

void model_volumes(struct model *m)
{
	const struct uni_toml_value *array = model_get(m->root, "volume");
	struct uni_recipe *recipe = m->recipe;

	if (array == NULL)
		return;
	if (array->list.count > VOLUMES_MAX) {
		model_error(m, array->pos, "there are more than %d volumes", VOLUMES_MAX);
		return;
	}
	recipe->volumes = uni_alloc_array(array->list.count + 1, sizeof(*recipe->volumes));
	for (const struct uni_toml_value *v = array->list.first; v != NULL; v = v->next)
		if ((v->flags & SCHEMA_BAD) == 0)
			build_volume(m, v, &recipe->volumes[recipe->volume_count++]);
	for (size_t i = 0; i < recipe->volume_count; i++)
		if (!recipe->volumes[i].has_epoch)
			recipe->volumes[i].epoch = recipe->image.epoch;
}

static bool is_root(const char *path)
{
	return strcmp(path, "/") == 0;
}

static void check_volume_pair(struct model *m, const struct uni_recipe_volume *first,
			      const struct uni_recipe_volume *second)
{
	char label[LABEL_MAX], other[LABEL_MAX];

	label_volume(second, "", label);
	label_volume(first, "", other);
	if (first->name != NULL && second->name != NULL && strcmp(first->name, second->name) == 0) {
		model_error(m, second->name_pos, "%s is given twice", label);
		model_hint(m, "the first is in line %u", first->name_pos.line);
	}
	if (first->mount == NULL || second->mount == NULL || is_root(first->mount) ||
	    is_root(second->mount))
		return;
	if (strcmp(first->mount, second->mount) == 0)
		model_error(m, second->mount_pos, "%s: mount \"%s\" is that of %s too", label,
			    second->mount, other);
	else if (uni_path_inside(second->mount, first->mount))
		model_error(m, second->mount_pos, "%s: mount \"%s\" is inside of %s at \"%s\"",
			    label, second->mount, other, first->mount);
	else if (uni_path_inside(first->mount, second->mount))
		model_error(m, second->mount_pos, "%s: mount \"%s\" hides %s at \"%s\"", label,
			    second->mount, other, first->mount);
}

static void check_file_and_volume(struct model *m, const struct uni_recipe_file *file,
				  const struct uni_recipe_volume *volume)
{
	char label[LABEL_MAX], other[LABEL_MAX];

	if (file->path == NULL || volume->mount == NULL || is_root(volume->mount) ||
	    is_root(file->path))
		return;
	label_file(file, "", label);
	label_volume(volume, "", other);
	if (uni_path_inside(file->path, volume->mount)) {
		model_error(m, file->pos, "%s is inside of %s at \"%s\"", label, other,
			    volume->mount);
		model_hint(m, "put it into the volume's source");
	} else if (uni_path_inside(volume->mount, file->path)) {
		model_error(m, file->pos, "%s stands where %s needs a folder", label, other);
	}
}

static const struct uni_recipe_file *find_file(const struct uni_recipe *recipe, const char *path,
					       const struct uni_recipe_file *before)
{
	const struct uni_recipe_file *files = recipe->files;
	size_t at, end = (size_t)(before - files);

	UNI_LOWER_BOUND(at, 0, end, files[at].path == NULL || strcmp(files[at].path, path) < 0);
	return at < end && strcmp(files[at].path, path) == 0 ? &files[at] : NULL;
}

/* A file cannot be a folder of another; folders sort before what is in them. */
static void check_file_folders(struct model *m, const struct uni_recipe_file *file)
{
	char *path UNI_AUTO_FREE = uni_strdup(file->path);
	const struct uni_recipe_file *same = find_file(m->recipe, path, file);
	char label[LABEL_MAX];

	label_file(file, "", label);
	if (same != NULL) {
		model_error(m, file->pos, "%s is given twice", label);
		model_hint(m, "the first is in line %u", same->pos.line);
		return;
	}
	for (char *slash = strrchr(path, '/'); slash != NULL && slash != path;
	     slash = strrchr(path, '/')) {
		*slash = '\0';
		if (find_file(m->recipe, path, file) != NULL) {
			model_error(m, file->pos, "%s: \"%s\" is a file, not a folder", label,
				    path);
			return;
		}
	}
}

/* What stands there is looked at when there is content to look at. */
static void check_program(struct model *m)
{
	const struct uni_recipe *recipe = m->recipe;
	const char *path = recipe->app.path;

	for (size_t i = 0; path != NULL && i < recipe->volume_count; i++)
		if (recipe->volumes[i].mount != NULL && recipe->volumes[i].format != UNI_FS_TMPFS &&
		    uni_path_inside(path, recipe->volumes[i].mount))
			return;
	if (path == NULL)
		return;
	model_error(m, recipe->app.path_pos, "[app]: path \"%s\" lies in no volume", path);
	model_hint(m, "a program beside the recipe is `program`");
}

void model_check_mounts(struct model *m)
{
	const struct uni_recipe *recipe = m->recipe;

	for (size_t i = 0; i < recipe->volume_count; i++)
		for (size_t k = 0; k < i; k++)
			check_volume_pair(m, &recipe->volumes[k], &recipe->volumes[i]);
	check_program(m);
	for (size_t i = 0; i < recipe->secret_count; i++)
		check_secret(m, i);
	for (size_t i = 0; i < recipe->file_count; i++) {
		for (size_t k = 0; k < recipe->volume_count; k++)
			check_file_and_volume(m, &recipe->files[i], &recipe->volumes[k]);
		if (recipe->files[i].path != NULL)
			check_file_folders(m, &recipe->files[i]);
	}
}
