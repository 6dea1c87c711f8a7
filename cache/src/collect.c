/*
 * Collection. It holds the store's lock exclusively from the first look to the last removal, so
 * that nothing is looked up or published in between; what living processes use is in their leases.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "src/internal.h"

struct gc_blob {
	struct uni_digest digest;
	uint64_t bytes; /* on the disk */
	bool keep;
};

struct gc_result {
	char *name;
	struct timespec used;
	bool held; /* by a lease */
	struct uni_digest *blobs;
	size_t count;
};

struct gc {
	const struct store_place *place;
	const struct uni_store_gc_options *options;
	struct uni_store_gc_report *report;
	struct store_set leased;
	struct gc_blob *blobs; /* sorted by digest, as the walk finds them */
	size_t blob_count, blob_room;
	struct gc_result *results;
	size_t result_count, result_room;
	uint64_t kept;
};

static void gc_free(struct gc *gc)
{
	for (size_t i = 0; i < gc->result_count; i++) {
		free(gc->results[i].name);
		free(gc->results[i].blobs);
	}
	free(gc->results);
	free(gc->blobs);
	store_set_free(&gc->leased);
}

static int remove_file(struct gc *gc, const char *name, struct uni_err *err)
{
	if (gc->options->dry_run || unlinkat(gc->place->fd, name, 0) == 0 || errno == ENOENT)
		return 0;
	return uni_err_errno(err, "%s/%s", gc->place->path, name);
}

static int find_blob(void *user, const char *name, const struct uni_digest *digest,
		     struct uni_err *err)
{
	struct gc *gc = user;
	struct stat st;

	if (digest == NULL)
		return remove_file(gc, name, err);
	if (fstatat(gc->place->fd, name, &st, AT_SYMLINK_NOFOLLOW) != 0)
		return uni_err_errno(err, "%s/%s", gc->place->path, name);
	UNI_PUSH_ROOM(gc->blobs, gc->blob_count, gc->blob_room);
	gc->blobs[gc->blob_count++] =
		(struct gc_blob){ .digest = *digest, .bytes = (uint64_t)st.st_blocks * 512 };
	return 0;
}

static int blob_cmp(const void *a, const void *b)
{
	return uni_digest_cmp(&((const struct gc_blob *)a)->digest,
			      &((const struct gc_blob *)b)->digest);
}

static struct gc_blob *blob_of(struct gc *gc, const struct uni_digest *digest)
{
	struct gc_blob key = { .digest = *digest };

	if (gc->blob_count == 0)
		return NULL;
	return bsearch(&key, gc->blobs, gc->blob_count, sizeof(key), blob_cmp);
}

static void keep_blob(struct gc *gc, const struct uni_digest *digest)
{
	struct gc_blob *blob = blob_of(gc, digest);

	if (blob != NULL && !blob->keep) {
		blob->keep = true;
		gc->kept += blob->bytes;
	}
}

static int find_result(void *user, const char *name, const struct uni_digest *digest,
		       struct uni_err *err)
{
	struct gc *gc = user;
	struct uni_store_record record UNI_AUTO_STORE_RECORD = UNI_STORE_RECORD_INIT;
	struct gc_result result = { .name = NULL };
	struct stat st;
	int rc = digest == NULL ? UNI_E_CORRUPT
				: store_record_read(gc->place, name, false, &record, &st, err);

	if (rc == UNI_E_CORRUPT) {
		uni_err_clear(err);
		return remove_file(gc, name, err);
	}
	if (rc <= 0)
		return rc;
	result = (struct gc_result){
		.name = uni_strdup(name),
		.used = st.st_mtim,
		.held = store_set_has(&gc->leased, digest),
		.blobs = uni_alloc_array(record.count + 1, sizeof(*result.blobs)),
		.count = record.count,
	};
	for (size_t i = 0; i < record.count; i++)
		result.blobs[i] = record.entries[i].digest;
	UNI_PUSH_ROOM(gc->results, gc->result_count, gc->result_room);
	gc->results[gc->result_count++] = result;
	return 0;
}

/* References and leases stand whatever the limit. A reference that cannot be read holds everything:
 * nobody knows what it names. */
static int mark_roots(struct gc *gc, struct uni_err *err)
{
	struct uni_strv refs UNI_AUTO_STRV = { .items = NULL };
	int rc = store_ref_names(gc->place, "", &refs, err);

	for (size_t i = 0; rc == 0 && i < refs.count; i++) {
		struct uni_store_record record UNI_AUTO_STORE_RECORD = UNI_STORE_RECORD_INIT;
		char *name UNI_AUTO_FREE = uni_path_join("refs", refs.items[i]);
		struct stat st;

		rc = store_record_read(gc->place, name, false, &record, &st, err);
		if (rc == UNI_E_CORRUPT)
			return uni_err_hint(err, "\"uni cache verify\" drops it");
		if (rc > 0)
			rc = 0;
		for (size_t j = 0; rc == 0 && j < record.count; j++)
			keep_blob(gc, &record.entries[j].digest);
	}
	for (size_t i = 0; i < gc->leased.room; i++)
		if (gc->leased.used[i])
			keep_blob(gc, &gc->leased.slots[i]);
	return rc;
}

/* Newest first; names decide between equals, so that the choice is the same every time. */
static int result_cmp(const void *va, const void *vb)
{
	const struct gc_result *a = va, *b = vb;

	if (a->held != b->held)
		return a->held ? -1 : 1;
	if (a->used.tv_sec != b->used.tv_sec)
		return a->used.tv_sec > b->used.tv_sec ? -1 : 1;
	if (a->used.tv_nsec != b->used.tv_nsec)
		return a->used.tv_nsec > b->used.tv_nsec ? -1 : 1;
	return strcmp(a->name, b->name);
}

static uint64_t bytes_more(struct gc *gc, const struct gc_result *result)
{
	uint64_t more = 0;

	for (size_t i = 0; i < result->count; i++) {
		const struct gc_blob *blob = blob_of(gc, &result->blobs[i]);

		if (blob != NULL && !blob->keep)
			more += blob->bytes;
	}
	return more;
}

/* From the newest: what fits stays. From the first that does not, all go but those that cost
 * nothing. */
static int choose_results(struct gc *gc, struct uni_err *err)
{
	bool full = gc->options->limit == 0;
	int rc = 0;

	if (gc->result_count != 0)
		qsort(gc->results, gc->result_count, sizeof(*gc->results), result_cmp);
	for (size_t i = 0; rc == 0 && i < gc->result_count; i++) {
		const struct gc_result *result = &gc->results[i];
		uint64_t more = bytes_more(gc, result);

		if (!result->held && more != 0 &&
		    (full || gc->kept > gc->options->limit || more > gc->options->limit - gc->kept))
			full = true;
		if (!result->held && (gc->options->limit == 0 || (full && more != 0))) {
			gc->report->results++;
			rc = remove_file(gc, result->name, err);
			continue;
		}
		for (size_t j = 0; j < result->count; j++)
			keep_blob(gc, &result->blobs[j]);
	}
	return rc;
}

static int sweep_blobs(struct gc *gc, struct uni_err *err)
{
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < gc->blob_count; i++) {
		char name[STORE_PATH_ROOM];

		if (gc->blobs[i].keep) {
			gc->report->kept_blobs++;
			gc->report->kept_bytes += gc->blobs[i].bytes;
			continue;
		}
		gc->report->blobs++;
		gc->report->bytes += gc->blobs[i].bytes;
		store_blob_name(&gc->blobs[i].digest, name);
		rc = remove_file(gc, name, err);
	}
	return rc;
}

static int collect(struct gc *gc, struct uni_err *err)
{
	int rc = store_lease_read(gc->place, &gc->leased, !gc->options->dry_run, err);

	if (rc == 0)
		rc = store_walk(gc->place, "blobs", find_blob, gc, err);
	if (rc == 0)
		rc = store_walk(gc->place, "results", find_result, gc, err);
	if (rc == 0)
		rc = mark_roots(gc, err);
	/* Results first: should we die here, a result never names a blob that we took. */
	if (rc == 0)
		rc = choose_results(gc, err);
	if (rc == 0)
		rc = sweep_blobs(gc, err);
	if (rc == 0 && !gc->options->dry_run)
		store_usage_set(gc->place, gc->report->kept_bytes);
	return rc;
}

int store_collect(struct uni_store *store, const struct uni_store_gc_options *options, bool wait,
		  struct uni_store_gc_report *report, struct uni_err *err)
{
	struct gc gc = { .place = &store->places[0], .options = options, .report = report };
	int fd UNI_AUTO_CLOSE = -1;
	int rc;

	*report = (struct uni_store_gc_report){ .blobs = 0 };
	if (store->place_count > 1)
		return uni_err_set(err, UNI_E_DENIED, "the store %s cannot be written",
				   store->path);
	fd = openat(gc.place->fd, "lock", O_RDWR | O_CREAT | O_CLOEXEC, 0644);
	if (fd < 0)
		return uni_err_errno(err, "store: %s/lock", gc.place->path);
	rc = store_lock_range(fd, F_WRLCK, 0, 1, wait, store->path, err);
	if (rc == 0)
		rc = collect(&gc, err);
	gc_free(&gc);
	return rc != 0 ? uni_err_context(err, "collect garbage") : 0;
}

int uni_store_gc(struct uni_store *store, const struct uni_store_gc_options *options,
		 struct uni_store_gc_report *report, struct uni_err *err)
{
	return store_collect(store, options, true, report, err);
}
