/*
 * Output that is whole or absent. O_TMPFILE would leave nothing behind even on SIGKILL, but
 * children such as compilers write by name, so the file has one from the start.
 */
#include "internal.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <uni/base/file.h>
#include <uni/base/path.h>
#include <unistd.h>

#define NAME_KEPT 200 /* of the final name in the temporary one: 255 are allowed */
#define TRIES 100

struct uni_outfile {
	char *path;
	char *tmp; /* NULL once it has its final name */
	int fd;
	bool keep; /* what stands under its name */
};

static char *tmp_name(const char *path)
{
	char *dir UNI_AUTO_FREE = uni_path_dir(path);
	char suffix[7];
	uni_tmp_suffix(suffix);
	char *name UNI_AUTO_FREE =
		uni_asprintf(".%.*s.%s.tmp", NAME_KEPT, uni_path_base(path), suffix);
	return uni_path_join(dir, name);
}

int uni_outfile_open(struct uni_outfile **result, const char *path, unsigned mode,
		     struct uni_err *err)
{
	struct uni_outfile *out UNI_AUTO(uni_outfile) = uni_alloc(sizeof(*out));
	out->fd = -1;
	out->path = uni_strdup(path);
	if (*uni_path_base(path) == '\0')
		return uni_err_set(err, UNI_E_INVAL, "cannot write \"%s\": no file name", path);
	for (int i = 0; i < TRIES; i++) {
		char *tmp UNI_AUTO_FREE = tmp_name(path);
		/* Known before it is there: a signal in between finds nothing to remove. */
		uni_tmp_register(tmp);
		out->fd = open(tmp, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, (mode_t)mode);
		if (out->fd >= 0) {
			out->tmp = tmp;
			tmp = NULL;
			*result = out;
			out = NULL;
			return 0;
		}
		int number = errno;
		uni_tmp_forget(tmp);
		errno = number;
		if (number != EEXIST)
			break;
	}
	return uni_err_errno(err, "cannot create %s", path);
}

#define KEPT_END ".part"

/* Whether `name` is what `start` begins, a key and the end: another output's name may begin alike.
 */
static bool is_kept(const char *name, const char *start)
{
	return uni_str_starts(name, start) &&
	       uni_str_eq(strchr(name + strlen(start), '.'), KEPT_END);
}

/* Those of `path` under other keys that nobody writes any more. */
static void remove_others(const char *path, const char *kept)
{
	char *dir UNI_AUTO_FREE = uni_path_dir(path);
	char *start UNI_AUTO_FREE = uni_asprintf(".%.*s.", NAME_KEPT, uni_path_base(path));
	struct uni_strv names UNI_AUTO_STRV = { 0 };
	struct uni_err ignored = UNI_ERR_INIT;

	if (uni_dir_list(dir, &names, &ignored) != 0)
		return;
	for (size_t i = 0; i < names.count; i++) {
		char *other UNI_AUTO_FREE = uni_path_join(dir, names.items[i]);
		int fd UNI_AUTO_CLOSE = -1;

		if (is_kept(names.items[i], start) && strcmp(other, kept) != 0 &&
		    uni_lock(other, true, false, &fd, &ignored) == 0)
			unlink(other);
	}
}

int uni_outfile_resume(struct uni_outfile **result, const char *path, const char *key,
		       unsigned mode, bool *begun, struct uni_err *err)
{
	struct uni_outfile *out UNI_AUTO(uni_outfile) = uni_alloc(sizeof(*out));
	char *dir UNI_AUTO_FREE = uni_path_dir(path);
	char *name UNI_AUTO_FREE =
		uni_asprintf(".%.*s.%s" KEPT_END, NAME_KEPT, uni_path_base(path), key);
	char *tmp UNI_AUTO_FREE = uni_path_join(dir, name);
	struct uni_err busy = UNI_ERR_INIT;
	struct stat st;

	*begun = false;
	out->path = uni_strdup(path);
	/* With our mode, which a lock file's is not. */
	out->fd = open(tmp, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, (mode_t)mode);
	uni_close_fd(&out->fd);
	/* Registered only when it is ours: a signal must not take another's away. */
	if (uni_lock(tmp, true, false, &out->fd, &busy) != 0)
		return uni_outfile_open(result, path, mode, err);
	uni_tmp_register(tmp);
	out->tmp = tmp;
	tmp = NULL;
	if (fstat(out->fd, &st) != 0)
		return uni_err_errno(err, "cannot create %s", path);
	*begun = st.st_size != 0;
	remove_others(path, out->tmp);
	*result = out;
	out = NULL;
	return 0;
}

int uni_outfile_fd(const struct uni_outfile *out)
{
	return out->fd;
}

const char *uni_outfile_tmp(const struct uni_outfile *out)
{
	return out->tmp;
}

int uni_dir_sync(const char *dir, struct uni_err *err)
{
	int fd UNI_AUTO_CLOSE = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	/* One that we may write but not list. */
	if (fd < 0 && errno == EACCES)
		return 0;
	/* Some file systems cannot sync a folder, and say so by EINVAL. */
	if (fd < 0 || (fsync(fd) != 0 && errno != EINVAL))
		return uni_err_errno(err, "cannot sync the folder %s", dir);
	return 0;
}

static int flush(struct uni_outfile *out, struct uni_err *err)
{
	return fsync(out->fd) == 0 ? 0 : uni_err_errno(err, "cannot write %s", out->path);
}

static int publish(struct uni_outfile *out, struct uni_err *err)
{
	int fd = out->fd;
	out->fd = -1;
	if (close(fd) != 0)
		return uni_err_errno(err, "cannot write %s", out->path);
	if (uni_output_name(out->tmp, out->path, !out->keep, err) != 0)
		return err->code;
	uni_tmp_forget(out->tmp);
	free(out->tmp);
	out->tmp = NULL;
	return 0;
}

static int sync_folders(struct uni_outfile *const *files, size_t count, struct uni_err *err)
{
	char *last UNI_AUTO_FREE = NULL;
	int rc = 0;
	for (size_t i = 0; rc == 0 && i < count; i++) {
		char *dir = uni_path_dir(files[i]->path);
		if (last == NULL || strcmp(last, dir) != 0)
			rc = uni_dir_sync(dir, err);
		free(last);
		last = dir;
	}
	return rc;
}

/*
 * Content goes to the disk before the first flush, which then finds nothing but the journal to
 * write, and writes it for all. What goes wrong here is told by the flush.
 */
static void write_out(struct uni_outfile *const *files, size_t count)
{
	for (size_t i = 0; i < count; i++)
		(void)sync_file_range(files[i]->fd, 0, 0, SYNC_FILE_RANGE_WRITE);
	for (size_t i = 0; i < count; i++)
		(void)sync_file_range(files[i]->fd, 0, 0,
				      SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE |
					      SYNC_FILE_RANGE_WAIT_AFTER);
}

int uni_outfile_commit_all(struct uni_outfile *const *files, size_t count, bool sync,
			   struct uni_err *err)
{
	int rc = 0;
	if (sync)
		write_out(files, count);
	for (size_t i = 0; rc == 0 && sync && i < count; i++)
		rc = flush(files[i], err);
	for (size_t i = 0; rc == 0 && i < count; i++)
		rc = publish(files[i], err);
	return rc == 0 && sync ? sync_folders(files, count, err) : rc;
}

int uni_outfile_commit(struct uni_outfile *out, bool sync, struct uni_err *err)
{
	return uni_outfile_commit_all(&out, 1, sync, err);
}

void uni_outfile_keep(struct uni_outfile *out)
{
	out->keep = true;
}

int uni_output_open(struct uni_outfile **out, const char *path, unsigned mode, bool replace,
		    struct uni_err *err)
{
	if (uni_output_check(path, replace, err) != 0 ||
	    uni_outfile_open(out, path, mode, err) != 0)
		return err->code;
	(*out)->keep = !replace;
	return 0;
}

void uni_outfile_free(struct uni_outfile *out)
{
	if (out == NULL)
		return;
	uni_close_fd(&out->fd);
	if (out->tmp != NULL) {
		unlink(out->tmp);
		uni_tmp_forget(out->tmp);
	}
	free(out->tmp);
	free(out->path);
	free(out);
}
