/*
 * A tree's files into a folder: what came from a folder, an archive or elsewhere. As with what
 * comes out of a volume (extract.c) everything is made new, so a link that stands there already is
 * never followed; the tree itself has nothing below a link.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <uni/base/file.h>
#include <uni/base/path.h>
#include <uni/base/system.h>
#include <unistd.h>

#include "internal.h"

struct spread {
	const struct uni_tree *tree;
	const char *folder;
	int dir;
};

struct output {
	int fd;
	const char *name;
};

static int fails(const struct spread *s, const struct uni_tree_entry *entry, struct uni_err *err)
{
	UNI_AUTO_FREE char *shown = NULL;
	int why = errno;

	shown = uni_path_join(s->folder, entry->meta.path);
	errno = why;
	return uni_err_errno(err, "%s", shown);
}

static int write_piece(void *user, const void *data, size_t size, struct uni_err *err)
{
	const struct output *out = user;
	int rc = uni_check_cancel(err);

	return rc != 0 ? rc : uni_write_full(out->fd, data, size, out->name, err);
}

static int make_file(const struct spread *s, const struct uni_tree_entry *entry,
		     struct uni_err *err)
{
	UNI_AUTO_CLOSE int fd = openat(s->dir, entry->meta.path,
				       O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	struct output out = { fd, entry->meta.path };
	int rc;

	if (fd < 0)
		return fails(s, entry, err);
	rc = uni_tree_content(s->tree, entry, write_piece, &out, err);
	if (rc == 0 && fchmod(fd, entry->meta.mode & 0777) != 0)
		rc = fails(s, entry, err);
	return rc;
}

static int make(void *user, const struct uni_tree_entry *entry, struct uni_err *err)
{
	const struct spread *s = user;
	const char *path = entry->meta.path;

	if (uni_str_eq(path, "."))
		return 0;
	if (entry->meta.type == UNI_ENTRY_DIR)
		return mkdirat(s->dir, path, 0700) == 0 ? 0 : fails(s, entry, err);
	if (entry->meta.type == UNI_ENTRY_SYMLINK)
		return symlinkat(entry->meta.target, s->dir, path) == 0 ? 0 : fails(s, entry, err);
	return make_file(s, entry, err);
}

/* Last: nothing could be made in a folder that may only be read. */
static int set_mode(void *user, const struct uni_tree_entry *entry, struct uni_err *err)
{
	const struct spread *s = user;

	if (entry->meta.type != UNI_ENTRY_DIR || uni_str_eq(entry->meta.path, "."))
		return 0;
	return fchmodat(s->dir, entry->meta.path, entry->meta.mode & 0777, 0) == 0
		       ? 0
		       : fails(s, entry, err);
}

int volume_spread(const struct uni_tree *tree, const char *folder, struct uni_err *err)
{
	struct spread s = { tree, folder, -1 };
	int rc = uni_dir_make(folder, 0777, err);

	if (rc != 0)
		return rc;
	s.dir = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (s.dir < 0)
		return uni_err_errno(err, "%s", folder);
	rc = uni_tree_each(tree, make, &s, err);
	if (rc == 0)
		rc = uni_tree_each(tree, set_mode, &s, err);
	uni_close_fd(&s.dir);
	return rc;
}
