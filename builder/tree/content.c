/*
 * Reading content, with the proof that it is what was added: the file that is opened is the one
 * that was seen, and after the last byte still has its size and times.
 */
#include "node.h"
#include <errno.h>
#include <fcntl.h>
#include <uni/base/file.h>
#include <uni/base/mapdigest.h>
#include <uni/base/path.h>
#include <uni/base/system.h>
#include <unistd.h>

#define STEP (64u << 10)      /* below what malloc takes from the system each time */
#define HOLES_FROM (1u << 20) /* bytes of a file that may have holes worth looking for */

static int open_source(const struct uni_tree_node *node, const char *path, struct uni_err *err)
{
	const struct source *source = node->source;
	int flags = O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK;
	int fd = source->fd >= 0 ? openat(source->fd, path + source->at, flags | O_NOFOLLOW)
				 : open(source->path, flags);
	if (fd < 0)
		return errno == ENOENT || errno == ELOOP || errno == ENOTDIR
			       ? UNI_E_CHANGED
			       : uni_err_errno(err, "cannot open it");
	return fd;
}

static bool unchanged(int fd, const struct uni_filestat *wanted)
{
	struct stat st;
	if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode))
		return false;
	struct uni_filestat now = uni_filestat_of(&st);
	return uni_filestat_eq(&now, wanted);
}

struct reading {
	struct uni_hash hash;
	bool hashes;	/* what passes */
	uint64_t zeros; /* of what was hashed, at least those in aligned STEPs that hold no more */
	uni_tree_data_fn *fn;
	uni_tree_hole_fn *hole;
	void *user;
	struct uni_secret_scan *scan; /* or NULL */
	char *buffer;
	bool refused; /* it was `fn` that failed */
};

static int give(struct reading *reading, const void *data, size_t size, struct uni_err *err)
{
	int rc = 0;

	if (reading->hashes)
		uni_hash_add(&reading->hash, data, size);
	if (reading->scan != NULL)
		uni_secret_scan_add(reading->scan, data, size);
	if (reading->fn != NULL)
		rc = reading->fn(reading->user, data, size, err);
	reading->refused = rc != 0;
	return rc;
}

static int give_hole(struct reading *reading, uint64_t size, struct uni_err *err)
{
	static const char zeros[STEP];
	bool told = reading->hole != NULL && size != 0;
	int rc = 0;

	reading->zeros += size;
	if (told) {
		rc = reading->hole(reading->user, size, err);
		reading->refused = rc != 0;
	}
	/* A secret ends where zeros begin: as many of them as a piece has say so. */
	if (told && reading->scan != NULL)
		uni_secret_scan_add(reading->scan, zeros, size < STEP ? (size_t)size : STEP);
	for (uint64_t left = size; rc == 0 && left > 0 && (reading->hashes || !told);) {
		size_t part = left < STEP ? (size_t)left : STEP;

		rc = uni_check_cancel(err);
		if (rc == 0 && told)
			uni_hash_add(&reading->hash, zeros, part);
		else if (rc == 0)
			rc = give(reading, zeros, part, err);
		left -= part;
	}
	return rc;
}

/* UNI_E_CHANGED without a text when it is not as long as it was; the caller names it. */
static int read_range(struct reading *reading, int fd, uint64_t at, uint64_t end, bool counts,
		      struct uni_err *err)
{
	while (at < end) {
		uint64_t left = end - at, part = STEP - at % STEP;
		int rc = uni_check_cancel(err);
		if (rc != 0)
			return rc;
		ssize_t got = pread(fd, reading->buffer, left < part ? (size_t)left : (size_t)part,
				    (off_t)at);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return uni_err_errno(err, "cannot read it");
		if (got == 0)
			return UNI_E_CHANGED;
		if (counts && uni_all_zero(reading->buffer, (size_t)got))
			reading->zeros += (uint64_t)got;
		rc = give(reading, reading->buffer, (size_t)got, err);
		if (rc != 0)
			return rc;
		at += (uint64_t)got;
	}
	return 0;
}

/* Looking for holes costs two calls, which a small file is not worth. */
static int read_fd(struct reading *reading, uint64_t size, int fd, struct uni_err *err)
{
	bool counts = reading->hashes && size > UNI_MAP_HOLE;
	uint64_t at = 0, done = 0, length;
	int found, rc = 0;

	if (size < HOLES_FROM)
		return read_range(reading, fd, 0, size, false, err);
	while ((found = uni_data_next(fd, size, &at, &length, err)) > 0) {
		rc = give_hole(reading, at - done, err);
		if (rc == 0)
			rc = read_range(reading, fd, at, at + length, counts, err);
		if (rc != 0)
			return rc;
		done = at += length;
	}
	return found < 0 ? found : give_hole(reading, size - done, err);
}

/* Content of which most is zeros is known by its map, for which it is read once more. */
static int read_digested(struct reading *reading, struct uni_tree_node *node, int fd,
			 struct uni_err *err)
{
	bool mapped = false;
	int rc = 0;

	if (!node->known && node->size > UNI_MAP_HOLE)
		rc = uni_content_is_mapped(fd, node->size, &mapped, err);
	if (rc != 0)
		return rc;
	reading->hashes = !node->known && !mapped;
	if (reading->hashes || reading->fn != NULL)
		rc = read_fd(reading, node->size, fd, err);
	if (rc != 0 || node->known)
		return rc;
	node->digest = uni_hash_end(&reading->hash);
	if (mapped || reading->zeros > UNI_MAP_HOLE)
		rc = uni_content_digest_fd(fd, NULL, &node->digest, &mapped, "content", err);
	return rc;
}

static int read_source(struct reading *reading, struct uni_tree_node *node, const char *path,
		       struct uni_err *err)
{
	int fd UNI_AUTO_CLOSE = open_source(node, path, err);
	if (fd < 0)
		return fd;
	if (!unchanged(fd, &node->st))
		return UNI_E_CHANGED;
	int rc = read_digested(reading, node, fd, err);
	if (rc == 0 && !unchanged(fd, &node->st))
		rc = UNI_E_CHANGED;
	if (rc == 0 && !node->known) {
		node->hashed_at = uni_clock_now_ns();
		node->fresh = true;
		node->known = true;
	}
	return rc;
}

static int name_trouble(const struct uni_tree_node *node, const char *path, int code,
			struct uni_err *err)
{
	char *full UNI_AUTO_FREE =
		node->source->fd >= 0 ? uni_path_join(node->source->path, path + node->source->at)
				      : uni_strdup(node->source->path);
	if (code == UNI_E_CHANGED)
		return uni_err_set(err, code, "%s changed while it was read", full);
	return code == UNI_E_CANCELLED ? code : uni_err_context(err, "%s", full);
}

static int read_all(struct reading *reading, struct uni_tree_node *node, const char *path,
		    struct uni_err *err)
{
	int rc;

	if (node->source == NULL) {
		if (reading->scan != NULL)
			uni_secret_scan_add(reading->scan, node->data, (size_t)node->size);
		return reading->fn != NULL && node->size != 0
			       ? reading->fn(reading->user, node->data, (size_t)node->size, err)
			       : 0;
	}
	reading->buffer = uni_realloc_array(NULL, node->size < STEP ? (size_t)node->size : STEP, 1);
	uni_hash_start(&reading->hash);
	rc = read_source(reading, node, path, err);
	free(reading->buffer);
	return rc != 0 && !reading->refused ? name_trouble(node, path, rc, err) : rc;
}

int uni_tree_content_sparse(const struct uni_tree *tree, const struct uni_tree_entry *entry,
			    uni_tree_data_fn *fn, uni_tree_hole_fn *hole, void *user,
			    struct uni_err *err)
{
	struct uni_tree_node *node = entry->node;
	struct reading reading = { .fn = fn, .hole = hole, .user = user };
	struct uni_secret_scan scan;
	int rc;

	if (node->type != UNI_ENTRY_FILE)
		return uni_err_set(err, UNI_E_INVAL, "%s is no file", entry->meta.path);
	if (tree->finds_secrets && fn != NULL) {
		uni_secret_scan_start(&scan);
		reading.scan = &scan;
	}
	rc = read_all(&reading, node, entry->meta.path, err);
	if (rc == 0 && reading.scan != NULL)
		node->secret = (uint8_t)uni_secret_scan_end(&scan);
	return rc;
}

int uni_tree_content(const struct uni_tree *tree, const struct uni_tree_entry *entry,
		     uni_tree_data_fn *fn, void *user, struct uni_err *err)
{
	return uni_tree_content_sparse(tree, entry, fn, NULL, user, err);
}

/* --- what is there, without reading it --- */

int uni_tree_data(const struct uni_tree_entry *entry, struct uni_tree_data *data,
		  struct uni_err *err)
{
	const struct uni_tree_node *node = entry->node;
	uint64_t at = 0, length;
	int rc;

	*data = (struct uni_tree_data){ node->size, node->size != 0 };
	if (node->type != UNI_ENTRY_FILE || node->source == NULL || node->size < HOLES_FROM)
		return 0;
	*data = (struct uni_tree_data){ .bytes = 0 };
	int fd UNI_AUTO_CLOSE = open_source(node, entry->meta.path, err);
	rc = fd;
	while (rc >= 0 && (rc = uni_data_next(fd, node->size, &at, &length, err)) > 0) {
		data->bytes += length;
		data->pieces++;
		at += length;
	}
	return rc < 0 ? name_trouble(node, entry->meta.path, rc, err) : 0;
}

/* Ends at the first file that is too much. */
static int measure_entry(void *user, const struct uni_tree_entry *entry, struct uni_err *err)
{
	uint64_t *left = user;
	struct uni_tree_data data;
	int rc = uni_tree_data(entry, &data, err);

	if (rc != 0)
		return rc;
	if (data.bytes > *left)
		return 1;
	*left -= data.bytes;
	return 0;
}

int uni_tree_data_exceeds(const struct uni_tree *tree, uint64_t most, bool *exceeds,
			  struct uni_err *err)
{
	int rc = tree->bytes <= most ? 0 : uni_tree_each(tree, measure_entry, &most, err);

	*exceeds = rc == 1;
	return rc < 0 ? rc : 0;
}
