/*
 * From the store to the output folder. What stands there already and is the same stays untouched:
 * the store remembers, for each output, how its file looked when it was written.
 */
#include "internal.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <uni/base/file.h>
#include <uni/base/path.h>

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

	if (!look_of(path, name, &blob->digest, &look))
		return false;
	if (remembered != NULL && strstr(remembered, look.data) != NULL)
		return true;
	return stat(path, &st) == 0 && (uint64_t)st.st_size == blob->size &&
	       uni_digest_file(path, &size, &digest, &ignored) == 0 &&
	       uni_digest_eq(&digest, &blob->digest);
}

struct handing {
	struct build *b;
	const char *dir;
	const char *remembered;
	struct uni_buf looks;
	struct uni_build_result *result;
};

static int hand_out(struct handing *h, size_t step, const char *format, const char *suffix,
		    struct uni_err *err)
{
	struct uni_store_entry *blob = &h->b->runs[step].record.entries[0];
	char *name UNI_AUTO_FREE = uni_asprintf("%s.%s", h->b->recipe->image.name, suffix);
	struct uni_build_artifact *artifact = &h->result->artifacts[h->result->count];
	int rc = 0;

	*artifact = (struct uni_build_artifact){
		.path = uni_path_join(h->dir, name),
		.format = uni_strdup(format),
		.size = blob->size,
		.digest = blob->digest,
	};
	h->result->count++;
	if (h->b->options->no_output)
		return 0;
	artifact->written = !same(artifact->path, name, blob, h->remembered);
	if (artifact->written)
		rc = uni_store_blob_copy(h->b->store, blob, artifact->path, 0644, err);
	(void)look_of(artifact->path, name, &blob->digest, &h->looks);
	return rc;
}

static int hand_out_all(struct handing *h, struct uni_err *err)
{
	struct build *b = h->b;
	int rc = 0;

	h->result->artifacts = uni_alloc_array(b->format_count + 1, sizeof(*h->result->artifacts));
	for (size_t i = 0; rc == 0 && i < b->format_count; i++) {
		rc = hand_out(h, (size_t)artifact_step(b, b->formats[i]), b->formats[i],
			      b->formats[i], err);
	}
	/* Last: a manifest stands for artifacts that are there. */
	if (rc == 0)
		rc = hand_out(h, (size_t)uni_plan_find(b->plan, "manifest"), "manifest",
			      "manifest.json", err);
	return rc;
}

static void remember(struct build *b, const struct uni_digest *key, struct uni_buf *looks)
{
	struct uni_store_record record UNI_AUTO_STORE_RECORD = UNI_STORE_RECORD_INIT;
	struct uni_err ignored = UNI_ERR_INIT;

	record.meta = uni_buf_take(looks);
	(void)uni_store_result_put(b->store, key, &record, &ignored);
}

int build_hand_out(struct build *b, const char *out_dir, struct uni_build_result *result,
		   struct uni_err *err)
{
	struct uni_store_record before UNI_AUTO_STORE_RECORD = UNI_STORE_RECORD_INIT;
	struct uni_digest key = outputs_key(out_dir, b->recipe->image.name);
	struct handing h = { .b = b, .dir = out_dir, .result = result };
	int rc = b->options->no_output ? 0 : uni_dir_make(out_dir, 0755, err);

	if (rc == 0)
		rc = uni_store_result_get(b->store, &key, &before, err);
	if (rc < 0)
		return uni_err_context(err, "output folder");
	h.remembered = before.meta;
	rc = hand_out_all(&h, err);
	if (rc == 0 && !b->options->no_output &&
	    (before.meta == NULL || strcmp(before.meta, uni_buf_text(&h.looks)) != 0))
		remember(b, &key, &h.looks);
	uni_buf_free(&h.looks);
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
		return uni_err_hint(err, "name its recipe");
	}
	*recipe = record.meta;
	record.meta = NULL;
	return 0;
}
