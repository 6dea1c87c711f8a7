/*
 * From the store to the output folder. What stands there already and is the same stays untouched:
 * the store remembers, for each output, how its file looked when it was written. What stands there,
 * is another, and was not written by a build is kept, and that is an error.
 */
#include "internal.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <uni/base/file.h>
#include <uni/base/json.h>
#include <uni/base/mapdigest.h>
#include <uni/base/path.h>
#include <uni/base/pool.h>
#include <uni/bundle/form.h>
#include <uni/fs/live.h>
#include <unistd.h>

#define MANIFEST_SUFFIX ".manifest.json"
#define MANIFEST_MAX (64u << 20)
#define LARGE (4u << 20)

enum { LOOK_WORDS = 6 }; /* in front of the name */

static struct uni_digest outputs_key(const char *dir, const char *name)
{
	char *full UNI_AUTO_FREE = uni_path_absolute(dir);
	struct uni_hash hash;

	uni_hash_start(&hash);
	uni_hash_add_text(&hash, "uni outputs 1");
	uni_hash_add_text(&hash, full);
	uni_hash_add_text(&hash, name);
	return uni_hash_end(&hash);
}

/* "DIGEST STAT NAME": how an output looks. */
static bool look_of(const char *path, const char *name, const struct uni_digest *digest,
		    struct uni_buf *out)
{
	char text[UNI_DIGEST_TEXT];
	struct uni_filestat fs;
	struct stat st;

	if (lstat(path, &st) != 0 || !S_ISREG(st.st_mode))
		return false;
	fs = uni_filestat_of(&st);
	uni_digest_text(digest, text);
	uni_buf_printf(out, "%s %" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRId64 " %" PRId64 " %s\n",
		       text, fs.dev, fs.ino, fs.size, fs.mtime_ns, fs.ctime_ns, name);
	return true;
}

/* Whether the file at `path` is the same already: as remembered, else by its content. */
static bool same(const char *path, const char *name, const struct uni_store_entry *blob,
		 const char *remembered)
{
	struct uni_buf look UNI_AUTO_BUF = UNI_BUF_INIT;
	struct uni_err ignored = UNI_ERR_INIT;
	struct uni_digest digest;
	uint64_t size;
	struct stat st;
	bool mapped;

	if (!look_of(path, name, &blob->digest, &look))
		return false;
	if (remembered != NULL && strstr(remembered, look.data) != NULL)
		return true;
	return stat(path, &st) == 0 && (uint64_t)st.st_size == blob->size &&
	       uni_content_digest_file(path, &size, &digest, &mapped, &ignored) == 0 &&
	       uni_digest_eq(&digest, &blob->digest);
}

struct handing {
	struct build *b;
	const char *dir;
	const char *remembered;
	struct uni_json *manifest; /* that stands in the folder, or NULL */
	struct uni_buf looks;
	struct uni_build_result *result;
	struct uni_store_entry **blobs; /* of the result's artifacts */
};

/* --- whose the file is that stands there --- */

/* As it looked when we wrote it, whatever its content was. */
static bool remembered_as_ours(const struct handing *h, const char *path, const char *name)
{
	const struct uni_digest none = { .bytes = { 0 } };
	struct uni_buf look UNI_AUTO_BUF = UNI_BUF_INIT;

	return h->remembered != NULL && look_of(path, name, &none, &look) &&
	       strstr(h->remembered, strchr(look.data, ' ')) != NULL;
}

/* In the manifest beside it. */
static bool listed_as_ours(const struct handing *h, const char *path, const char *name)
{
	const struct uni_json *list = uni_json_get(h->manifest, "artifacts");
	struct uni_err ignored = UNI_ERR_INIT;
	struct uni_digest digest, listed;
	uint64_t size;
	bool mapped;

	for (size_t i = 0; i < uni_json_count(list); i++) {
		const struct uni_json *artifact = uni_json_item(list, i);
		const char *text = uni_json_text(uni_json_get(artifact, "digest"));
		const char *listed_name = uni_json_text(uni_json_get(artifact, "name"));

		if (listed_name != NULL && uni_str_eq(listed_name, name))
			return text != NULL && uni_content_digest_parse(text, &listed, &mapped) &&
			       uni_content_digest_file(path, &size, &digest, &mapped, &ignored) ==
				       0 &&
			       uni_digest_eq(&digest, &listed);
	}
	return false;
}

/* A form's own folder gives way as a whole; no other folder gives way to anything. */
static int may_replace_folder(const struct handing *h, const char *path, const char *format,
			      struct uni_err *err)
{
	const char *slash = strchr(path + strlen(h->dir) + 1, '/');
	char *top UNI_AUTO_FREE =
		slash != NULL ? uni_strndup(path, (size_t)(slash - path)) : uni_strdup(path);

	return uni_form_may_replace(slash != NULL ? uni_form_find(format) : NULL, top, err);
}

/* Nobody's work: what a file may be whose name the disk had, and not yet its content. */
static bool lost_with_power(const struct stat *st)
{
	return S_ISREG(st->st_mode) && st->st_size == 0;
}

static int may_replace(const struct handing *h, const char *path, const char *name,
		       struct uni_err *err)
{
	struct stat st;

	if (h->b->options->force || lstat(path, &st) != 0 || lost_with_power(&st) ||
	    remembered_as_ours(h, path, name) || listed_as_ours(h, path, name))
		return 0;
	if (h->manifest != NULL && uni_str_ends(name, MANIFEST_SUFFIX))
		return 0;
	return uni_output_check(path, false, err);
}

static void read_manifest(struct handing *h)
{
	char *name UNI_AUTO_FREE = uni_asprintf("%s" MANIFEST_SUFFIX, h->b->recipe->image.name);
	char *path UNI_AUTO_FREE = uni_path_join(h->dir, name);
	struct uni_buf text UNI_AUTO_BUF = UNI_BUF_INIT;
	struct uni_err ignored = UNI_ERR_INIT;

	if (!uni_file_exists(path) || uni_file_read(path, MANIFEST_MAX, &text, &ignored) != 0 ||
	    uni_json_parse(&h->manifest, path, uni_buf_text(&text), text.size, &ignored) != 0)
		return;
	if (uni_json_text(uni_json_get(h->manifest, "uni")) == NULL) {
		uni_json_free(h->manifest);
		h->manifest = NULL;
	}
}

/* --- handing out --- */

/*
 * A build makes the first content of a live volume. One of the same identity that stands there has
 * content of its own by now, and maybe machines that serve from it: it is left alone.
 */
static bool has_moved_on(const struct build *b, const char *path, const char *suffix)
{
	char *name UNI_AUTO_FREE = uni_strndup(suffix, strlen(suffix) - strlen(".vol"));
	const struct uni_uuid uuid = uni_live_uuid(b->recipe->image.name, name);
	struct uni_live *live UNI_AUTO(uni_live) = NULL;
	struct uni_err ignored = UNI_ERR_INIT;

	return uni_live_open(&live, path, false, &ignored) == 0 &&
	       memcmp(uni_live_current(live)->uuid, uuid.bytes, sizeof(uuid.bytes)) == 0;
}

static int add_artifact(struct handing *h, struct uni_store_entry *blob, const char *format,
			const char *suffix, struct uni_err *err)
{
	char *name UNI_AUTO_FREE = uni_asprintf("%s.%s", h->b->recipe->image.name, suffix);
	struct uni_build_artifact *artifact = &h->result->artifacts[h->result->count];

	h->blobs[h->result->count++] = blob;

	*artifact = (struct uni_build_artifact){
		.path = uni_path_join(h->dir, name),
		.format = uni_strdup(format),
		.size = blob->size,
		.digest = blob->digest,
		.mapped = blob->mapped,
	};
	if (uni_str_eq(format, "volume") && has_moved_on(h->b, artifact->path, suffix))
		return 0;
	/* What machines have written to stays: it is theirs. */
	if (uni_str_eq(format, "writable") && uni_file_exists(artifact->path) &&
	    !h->b->options->force)
		return 0;
	if (h->b->options->no_output || same(artifact->path, name, blob, h->remembered))
		return 0;
	artifact->written = true;
	if (may_replace_folder(h, artifact->path, format, err) != 0)
		return err->code;
	return may_replace(h, artifact->path, name, err);
}

/* A volume that is a disk of its own. */
static int each_beside(struct handing *h, const struct uni_recipe_volume *volume,
		       int (*fn)(struct handing *h, struct uni_store_entry *blob,
				 const char *format, const char *suffix, struct uni_err *err),
		       struct uni_err *err)
{
	char *suffix UNI_AUTO_FREE =
		uni_asprintf("%s.%s", volume->name, volume->writable ? "raw" : "vol");
	const char *format = volume->writable ? "writable" : "volume";

	if (!uni_recipe_volume_beside(volume))
		return 0;
	return fn(h, &h->b->runs[volume_step(h->b, volume)].record.entries[0], format, suffix, err);
}

static int each_artifact(struct handing *h,
			 int (*fn)(struct handing *h, struct uni_store_entry *blob,
				   const char *format, const char *suffix, struct uni_err *err),
			 struct uni_err *err)
{
	struct build *b = h->b;
	size_t manifest = (size_t)uni_plan_find(b->plan, "manifest");
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < b->format_count; i++) {
		const struct uni_store_record *record =
			&b->runs[artifact_step(b, b->formats[i])].record;

		for (size_t j = 0; rc == 0 && j < record->count; j++)
			if (!artifact_repeats(b, i, record->entries[j].name))
				rc = fn(h, &record->entries[j], b->formats[i],
					record->entries[j].name, err);
	}
	for (size_t i = 0; rc == 0 && i < b->recipe->volume_count; i++)
		rc = each_beside(h, &b->recipe->volumes[i], fn, err);
	/* Last: a manifest stands for artifacts that are there. */
	if (rc == 0)
		rc = fn(h, &b->runs[manifest].record.entries[0], "manifest", MANIFEST_SUFFIX + 1,
			err);
	return rc;
}

static int count_artifact(struct handing *h, struct uni_store_entry *blob, const char *format,
			  const char *suffix, struct uni_err *err)
{
	(void)blob, (void)format, (void)suffix, (void)err;
	h->result->count++;
	return 0;
}

/* Files under their temporary names, to be filled side by side and flushed together. */
struct pending {
	struct handing *h;
	struct uni_outfile **files;
	size_t *artifacts; /* which each of them is */
	size_t count;
};

static void pending_start(struct pending *pending, struct handing *h, size_t most)
{
	*pending = (struct pending){
		.h = h,
		.files = uni_alloc_array(most, sizeof(*pending->files)),
		.artifacts = uni_alloc_array(most, sizeof(*pending->artifacts)),
	};
}

static void pending_free(struct pending *pending)
{
	for (size_t i = 0; i < pending->count; i++)
		uni_outfile_free(pending->files[i]);
	free(pending->files);
	free(pending->artifacts);
}

static int pending_add(struct pending *pending, size_t artifact, const char *path,
		       struct uni_err *err)
{
	int rc = uni_outfile_open(&pending->files[pending->count], path, 0644, err);

	if (rc == 0)
		pending->artifacts[pending->count++] = artifact;
	return rc;
}

static int fill_one(void *user, size_t index, struct uni_err *err)
{
	struct pending *pending = user;
	struct handing *h = pending->h;
	size_t artifact = pending->artifacts[index];
	int rc = uni_store_blob_copy(h->b->store, h->blobs[artifact], pending->files[index], err);

	return rc != 0 ? uni_err_context(err, "%s", h->result->artifacts[artifact].path) : 0;
}

/* Threads for those whose copies take longer than a thread does to start; 0: as many as may be. */
static unsigned pending_threads(const struct pending *pending)
{
	size_t large = 0;

	for (size_t i = 0; i < pending->count; i++)
		large += pending->h->blobs[pending->artifacts[i]]->size >= LARGE;
	return large > 1 ? 0 : 1;
}

static int pending_commit(struct pending *pending, struct uni_err *err)
{
	int rc = uni_pool_run(pending->count, pending_threads(pending), fill_one, pending, err);

	return rc != 0 ? rc
		       : uni_outfile_commit_all(pending->files, pending->count,
						pending->h->b->options->sync, err);
}

/* Of artifacts from `first` on, how many lie in the same folder of their own; 0: it is a file. */
static size_t folder_size(const struct handing *h, size_t first, char **folder)
{
	const char *path = h->result->artifacts[first].path;
	const char *slash = strchr(path + strlen(h->dir) + 1, '/');
	size_t count = 0;

	*folder = NULL;
	if (slash == NULL)
		return 0;
	*folder = uni_strndup(path, (size_t)(slash - path));
	while (first + count < h->result->count &&
	       uni_path_inside(h->result->artifacts[first + count].path, *folder))
		count++;
	return count;
}

static int fill_folder(struct handing *h, size_t first, size_t count, const char *folder,
		       const char *made, struct uni_err *err)
{
	struct pending pending;
	bool sync = h->b->options->sync;
	int rc = 0;

	pending_start(&pending, h, count);
	for (size_t i = first; rc == 0 && i < first + count; i++) {
		const struct uni_build_artifact *artifact = &h->result->artifacts[i];
		char *path UNI_AUTO_FREE = uni_path_join(made, artifact->path + strlen(folder) + 1);
		char *parent UNI_AUTO_FREE = uni_path_dir(path);

		rc = uni_dir_make(parent, 0755, err);
		if (rc == 0)
			rc = pending_add(&pending, i, path, err);
	}
	if (rc == 0)
		rc = pending_commit(&pending, err);
	pending_free(&pending);
	if (rc == 0 && sync)
		rc = uni_dir_sync(made, err);
	if (rc == 0 && chmod(made, 0755) != 0)
		rc = uni_err_errno(err, "%s", made);
	return rc;
}

static int write_folder(struct handing *h, size_t first, size_t count, const char *folder,
			struct uni_err *err)
{
	struct uni_err ignored = UNI_ERR_INIT;
	char *made UNI_AUTO_FREE = NULL;
	bool written = false;
	int rc;

	for (size_t i = first; i < first + count; i++)
		written |= h->result->artifacts[i].written;
	if (!written)
		return 0;
	rc = uni_dir_tmp(h->dir, &made, err);
	if (rc != 0)
		return rc;
	rc = fill_folder(h, first, count, folder, made, err);
	if (rc == 0)
		rc = uni_dir_put(made, folder, err);
	else
		(void)uni_dir_remove(made, &ignored);
	uni_tmp_forget(made);
	return rc == 0 && h->b->options->sync ? uni_dir_sync(h->dir, err) : rc;
}

static int write_files(struct handing *h, struct pending *pending, struct uni_err *err)
{
	const struct uni_build_result *result = h->result;
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < result->count;) {
		char *folder UNI_AUTO_FREE = NULL;
		size_t count = folder_size(h, i, &folder);

		if (count != 0)
			rc = write_folder(h, i, count, folder, err);
		else if (result->artifacts[i].written)
			rc = pending_add(pending, i, result->artifacts[i].path, err);
		i += count != 0 ? count : 1;
	}
	return rc == 0 ? pending_commit(pending, err) : rc;
}

/* What an earlier build wrote, and maybe did not wait for. */
static int flush_kept(const struct handing *h, struct uni_err *err)
{
	const struct uni_build_result *result = h->result;
	bool kept = false;

	for (size_t i = 0; i < result->count; i++) {
		const char *path = result->artifacts[i].path;
		int fd UNI_AUTO_CLOSE = -1;

		if (result->artifacts[i].written)
			continue;
		fd = open(path, O_RDONLY | O_CLOEXEC);
		if (fd < 0 || fsync(fd) != 0)
			return uni_err_errno(err, "cannot write %s", path);
		kept = true;
	}
	return kept ? uni_dir_sync(h->dir, err) : 0;
}

static int write_all(struct handing *h, struct uni_err *err)
{
	const struct uni_build_result *result = h->result;
	struct pending pending;
	size_t skip = strlen(h->dir) + 1;
	int rc;

	pending_start(&pending, h, result->count);
	rc = write_files(h, &pending, err);
	pending_free(&pending);
	if (rc == 0 && h->b->options->sync)
		rc = flush_kept(h, err);
	/* A volume that was kept may hold anything by now. */
	for (size_t i = 0; rc == 0 && i < result->count; i++)
		if (result->artifacts[i].written ||
		    !uni_str_eq(result->artifacts[i].format, "writable"))
			(void)look_of(result->artifacts[i].path, result->artifacts[i].path + skip,
				      &result->artifacts[i].digest, &h->looks);
	return rc;
}

/* What was written by builds before, and not by this one, stays known. */
static void keep_looks(struct handing *h)
{
	char *text UNI_AUTO_FREE = uni_strdup(h->remembered != NULL ? h->remembered : "");
	char *save = NULL;

	for (char *l = strtok_r(text, "\n", &save); l != NULL; l = strtok_r(NULL, "\n", &save)) {
		char *ending UNI_AUTO_FREE = NULL;
		char *path UNI_AUTO_FREE = NULL;
		const char *name = l;

		for (int i = 0; i < LOOK_WORDS && name != NULL; i++) {
			name = strchr(name, ' ');
			name = name != NULL ? name + 1 : NULL;
		}
		if (name == NULL)
			continue;
		ending = uni_asprintf(" %s\n", name);
		path = uni_path_join(h->dir, name);
		if (strstr(uni_buf_text(&h->looks), ending) == NULL && uni_file_exists(path))
			uni_buf_printf(&h->looks, "%s\n", l);
	}
}

static void remember(struct build *b, const struct uni_digest *key, struct uni_buf *looks)
{
	struct uni_store_record record UNI_AUTO_STORE_RECORD = UNI_STORE_RECORD_INIT;
	struct uni_err ignored = UNI_ERR_INIT;

	record.meta = uni_buf_take(looks);
	(void)uni_store_result_put(b->store, key, &record, &ignored);
}

static int hand_out(struct handing *h, const struct uni_digest *key, struct uni_err *err)
{
	bool output = !h->b->options->no_output;
	int rc = each_artifact(h, count_artifact, err);

	h->result->artifacts = uni_alloc_array(h->result->count, sizeof(*h->result->artifacts));
	h->blobs = uni_alloc_array(h->result->count, sizeof(struct uni_store_entry *));
	h->result->count = 0;
	if (output)
		read_manifest(h);
	if (rc == 0)
		rc = each_artifact(h, add_artifact, err);
	if (rc == 0 && output)
		rc = write_all(h, err);
	if (rc != 0 || !output)
		return rc;
	keep_looks(h);
	if (h->remembered == NULL || strcmp(h->remembered, uni_buf_text(&h->looks)) != 0)
		remember(h->b, key, &h->looks);
	return 0;
}

int build_hand_out(struct build *b, const char *out_dir, struct uni_build_result *result,
		   struct uni_err *err)
{
	struct uni_store_record before UNI_AUTO_STORE_RECORD = UNI_STORE_RECORD_INIT;
	struct uni_digest key = outputs_key(out_dir, b->recipe->image.name);
	struct handing h = { .b = b, .dir = out_dir, .result = result };
	bool made = !b->options->no_output && !uni_file_exists(out_dir);
	int rc = b->options->no_output ? 0 : uni_dir_make(out_dir, 0755, err);

	if (rc == 0)
		rc = uni_store_result_get(b->store, &key, &before, err);
	if (rc < 0)
		return uni_err_context(err, "output folder");
	h.remembered = before.meta;
	rc = hand_out(&h, &key, err);
	uni_buf_free(&h.looks);
	uni_json_free(h.manifest);
	free(h.blobs);
	/* Nothing is left behind, unless something stands in it. */
	if (rc != 0 && made)
		(void)rmdir(out_dir);
	return rc != 0 ? uni_err_context(err, "write the artifacts") : 0;
}

static struct uni_digest manifest_key(const struct uni_digest *manifest)
{
	struct uni_hash hash;

	uni_hash_start(&hash);
	uni_hash_add_text(&hash, "uni manifest's recipe 1");
	uni_hash_add(&hash, manifest->bytes, sizeof(manifest->bytes));
	return uni_hash_end(&hash);
}

int manifest_remember(struct build *b, const struct uni_digest *manifest, struct uni_err *err)
{
	struct uni_store_record record UNI_AUTO_STORE_RECORD = UNI_STORE_RECORD_INIT;
	struct uni_store_record before UNI_AUTO_STORE_RECORD = UNI_STORE_RECORD_INIT;
	struct uni_digest key = manifest_key(manifest);
	int rc = uni_store_result_get(b->store, &key, &before, err);

	record.meta = uni_path_absolute(b->recipe->path);
	if (rc < 0 || (rc == 1 && uni_str_eq(before.meta, record.meta)))
		return rc < 0 ? rc : 0;
	return uni_store_result_put(b->store, &key, &record, err);
}

int manifest_recall(struct uni_store *store, const struct uni_digest *manifest, char **recipe,
		    struct uni_err *err)
{
	struct uni_store_record record UNI_AUTO_STORE_RECORD = UNI_STORE_RECORD_INIT;
	struct uni_digest key = manifest_key(manifest);
	int rc = uni_store_result_get(store, &key, &record, err);

	*recipe = NULL;
	if (rc < 0)
		return rc;
	if (rc == 0 || record.meta == NULL) {
		uni_err_set(err, UNI_E_NOENT, "the store does not know where it was built");
		return uni_err_hint(err, "--recipe FILE names its recipe");
	}
	*recipe = record.meta;
	record.meta = NULL;
	return 0;
}
