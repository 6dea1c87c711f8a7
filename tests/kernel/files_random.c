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

static const char *const paths[] = {
	"a",	  "b",	"c",   "a/b",	 "a/c",	     "b/a",    "b/c",	 "a/b/c",
	"c/../a", "a/", "b/",  "./a",	 "a/.",	     "a/..",   "b/..",	 "c/a/b",
	"",	  "l",	"l/a", "m",	 "m/",	     "l/../b", "a/l",	 "a/m",
	"x//a",	  ".",	"..",  "a/b/..", "b/../a/b", "c/",     "a/b/c/", "l/",
};
enum { PATHS = sizeof(paths) / sizeof(paths[0]), FDS = 12 };

static const struct world *on;
static uint64_t dice;
static char bytes[16384];

static unsigned pick(unsigned below)
{
	dice = dice * 6364136223846793005ull + 1442695040888963407ull;
	return (unsigned)(dice >> 33) % below;
}

static const char *name(void)
{
	return paths[pick(PATHS)];
}

static long calls(long n, long a, long b, long c, long d, long e)
{
	return on->call(n, a, b, c, d, e, 0);
}

#define POINTER(p) ((long)(uintptr_t)(p))

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
	long fd = calls(SYS_open, POINTER(path), kind, 0644, 0, 0);

	on->say("open %s %o", path, kind);
	if (fd >= FDS) {
		calls(SYS_close, fd, 0, 0, 0, 0);
		on->say(" (closed)");
	}
	return fd;
}

static long stat_some(const char *path, long number)
{
	struct stat st;
	long error = calls(number, POINTER(path), POINTER(&st), 0, 0, 0);

	on->say("%s %s", number == SYS_stat ? "stat" : "lstat", path);
	if (error == 0)
		on->say(" %o %lu %lld", st.st_mode, (unsigned long)st.st_nlink,
			S_ISDIR(st.st_mode) ? 0ll : (long long)st.st_size);
	return error;
}

static long rename_some(const char *path)
{
	const char *to = name();
	unsigned flags = pick(4) == 0 ? pick(4) : 0;

	on->say("rename %s %s %u", path, to, flags);
	return calls(SYS_renameat2, AT_FDCWD, POINTER(path), AT_FDCWD, POINTER(to), flags);
}

static long write_some(void)
{
	long fd = pick(FDS - 3) + 3, size = pick(9000), offset = pick(20000);

	memset(bytes, 'a' + (int)pick(26), sizeof(bytes));
	on->say("pwrite %ld %ld %ld", fd, size, offset);
	return calls(SYS_pwrite64, fd, POINTER(bytes), size, offset, 0);
}

static unsigned sum(long size)
{
	unsigned result = 0;

	for (long i = 0; i < size; i++)
		result = result * 31 + (unsigned char)bytes[i];
	return result;
}

static long read_some(void)
{
	long fd = pick(FDS - 3) + 3, offset = pick(20000);
	long size = calls(SYS_pread64, fd, POINTER(bytes), sizeof(bytes), offset, 0);

	on->say("pread %ld %ld: %u", fd, offset, sum(size));
	return size;
}

static long move_some(void)
{
	long fd = pick(FDS - 3) + 3, size;

	switch (pick(4)) {
	case 0:
		size = calls(SYS_write, fd, POINTER(paths), 0, 0, 0);
		break;
	case 1:
		memset(bytes, 'A', 100);
		size = calls(SYS_write, fd, POINTER(bytes), pick(100), 0, 0);
		break;
	case 2:
		size = calls(SYS_read, fd, POINTER(bytes), pick(5000), 0, 0);
		on->say("read %u ", sum(size));
		break;
	default:
		/* Where a folder's entries stand is the file system's own. */
		size = calls(SYS_lseek, fd, 0, 1, 0, 0);
		break;
	}
	on->say("move %ld", fd);
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
		on->say("close %ld", fd);
		return calls(SYS_close, fd, 0, 0, 0, 0);
	case 4:
	case 5:
		on->say("mkdir %s", path);
		return calls(SYS_mkdir, POINTER(path), 0755, 0, 0, 0);
	case 6:
		on->say("rmdir %s", path);
		return calls(SYS_rmdir, POINTER(path), 0, 0, 0, 0);
	case 7:
		on->say("unlink %s", path);
		return calls(SYS_unlink, POINTER(path), 0, 0, 0, 0);
	case 8:
	case 9:
		return rename_some(path);
	case 10:
		other = name();
		on->say("link %s %s", path, other);
		return calls(SYS_linkat, AT_FDCWD, POINTER(path), AT_FDCWD, POINTER(other),
			     pick(2) ? AT_SYMLINK_FOLLOW : 0);
	case 11:
		other = targets[pick(sizeof(targets) / sizeof(targets[0]))];
		on->say("symlink %s %s", other, path);
		return calls(SYS_symlink, POINTER(other), POINTER(path), 0, 0, 0);
	case 12:
		return stat_some(path, pick(2) ? SYS_stat : SYS_lstat);
	case 13:
		fd = pick(15000);
		on->say("truncate %s %ld", path, fd);
		return calls(SYS_truncate, POINTER(path), fd, 0, 0, 0);
	case 14:
		return write_some();
	case 15:
		return read_some();
	case 16:
		return move_some();
	default:
		on->say("access %s", path);
		return calls(SYS_access, POINTER(path), pick(8), 0, 0, 0);
	}
}

void files_random(const struct world *world, unsigned seed, unsigned steps)
{
	on = world;
	dice = seed;
	for (unsigned i = 0; i < steps; i++) {
		long result = one();

		on->say(" = %ld\n", result);
	}
}
