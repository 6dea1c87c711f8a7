/*
 * Advisory locks between processes: flock(2), which belongs to the open file, so that threads with
 * descriptors of their own exclude each other as well, and which ends with its process.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <time.h>
#include <uni/base/file.h>
#include <uni/base/system.h>
#include <unistd.h>

#define PAUSE_LEAST_NS 1000000
#define PAUSE_MOST_NS 50000000

/* Asks again and again instead of waiting inside flock(2): signals go to another thread, so nothing
 * would wake this one when the user interrupts. */
static int take(int fd, const char *path, int operation, bool wait, struct uni_err *err)
{
	struct timespec pause = { .tv_nsec = PAUSE_LEAST_NS };
	while (flock(fd, operation | LOCK_NB) != 0) {
		if (errno == EINTR)
			continue;
		if (errno != EWOULDBLOCK)
			return uni_err_errno(err, "cannot lock %s", path);
		if (!wait)
			return uni_err_set(err, UNI_E_BUSY, "%s is locked by another process",
					   path);
		int rc = uni_check_cancel(err);
		if (rc != 0)
			return rc;
		nanosleep(&pause, NULL);
		if (pause.tv_nsec < PAUSE_MOST_NS)
			pause.tv_nsec *= 2;
	}
	return 0;
}

/* A lock on a file that was removed meanwhile excludes nobody. */
static bool still_named(int fd, const char *path)
{
	struct stat held;
	struct stat named;
	return fstat(fd, &held) == 0 && stat(path, &named) == 0 && held.st_ino == named.st_ino &&
	       held.st_dev == named.st_dev;
}

int uni_lock(const char *path, bool exclusive, bool wait, int *result, struct uni_err *err)
{
	int operation = exclusive ? LOCK_EX : LOCK_SH;
	for (;;) {
		int fd UNI_AUTO_CLOSE = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0666);
		/* A store that we may only read is still locked against its collection. */
		if (fd < 0 && !exclusive && (errno == EACCES || errno == EROFS))
			fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
		if (fd < 0)
			return uni_err_errno(err, "cannot open lock file %s", path);
		int rc = take(fd, path, operation, wait, err);
		if (rc != 0)
			return rc;
		if (still_named(fd, path)) {
			*result = uni_take_fd(&fd);
			return 0;
		}
	}
}
