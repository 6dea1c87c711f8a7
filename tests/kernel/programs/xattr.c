/*
 * Extended attributes on a file system in memory.
 * @root
 * @option --tmpfs /dev/shm:16777216
 */
#include "t.h"
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/xattr.h>

static char value[70000], got[70000];

static int compare(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* The order of names is nobody's promise. */
static void list(const char *path)
{
	char *names[16];
	ssize_t size = listxattr(path, got, sizeof(got));
	unsigned count = 0;

	check(size >= 0 && listxattr(path, NULL, 0) == size);
	for (char *name = got; name < got + size; name += strlen(name) + 1)
		if (strncmp(name, "security.selinux", 16) != 0)
			names[count++] = name;
	qsort(names, count, sizeof(names[0]), compare);
	printf("names:");
	for (unsigned i = 0; i < count; i++)
		printf(" %s", names[i]);
	printf("\n");
}

static void errors(const char *path)
{
	char name[300];

	fails(getxattr(path, "user.none", NULL, 0), ENODATA);
	fails(removexattr(path, "user.none"), ENODATA);
	fails(setxattr(path, "user.none", "", 0, XATTR_REPLACE), ENODATA);
	fails(setxattr(path, "user.a", "", 0, XATTR_CREATE), EEXIST);
	fails(setxattr(path, "user.a", "", 0, 8), EINVAL);
	fails(setxattr(path, "user.", "", 0, 0), EINVAL);
	fails(setxattr(path, "", "", 0, 0), ERANGE);
	fails(setxattr(path, "other.a", "", 0, 0), EOPNOTSUPP);
	fails(getxattr(path, "other.a", NULL, 0), EOPNOTSUPP);
	fails(setxattr(path, "user.big", value, 65537, 0), E2BIG);
	fails(setxattr("/dev/shm/none", "user.a", "", 0, 0), ENOENT);
	fails(fsetxattr(-1, "user.a", "", 0, 0), EBADF);
	fails(getxattr(path, "user.a", got, 1), ERANGE);
	fails(listxattr(path, got, 1), ERANGE);
	memset(name, 'n', sizeof(name));
	memcpy(name, "user.", 5);
	name[sizeof(name) - 1] = '\0';
	fails(setxattr(path, name, "", 0, 0), ERANGE);
	name[255] = '\0';
	check(setxattr(path, name, "v", 1, 0) == 0 && getxattr(path, name, got, 5) == 1);
	check(removexattr(path, name) == 0);
	done("errors");
}

static void others(void)
{
	check(symlink("xattr-file", "/dev/shm/xattr-link") == 0);
	fails(lsetxattr("/dev/shm/xattr-link", "user.a", "", 0, 0), EPERM);
	fails(lgetxattr("/dev/shm/xattr-link", "user.a", NULL, 0), ENODATA);
	check(lsetxattr("/dev/shm/xattr-link", "trusted.a", "link", 4, 0) == 0);
	check(lgetxattr("/dev/shm/xattr-link", "trusted.a", got, 9) == 4);
	check(getxattr("/dev/shm/xattr-link", "user.a", got, 9) == 3);
	check(unlink("/dev/shm/xattr-link") == 0);
	check(mkdir("/dev/shm/xattr-folder", 0700) == 0);
	check(setxattr("/dev/shm/xattr-folder", "user.f", "folder", 6, 0) == 0);
	list("/dev/shm/xattr-folder");
	check(rmdir("/dev/shm/xattr-folder") == 0);
	done("others");
}

int main(void)
{
	const char *path = "/dev/shm/xattr-file", *moved = "/dev/shm/xattr-moved";
	int fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);

	check(fd >= 0);
	memset(value, 'v', sizeof(value));
	list(path);
	check(setxattr(path, "user.b", value, 4000, 0) == 0);
	check(setxattr(path, "user.a", "one", 3, XATTR_CREATE) == 0);
	check(fsetxattr(fd, "trusted.c", "", 0, 0) == 0);
	check(setxattr(path, "security.d", "x", 1, 0) == 0);
	list(path);
	check(getxattr(path, "user.a", got, 10) == 3 && memcmp(got, "one", 3) == 0);
	check(setxattr(path, "user.a", "three", 5, XATTR_REPLACE) == 0);
	check(fgetxattr(fd, "user.a", got, 10) == 5 && memcmp(got, "three", 5) == 0);
	check(getxattr(path, "trusted.c", got, 10) == 0);
	check(getxattr(path, "user.b", NULL, 0) == 4000);
	check(getxattr(path, "user.b", got, 4000) == 4000 && memcmp(got, value, 4000) == 0);
	check(rename(path, moved) == 0 && getxattr(moved, "user.a", got, 10) == 5);
	check(rename(moved, path) == 0);
	errors(path);
	check(setxattr(path, "user.a", "one", 3, 0) == 0 && removexattr(path, "user.b") == 0);
	list(path);
	others();
	check(close(fd) == 0 && unlink(path) == 0);
	return 0;
}
