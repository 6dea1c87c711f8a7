/*
 * The build from end to end.
 */
#include "internal.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <uni/base/file.h>
#include <uni/base/path.h>
#include <uni/base/system.h>
#include <uni/bundle/machine.h>
#include <unistd.h>

void uni_build_result_free(struct uni_build_result *result)
{
	for (size_t i = 0; i < result->count; i++) {
		free(result->artifacts[i].path);
		free(result->artifacts[i].format);
	}
	free(result->artifacts);
	free(result->name);
	free(result->log);
	*result = (struct uni_build_result)UNI_BUILD_RESULT_INIT;
}

/* Before anything is done for it. */
static int check_format(const char *name, struct uni_err *err)
{
	struct uni_strv known UNI_AUTO_STRV = { .items = NULL };
	struct uni_buf all UNI_AUTO_BUF = UNI_BUF_INIT;
	const char *near;

	uni_strv_add(&known, "elf");
	for (size_t i = 0; uni_disk_formats[i] != NULL; i++)
		uni_strv_add(&known, uni_disk_formats[i]->name);
	for (size_t i = 0; uni_forms[i] != NULL; i++)
		uni_strv_add(&known, uni_forms[i]->name);
	for (size_t i = 0; uni_machine_formats[i] != NULL; i++)
		uni_strv_add(&known, uni_machine_formats[i]->name);
	if (uni_strv_has(&known, name))
		return 0;
	near = uni_str_nearest(name, (const char *const *)known.items, known.count);
	uni_err_set(err, UNI_E_USAGE, "there is no output format %s", name);
	if (near != NULL)
		return uni_err_hint(err, "did you mean \"%s\"?", near);
	for (size_t i = 0; i < known.count; i++)
		uni_buf_printf(&all, "%s%s", i != 0 ? ", " : "", known.items[i]);
	return uni_err_hint(err, "known here: %s", all.data);
}

static int choose_formats(struct build *b, struct uni_err *err)
{
	const struct uni_build_options *options = b->options;
	bool given = options->formats != NULL;
	size_t count = given ? options->format_count : b->recipe->output_count;

	b->formats = uni_alloc_array(count + 1, sizeof(*b->formats));
	for (size_t i = 0; i < count; i++) {
		const char *format = given ? options->formats[i] : b->recipe->outputs[i].format;

		if (!given && !b->recipe->outputs[i].asked)
			continue;
		for (size_t j = 0; j < b->format_count; j++)
			if (strcmp(b->formats[j], format) == 0)
				return uni_err_set(err, UNI_E_USAGE, "format %s is there twice",
						   format);
		if (check_format(format, err) != 0)
			return err->code;
		b->formats[b->format_count++] = format;
	}
	return 0;
}

/* What is known of a recipe's files, in a file of its own: a big tree of one costs the others
 * nothing. */
static void open_stats(struct build *b)
{
	char *recipe UNI_AUTO_FREE = uni_path_absolute(b->recipe->path);
	struct uni_digest digest = uni_digest_of(recipe, strlen(recipe));
	char *dir UNI_AUTO_FREE = uni_store_folder(b->store, "stat");
	char hex[33];
	char *path UNI_AUTO_FREE = NULL;

	uni_hex(digest.bytes, 16, hex);
	path = uni_path_join(dir, hex);
	b->stats = uni_statcache_new(path);
	b->files = uni_statcache_scope(b->stats, "files");
}

/* What follows from a recipe that is loaded. */
static int open_rest(struct build *b, struct uni_err *err)
{
	int rc = choose_formats(b, err);

	if (rc == 0)
		rc = uni_store_open(&b->store, b->options->store, b->events, err);
	if (rc == 0)
		open_stats(b);
	return rc;
}

static int load(struct build *b, const struct uni_build_options *options, bool partial,
		const struct uni_events *events, struct uni_diags *diags, struct uni_err *err)
{
	struct uni_recipe_options how = { .variant = options->variant,
					  .allow_outside = options->allow_outside,
					  .partial = partial };

	*b = (struct build){ .options = options, .events = events, .diags = diags };
	pthread_mutex_init(&b->base.mutex, NULL);
	return uni_recipe_load(&b->recipe, options->recipe, &how, diags, err);
}

int build_open(struct build *b, const struct uni_build_options *options,
	       const struct uni_events *events, struct uni_diags *diags, struct uni_err *err)
{
	int rc = load(b, options, false, events, diags, err);

	if (rc == 0)
		rc = uni_recipe_normal(b->recipe, &b->normal, err);
	return rc == 0 ? open_rest(b, err) : rc;
}

void build_epoch_set(struct build *b, int64_t epoch)
{
	b->outer_epoch = true;
	b->recipe->image.epoch = epoch;
	for (size_t i = 0; i < b->recipe->volume_count; i++)
		b->recipe->volumes[i].epoch = epoch;
}

int build_epoch_env(struct build *b, struct uni_err *err)
{
	const char *text = uni_env("SOURCE_DATE_EPOCH");
	uint64_t epoch;

	if (text == NULL)
		return 0;
	if (!uni_str_u64(text, &epoch) || epoch > UINT32_MAX)
		return uni_err_set(err, UNI_E_INVAL,
				   "SOURCE_DATE_EPOCH=%s: not seconds since 1970 as a file's time "
				   "can be",
				   text);
	build_epoch_set(b, (int64_t)epoch);
	return 0;
}

static void clear_inputs(struct build *b)
{
	base_clear(&b->base);
	for (size_t i = 0; i < b->source_count && b->sources != NULL; i++)
		source_unit_clear(&b->sources[i]);
	free(b->sources);
	items_clear(&b->objects);
	items_clear(&b->libraries);
	item_clear(&b->program);
	item_clear(&b->ca);
	item_clear(&b->boot_key);
	item_clear(&b->boot_certificate);
	for (size_t i = 0; b->files_in != NULL && i < b->recipe->file_count; i++)
		item_clear(&b->files_in[i]);
	free(b->files_in);
	for (size_t i = 0; b->volumes != NULL && i < b->recipe->volume_count; i++)
		volume_clear(&b->volumes[i]);
	free(b->volumes);
	tool_set_clear(&b->compile_tools);
	tool_set_clear(&b->link_tools);
	tool_set_clear(&b->box_tools);
	tool_set_clear(&b->deflate_tools);
	tool_set_clear(&b->zstd_tools);
}

void build_close(struct build *b)
{
	struct uni_err ignored = UNI_ERR_INIT;

	clear_inputs(b);
	for (size_t i = 0; b->runs != NULL && i < uni_plan_count(b->plan); i++)
		uni_store_record_free(&b->runs[i].record);
	free(b->runs);
	shared_free(b->shared);
	uni_plan_free(b->plan);
	/* Without it the next build hashes again, and no more. */
	if (b->stats != NULL)
		(void)uni_statcache_save(b->stats, &ignored);
	uni_statcache_free(b->stats);
	uni_indexes_free(b->indexes);
	uni_pins_free(&b->locked);
	uni_pins_free(&b->pins);
	uni_lock_free(b->images);
	uni_lock_free(b->next_lock);
	uni_store_free(b->store);
	free(b->formats);
	free(b->told);
	uni_buf_free(&b->normal);
	uni_recipe_free(b->recipe);
	free(b->log);
	pthread_mutex_destroy(&b->base.mutex);
}

int build_prepare(struct build *b, bool hash_all, struct uni_err *err)
{
	int rc = build_resolve(b, hash_all, err);

	if (rc == 0)
		rc = build_make_plan(b, err);
	if (rc == 0)
		b->runs = uni_alloc_array(uni_plan_count(b->plan) + 1, sizeof(*b->runs));
	return rc;
}

int artifact_step(const struct build *b, const char *format)
{
	const char *kind = uni_machine_find(format) != NULL ? "machine" : "disk";
	/* The bootable ELF is handed out as it is for the place that most forms share. */
	char *id UNI_AUTO_FREE = strcmp(format, "elf") == 0 ? uni_strdup("kernel")
							    : uni_asprintf("%s:%s", kind, format);

	return uni_plan_find(b->plan, id);
}

int volume_step(const struct build *b, const struct uni_recipe_volume *volume)
{
	char *id UNI_AUTO_FREE = uni_asprintf("volume:%s", volume->name);

	return uni_plan_find(b->plan, id);
}

bool artifact_repeats(const struct build *b, size_t format, const char *name)
{
	for (size_t i = 0; i < format; i++)
		if (uni_store_record_find(&b->runs[artifact_step(b, b->formats[i])].record, name) !=
		    NULL)
			return true;
	return false;
}

int build_artifacts(struct build *b, struct uni_err *err)
{
	size_t count = 0;
	int *wanted UNI_AUTO_FREE =
		uni_alloc_array(b->format_count + b->recipe->volume_count + 2, sizeof(*wanted));
	int root = uni_plan_find(b->plan, "root");

	for (size_t i = 0; i < b->format_count; i++)
		wanted[count++] = artifact_step(b, b->formats[i]);
	/* Those that are parts of others too: their results say which secrets they hold. */
	for (size_t i = 0; i < b->recipe->volume_count; i++)
		if (b->recipe->volumes[i].format != UNI_FS_TMPFS)
			wanted[count++] = volume_step(b, &b->recipe->volumes[i]);
	if (root >= 0)
		wanted[count++] = root;
	wanted[count++] = uni_plan_find(b->plan, "manifest");
	return build_walk(b, wanted, count, err);
}

/* Before anything is built for it. It is made only when there is something to put into it: a build
 * that fails leaves no empty folder. */
static int check_output(const char *dir, struct uni_err *err)
{
	char *at UNI_AUTO_FREE = uni_strdup(dir);
	struct stat st;

	while (stat(at, &st) != 0) {
		char *parent = uni_path_dir(at);

		if (errno != ENOENT || uni_str_eq(parent, at)) {
			free(parent);
			return uni_err_errno(err, "output folder: %s", dir);
		}
		free(at);
		at = parent;
	}
	if (!S_ISDIR(st.st_mode))
		return uni_err_set(err, UNI_E_INVAL, "output folder: %s is not a folder", at);
	if (access(at, W_OK | X_OK) != 0)
		return uni_err_errno(err, "output folder: cannot write to %s", at);
	return 0;
}

static int run(struct build *b, struct uni_build_result *result, struct uni_err *err)
{
	const char *out = b->options->out_dir != NULL ? b->options->out_dir : ".";
	int rc = b->options->no_output ? 0 : check_output(out, err);

	b->writes_lock = true;
	if (rc == 0)
		rc = shared_open(b, err);
	if (rc == 0)
		rc = build_prepare(b, b->options->fresh || b->shared != NULL, err);
	if (rc == 0)
		rc = build_artifacts(b, err);
	if (rc == 0)
		shared_send(b);
	if (rc == 0)
		rc = build_hand_out(b, out, result, err);
	if (rc == 0)
		rc = lock_write(b, err);
	if (rc == 0)
		rc = manifest_remember(b, &result->artifacts[result->count - 1].digest, err);
	if (rc != 0)
		return rc;
	result->name = uni_strdup(b->recipe->image.name);
	result->memory = b->recipe->machine.memory;
	result->processors = b->recipe->machine.processors;
	result->steps = uni_plan_count(b->plan);
	result->ran = b->ran;
	result->cached = result->steps - result->ran;
	result->received = b->received;
	result->sent = b->sent;
	return 0;
}

int uni_build(const struct uni_build_options *options, struct uni_build_result *result,
	      const struct uni_events *events, struct uni_diags *diags, struct uni_err *err)
{
	struct build b;
	int rc = build_open(&b, options, events, diags, err);

	if (rc == 0)
		rc = build_epoch_env(&b, err);
	if (rc == 0)
		rc = run(&b, result, err);
	result->log = b.log;
	b.log = NULL;
	build_close(&b);
	return rc;
}

int uni_build_plan(const struct uni_build_options *options, struct uni_plan **plan,
		   const struct uni_events *events, struct uni_diags *diags, struct uni_err *err)
{
	struct build b;
	int rc = build_open(&b, options, events, diags, err);

	*plan = NULL;
	if (rc == 0)
		rc = build_epoch_env(&b, err);
	if (rc == 0)
		rc = build_prepare(&b, true, err);
	if (rc == 0)
		rc = build_look(&b, err);
	if (rc == 0) {
		free(b.runs);
		b.runs = NULL;
		*plan = b.plan;
		b.plan = NULL;
	}
	build_close(&b);
	return rc;
}

/* Where the recipe itself is wrong: what follows from that is not said as well. */
static void note_told(struct build *b)
{
	b->told = uni_alloc_array(b->diags->count + 1, sizeof(*b->told));
	for (size_t i = 0; i < b->diags->count; i++)
		if (b->diags->items[i].severity == UNI_SEVERITY_ERROR)
			b->told[b->told_count++] = b->diags->items[i].pos;
}

/* A recipe with errors does not keep its inputs from being looked at. */
int uni_build_check(const struct uni_build_options *options, const struct uni_events *events,
		    struct uni_diags *diags, struct uni_err *err)
{
	struct uni_err later = UNI_ERR_INIT;
	struct build b;
	int rc = load(&b, options, true, events, diags, err);

	if (b.recipe != NULL) {
		note_told(&b);
		if (open_rest(&b, &later) == 0)
			(void)recipe_check(&b, &later);
		if (rc == 0 || later.code == UNI_E_CANCELLED) {
			*err = later;
			rc = later.code;
		}
	}
	build_close(&b);
	return rc;
}

int uni_build_update(const struct uni_build_options *options, const struct uni_events *events,
		     struct uni_diags *diags, struct uni_err *err)
{
	struct build b;
	int rc = build_open(&b, options, events, diags, err);

	b.writes_lock = true;
	if (rc == 0)
		rc = lock_resolve(&b, err);
	/* Those of all that is locked, or none: a package does not bring other tools along. */
	if (rc == 0 && options->update_all)
		rc = tools_resolve(&b, err);
	if (rc == 0 && options->update_all)
		rc = lock_tools(&b, err);
	if (rc == 0)
		rc = lock_write(&b, err);
	build_close(&b);
	return rc;
}
