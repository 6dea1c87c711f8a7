/*
 * The tree of files, where nobody has looked for a place in it before: found whole by whoever
 * comes first, by two at once too, and root's, whoever looks.
 * @root
 * @option --user 1234 --group 56
 */
#include "t.h"
#include <fcntl.h>
#include <grp.h>
#include <pthread.h>
#include <stdbool.h>
#include <sys/stat.h>

enum { THREADS = 4 };

static pthread_barrier_t barrier;

static void *look(void *path)
{
	struct stat st;

	pthread_barrier_wait(&barrier);
	check(stat(path, &st) == 0);
	return NULL;
}

static void is_roots(const char *path)
{
	struct stat st;

	check(stat(path, &st) == 0 && st.st_uid == 0 && st.st_gid == 0);
}

/* The program is where it says, under one name. */
static void own_file(void)
{
	char path[512] = "";
	struct stat st, own;

	check(readlink("/proc/self/exe", path, sizeof(path) - 1) > 0 && path[0] == '/');
	check(stat(path, &st) == 0 && stat("/proc/self/exe", &own) == 0);
	check(st.st_ino == own.st_ino && st.st_nlink == 1 && S_ISREG(st.st_mode));
}

int main(void)
{
	static char *const paths[THREADS] = { "/dev/null", "/etc/hosts", "/proc/self/fd/1",
					      "/tmp" };
	pthread_t thread[THREADS];
	const bool native = getuid() == 0;
	struct stat st;

	if (native) {
		own_file();
		check(setgroups(0, NULL) == 0 && setgid(56) == 0 && setuid(1234) == 0);
	}
	check(fstat(1, &st) == 0 && st.st_nlink == 1);
	check(pthread_barrier_init(&barrier, NULL, THREADS) == 0);
	for (int i = 0; i < THREADS; i++)
		check(pthread_create(&thread[i], NULL, look, paths[i]) == 0);
	for (int i = 0; i < THREADS; i++)
		check(pthread_join(thread[i], NULL) == 0);
	is_roots("/");
	is_roots("/tmp");
	is_roots("/run");
	is_roots("/dev");
	is_roots("/dev/null");
	is_roots("/etc");
	is_roots("/etc/hosts");
	fails(open("/etc/hosts", O_WRONLY), EACCES);
	fails(mkdir("/dev/x", 0700), EACCES);
	if (!native)
		own_file();
	return 0;
}
