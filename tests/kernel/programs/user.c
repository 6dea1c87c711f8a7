/*
 * A program that is not root from its first instruction on, and whose files belong to it: what
 * PostgreSQL and others insist on. Linux's own run becomes that user first.
 * @root
 * @option --user 1234 --group 56
 */
#include "t.h"
#include <fcntl.h>
#include <grp.h>
#include <sys/auxv.h>
#include <sys/stat.h>

static void made(const char *what, const char *path)
{
	struct stat st;

	check(lstat(path, &st) == 0);
	printf("%s of %d, %d\n", what, (int)st.st_uid, (int)st.st_gid);
}

static void become(const char *folder)
{
	if (getuid() == 0)
		check(chown(folder, 1234, 56) == 0 && setgroups(0, NULL) == 0 && setgid(56) == 0 &&
		      setuid(1234) == 0);
	else
		check(getauxval(AT_UID) == 1234 && getauxval(AT_EGID) == 56);
}

int main(void)
{
	char folder[] = "/tmp/user-XXXXXX";
	uid_t real, effective, saved;

	check(mkdir("/tmp", 01777) == 0 || errno == EEXIST);
	check(mkdtemp(folder) != NULL);
	become(folder);
	check(getresuid(&real, &effective, &saved) == 0 && real == 1234 && effective == 1234 &&
	      saved == 1234);
	check(getgid() == 56 && getegid() == 56);
	fails(setuid(0), EPERM);
	fails(setgroups(0, NULL), EPERM);
	check(chdir(folder) == 0);
	check(close(open("file", O_RDWR | O_CREAT, 0640)) == 0);
	made("file", "file");
	check(mkdir("folder", 0700) == 0);
	made("folder", "folder");
	check(symlink("file", "link") == 0);
	made("link", "link");
	check(unlink("file") == 0 && rmdir("folder") == 0 && unlink("link") == 0);
	check(rmdir(folder) == 0);
	return 0;
}
