/*
 * Random calls on a handful of names: they meet every mixture of files, folders, links and open
 * descriptors sooner or later, and Linux says what each must give.
 */
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "files.h"

static const char *const names[] = {
	"a",	  "b",	"c",   "a/b",	 "a/c",	     "b/a",    "b/c",	 "a/b/c",
	"c/../a", "a/", "b/",  "./a",	 "a/.",	     "a/..",   "b/..",	 "c/a/b",
	"",	  "l",	"l/a", "m",	 "m/",	     "l/../b", "a/l",	 "a/m",
	"x//a",	  ".",	"..",  "a/b/..", "b/../a/b", "c/",     "a/b/c/", "l/",
};
enum { NAMES = sizeof(names) / sizeof(names[0]), FDS = 12 };

static const struct world *w;
static uint64_t state;
static char buffer[16384];

static unsigned pick(unsigned below)
{
	state = state * 6364136223846793005ull + 1442695040888963407ull;
	return (unsigned)(state >> 33) % below;
}

static const char *name(void)
{
	return names[pick(NAMES)];
}

static long call(long n, long a, long b, long c, long d, long e)
{
	return w->call(n, a, b, c, d, e, 0);
}

#define P(p) ((long)(uintptr_t)(p))

static long open_some(const char *path)
{
	static const int kinds[] = { O_RDONLY,
				     O_RDWR,
				     O_WRONLY,
				     O_RDWR | O_CREAT,
				     O_RDWR | O_CREAT | O_EXCL,
				     O_WRONLY | O_TRUNC,
				     O_RDWR | O_CREAT | O_TRUNC,
				     O_RDONLY | O_DIRECTORY,
				     O_RDONLY | O_NOFOLLOW,
				     O_WRONLY | O_APPEND,
				     O_PATH,
				     O_PATH | O_NOFOLLOW,
				     O_RDONLY | O_CREAT };
	int kind = kinds[pick(sizeof(kinds) / sizeof(kinds[0]))];
	long fd = call(SYS_open, P(path), kind, 0644, 0, 0);

	w->say("open %s %o", path, kind);
	if (fd >= FDS) {
		call(SYS_close, fd, 0, 0, 0, 0);
		w->say(" (closed)");
	}
	return fd;
}

static long stat_some(const char *path, long number)
{
	struct stat st;
	long error = call(number, P(path), P(&st), 0, 0, 0);

	w->say("%s %s", number == SYS_stat ? "stat" : "lstat", path);
	if (error == 0)
		w->say(" %o %lu %lld", st.st_mode, (unsigned long)st.st_nlink,
		       S_ISDIR(st.st_mode) ? 0ll : (long long)st.st_size);
	return error;
}

static long rename_some(const char *path)
{
	const char *to = name();
	unsigned flags = pick(4) == 0 ? pick(4) : 0;

	w->say("rename %s %s %u", path, to, flags);
	return call(SYS_renameat2, AT_FDCWD, P(path), AT_FDCWD, P(to), flags);
}

static long write_some(void)
{
	long fd = pick(FDS - 3) + 3, size = pick(9000), offset = pick(20000);

	memset(buffer, 'a' + (int)pick(26), sizeof(buffer));
	w->say("pwrite %ld %ld %ld", fd, size, offset);
	return call(SYS_pwrite64, fd, P(buffer), size, offset, 0);
}

static unsigned sum(long size)
{
	unsigned result = 0;

	for (long i = 0; i < size; i++)
		result = result * 31 + (unsigned char)buffer[i];
	return result;
}

static long read_some(void)
{
	long fd = pick(FDS - 3) + 3, offset = pick(20000);
	long size = call(SYS_pread64, fd, P(buffer), sizeof(buffer), offset, 0);

	w->say("pread %ld %ld: %u", fd, offset, sum(size));
	return size;
}

static long move_some(void)
{
	long fd = pick(FDS - 3) + 3, size;

	switch (pick(4)) {
	case 0:
		size = call(SYS_write, fd, P(names), 0, 0, 0);
		break;
	case 1:
		memset(buffer, 'A', 100);
		size = call(SYS_write, fd, P(buffer), pick(100), 0, 0);
		break;
	case 2:
		size = call(SYS_read, fd, P(buffer), pick(5000), 0, 0);
		w->say("read %u ", sum(size));
		break;
	default:
		/* Where a folder's entries stand is the file system's own. */
		size = call(SYS_lseek, fd, 0, 1, 0, 0);
		break;
	}
	w->say("move %ld", fd);
	return size;
}

static long one(void)
{
	static const char *const targets[] = { "a", "b/c", "../b", "l", "m", "a/", ".", "c" };
	const char *path = name();
	const char *other;
	long fd;

	switch (pick(18)) {
	case 0:
	case 1:
	case 2:
		return open_some(path);
	case 3:
		fd = pick(FDS - 3) + 3;
		w->say("close %ld", fd);
		return call(SYS_close, fd, 0, 0, 0, 0);
	case 4:
	case 5:
		w->say("mkdir %s", path);
		return call(SYS_mkdir, P(path), 0755, 0, 0, 0);
	case 6:
		w->say("rmdir %s", path);
		return call(SYS_rmdir, P(path), 0, 0, 0, 0);
	case 7:
		w->say("unlink %s", path);
		return call(SYS_unlink, P(path), 0, 0, 0, 0);
	case 8:
	case 9:
		return rename_some(path);
	case 10:
		other = name();
		w->say("link %s %s", path, other);
		return call(SYS_linkat, AT_FDCWD, P(path), AT_FDCWD, P(other),
			    pick(2) ? AT_SYMLINK_FOLLOW : 0);
	case 11:
		other = targets[pick(sizeof(targets) / sizeof(targets[0]))];
		w->say("symlink %s %s", other, path);
		return call(SYS_symlink, P(other), P(path), 0, 0, 0);
	case 12:
		return stat_some(path, pick(2) ? SYS_stat : SYS_lstat);
	case 13:
		fd = pick(15000);
		w->say("truncate %s %ld", path, fd);
		return call(SYS_truncate, P(path), fd, 0, 0, 0);
	case 14:
		return write_some();
	case 15:
		return read_some();
	case 16:
		return move_some();
	default:
		w->say("access %s", path);
		return call(SYS_access, P(path), pick(8), 0, 0, 0);
	}
}

void files_random(const struct world *world, unsigned seed, unsigned steps)
{
	w = world;
	state = seed;
	for (unsigned i = 0; i < steps; i++) {
		long result = one();

		w->say(" = %ld\n", result);
	}
}
