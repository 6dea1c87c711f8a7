/*
 * Whom files are opened, changed and removed for: each user, the group, others; and what root may.
 * @root
 * @option --tmpfs /tmp:16777216
 */
#include "t.h"
#include <fcntl.h>
#include <grp.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/xattr.h>

/* Prints a call and whether it was done: descriptors are numbered otherwise elsewhere. */
#undef try
#define try(call)                                                                                  \
	({                                                                                         \
		errno = 0;                                                                         \
		long try_ = (long)(call);                                                          \
		printf("%s: %s\n", #call, try_ < 0 ? strerror(errno) : "done");                    \
		try_;                                                                              \
	})

static void file(const char *name, uid_t uid, gid_t gid, mode_t mode)
{
	int fd = open(name, O_WRONLY | O_CREAT | O_EXCL, 0600);

	check(fd >= 0 && write(fd, "x", 1) == 1 && close(fd) == 0);
	check(chown(name, uid, gid) == 0 && chmod(name, mode) == 0);
}

static void folder(const char *name, uid_t uid, gid_t gid, mode_t mode)
{
	check(mkdir(name, 0700) == 0 && chown(name, uid, gid) == 0 && chmod(name, mode) == 0);
}

static void mode_of(const char *name)
{
	struct stat st;

	check(stat(name, &st) == 0);
	printf("%s: %o %d %d\n", name, (unsigned)st.st_mode, (int)st.st_uid, (int)st.st_gid);
}

/* As a user of number 1000 in groups 2000 and 3000. */
static void become(void)
{
	gid_t groups[] = { 3000 };

	check(setgroups(1, groups) == 0 && setresgid(2000, 2000, 0) == 0);
	check(setresuid(1000, 1000, 0) == 0);
}

static void root_again(void)
{
	check(setresuid(0, 0, 0) == 0 && setresgid(0, 0, 0) == 0 && setgroups(0, NULL) == 0);
}

static void opens(const char *name)
{
	static const int how[] = { O_RDONLY, O_WRONLY, O_RDWR, O_RDONLY | O_TRUNC, O_PATH };

	printf("%s:", name);
	for (unsigned i = 0; i < sizeof(how) / sizeof(how[0]); i++) {
		int fd = open(name, how[i]);

		printf(" %s", fd >= 0 ? "yes" : strerror(errno));
		if (fd >= 0)
			check(close(fd) == 0);
	}
	for (int mode = 1; mode <= 4; mode *= 2)
		printf(" %s", access(name, mode) == 0 ? "yes" : "no");
	printf("\n");
}

static void test_open(void)
{
	static const struct {
		const char *name;
		uid_t uid;
		gid_t gid;
		mode_t mode;
	} files[] = {
		{ "mine-none", 1000, 0, 0077 },	  { "mine-read", 1000, 0, 0400 },
		{ "mine-write", 1000, 0, 0200 },  { "group", 0, 2000, 0060 },
		{ "group-more", 0, 3000, 0040 },  { "group-none", 0, 2000, 0606 },
		{ "others-read", 0, 0, 0664 },	  { "others-none", 0, 0, 0660 },
		{ "others-execute", 0, 0, 0001 },
	};

	for (unsigned i = 0; i < sizeof(files) / sizeof(files[0]); i++)
		file(files[i].name, files[i].uid, files[i].gid, files[i].mode);
	printf("root\n");
	opens("mine-none");
	opens("others-execute");
	become();
	printf("user\n");
	for (unsigned i = 0; i < sizeof(files) / sizeof(files[0]); i++)
		opens(files[i].name);
	try(truncate("others-read", 0));
	try(truncate("mine-write", 0));
	try(open("others-read", O_RDONLY | O_NOATIME));
	root_again();
	for (unsigned i = 0; i < sizeof(files) / sizeof(files[0]); i++)
		check(unlink(files[i].name) == 0);
}

static void test_folders(void)
{
	folder("open", 0, 0, 0755);
	folder("closed", 0, 0, 0744);
	folder("mine", 1000, 2000, 0700);
	folder("blind", 1000, 2000, 0300);
	folder("sticky", 0, 0, 01777);
	file("open/file", 1000, 0, 0666);
	file("closed/file", 0, 0, 0666);
	file("sticky/file", 0, 0, 0666);
	become();
	try(open("closed/file", O_RDONLY));
	try(open("closed", O_RDONLY));
	try(chdir("closed"));
	try(open("blind", O_RDONLY));
	try(open("blind/new", O_WRONLY | O_CREAT, 0600));
	try(open("open/new", O_WRONLY | O_CREAT, 0600));
	try(open("open/file", O_WRONLY | O_CREAT, 0600));
	try(open("open", O_TMPFILE | O_RDWR, 0600));
	try(mkdir("open/new", 0700));
	try(mkdir("mine/new", 0700));
	try(rename("mine/new", "open/new"));
	try(rename("mine/new", "mine/newer"));
	try(symlink("x", "open/link"));
	try(link("open/file", "open/link"));
	try(link("open/file", "mine/link"));
	try(mkfifo("open/fifo", 0600));
	try(mknod("mine/null", S_IFCHR | 0600, 0x103));
	try(unlink("open/file"));
	try(unlink("closed/file"));
	try(unlink("sticky/file"));
	try(rename("sticky/file", "mine/taken"));
	try(open("sticky/mine", O_WRONLY | O_CREAT, 0600));
	try(rename("sticky/mine", "sticky/file"));
	try(unlink("sticky/mine"));
	try(rmdir("mine/newer"));
	try(unlink("mine/link"));
	try(unlink("blind/new"));
	root_again();
	check(unlink("open/file") == 0 && unlink("closed/file") == 0);
	check(unlink("sticky/file") == 0);
	check(rmdir("open") == 0 && rmdir("closed") == 0 && rmdir("mine") == 0);
	check(rmdir("blind") == 0 && rmdir("sticky") == 0);
}

static void test_attributes(void)
{
	struct timespec now[2] = { { 0, UTIME_NOW }, { 0, UTIME_NOW } };
	struct timespec then[2] = { { 1, 0 }, { 0, UTIME_OMIT } };
	int fd;

	file("mine", 1000, 2000, 0644);
	file("other-group", 1000, 5000, 0644);
	file("roots", 0, 0, 0646);
	file("set", 1000, 2000, 0777);
	folder("given", 1000, 5000, 0755);
	check(chmod("set", 06777) == 0 && chmod("given", 02777) == 0);
	become();
	try(chmod("roots", 0666));
	try(chmod("mine", 04755));
	try(chmod("mine", 02755));
	mode_of("mine");
	try(chmod("other-group", 02755));
	mode_of("other-group");
	try(chmod("given", 02755));
	mode_of("given");
	try(chown("mine", 1000, 3000));
	mode_of("mine");
	try(chown("mine", 1001, -1));
	try(chown("mine", -1, 5000));
	try(chown("mine", -1, -1));
	try(chown("roots", 0, -1));
	try(chown("roots", -1, -1));
	try(utimensat(AT_FDCWD, "roots", now, 0));
	try(utimensat(AT_FDCWD, "roots", NULL, 0));
	try(utimensat(AT_FDCWD, "roots", then, 0));
	try(utimensat(AT_FDCWD, "mine", then, 0));
	fd = open("set", O_WRONLY);
	mode_of("set");
	check(write(fd, "x", 1) == 1 && close(fd) == 0);
	mode_of("set");
	fd = open("given/new", O_WRONLY | O_CREAT, 02775);
	check(fd < 0 || close(fd) == 0);
	try(setxattr("roots", "user.a", "b", 1, 0));
	try(setxattr("mine", "user.a", "b", 1, 0));
	try(setxattr("given", "trusted.a", "b", 1, 0));
	try(getxattr("given", "trusted.a", NULL, 0));
	try(setxattr("mine", "security.a", "b", 1, 0));
	root_again();
	fd = open("set", O_WRONLY);
	check(chmod("set", 06777) == 0 && write(fd, "x", 1) == 1 && close(fd) == 0);
	mode_of("set");
	check(chown("set", 7, 8) == 0);
	mode_of("set");
	check(unlink("mine") == 0 && unlink("other-group") == 0 && unlink("roots") == 0);
	check(unlink("set") == 0 && (unlink("given/new") == 0 || 1) && rmdir("given") == 0);
}

static void test_socket(void)
{
	struct sockaddr_un name = { .sun_family = AF_UNIX, .sun_path = "socket" };
	int listener = socket(AF_UNIX, SOCK_STREAM, 0), fd = socket(AF_UNIX, SOCK_STREAM, 0);

	check(bind(listener, (void *)&name, sizeof(name)) == 0 && listen(listener, 1) == 0);
	check(chmod("socket", 0755) == 0);
	become();
	try(connect(fd, (void *)&name, sizeof(name)));
	root_again();
	check(chmod("socket", 0777) == 0);
	become();
	try(connect(fd, (void *)&name, sizeof(name)));
	root_again();
	check(unlink("socket") == 0);
}

/* access(2) asks for the real user and group, faccessat by a flag for the effective ones. */
static void test_access(void)
{
	file("roots", 0, 0, 0600);
	check(setresuid(0, 1000, 0) == 0);
	try(access("roots", R_OK));
	try(syscall(SYS_faccessat2, AT_FDCWD, "roots", R_OK, AT_EACCESS));
	check(setresuid(0, 0, 0) == 0 && setresuid(1000, 0, 0) == 0);
	try(access("roots", R_OK));
	try(syscall(SYS_faccessat2, AT_FDCWD, "roots", R_OK, AT_EACCESS));
	root_again();
	file("groups", 0, 3000, 0040);
	check(setresgid(2000, 3000, 0) == 0 && setresuid(1000, 1000, 0) == 0);
	try(access("groups", R_OK));
	try(syscall(SYS_faccessat2, AT_FDCWD, "groups", R_OK, AT_EACCESS));
	root_again();
	check(unlink("roots") == 0 && unlink("groups") == 0);
}

int main(void)
{
	char top[] = "/tmp/permissions-XXXXXX";

	umask(0);
	check(mkdtemp(top) != NULL && chmod(top, 0755) == 0 && chdir(top) == 0);
	test_open();
	test_folders();
	test_attributes();
	test_socket();
	test_access();
	check(chdir("/") == 0 && rmdir(top) == 0);
	return 0;
}
