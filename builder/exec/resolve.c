/*
 * Every input of a recipe to a digest, and from there to the plan.
 */
#include "internal.h"

#include <stdio.h>
#include <string.h>
#include <uni/bundle/machine.h>
#include <uni/kernel/kernel.h>
#include <uni/link/link.h>

int digest_of_file(struct build *b, const char *path, struct uni_digest *digest,
		   struct uni_err *err)
{
	return uni_statscope_digest_file(b->files, path, NULL, digest, err);
}

void item_clear(struct item *item)
{
	free(item->name);
	free(item->path);
}

void items_clear(struct items *items)
{
	for (size_t i = 0; i < items->count; i++)
		item_clear(&items->items[i]);
	free(items->items);
}

struct uni_fetch fetch_of(struct build *b)
{
	return (struct uni_fetch){ .store = b->store,
				   .events = b->events,
				   .offline = b->options->offline };
}

int item_blob(struct build *b, struct item *item, struct uni_err *err)
{
	int rc;

	if (item->is_blob)
		return 0;
	if (item->remote != NULL) {
		struct uni_fetch fetch = fetch_of(b);

		rc = uni_fetch_https(&fetch, item->remote->url, &item->digest, &item->blob, err);
		item->is_blob = rc == 0;
		return rc;
	}
	rc = uni_store_put_file(b->store, item->path, &item->blob, err);
	if (rc != 0)
		return rc;
	if (!uni_digest_eq(&item->blob.digest, &item->digest))
		return uni_err_set(err, UNI_E_CHANGED, "%s: changed during the build", item->path);
	item->is_blob = true;
	return 0;
}

int item_path(struct build *b, struct item *item, char **path, struct uni_err *err)
{
	int rc = item_blob(b, item, err);

	return rc != 0 ? rc : uni_store_blob_path(b->store, &item->blob, path, err);
}

static int resolve_file(struct build *b, const struct uni_recipe_input *input, struct item *item,
			struct uni_err *err)
{
	int rc;

	item->name = uni_strdup(input->text);
	item->path = uni_strdup(input->path);
	rc = digest_of_file(b, input->path, &item->digest, err);
	return rc != 0 ? uni_recipe_place(b->recipe, input->pos, err) : 0;
}

static int resolve_git(struct build *b, const struct uni_recipe_input *input, struct item *item,
		       struct uni_err *err)
{
	struct uni_fetch fetch = fetch_of(b);
	struct uni_git_source git = { .url = input->url,
				      .commit = input->commit,
				      .member = input->member,
				      .submodules = input->submodules,
				      .file = !input->folder };
	int rc = uni_fetch_git(&fetch, &git, &item->blob, NULL, err);

	item->name = uni_strdup(input->text);
	item->digest = item->blob.digest;
	item->is_blob = rc == 0;
	return rc != 0 ? uni_recipe_place(b->recipe, input->pos, err) : 0;
}

int item_resolve(struct build *b, const struct uni_recipe_input *input, struct item *item,
		 struct uni_err *err)
{
	if (input->kind == UNI_INPUT_NONE)
		return 0;
	if (input->kind == UNI_INPUT_PACKAGE)
		return package_item(b, input, item, err);
	if (input->kind == UNI_INPUT_GIT)
		return resolve_git(b, input, item, err);
	if (input->kind == UNI_INPUT_IMAGE)
		return image_item(b, input, item, err);
	if (input->kind == UNI_INPUT_HTTPS) {
		item->name = uni_strdup(input->text);
		item->digest = input->digest;
		item->remote = input;
		return 0;
	}
	return resolve_file(b, input, item, err);
}

/* A package without a member stands for all its files of the kind. */
static int resolve_items(struct build *b, const struct uni_recipe_inputs *inputs,
			 const char *suffix, struct items *items, struct uni_err *err)
{
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < inputs->count; i++) {
		const struct uni_recipe_input *input = &inputs->items[i];

		if (input->kind == UNI_INPUT_PACKAGE && input->member == NULL) {
			rc = package_items(b, input, suffix, items, err);
			continue;
		}
		UNI_PUSH_ROOM(items->items, items->count, items->room);
		items->items[items->count] = (struct item){ .name = NULL };
		rc = item_resolve(b, input, &items->items[items->count], err);
		items->items[items->count++].pos = input->pos;
	}
	return rc;
}

/* What is too large is not read first. */
static int resolve_sized(struct build *b, const struct uni_recipe_input *input,
			 int (*check)(const char *path, const char *name, struct uni_err *err),
			 struct item *item, struct uni_err *err)
{
	if (input->kind == UNI_INPUT_FILE && check(input->path, input->text, err) != 0)
		return uni_recipe_place(b->recipe, input->pos, err);
	return item_resolve(b, input, item, err);
}

static int resolve_files(struct build *b, struct uni_err *err)
{
	const struct uni_recipe *recipe = b->recipe;
	int rc = 0;

	b->files_in = uni_alloc_array(recipe->file_count + 1, sizeof(*b->files_in));
	for (size_t i = 0; rc == 0 && i < recipe->file_count; i++) {
		const struct uni_recipe_file *file = &recipe->files[i];

		if (file->source.kind != UNI_INPUT_NONE) {
			rc = resolve_sized(b, &file->source, root_file_check, &b->files_in[i], err);
			continue;
		}
		b->files_in[i].name = uni_strdup("");
		b->files_in[i].digest = file->link != NULL
						? uni_digest_of(file->link, strlen(file->link))
						: uni_digest_of(file->text, file->text_size);
	}
	return rc;
}

static int list_compile(void *user, struct uni_strv *files, struct uni_err *err)
{
	(void)user;
	return uni_compile_tools(files, err);
}

static int list_link(void *user, struct uni_strv *files, struct uni_err *err)
{
	(void)user;
	return uni_link_tools(files, err);
}

static int list_box(void *user, struct uni_strv *files, struct uni_err *err)
{
	(void)user;
	return uni_box_tools(files, err);
}

static int list_codec(void *user, struct uni_strv *files, struct uni_err *err)
{
	return uni_disk_codec_file(user, files, err);
}

/* The set of a form's codec, or NULL. */
static struct tool_set *codec_set(struct build *b, const char *format, char codec[16])
{
	const char *name = uni_plan_codec(b->recipe, format);

	if (name == NULL)
		return NULL;
	(void)snprintf(codec, 16, "%s", name);
	return strcmp(name, "libzstd") == 0 ? &b->zstd_tools : &b->deflate_tools;
}

static int resolve_codecs(struct build *b, struct uni_err *err)
{
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < b->format_count; i++) {
		char codec[16];
		struct tool_set *set = codec_set(b, b->formats[i], codec);
		const struct tool_search search = { codec, NULL, list_codec, codec };

		if (set != NULL && set->count == 0)
			rc = tool_set_resolve(b, &search, set, err);
	}
	return rc;
}

int tools_resolve(struct build *b, struct uni_err *err)
{
	static const char *const compilers[] = { "musl-gcc", "as", NULL };
	static const char *const linkers[] = { "ld", NULL };
	static const struct tool_search compile = { "compile", compilers, list_compile, NULL };
	static const struct tool_search link = { "link", linkers, list_link, NULL };
	static const struct tool_search box = { "box", NULL, list_box, NULL };
	const struct uni_recipe_app *app = &b->recipe->app;
	int rc = 0;

	if (app->sources.count != 0)
		rc = tool_set_resolve(b, &compile, &b->compile_tools, err);
	if (rc == 0 && app->program.kind == UNI_INPUT_NONE && app->path == NULL)
		rc = tool_set_resolve(b, &link, &b->link_tools, err);
	for (size_t i = 0; rc == 0 && i < b->format_count; i++)
		if (strcmp(b->formats[i], "elf") != 0 && uni_machine_find(b->formats[i]) == NULL &&
		    b->box_tools.count == 0)
			rc = tool_set_resolve(b, &box, &b->box_tools, err);
	return rc != 0 ? rc : resolve_codecs(b, err);
}

int build_resolve(struct build *b, bool hash_all, struct uni_err *err)
{
	const struct uni_recipe_app *app = &b->recipe->app;
	int rc = lock_resolve(b, err);

	if (rc == 0)
		rc = base_resolve(b, err);

	/* First what is cheap to find wanting, then what takes time, the longest in front. */
	if (rc == 0)
		rc = resolve_items(b, &app->objects, ".o", &b->objects, err);
	if (rc == 0)
		rc = resolve_items(b, &app->libraries, ".a", &b->libraries, err);
	if (rc == 0)
		rc = item_resolve(b, &app->program, &b->program, err);
	if (rc == 0)
		rc = resolve_sized(b, &b->recipe->ca, ca_size_check, &b->ca, err);
	if (rc == 0)
		rc = item_resolve(b, &b->recipe->boot.key, &b->boot_key, err);
	if (rc == 0)
		rc = item_resolve(b, &b->recipe->boot.certificate, &b->boot_certificate, err);
	if (rc == 0)
		rc = resolve_files(b, err);
	if (rc == 0)
		rc = volumes_resolve(b, hash_all, err);
	if (rc == 0)
		rc = program_libraries_check(b, err);
	if (rc == 0 && working_folder_check(b, err) != 0)
		rc = uni_recipe_place(b->recipe, app->cwd_pos, err);
	if (rc == 0)
		rc = tools_resolve(b, err);
	if (rc == 0)
		rc = sources_resolve(b, err);
	return rc == 0 ? lock_tools(b, err) : rc;
}

static struct uni_plan_source from_item(const struct item *item)
{
	return (struct uni_plan_source){ .name = item->name,
					 .path = item->path,
					 .digest = item->digest };
}

static struct uni_plan_source *from_items(const struct item *items, size_t count)
{
	struct uni_plan_source *list = uni_alloc_array(count + 1, sizeof(*list));

	for (size_t i = 0; i < count; i++)
		list[i] = from_item(&items[i]);
	return list;
}

static struct uni_plan_tools from_tools(const struct tool_set *set)
{
	return (struct uni_plan_tools){ .items = set->items, .count = set->count };
}

int build_make_plan(struct build *b, struct uni_err *err)
{
	struct uni_plan_source program = from_item(&b->program), ca = from_item(&b->ca);
	struct uni_plan_source boot_key = from_item(&b->boot_key);
	struct uni_plan_source boot_certificate = from_item(&b->boot_certificate);
	struct uni_plan_source *objects UNI_AUTO_FREE =
		from_items(b->objects.items, b->objects.count);
	struct uni_plan_source *libraries UNI_AUTO_FREE =
		from_items(b->libraries.items, b->libraries.count);
	struct uni_plan_source *files UNI_AUTO_FREE =
		from_items(b->files_in, b->recipe->file_count);
	struct uni_plan_source *sources UNI_AUTO_FREE =
		uni_alloc_array(b->source_count + 1, sizeof(*sources));
	struct uni_plan_source *volumes UNI_AUTO_FREE =
		uni_alloc_array(b->recipe->volume_count + 1, sizeof(*volumes));
	size_t mentioned_count;
	struct uni_plan_source *mentioned UNI_AUTO_FREE = manifest_sources(b, &mentioned_count);
	struct uni_plan_tools *format_tools UNI_AUTO_FREE =
		uni_alloc_array(b->format_count + 1, sizeof(*format_tools));
	struct uni_plan_inputs in = {
		.format_tools = format_tools,
		.recipe = b->recipe,
		.recipe_digest = uni_digest_of(b->normal.data, b->normal.size),
		.formats = b->formats,
		.format_count = b->format_count,
		.base = { .name = b->base.name, .digest = b->base.digest },
		.sources = sources,
		.objects = objects,
		.object_count = b->objects.count,
		.libraries = libraries,
		.library_count = b->libraries.count,
		.program = b->program.name != NULL ? &program : NULL,
		.ca = b->ca.name != NULL ? &ca : NULL,
		.boot_key = b->boot_key.name != NULL ? &boot_key : NULL,
		.boot_certificate = b->boot_certificate.name != NULL ? &boot_certificate : NULL,
		.files = files,
		.volumes = volumes,
		.compile_tools = from_tools(&b->compile_tools),
		.link_tools = from_tools(&b->link_tools),
		.box_tools = from_tools(&b->box_tools),
		.outer_epoch = b->outer_epoch,
		.mentioned = mentioned,
		.mentioned_count = mentioned_count,
	};

	const struct uni_base *base;
	int rc = base_open(b, &base, err);

	if (rc != 0)
		return rc;
	in.base_words = base;
	for (size_t i = 0; i < b->source_count; i++)
		sources[i] = (struct uni_plan_source){
			.name = b->sources[i].name,
			.path = b->sources[i].path,
			.digest = b->sources[i].text,
		};
	for (size_t i = 0; i < b->recipe->volume_count; i++)
		volumes[i] = (struct uni_plan_source){
			.name = b->volumes[i].name,
			.digest = b->volumes[i].digest,
			.cold = b->volumes[i].cold,
		};
	for (size_t i = 0; i < b->format_count; i++) {
		char codec[16];
		const struct tool_set *set = codec_set(b, b->formats[i], codec);

		if (set != NULL)
			format_tools[i] = from_tools(set);
	}
	return uni_plan_make(&b->plan, &in, err);
}
