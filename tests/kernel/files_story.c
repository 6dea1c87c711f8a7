/*
 * The story of files, call by call. Only results that Linux defines are told: no inode numbers, no
 * times, no sizes of folders.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/select.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "files_calls.h"

/* Some C libraries make macros of these. */
#undef pread64
#undef pwrite64

static const struct world *w;

static char buffer[65536];

static void tell_stat(const char *path)
{
	struct stat st;
	long error = CALL(lstat, P(path), P(&st));

	if (error != 0)
		w->say("%s: %ld\n", path, error);
	else if (S_ISDIR(st.st_mode))
		w->say("%s: folder %o, %lu links\n", path, st.st_mode, (unsigned long)st.st_nlink);
	else
		w->say("%s: %o, %lu links, %lld bytes\n", path, st.st_mode,
		       (unsigned long)st.st_nlink, (long long)st.st_size);
}

struct entry {
	uint64_t ino;
	int64_t off;
	unsigned short reclen;
	unsigned char type;
	char name[];
};

static int by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Names are told sorted: their order is the file system's own. */
static void tell_entries(const char *path, size_t room)
{
	long fd = CALL(open, P(path), O_RDONLY | O_DIRECTORY, 0), size;
	char *names[512];
	size_t count = 0;

	if (fd < 0) {
		w->say("entries of %s: %ld\n", path, fd);
		return;
	}
	while ((size = CALL(getdents64, fd, P(buffer), room)) > 0) {
		for (long at = 0; at < size;) {
			struct entry *e = (void *)(buffer + at);

			if (count < 512) {
				names[count] = malloc(strlen(e->name) + 8);
				sprintf(names[count++], "%s %d", e->name, e->type);
			}
			at += e->reclen;
		}
	}
	CALL(close, fd);
	qsort(names, count, sizeof(names[0]), by_name);
	w->say("entries of %s, %ld:", path, size);
	for (size_t i = 0; i < count; i++) {
		w->say(" %s;", names[i]);
		free(names[i]);
	}
	w->say("\n");
}

static void tell_content(const char *path)
{
	long fd = CALL(open, P(path), O_RDONLY, 0), size;
	unsigned sum = 0;
	size_t total = 0;

	if (fd < 0) {
		w->say("content of %s: %ld\n", path, fd);
		return;
	}
	while ((size = CALL(read, fd, P(buffer), 5000)) > 0) {
		for (long i = 0; i < size; i++)
			sum = sum * 31 + (unsigned char)buffer[i];
		total += (size_t)size;
	}
	CALL(close, fd);
	w->say("content of %s: %zu bytes, sum %u, %ld\n", path, total, sum, size);
}

static void opening(void)
{
	w->say("-- opening\n");
	TELL(open, P("none"), O_RDONLY, 0);
	TELL(open, P(""), O_RDONLY, 0);
	TELL(open, P("none/"), O_CREAT | O_WRONLY, 0644);
	TELL(open, P("none/x"), O_CREAT | O_WRONLY, 0644);
	TELL(open, P("."), O_CREAT | O_WRONLY, 0644);
	TELL(open, P("."), O_WRONLY, 0);
	TELL(open, P(".."), O_RDWR, 0);
	TELL(open, P("/"), O_CREAT, 0);
	TELL(open, P("f"), O_CREAT | O_EXCL | O_RDWR, 0640);
	TELL(close, 3);
	TELL(close, 3);
	TELL(close, -1);
	TELL(open, P("f"), O_CREAT | O_EXCL | O_RDWR, 0640);
	tell_stat("f");
	TELL(open, P("f/"), O_RDONLY, 0);
	TELL(open, P("f/x"), O_RDONLY, 0);
	TELL(open, P("f"), O_RDONLY | O_DIRECTORY, 0);
	TELL(openat, -5, P("f"), O_RDONLY, 0);
	TELL(openat, AT_FDCWD, P(0), O_RDONLY, 0);
	TELL(creat, P("g"), 0600);
	TELL(openat, 3, P("h"), O_RDONLY, 0);
	TELL(read, 3, P(buffer), 10);
	TELL(close, 3);
	TELL(open, P("."), O_RDONLY, 0);
	TELL(openat, 3, P("f"), O_RDWR, 0);
	TELL(fcntl, 4, F_GETFL, 0);
	TELL(fcntl, 4, F_GETFD, 0);
	TELL(fcntl, 4, F_SETFL, O_APPEND | O_NONBLOCK | O_RDONLY | O_CREAT);
	TELL(fcntl, 4, F_GETFL, 0);
	TELL(fcntl, 4, F_SETFD, FD_CLOEXEC);
	TELL(fcntl, 4, F_GETFD, 0);
	TELL(fcntl, 4, 999, 0);
	TELL(close, 4);
	TELL(openat, 3, P("f"), O_RDONLY | O_CLOEXEC | O_NONBLOCK, 0);
	TELL(fcntl, 4, F_GETFD, 0);
	TELL(fcntl, 4, F_GETFL, 0);
	TELL(write, 4, P("x"), 1);
	TELL(close, 4);
	TELL(close, 3);
	TELL(open, P("f"), O_PATH | O_CLOEXEC, 0);
	TELL(read, 3, P(buffer), 1);
	TELL(fcntl, 3, F_GETFL, 0);
	TELL(fcntl, 3, F_SETFL, 0);
	TELL(fchmod, 3, 0600);
	TELL(ioctl, 3, 0x541b, P(buffer));
	TELL(lseek, 3, 0, SEEK_SET);
	TELL(dup, 3);
	TELL(close, 4);
	TELL(close, 3);
	TELL(open, P("."), O_TMPFILE | O_RDWR, 0600);
	TELL(write, 3, P("nameless"), 8);
	TELL(close, 3);
	TELL(open, P("."), O_TMPFILE | O_RDONLY, 0600);
	TELL(open, P("f"), O_TMPFILE | O_RDWR, 0600);
	TELL(open, P("."), O_TMPFILE & ~O_DIRECTORY, 0600);
}

static void reading(void)
{
	struct iovec vec[3] = { { (void *)(uintptr_t) "one", 3 },
				{ (void *)(uintptr_t) "", 0 },
				{ (void *)(uintptr_t) "two", 3 } };

	w->say("-- reading and writing\n");
	TELL(open, P("rw"), O_CREAT | O_RDWR, 0644);
	TELL(write, 3, P("hello, world"), 12);
	TELL(lseek, 3, 0, SEEK_CUR);
	TELL(lseek, 3, -5, SEEK_END);
	memset(buffer, 0, 16);
	TELL(read, 3, P(buffer), 100);
	w->say("%.16s\n", buffer);
	TELL(read, 3, P(buffer), 100);
	TELL(lseek, 3, -1, SEEK_SET);
	TELL(lseek, 3, -100, SEEK_CUR);
	TELL(lseek, 3, 5, 77);
	TELL(lseek, 3, 5, SEEK_DATA);
	TELL(lseek, 3, 5, SEEK_HOLE);
	TELL(lseek, 3, 500, SEEK_DATA);
	TELL(lseek, 3, 10000, SEEK_SET);
	TELL(read, 3, P(buffer), 100);
	TELL(write, 3, P("far"), 3);
	tell_stat("rw");
	tell_content("rw");
	TELL(pread64, 3, P(buffer), 4, 7);
	w->say("%.4s\n", buffer);
	TELL(pread64, 3, P(buffer), 4, -1);
	TELL(pwrite64, 3, P("W"), 1, 7);
	TELL(pwrite64, 3, P("W"), 1, -1);
	TELL(lseek, 3, 0, SEEK_SET);
	TELL(writev, 3, P(vec), 3);
	TELL(writev, 3, P(vec), -1);
	TELL(writev, 3, P(vec), 1025);
	TELL(writev, 3, P(vec), 0);
	TELL(pwritev, 3, P(vec), 3, 4094);
	TELL(pread64, 3, P(buffer), 6, 4094);
	w->say("%.6s\n", buffer);
	TELL(read, 3, 0, 5);
	TELL(write, 3, 0, 5);
	TELL(write, 3, 0, 0);
	TELL(read, 77, P(buffer), 5);
	TELL(ftruncate, 3, 5);
	tell_content("rw");
	TELL(ftruncate, 3, 8000);
	tell_content("rw");
	TELL(ftruncate, 3, -1);
	TELL(truncate, P("rw"), 4096);
	TELL(truncate, P("none"), 4096);
	TELL(truncate, P("."), 4096);
	tell_content("rw");
	TELL(open, P("rw"), O_WRONLY | O_APPEND, 0);
	TELL(lseek, 4, 0, SEEK_SET);
	TELL(write, 4, P("tail"), 4);
	TELL(lseek, 4, 0, SEEK_CUR);
	TELL(pwrite64, 4, P("more"), 4, 0);
	tell_content("rw");
	TELL(read, 4, P(buffer), 5);
	TELL(ftruncate, 4, 100);
	TELL(close, 4);
	TELL(open, P("rw"), O_RDONLY, 0);
	TELL(ftruncate, 4, 100);
	TELL(write, 4, P("x"), 1);
	TELL(fallocate, 4, 0, 0, 10);
	TELL(close, 4);
	TELL(fallocate, 3, 0, 0, 20000);
	tell_stat("rw");
	TELL(fallocate, 3, 1, 0, 50000);
	tell_stat("rw");
	TELL(fallocate, 3, 0, -1, 10);
	TELL(fallocate, 3, 0, 0, 0);
	TELL(pwrite64, 3, P("middle"), 6, 6000);
	TELL(fallocate, 3, 3, 5000, 2000);
	tell_content("rw");
	TELL(fallocate, 3, 2, 5000, 2000);
	TELL(fsync, 3);
	TELL(fdatasync, 3);
	TELL(fsync, 99);
	TELL(fadvise64, 3, 0, 0, 3);
	TELL(fadvise64, 3, 0, 0, 99);
	TELL(close, 3);
}

static void sending(void)
{
	long long offset = 3;

	w->say("-- file to file\n");
	make_file(w, "from", "abcdefghijklmnopqrstuvwxyz");
	TELL(open, P("from"), O_RDONLY, 0);
	TELL(open, P("to"), O_CREAT | O_RDWR, 0644);
	TELL(sendfile, 4, 3, 0, 5);
	TELL(lseek, 3, 0, SEEK_CUR);
	TELL(sendfile, 4, 3, P(&offset), 100);
	w->say("offset %lld\n", offset);
	tell_content("to");
	TELL(sendfile, 3, 4, 0, 5);
	TELL(sendfile, 99, 4, 0, 5);
	offset = 2;
	TELL(copy_file_range, 3, P(&offset), 4, 0, 10, 0);
	w->say("offset %lld\n", offset);
	tell_content("to");
	TELL(copy_file_range, 3, P(&offset), 4, 0, 10, 1);
	TELL(copy_file_range, 4, P(&offset), 3, 0, 10, 0);
	TELL(copy_file_range, 3, P(&offset), 3, P(&offset), 10, 0);
	TELL(close, 3);
	TELL(close, 4);
}

static void names(void)
{
	char longest[300];

	w->say("-- names\n");
	TELL(mkdir, P("d"), 0755);
	TELL(mkdir, P("d"), 0755);
	TELL(mkdir, P("d/"), 0755);
	TELL(mkdir, P("d/."), 0755);
	TELL(mkdir, P("d/.."), 0755);
	TELL(mkdir, P("/"), 0755);
	TELL(mkdir, P(""), 0755);
	TELL(mkdir, P("none/x"), 0755);
	TELL(mkdir, P("f/x"), 0755);
	TELL(mkdir, P("d/e/"), 0700);
	TELL(mkdirat, AT_FDCWD, P("d/e/g"), 01777);
	tell_stat("d");
	tell_stat("d/e/g");
	memset(longest, 'n', sizeof(longest));
	longest[255] = '\0';
	TELL(mkdir, P(longest), 0755);
	tell_stat("d");
	TELL(rmdir, P(longest));
	longest[255] = 'n';
	longest[256] = '\0';
	TELL(mkdir, P(longest), 0755);
	TELL(open, P(longest), O_RDONLY, 0);
	TELL(rmdir, P("d"));
	TELL(rmdir, P("d/e/g/."));
	TELL(rmdir, P("d/e/g/.."));
	TELL(rmdir, P("/"));
	TELL(rmdir, P("f"));
	TELL(rmdir, P("none"));
	TELL(unlink, P("d"));
	TELL(unlink, P("d/"));
	TELL(unlink, P("none"));
	TELL(unlink, P("f/"));
	TELL(unlink, P("."));
	TELL(unlinkat, AT_FDCWD, P("d/e/g"), 0);
	TELL(unlinkat, AT_FDCWD, P("d/e/g"), AT_REMOVEDIR);
	TELL(unlinkat, AT_FDCWD, P("d/e/g"), 0x800);
	TELL(rmdir, P("d/e/"));
	make_file(w, "d/1", "one");
	make_file(w, "d/2", "two");
	TELL(link, P("d/1"), P("d/3"));
	TELL(link, P("d/1"), P("d/2"));
	TELL(link, P("d"), P("dd"));
	TELL(link, P("none"), P("dd"));
	TELL(link, P("d/1"), P("d/4/"));
	TELL(linkat, AT_FDCWD, P("d/1"), AT_FDCWD, P("d/4"), 0x99);
	tell_stat("d/1");
	TELL(unlink, P("d/1"));
	tell_stat("d/3");
	tell_entries("d", 4096);
	tell_entries("d", 100);
	tell_entries("d", 20);
	tell_entries("f", 100);
	TELL(mknod, P("fifo"), S_IFIFO | 0600, 0);
	TELL(mknod, P("fifo"), S_IFIFO | 0600, 0);
	TELL(mknod, P("plain"), 0600, 0);
	TELL(mknod, P("sock"), S_IFSOCK | 0600, 0);
	TELL(mknod, P("wrong"), S_IFDIR | 0600, 0);
	TELL(mknod, P("wrong"), 0170000 | 0600, 0);
	tell_stat("fifo");
	tell_stat("plain");
	TELL(open, P("sock"), O_RDONLY, 0);
	TELL(open, P("fifo"), O_WRONLY | O_NONBLOCK, 0);
	TELL(umask, 077);
	make_file(w, "masked", "");
	tell_stat("masked");
	TELL(umask, 022);
}

static void renaming(void)
{
	w->say("-- renaming\n");
	make_file(w, "r1", "r1");
	make_file(w, "r2", "r2r2");
	TELL(mkdir, P("rd"), 0755);
	TELL(mkdir, P("rd/sub"), 0755);
	TELL(mkdir, P("re"), 0755);
	TELL(rename, P("r1"), P("r3"));
	TELL(rename, P("r1"), P("r3"));
	TELL(rename, P("r3"), P("r2"));
	tell_content("r2");
	TELL(rename, P("r2"), P("rd"));
	TELL(rename, P("rd"), P("r2"));
	TELL(rename, P("rd"), P("rd/sub/x"));
	TELL(rename, P("rd"), P("rd/sub"));
	TELL(rename, P("rd/sub"), P("rd"));
	TELL(rename, P("rd"), P("rd"));
	TELL(rename, P("re"), P("rd"));
	TELL(rename, P("rd"), P("re"));
	TELL(rename, P("re/sub"), P("moved"));
	tell_stat("re");
	tell_stat("moved");
	TELL(rename, P("r2"), P("new/"));
	TELL(rename, P("r2/"), P("new"));
	TELL(rename, P("moved/"), P("again/"));
	TELL(rename, P("again"), P("none/x"));
	TELL(rename, P("again/."), P("x"));
	TELL(rename, P("again"), P(".."));
	TELL(rename, P(""), P("x"));
	TELL(link, P("r2"), P("r4"));
	TELL(rename, P("r2"), P("r4"));
	tell_stat("r2");
	tell_stat("r4");
	make_file(w, "x1", "x1");
	TELL(renameat2, AT_FDCWD, P("x1"), AT_FDCWD, P("r2"), 1);
	TELL(renameat2, AT_FDCWD, P("x1"), AT_FDCWD, P("x2"), 1);
	TELL(renameat2, AT_FDCWD, P("x2"), AT_FDCWD, P("again"), 2);
	tell_stat("x2");
	tell_content("again");
	TELL(renameat2, AT_FDCWD, P("x2"), AT_FDCWD, P("absent"), 2);
	TELL(renameat2, AT_FDCWD, P("x2"), AT_FDCWD, P("x2/y"), 2);
	TELL(renameat2, AT_FDCWD, P("x2"), AT_FDCWD, P("again"), 3);
	TELL(open, P("x2"), O_RDONLY, 0);
	TELL(rename, P("x2"), P("x3"));
	TELL(mkdirat, 3, P("inside"), 0755);
	tell_entries("x3", 4096);
	TELL(rmdir, P("x3/inside"));
	TELL(rmdir, P("x3"));
	TELL(mkdirat, 3, P("inside"), 0755);
	TELL(openat, 3, P("file"), O_CREAT | O_RDWR, 0600);
	TELL(getdents64, 3, P(buffer), 1000);
	TELL(close, 3);
}

static void links(void)
{
	char path[64];

	w->say("-- symbolic links\n");
	make_file(w, "target", "target");
	TELL(mkdir, P("ld"), 0755);
	make_file(w, "ld/in", "in");
	TELL(symlink, P("target"), P("l1"));
	TELL(symlink, P("target"), P("l1"));
	TELL(symlink, P(""), P("l2"));
	TELL(symlink, P("absent"), P("l2"));
	TELL(symlink, P("ld"), P("l3"));
	TELL(symlink, P("ld/"), P("l4"));
	TELL(symlink, P("loop"), P("loop"));
	TELL(symlink, P("../ld/in"), P("ld/up"));
	TELL(symlink, P("x"), P("absent/"));
	tell_stat("l1");
	tell_stat("l3/");
	tell_stat("l2");
	TELL(open, P("l2"), O_RDONLY, 0);
	TELL(open, P("l1"), O_RDONLY | O_NOFOLLOW, 0);
	TELL(open, P("l1"), O_RDONLY | O_NOFOLLOW | O_DIRECTORY, 0);
	TELL(open, P("l3"), O_RDONLY | O_NOFOLLOW | O_DIRECTORY, 0);
	TELL(open, P("l3/"), O_RDONLY | O_NOFOLLOW, 0);
	TELL(close, 3);
	TELL(open, P("l1"), O_PATH | O_NOFOLLOW, 0);
	memset(buffer, 0, 20);
	TELL(readlinkat, 3, P(""), P(buffer), 20);
	w->say("%s\n", buffer);
	TELL(close, 3);
	TELL(open, P("loop"), O_RDONLY, 0);
	TELL(open, P("loop/x"), O_RDONLY, 0);
	TELL(open, P("l1/x"), O_RDONLY, 0);
	tell_content("ld/up");
	tell_content("l3/in");
	tell_content("l4/in");
	tell_content("l3/../l1");
	TELL(readlink, P("l1"), P(buffer), 3);
	TELL(readlink, P("l1"), P(buffer), 0);
	TELL(readlink, P("target"), P(buffer), 10);
	TELL(readlink, P("absent"), P(buffer), 10);
	TELL(open, P("l2"), O_CREAT | O_EXCL | O_WRONLY, 0600);
	TELL(open, P("l2"), O_CREAT | O_WRONLY, 0600);
	TELL(close, 3);
	tell_stat("absent");
	TELL(mkdir, P("l1"), 0700);
	TELL(rmdir, P("l3"));
	TELL(rmdir, P("l3/"));
	TELL(unlink, P("l3/"));
	TELL(linkat, AT_FDCWD, P("l1"), AT_FDCWD, P("hard"), 0);
	tell_stat("hard");
	TELL(linkat, AT_FDCWD, P("l1"), AT_FDCWD, P("hard2"), AT_SYMLINK_FOLLOW);
	tell_stat("hard2");
	TELL(rename, P("l1"), P("l5"));
	tell_stat("l5");
	/* Forty links are the bound. */
	for (int i = 0; i < 42; i++) {
		char to[64];

		snprintf(path, sizeof(path), "chain%d", i + 1);
		snprintf(to, sizeof(to), "chain%d", i);
		CALL(symlink, P(to), P(path));
	}
	make_file(w, "chain0", "end");
	tell_content("chain40");
	tell_content("chain41");
	TELL(symlink, P("a/b/../../target"), P("winding"));
	TELL(mkdir, P("a"), 0755);
	TELL(mkdir, P("a/b"), 0755);
	tell_content("winding");
	tell_content("./a//b/../b/./../../target");
}

static void attributes(void)
{
	struct timespec t[2] = { { 1000, 5 }, { 2000, 7 } };
	struct stat st;
	struct statfs fs;

	w->say("-- attributes\n");
	make_file(w, "at", "1234");
	TELL(chmod, P("at"), 07777);
	tell_stat("at");
	TELL(chmod, P("at"), 0);
	TELL(access, P("at"), R_OK);
	TELL(access, P("at"), F_OK);
	TELL(access, P("at"), X_OK);
	TELL(access, P("at"), 8);
	TELL(access, P("none"), F_OK);
	TELL(access, P("."), X_OK);
	TELL(chmod, P("at"), 0755);
	TELL(access, P("at"), X_OK);
	TELL(faccessat, AT_FDCWD, P("at"), R_OK);
	TELL(faccessat2, AT_FDCWD, P("at"), R_OK, AT_EACCESS);
	TELL(faccessat2, AT_FDCWD, P("at"), R_OK, 1);
	TELL(chmod, P("none"), 0755);
	TELL(open, P("at"), O_RDWR, 0);
	TELL(fchmod, 3, 0600);
	TELL(fstat, 3, P(&st));
	w->say("%o %lld %ld\n", st.st_mode, (long long)st.st_size, (long)st.st_blksize);
	TELL(fstat, 99, P(&st));
	TELL(fstat, 3, 0);
	TELL(newfstatat, 3, P(""), P(&st), AT_EMPTY_PATH);
	TELL(newfstatat, 3, P(""), P(&st), 0);
	TELL(newfstatat, 3, P("x"), P(&st), 0);
	TELL(newfstatat, AT_FDCWD, P("at"), P(&st), 0x10000);
	TELL(utimensat, AT_FDCWD, P("at"), P(t), 0);
	TELL(stat, P("at"), P(&st));
	w->say("%ld.%ld %ld.%ld\n", (long)st.st_atim.tv_sec, st.st_atim.tv_nsec,
	       (long)st.st_mtim.tv_sec, st.st_mtim.tv_nsec);
	t[0].tv_nsec = UTIME_OMIT;
	t[1].tv_sec = 3000;
	TELL(utimensat, 3, 0, P(t), 0);
	TELL(stat, P("at"), P(&st));
	w->say("%ld.%ld %ld.%ld\n", (long)st.st_atim.tv_sec, st.st_atim.tv_nsec,
	       (long)st.st_mtim.tv_sec, st.st_mtim.tv_nsec);
	t[1].tv_nsec = 1000000000;
	TELL(utimensat, 3, 0, P(t), 0);
	TELL(utimensat, 99, 0, P(t), 0);
	TELL(utimensat, AT_FDCWD, P("none"), 0, 0);
	TELL(chown, P("at"), -1, -1);
	TELL(chown, P("none"), -1, -1);
	TELL(fchown, 3, -1, -1);
	TELL(statfs, P("at"), P(&fs));
	w->say("%ld %ld\n", (long)fs.f_bsize, (long)fs.f_namelen);
	TELL(fstatfs, 99, P(&fs));
	TELL(statfs, P("none"), P(&fs));
	TELL(getxattr, P("none"), P("user.x"), 0, 0);
	TELL(listxattr, P("at"), 0, 0);
	TELL(close, 3);
}

static void descriptors(void)
{
	w->say("-- descriptors\n");
	make_file(w, "fd", "0123456789");
	TELL(open, P("fd"), O_RDONLY, 0);
	TELL(dup, 3);
	TELL(read, 3, P(buffer), 4);
	TELL(read, 4, P(buffer), 4);
	w->say("%.4s\n", buffer);
	TELL(dup2, 3, 10);
	TELL(dup2, 3, 3);
	TELL(dup2, 99, 99);
	TELL(dup2, 3, -1);
	TELL(dup2, 99, 5);
	TELL(dup3, 3, 3, 0);
	TELL(dup3, 3, 11, O_CLOEXEC);
	TELL(dup3, 3, 11, O_NONBLOCK);
	TELL(fcntl, 11, F_GETFD, 0);
	TELL(fcntl, 10, F_GETFD, 0);
	TELL(fcntl, 3, F_DUPFD, 10);
	TELL(fcntl, 3, F_DUPFD_CLOEXEC, 10);
	TELL(fcntl, 13, F_GETFD, 0);
	TELL(fcntl, 3, F_DUPFD, -1);
	TELL(fcntl, 3, F_DUPFD, 1 << 30);
	TELL(fcntl, 99, F_GETFL, 0);
	TELL(close_range, 10, 12, 0);
	TELL(close, 10);
	TELL(close_range, 13, 13, 4);
	TELL(close_range, 13, 5, 0);
	TELL(close_range, 3, 4, 99);
	TELL(close, 4);
	TELL(open, P("fd"), O_RDONLY, 0);
	TELL(close, 13);
	TELL(close, 4);
	TELL(close, 3);
}

static void locking(void)
{
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 0, .l_len = 10 };

	w->say("-- locks\n");
	make_file(w, "lock", "0123456789");
	TELL(open, P("lock"), O_RDWR, 0);
	TELL(open, P("lock"), O_RDWR, 0);
	TELL(flock, 3, LOCK_EX);
	TELL(flock, 4, LOCK_EX | LOCK_NB);
	TELL(flock, 4, LOCK_SH | LOCK_NB);
	TELL(flock, 3, LOCK_SH);
	TELL(flock, 4, LOCK_SH | LOCK_NB);
	TELL(flock, 3, LOCK_EX | LOCK_NB);
	TELL(flock, 4, LOCK_UN);
	TELL(flock, 3, LOCK_EX | LOCK_NB);
	TELL(flock, 3, 16);
	TELL(flock, 99, LOCK_EX);
	TELL(fcntl, 3, F_SETLK, P(&lock));
	TELL(fcntl, 4, F_SETLK, P(&lock));
	TELL(fcntl, 4, F_GETLK, P(&lock));
	w->say("%d\n", lock.l_type);
	lock.l_type = F_UNLCK;
	TELL(fcntl, 4, F_SETLK, P(&lock));
	lock.l_type = F_WRLCK;
	lock.l_pid = 0;
	TELL(fcntl, 3, F_OFD_SETLK, P(&lock));
	lock.l_start = 5;
	TELL(fcntl, 4, F_OFD_SETLK, P(&lock));
	TELL(fcntl, 4, F_OFD_GETLK, P(&lock));
	w->say("%d %lld %lld %d\n", lock.l_type, (long long)lock.l_start, (long long)lock.l_len,
	       lock.l_pid);
	lock = (struct flock){ .l_type = F_UNLCK, .l_start = 3, .l_len = 4 };
	TELL(fcntl, 3, F_OFD_SETLK, P(&lock));
	lock.l_type = F_WRLCK;
	TELL(fcntl, 4, F_OFD_SETLK, P(&lock));
	lock.l_len = 5;
	TELL(fcntl, 4, F_OFD_SETLK, P(&lock));
	lock.l_start = -3;
	TELL(fcntl, 4, F_OFD_SETLK, P(&lock));
	lock.l_whence = 9;
	TELL(fcntl, 4, F_SETLK, P(&lock));
	TELL(close, 3);
	lock = (struct flock){ .l_type = F_WRLCK, .l_start = 0, .l_len = 0 };
	TELL(fcntl, 4, F_OFD_SETLK, P(&lock));
	TELL(flock, 4, LOCK_EX | LOCK_NB);
	TELL(close, 4);
}

static void folders(void)
{
	w->say("-- the working folder\n");
	TELL(mkdir, P("cw"), 0755);
	TELL(mkdir, P("cw/in"), 0755);
	make_file(w, "cw/file", "x");
	TELL(chdir, P("cw/in"));
	TELL(open, P("../file"), O_RDONLY, 0);
	TELL(close, 3);
	TELL(getcwd, P(buffer), 2);
	w->say("%s\n", CALL(getcwd, P(buffer), 4096) > 6 ? buffer + strlen(buffer) - 6 : "?");
	TELL(open, P(".."), O_RDONLY, 0);
	TELL(chdir, P("none"));
	TELL(chdir, P("../file"));
	TELL(fchdir, 3);
	TELL(rmdir, P("in"));
	TELL(mkdir, P("in"), 0755);
	TELL(chdir, P("in"));
	TELL(rmdir, P("../in"));
	TELL(getcwd, P(buffer), 4096);
	TELL(open, P("x"), O_CREAT | O_RDWR, 0600);
	TELL(mkdir, P("x"), 0700);
	TELL(open, P("."), O_RDONLY, 0);
	TELL(close, 4);
	TELL(chdir, P(".."));
	TELL(fchdir, 3);
	TELL(fchdir, 99);
	TELL(chdir, P(".."));
	TELL(close, 3);
	TELL(mkdir, P("many"), 0755);
	for (int i = 0; i < 300; i++) {
		char path[64];

		snprintf(path, sizeof(path), "many/file-number-%d", i);
		make_file(w, path, "");
	}
	tell_entries("many", 512);
	for (int i = 0; i < 300; i += 3) {
		char path[64];

		snprintf(path, sizeof(path), "many/file-number-%d", i);
		CALL(unlink, P(path));
	}
	tell_entries("many", 65536);
}

void files_story(const struct world *world)
{
	w = world;
	CALL(umask, 022);
	opening();
	reading();
	sending();
	names();
	renaming();
	links();
	attributes();
	descriptors();
	locking();
	folders();
	files_waiting_story(world);
}
