/*
 * Files out of a volume into a folder. The volume may be made to mislead: names come from it one by
 * one without a slash or "..", everything is made new and through a descriptor of its folder, so
 * that no link is ever followed.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <uni/base/file.h>
#include <uni/base/path.h>
#include <uni/base/system.h>
#include <uni/io/sink.h>
#include <unistd.h>

#include "internal.h"

enum { DEPTH_MAX = UNI_TREE_DEPTH_MAX };

struct extraction {
	struct uni_fs_reader *reader;
	const char *inside;
	const char *shown; /* of the folder, for messages */
	int dir;
	unsigned depth;
};

static int write_piece(void *user, const void *data, size_t size, struct uni_err *err)
{
	int rc = uni_check_cancel(err);

	return rc != 0 ? rc : uni_sink_write(user, data, size, err);
}

static int extract_file(const struct extraction *x, const char *name, const char *inside,
			const struct uni_fs_stat *stat, struct uni_err *err)
{
	UNI_AUTO_CLOSE int fd = openat(x->dir, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	UNI_AUTO(uni_sink) struct uni_sink *sink = uni_sink_to_place(fd, 0, inside);
	int rc;

	if (fd < 0)
		return uni_err_errno(err, "%s/%s", x->shown, name);
	rc = uni_fs_read(x->reader, inside, write_piece, sink, err);
	if (rc == 0 &&
	    (ftruncate(fd, (off_t)stat->size) != 0 || fchmod(fd, stat->mode & 0777) != 0))
		rc = uni_err_errno(err, "%s/%s", x->shown, name);
	return rc;
}

static int extract_link(const struct extraction *x, const char *name, const char *inside,
			struct uni_err *err)
{
	UNI_AUTO_BUF struct uni_buf target = UNI_BUF_INIT;
	int rc = uni_fs_readlink(x->reader, inside, &target, err);

	if (rc == 0 && symlinkat(uni_buf_text(&target), x->dir, name) != 0)
		rc = uni_err_errno(err, "%s/%s", x->shown, name);
	return rc;
}

static int extract_one(void *user, const char *name, const struct uni_fs_stat *stat,
		       struct uni_err *err);

static int extract_folder(const struct extraction *x, const char *name, const char *inside,
			  const struct uni_fs_stat *stat, struct uni_err *err)
{
	UNI_AUTO_FREE char *shown = uni_path_join(x->shown, name);
	struct extraction below = { x->reader, inside, shown, -1, x->depth + 1 };
	int rc;

	if (below.depth > DEPTH_MAX)
		return uni_err_set(err, UNI_E_LIMIT, "%s: is too deep", inside);
	if (mkdirat(x->dir, name, 0700) != 0)
		return uni_err_errno(err, "%s", shown);
	below.dir = openat(x->dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (below.dir < 0)
		return uni_err_errno(err, "%s", shown);
	rc = uni_fs_list(x->reader, inside, extract_one, &below, err);
	if (rc == 0 && fchmod(below.dir, stat->mode & 0777) != 0)
		rc = uni_err_errno(err, "%s", shown);
	uni_close_fd(&below.dir);
	return rc;
}

static int extract_one(void *user, const char *name, const struct uni_fs_stat *stat,
		       struct uni_err *err)
{
	const struct extraction *x = user;
	UNI_AUTO_FREE char *inside = uni_path_join(x->inside, name);

	if (stat->type == UNI_FS_TYPE_FILE)
		return extract_file(x, name, inside, stat, err);
	if (stat->type == UNI_FS_TYPE_LINK)
		return extract_link(x, name, inside, err);
	if (stat->type == UNI_FS_TYPE_FOLDER)
		return extract_folder(x, name, inside, stat, err);
	return uni_err_set(err, UNI_E_UNSUPPORTED, "%s: is a device, FIFO or socket", inside);
}

int uni_volume_extract(struct uni_fs_reader *reader, const char *inside, const char *folder,
		       struct uni_err *err)
{
	struct extraction x = { reader, inside, folder, -1, 0 };
	struct uni_fs_stat stat;
	int rc = uni_fs_stat(reader, inside, &stat, err);

	if (rc == 0)
		rc = uni_dir_make(folder, 0777, err);
	if (rc != 0)
		return rc;
	x.dir = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (x.dir < 0)
		return uni_err_errno(err, "%s", folder);
	if (stat.type == UNI_FS_TYPE_FOLDER) {
		rc = uni_fs_list(reader, inside, extract_one, &x, err);
	} else {
		UNI_AUTO_FREE char *above = uni_path_dir(inside);

		x.inside = above;
		rc = extract_one(&x, uni_path_base(inside), &stat, err);
	}
	uni_close_fd(&x.dir);
	return rc;
}
