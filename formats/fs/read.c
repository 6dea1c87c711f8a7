/*
 * Reading volumes: finding out the format, and walking paths in it. Links are followed inside the
 * volume only, a bounded number of times.
 */
#include "reader.h"

#include <string.h>
#include <uni/base/file.h>

enum { DEPTH_MAX = 256, LINKS_MAX = 40, PATH_TEXT_MAX = 64 << 10 };

static const struct uni_fs_reader_ops *const formats[] = { &reader_squashfs, &reader_cpio,
							   &reader_fat, &reader_ext4 };

int reader_corrupt(const struct uni_fs_reader *reader, const char *what, struct uni_err *err)
{
	return uni_err_set(err, UNI_E_CORRUPT, "%s: is damaged: %s", reader->name, what);
}

int reader_pread(const struct uni_fs_reader *reader, uint64_t at, void *data, size_t size,
		 struct uni_err *err)
{
	if (at > reader->size || size > reader->size - at)
		return reader_corrupt(reader, "something lies behind its end", err);
	return uni_pread_full(reader->fd, data, size, reader->offset + at, reader->name, err);
}

int uni_fs_open(struct uni_fs_reader **out, int fd, uint64_t offset, uint64_t size,
		const char *name, struct uni_err *err)
{
	uint8_t head[READER_HEAD];
	size_t head_size = size < sizeof(head) ? (size_t)size : sizeof(head);
	const struct uni_fs_reader_ops *ops = NULL;
	struct uni_fs_reader *reader;
	int rc = uni_pread_full(fd, head, head_size, offset, name, err);

	*out = NULL;
	if (rc != 0)
		return rc;
	for (size_t i = 0; i < UNI_COUNT(formats) && ops == NULL; i++)
		if (formats[i]->probe(head, head_size))
			ops = formats[i];
	if (ops == NULL)
		return uni_err_set(err, UNI_E_UNSUPPORTED,
				   "%s: is neither squashfs nor FAT nor ext4 nor a cpio archive",
				   name);
	reader = uni_alloc(ops->reader_size);
	reader->ops = ops;
	reader->fd = fd;
	reader->offset = offset;
	reader->size = size;
	reader->name = uni_strdup(name);
	rc = ops->open(reader, err);
	if (rc != 0) {
		uni_fs_reader_free(reader);
		return rc;
	}
	*out = reader;
	return 0;
}

void uni_fs_reader_free(struct uni_fs_reader *reader)
{
	if (reader == NULL)
		return;
	reader->ops->close(reader);
	free(reader->name);
	free(reader);
}

void uni_fs_about(const struct uni_fs_reader *reader, struct uni_fs_about *about)
{
	memset(about, 0, sizeof(*about));
	reader->ops->about(reader, about);
}

/* --- walking --- */

struct walk {
	struct uni_fs_reader *reader;
	const char *path; /* as asked for, for messages */
	reader_node nodes[DEPTH_MAX];
	size_t depth; /* nodes[0] is the root */
	unsigned links;
	struct uni_buf rest; /* path that is still to go */
};

struct finding {
	const char *name;
	reader_node node;
	bool found;
};

static int find_name(void *user, const char *name, reader_node node, struct uni_err *err)
{
	struct finding *finding = user;

	(void)err;
	if (strcmp(name, finding->name) == 0) {
		finding->node = node;
		finding->found = true;
	}
	return 0;
}

/* Puts a link's target in front of what is left; the link itself is not on the stack. */
static int follow(struct walk *w, reader_node link, struct uni_err *err)
{
	UNI_AUTO_BUF struct uni_buf target = UNI_BUF_INIT;
	int rc;

	if (++w->links > LINKS_MAX)
		return uni_err_set(err, UNI_E_INVAL, "%s: %s: goes through more than %d links",
				   w->reader->name, w->path, LINKS_MAX);
	rc = w->reader->ops->readlink(w->reader, link, &target, err);
	if (rc != 0)
		return rc;
	if (target.size + w->rest.size > PATH_TEXT_MAX)
		return uni_err_set(err, UNI_E_LIMIT, "%s: %s: links make its path too long",
				   w->reader->name, w->path);
	if (target.size != 0 && target.data[0] == '/')
		w->depth = 1;
	uni_buf_putc(&target, '/');
	uni_buf_puts(&target, uni_buf_text(&w->rest));
	uni_buf_clear(&w->rest);
	uni_buf_puts(&w->rest, target.data);
	return 0;
}

static int step(struct walk *w, const char *name, bool follow_it, struct uni_err *err)
{
	struct finding finding = { .name = name };
	struct uni_fs_stat stat;
	int rc;

	if (strcmp(name, ".") == 0)
		return 0;
	if (strcmp(name, "..") == 0) {
		w->depth -= w->depth > 1;
		return 0;
	}
	rc = w->reader->ops->stat(w->reader, w->nodes[w->depth - 1], &stat, err);
	if (rc == 0 && stat.type != UNI_FS_TYPE_FOLDER)
		rc = uni_err_set(err, UNI_E_NOENT, "%s: %s: a part of the path is not a folder",
				 w->reader->name, w->path);
	if (rc == 0)
		rc = w->reader->ops->each(w->reader, w->nodes[w->depth - 1], find_name, &finding,
					  err);
	if (rc == 0 && !finding.found)
		rc = uni_err_set(err, UNI_E_NOENT, "%s: %s: does not exist", w->reader->name,
				 w->path);
	if (rc == 0)
		rc = w->reader->ops->stat(w->reader, finding.node, &stat, err);
	if (rc != 0)
		return rc;
	if (stat.type == UNI_FS_TYPE_LINK && follow_it)
		return follow(w, finding.node, err);
	if (w->depth == DEPTH_MAX)
		return uni_err_set(err, UNI_E_LIMIT, "%s: %s: is more than %d folders deep",
				   w->reader->name, w->path, DEPTH_MAX);
	w->nodes[w->depth++] = finding.node;
	return 0;
}

/* Takes the first component off the rest; NULL at the end. Owned by the caller. */
static char *next_name(struct uni_buf *rest)
{
	const char *text = uni_buf_text(rest);
	size_t skip = strspn(text, "/");
	size_t size = strcspn(text + skip, "/");
	char *name;
	char *left;

	if (size == 0)
		return NULL;
	name = uni_strndup(text + skip, size);
	left = uni_strdup(text + skip + size);
	uni_buf_clear(rest);
	uni_buf_puts(rest, left);
	free(left);
	return name;
}

static bool is_last(const struct uni_buf *rest)
{
	const char *text = uni_buf_text(rest);

	return text[strspn(text, "/")] == '\0';
}

static int walk_path(struct uni_fs_reader *reader, const char *path, bool follow_last,
		     reader_node *node, struct uni_err *err)
{
	struct walk w = { .reader = reader, .path = path, .depth = 1 };
	char *name;
	int rc = 0;

	if (strlen(path) > PATH_TEXT_MAX)
		return uni_err_set(err, UNI_E_LIMIT, "%s: path is too long", reader->name);
	w.nodes[0] = reader->ops->root(reader);
	uni_buf_puts(&w.rest, path);
	while (rc == 0 && (name = next_name(&w.rest)) != NULL) {
		rc = step(&w, name, follow_last || !is_last(&w.rest), err);
		free(name);
	}
	uni_buf_free(&w.rest);
	*node = w.nodes[w.depth - 1];
	return rc;
}

int uni_fs_stat(struct uni_fs_reader *reader, const char *path, struct uni_fs_stat *stat,
		struct uni_err *err)
{
	reader_node node;
	int rc = walk_path(reader, path, false, &node, err);

	return rc == 0 ? reader->ops->stat(reader, node, stat, err) : rc;
}

/* Walks to `path` and makes sure of what is there. */
static int walk_to(struct uni_fs_reader *reader, const char *path, enum uni_fs_type type,
		   const char *what, reader_node *node, struct uni_err *err)
{
	struct uni_fs_stat stat;
	int rc = walk_path(reader, path, type != UNI_FS_TYPE_LINK, node, err);

	if (rc == 0)
		rc = reader->ops->stat(reader, *node, &stat, err);
	if (rc == 0 && stat.type != type)
		rc = uni_err_set(err, UNI_E_INVAL, "%s: %s: is not a %s", reader->name, path, what);
	return rc;
}

int uni_fs_readlink(struct uni_fs_reader *reader, const char *path, struct uni_buf *target,
		    struct uni_err *err)
{
	reader_node node;
	int rc = walk_to(reader, path, UNI_FS_TYPE_LINK, "symbolic link", &node, err);

	return rc == 0 ? reader->ops->readlink(reader, node, target, err) : rc;
}

struct listing {
	struct uni_fs_reader *reader;
	uni_fs_list_fn *fn;
	void *user;
};

static int list_one(void *user, const char *name, reader_node node, struct uni_err *err)
{
	struct listing *listing = user;
	struct uni_fs_stat stat;
	int rc = listing->reader->ops->stat(listing->reader, node, &stat, err);

	return rc == 0 ? listing->fn(listing->user, name, &stat, err) : rc;
}

int uni_fs_list(struct uni_fs_reader *reader, const char *path, uni_fs_list_fn *fn, void *user,
		struct uni_err *err)
{
	struct listing listing = { .reader = reader, .fn = fn, .user = user };
	reader_node node;
	int rc = walk_to(reader, path, UNI_FS_TYPE_FOLDER, "folder", &node, err);

	return rc == 0 ? reader->ops->each(reader, node, list_one, &listing, err) : rc;
}

int uni_fs_read(struct uni_fs_reader *reader, const char *path, uni_fs_data_fn *fn, void *user,
		struct uni_err *err)
{
	reader_node node;
	int rc = walk_to(reader, path, UNI_FS_TYPE_FILE, "regular file", &node, err);

	return rc == 0 ? reader->ops->read(reader, node, fn, user, err) : rc;
}
