/*
 * Preprocessed text of C sources. It is the key of an object, and making it starts the compiler's
 * front end; so the store keeps, by what goes in (source, flags, compiler), which files were read
 * for it and what came out. That holds while these files have their digests and while no file
 * appears in whose place another was found: for every header, by every tail of its path, in every
 * folder that is searched.
 */
#include "internal.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <uni/base/path.h>
#include <uni/base/pool.h>
#include <uni/base/system.h>
#include <uni/link/link.h>
#include <unistd.h>

#define KEEP_MAX (16u << 20) /* bytes of texts kept in memory until they are compiled */
#define ABSENT_MAX 16384     /* places to look at; with more the text is made each time */
#define MARGIN_NS 1000000000 /* a file younger than this may have changed while it was read */

void source_unit_clear(struct source_unit *unit)
{
	free(unit->name);
	free(unit->path);
	uni_buf_free(&unit->kept);
	uni_strv_free(&unit->headers);
	free(unit->header_digests);
}

/* How the compiler is called for a source; the arrays belong to it. */
struct call {
	struct uni_compile unit;
	const char **includes;
	const char **flags;
	struct uni_compile_name *names;
};

static void call_clear(struct call *call)
{
	free(call->includes);
	free(call->flags);
	free(call->names);
}

/* What lies outside of the recipe's folder is called as the recipe calls it. */
static void add_name(struct call *call, const struct uni_recipe_input *input, const char *path)
{
	call->names[call->unit.name_count++] =
		(struct uni_compile_name){ .path = path, .name = input->text };
}

static void call_make(const struct build *b, size_t index, struct call *call)
{
	const struct uni_recipe_app *app = &b->recipe->app;

	*call = (struct call){
		.includes = uni_alloc_array(app->includes.count + 1, sizeof(*call->includes)),
		.flags = uni_alloc_array(app->cflags.count + 1, sizeof(*call->flags)),
		.names = uni_alloc_array(app->includes.count + 1, sizeof(*call->names)),
	};
	for (size_t i = 0; i < app->includes.count; i++) {
		call->includes[i] = app->includes.items[i].path;
		add_name(call, &app->includes.items[i], app->includes.items[i].path);
	}
	for (size_t i = 0; i < app->cflags.count; i++)
		call->flags[i] = app->cflags.items[i].text;
	add_name(call, &app->sources.items[index], b->sources[index].path);
	call->unit.source = b->sources[index].path;
	call->unit.dir = b->recipe->dir;
	call->unit.includes = call->includes;
	call->unit.flags = call->flags;
	call->unit.names = call->names;
	call->unit.epoch = b->recipe->image.epoch;
}

static struct uni_digest direct_key(const struct build *b, size_t index)
{
	const struct uni_recipe_app *app = &b->recipe->app;
	char *path UNI_AUTO_FREE = uni_path_absolute(b->sources[index].path);
	struct uni_hash hash;

	uni_hash_start(&hash);
	uni_hash_add_text(&hash, "uni direct 1");
	uni_hash_add_u64(&hash, UNI_COMPILE_VERSION);
	uni_hash_add_text(&hash, path);
	uni_hash_add(&hash, b->sources[index].source.bytes, 32);
	uni_hash_add_u64(&hash, (uint64_t)b->recipe->image.epoch);
	for (size_t i = 0; i < b->compile_tools.count; i++)
		uni_hash_add(&hash, b->compile_tools.items[i].digest.bytes, 32);
	for (size_t i = 0; i < app->includes.count; i++)
		uni_hash_add_text(&hash, app->includes.items[i].path);
	uni_hash_add_text(&hash, NULL);
	for (size_t i = 0; i < app->cflags.count; i++)
		uni_hash_add_text(&hash, app->cflags.items[i].text);
	return uni_hash_end(&hash);
}

static void add_header(struct build *b, struct source_unit *unit, const char *path,
		       const struct uni_digest *digest)
{
	char *dir UNI_AUTO_FREE = uni_path_absolute(b->recipe->dir);
	char *source UNI_AUTO_FREE = uni_path_absolute(unit->path);

	if (!uni_path_inside(path, dir) || strcmp(path, source) == 0)
		return;
	unit->header_digests =
		uni_realloc_array(unit->header_digests, unit->headers.count + 1, sizeof(*digest));
	unit->header_digests[unit->headers.count] = *digest;
	uni_strv_add(&unit->headers, path + strlen(dir) + (strcmp(dir, "/") != 0));
}

/* --- what was kept --- */

static bool file_holds(struct build *b, struct source_unit *unit, char *line)
{
	struct uni_err ignored = UNI_ERR_INIT;
	struct uni_digest kept, now;

	if (strlen(line) < 66 || line[64] != ' ')
		return false;
	line[64] = '\0';
	if (!uni_digest_parse(line, &kept) || digest_of_file(b, line + 65, &now, &ignored) != 0 ||
	    !uni_digest_eq(&kept, &now))
		return false;
	add_header(b, unit, line + 65, &now);
	return true;
}

static bool line_holds(struct build *b, struct source_unit *unit, char *line)
{
	if (uni_str_starts(line, "text "))
		return uni_digest_parse(line + 5, &unit->text);
	if (uni_str_starts(line, "file "))
		return file_holds(b, unit, line + 5);
	if (uni_str_starts(line, "absent "))
		return faccessat(AT_FDCWD, line + 7, F_OK, AT_SYMLINK_NOFOLLOW) != 0;
	return false;
}

static bool direct_known(struct build *b, size_t index)
{
	struct uni_store_record record UNI_AUTO_STORE_RECORD = UNI_STORE_RECORD_INIT;
	struct uni_digest key = direct_key(b, index);
	struct source_unit *unit = &b->sources[index];
	struct uni_err ignored = UNI_ERR_INIT;
	char *save = NULL;
	bool holds = true;

	if (uni_store_result_get(b->store, &key, &record, &ignored) != 1 || record.meta == NULL)
		return false;
	for (char *l = strtok_r(record.meta, "\n", &save); l != NULL && holds;
	     l = strtok_r(NULL, "\n", &save))
		holds = line_holds(b, unit, l);
	if (!holds)
		uni_strv_free(&unit->headers);
	return holds;
}

/* --- what is to be kept --- */

/* Every place where a tail of `path` would have been found before it. */
static void add_absent(struct uni_strv *absent, const struct uni_strv *folders, const char *path)
{
	for (const char *tail = strrchr(path, '/'); tail != NULL && tail > path;) {
		for (size_t i = 0; i < folders->count; i++) {
			char *place = uni_path_join(folders->items[i], tail + 1);

			if (absent->count > ABSENT_MAX ||
			    faccessat(AT_FDCWD, place, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
				free(place);
			else
				uni_strv_take(absent, place);
		}
		do
			tail--;
		while (tail > path && *tail != '/');
	}
}

/* Folders in which a header may be looked for: those of -I, and those of files that were read. */
static void search_folders(const struct build *b, const struct uni_strv *files,
			   struct uni_strv *folders)
{
	char *dir UNI_AUTO_FREE = uni_path_absolute(b->recipe->dir);

	for (size_t i = 0; i < b->recipe->app.includes.count; i++)
		uni_strv_take(folders, uni_path_absolute(b->recipe->app.includes.items[i].path));
	for (size_t i = 0; i < files->count; i++) {
		char *folder UNI_AUTO_FREE = uni_path_dir(files->items[i]);
		bool ours = i == 0 || uni_path_inside(folder, dir);

		for (size_t j = 0; !ours && j < b->recipe->app.includes.count; j++)
			ours = uni_path_inside(folder, folders->items[j]);
		if (ours && !uni_strv_has(folders, folder))
			uni_strv_add(folders, folder);
	}
}

static void write_absent(const struct build *b, const struct uni_strv *files, struct uni_buf *meta,
			 bool *sure)
{
	struct uni_strv folders UNI_AUTO_STRV = { .items = NULL };
	struct uni_strv absent UNI_AUTO_STRV = { .items = NULL };

	search_folders(b, files, &folders);
	for (size_t i = 1; i < files->count; i++)
		add_absent(&absent, &folders, files->items[i]);
	uni_strv_sort(&absent);
	for (size_t i = 0; i < absent.count; i++)
		if (i == 0 || strcmp(absent.items[i - 1], absent.items[i]) != 0)
			uni_buf_printf(meta, "absent %s\n", absent.items[i]);
	*sure &= absent.count <= ABSENT_MAX;
}

/* Digests of what was read. `*sure` turns false when a file may have moved since `started`. */
static int write_files(struct build *b, struct source_unit *unit, const struct uni_strv *files,
		       int64_t started, struct uni_buf *meta, bool *sure, struct uni_err *err)
{
	for (size_t i = 0; i < files->count; i++) {
		char text[UNI_DIGEST_TEXT];
		struct uni_digest digest;
		struct uni_filestat fs;
		struct stat st;
		int rc = digest_of_file(b, files->items[i], &digest, err);

		if (rc != 0)
			return rc;
		if (i == 0 && !uni_digest_eq(&digest, &unit->source))
			return uni_err_set(err, UNI_E_CHANGED, "%s: changed during the build",
					   unit->name);
		if (stat(files->items[i], &st) != 0)
			return uni_err_errno(err, "%s", files->items[i]);
		fs = uni_filestat_of(&st);
		*sure &= fs.mtime_ns < started - MARGIN_NS && fs.ctime_ns < started - MARGIN_NS &&
			 strchr(files->items[i], '\n') == NULL;
		uni_digest_text(&digest, text);
		uni_buf_printf(meta, "file %s %s\n", text + strlen("sha256:"), files->items[i]);
		add_header(b, unit, files->items[i], &digest);
	}
	return 0;
}

static int direct_keep(struct build *b, size_t index, const struct uni_strv *files, int64_t started,
		       struct uni_err *err)
{
	struct uni_store_record record UNI_AUTO_STORE_RECORD = UNI_STORE_RECORD_INIT;
	struct uni_digest key = direct_key(b, index);
	struct source_unit *unit = &b->sources[index];
	struct uni_buf meta UNI_AUTO_BUF = UNI_BUF_INIT;
	struct uni_err ignored = UNI_ERR_INIT;
	char text[UNI_DIGEST_TEXT];
	bool sure = true;
	int rc;

	uni_digest_text(&unit->text, text);
	uni_buf_printf(&meta, "text %s\n", text);
	rc = write_files(b, unit, files, started, &meta, &sure, err);
	if (rc != 0)
		return rc;
	write_absent(b, files, &meta, &sure);
	if (!sure)
		return 0;
	record.meta = uni_buf_take(&meta);
	/* Not keeping it only costs time. */
	(void)uni_store_result_put(b->store, &key, &record, &ignored);
	return 0;
}

/* --- making the text --- */

struct todo {
	struct build *b;
	size_t *indices;
	size_t count;
	struct uni_strv *files; /* one for each index */
	pthread_mutex_t mutex;
};

static int preprocess(struct build *b, size_t index, struct uni_buf *text, struct uni_strv *files,
		      struct uni_buf *messages, struct uni_err *err)
{
	struct call call;
	int rc;

	call_make(b, index, &call);
	rc = uni_compile_preprocess(&call.unit, text, files, messages, err);
	call_clear(&call);
	return rc;
}

static int preprocess_item(void *user, size_t item, struct uni_err *err)
{
	struct todo *todo = user;
	struct build *b = todo->b;
	struct source_unit *unit = &b->sources[todo->indices[item]];
	struct uni_buf text UNI_AUTO_BUF = UNI_BUF_INIT;
	int rc = preprocess(b, todo->indices[item], &text, &todo->files[item], NULL, err);

	if (rc != 0)
		return rc;
	unit->text = uni_digest_of(text.data, text.size);
	pthread_mutex_lock(&todo->mutex);
	if (b->kept_bytes + text.size <= KEEP_MAX) {
		b->kept_bytes += text.size;
		unit->kept = text;
		text = (struct uni_buf)UNI_BUF_INIT;
	}
	pthread_mutex_unlock(&todo->mutex);
	return 0;
}

static int preprocess_all(struct todo *todo, struct uni_err *err)
{
	int64_t started = uni_clock_now_ns();
	int rc = uni_pool_run(todo->count, 0, preprocess_item, todo, err);

	for (size_t i = 0; rc == 0 && i < todo->count; i++)
		rc = direct_keep(todo->b, todo->indices[i], &todo->files[i], started, err);
	return rc;
}

static int resolve_unit(struct build *b, size_t index, struct uni_err *err)
{
	const struct uni_recipe_input *input = &b->recipe->app.sources.items[index];
	struct source_unit *unit = &b->sources[index];
	struct item item = { .name = NULL };
	int rc;

	if (input->kind != UNI_INPUT_PACKAGE) {
		unit->name = uni_strdup(input->text);
		unit->path = uni_strdup(input->path);
		rc = digest_of_file(b, input->path, &unit->source, err);
		return rc != 0 ? uni_recipe_place(b->recipe, input->pos, err) : 0;
	}
	rc = package_item(b, input, &item, err);
	if (rc == 0)
		rc = item_path(b, &item, &unit->path, err);
	unit->name = uni_strdup(input->text);
	unit->source = item.digest;
	item_clear(&item);
	return rc;
}

int sources_resolve(struct build *b, struct uni_err *err)
{
	struct todo todo = { .b = b };
	int rc = 0;

	b->source_count = b->recipe->app.sources.count;
	if (b->source_count == 0)
		return 0;
	b->sources = uni_alloc_array(b->source_count, sizeof(*b->sources));
	todo.indices = uni_alloc_array(b->source_count, sizeof(*todo.indices));
	todo.files = uni_alloc_array(b->source_count, sizeof(*todo.files));
	pthread_mutex_init(&todo.mutex, NULL);
	for (size_t i = 0; rc == 0 && i < b->source_count; i++) {
		rc = resolve_unit(b, i, err);
		if (rc == 0 && !direct_known(b, i))
			todo.indices[todo.count++] = i;
	}
	if (rc == 0 && todo.count != 0)
		rc = preprocess_all(&todo, err);
	for (size_t i = 0; i < todo.count; i++)
		uni_strv_free(&todo.files[i]);
	pthread_mutex_destroy(&todo.mutex);
	free(todo.files);
	free(todo.indices);
	return rc;
}

int source_text(struct build *b, size_t index, struct uni_buf *text, struct uni_buf *messages,
		struct uni_err *err)
{
	struct source_unit *unit = &b->sources[index];
	struct uni_strv files UNI_AUTO_STRV = { .items = NULL };
	struct uni_digest digest;
	int rc;

	if (unit->kept.size != 0) {
		*text = unit->kept;
		unit->kept = (struct uni_buf)UNI_BUF_INIT;
		return 0;
	}
	rc = preprocess(b, index, text, &files, messages, err);
	if (rc != 0)
		return rc;
	digest = uni_digest_of(text->data, text->size);
	if (!uni_digest_eq(&digest, &unit->text))
		return uni_err_set(err, UNI_E_CHANGED,
				   "%s: it, or a header of it, changed during "
				   "the build",
				   unit->name);
	return 0;
}

int source_compile(struct build *b, size_t index, const struct uni_buf *text, const char *path,
		   struct uni_buf *messages, struct uni_err *err)
{
	struct call call;
	int rc;

	call_make(b, index, &call);
	rc = uni_compile_object(&call.unit, text, path, messages, err);
	call_clear(&call);
	return rc;
}
