/*
 * Reading content, with the proof that it is what was added: the file that is opened is the one
 * that was seen, and after the last byte still has its size and times.
 */
#include "node.h"
#include <errno.h>
#include <fcntl.h>
#include <uni/base/path.h>
#include <uni/base/system.h>
#include <unistd.h>

#define STEP (64u << 10) /* below what malloc takes from the system each time */

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
	int (*fn)(void *user, const void *data, size_t size, struct uni_err *err);
	void *user;
	struct uni_secret_scan *scan; /* or NULL */
	char *buffer;
	bool refused; /* it was `fn` that failed */
};

/* UNI_E_CHANGED without a text when it is not as long as it was; the caller names it. */
static int read_fd(struct reading *reading, struct uni_tree_node *node, int fd, struct uni_err *err)
{
	for (uint64_t left = node->size; left > 0;) {
		int rc = uni_check_cancel(err);
		if (rc != 0)
			return rc;
		ssize_t got = read(fd, reading->buffer, left < STEP ? (size_t)left : STEP);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return uni_err_errno(err, "cannot read it");
		if (got == 0)
			return UNI_E_CHANGED;
		if (!node->known)
			uni_hash_add(&reading->hash, reading->buffer, (size_t)got);
		if (reading->scan != NULL)
			uni_secret_scan_add(reading->scan, reading->buffer, (size_t)got);
		if (reading->fn != NULL)
			rc = reading->fn(reading->user, reading->buffer, (size_t)got, err);
		reading->refused = rc != 0;
		if (rc != 0)
			return rc;
		left -= (uint64_t)got;
	}
	return 0;
}

static int read_source(struct reading *reading, struct uni_tree_node *node, const char *path,
		       struct uni_err *err)
{
	int fd UNI_AUTO_CLOSE = open_source(node, path, err);
	if (fd < 0)
		return fd;
	if (!unchanged(fd, &node->st))
		return UNI_E_CHANGED;
	int rc = read_fd(reading, node, fd, err);
	if (rc == 0 && !unchanged(fd, &node->st))
		rc = UNI_E_CHANGED;
	if (rc == 0 && !node->known) {
		node->digest = uni_hash_end(&reading->hash);
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

int uni_tree_content(const struct uni_tree *tree, const struct uni_tree_entry *entry,
		     int (*fn)(void *user, const void *data, size_t size, struct uni_err *err),
		     void *user, struct uni_err *err)
{
	struct uni_tree_node *node = entry->node;
	struct reading reading = { .fn = fn, .user = user };
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
