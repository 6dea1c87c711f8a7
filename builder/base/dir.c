/*
 * Folders: making, listing, and removing with all below. Removal uses plain system calls and its
 * own stack only, because the clean-up of a signal handler uses it too.
 */
#include "internal.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <uni/base/file.h>
#include <uni/base/path.h>
#include <uni/base/system.h>
#include <unistd.h>

int uni_dir_make(const char *path, unsigned mode, struct uni_err *err)
{
	struct stat st;
	if (mkdir(path, (mode_t)mode) == 0)
		return 0;
	if (errno == ENOENT) {
		char *parent UNI_AUTO_FREE = uni_path_dir(path);
		if (strcmp(parent, path) == 0 || strcmp(parent, ".") == 0)
			return uni_err_errno(err, "cannot make folder %s", path);
		int rc = uni_dir_make(parent, mode, err);
		if (rc != 0 || mkdir(path, (mode_t)mode) == 0)
			return rc;
	}
	int number = errno;
	/* Some file systems check for write permission before they look whether it is there. */
	if (stat(path, &st) == 0 && S_ISDIR(st.st_mode))
		return 0;
	errno = number;
	return uni_err_errno(err, "cannot make folder %s", path);
}

int uni_dir_tmp(const char *parent, char **path, struct uni_err *err)
{
	const char *tmpdir = uni_env("TMPDIR");
	if (parent == NULL)
		parent = tmpdir != NULL ? tmpdir : "/tmp";
	for (int i = 0; i < 100; i++) {
		char suffix[7];
		uni_tmp_suffix(suffix);
		char *name UNI_AUTO_FREE = uni_asprintf("%s/.uni.%s.tmp", parent, suffix);
		uni_tmp_register(name);
		if (mkdir(name, 0700) == 0) {
			*path = name;
			name = NULL;
			return 0;
		}
		int number = errno;
		uni_tmp_forget(name);
		errno = number;
		if (number != EEXIST)
			break;
	}
	return uni_err_errno(err, "cannot make a temporary folder in %s", parent);
}

int uni_file_nameless(int *fd, struct uni_err *err)
{
	const char *tmpdir = uni_env("TMPDIR");
	char *path UNI_AUTO_FREE = NULL;

	if (tmpdir == NULL)
		tmpdir = "/tmp";
	*fd = open(tmpdir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	if (*fd >= 0)
		return 0;
	/* Some file systems know none without a name. */
	path = uni_asprintf("%s/.uni.XXXXXX", tmpdir);
	*fd = mkostemp(path, O_CLOEXEC);
	if (*fd < 0)
		return uni_err_errno(err, "cannot make a temporary file in %s", tmpdir);
	unlink(path);
	return 0;
}

static void close_dir(DIR **dir)
{
	if (*dir != NULL)
		closedir(*dir);
}

int uni_dir_list(const char *path, struct uni_strv *names, struct uni_err *err)
{
	DIR *dir __attribute__((cleanup(close_dir))) = opendir(path);
	if (dir == NULL)
		return uni_err_errno(err, "cannot open folder %s", path);
	for (;;) {
		errno = 0;
		const struct dirent *entry = readdir(dir);
		if (entry == NULL && errno != 0)
			return uni_err_errno(err, "cannot read folder %s", path);
		if (entry == NULL)
			break;
		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
			uni_strv_add(names, entry->d_name);
	}
	uni_strv_sort(names);
	return 0;
}

/* As getdents64(2) fills it. */
struct dirent_wire {
	uint64_t ino;
	int64_t off;
	uint16_t reclen;
	uint8_t type;
	char name[];
};

#define DEPTH_MAX 64

struct removal {
	int top;	  /* the folder that all this happens in */
	unsigned hoisted; /* folders that were too deep and were moved up into `top` */
};

static int remove_below(struct removal *all, int fd, int depth);

static int open_dir_at(int parent, const char *name)
{
	int flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
	int fd = openat(parent, name, flags);
	if (fd < 0 && errno == EACCES && fchmodat(parent, name, 0700, 0) == 0)
		fd = openat(parent, name, flags);
	return fd;
}

static int unlink_at(int parent, const char *name, int flags)
{
	int number = unlinkat(parent, name, flags) == 0 ? 0 : errno;

	/* A folder without write permission, of ours, gets it. */
	if (number == EACCES && fchmod(parent, 0700) == 0)
		number = unlinkat(parent, name, flags) == 0 ? 0 : errno;
	return number;
}

/* Moves a folder that is too deep for our stack and descriptors to the top, where another pass
 * finds it. */
static int hoist(struct removal *all, int parent, const char *name)
{
	char to[32] = ".uni-removed-";
	size_t length = strlen(to);
	unsigned number = all->hoisted++;
	do {
		to[length++] = (char)('a' + number % 16);
		number /= 16;
	} while (number != 0);
	return renameat2(parent, name, all->top, to, RENAME_NOREPLACE) == 0 ? 0 : errno;
}

static int remove_entry(struct removal *all, int parent, const char *name, int depth)
{
	int rc = unlink_at(parent, name, 0);
	if (rc != EISDIR && rc != EPERM)
		return rc;
	if (depth == DEPTH_MAX)
		return hoist(all, parent, name);
	int fd = open_dir_at(parent, name);
	if (fd < 0)
		return errno == ENOTDIR ? rc : errno;
	rc = remove_below(all, fd, depth + 1);
	close(fd);
	return rc != 0 ? rc : unlink_at(parent, name, AT_REMOVEDIR);
}

/* One pass over a folder; *tried counts what it tried. */
static int remove_pass(struct removal *all, int fd, int depth, unsigned *tried)
{
	_Alignas(8) char buffer[2048];
	*tried = 0;
	if (lseek(fd, 0, SEEK_SET) < 0)
		return errno;
	for (;;) {
		long got = syscall(SYS_getdents64, fd, buffer, sizeof(buffer));
		if (got <= 0)
			return got < 0 ? errno : 0;
		for (long at = 0; at < got;) {
			const struct dirent_wire *entry = (const void *)(buffer + at);
			at += entry->reclen;
			if (strcmp(entry->name, ".") == 0 || strcmp(entry->name, "..") == 0)
				continue;
			++*tried;
			int rc = remove_entry(all, fd, entry->name, depth);
			if (rc != 0 && rc != ENOENT)
				return rc;
		}
	}
}

/* Passes until one finds nothing: names may move while others are removed, and hoisted folders
 * come up behind. */
static int remove_below(struct removal *all, int fd, int depth)
{
	unsigned tried;
	do {
		int rc = remove_pass(all, fd, depth, &tried);
		if (rc != 0)
			return rc;
	} while (tried != 0);
	return 0;
}

int uni_remove_tree(const char *path)
{
	int rc = unlink_at(AT_FDCWD, path, 0);
	if (rc == ENOENT || rc == 0)
		return 0;
	if (rc != EISDIR && rc != EPERM)
		return rc;
	int fd = open_dir_at(AT_FDCWD, path);
	if (fd < 0)
		return errno == ENOTDIR ? rc : errno;
	struct removal all = { .top = fd };
	rc = remove_below(&all, fd, 0);
	close(fd);
	if (rc == 0 && rmdir(path) != 0)
		rc = errno;
	return rc;
}

int uni_dir_remove(const char *path, struct uni_err *err)
{
	errno = uni_remove_tree(path);
	if (errno != 0 && errno != ENOENT)
		return uni_err_errno(err, "cannot remove %s", path);
	return 0;
}

int uni_dir_put(const char *made, const char *folder, struct uni_err *err)
{
	struct stat st;

	if (lstat(folder, &st) == 0 && !S_ISDIR(st.st_mode)) {
		uni_err_set(err, UNI_E_EXIST, "%s: is a file, and a folder was to stand there",
			    folder);
		return uni_err_hint(err, "it was kept; remove it, or write elsewhere");
	}
	if (renameat2(AT_FDCWD, made, AT_FDCWD, folder, RENAME_NOREPLACE) == 0)
		return 0;
	if (errno == EEXIST && renameat2(AT_FDCWD, made, AT_FDCWD, folder, RENAME_EXCHANGE) == 0)
		return uni_dir_remove(made, err);
	if (errno == EINVAL || errno == ENOSYS) {
		int rc = uni_dir_remove(folder, err);

		if (rc != 0 || rename(made, folder) == 0)
			return rc;
	}
	return uni_err_errno(err, "cannot give %s its name", folder);
}
