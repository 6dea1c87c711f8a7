/*
 * The story of files and random calls, as the unit tests tell it, in the booted kernel.
 */
#include "t.h"
#include <stdarg.h>
#include <sys/stat.h>

#include "../files_random.c"
#include "../files_story.c"
#include "../files_waiting.c"

static long call_linux(long number, long a, long b, long c, long d, long e, long f)
{
	long result = syscall(number, a, b, c, d, e, f);

	return result == -1 ? -errno : result;
}

__attribute__((format(printf, 1, 2))) static void say(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vprintf(fmt, args);
	va_end(args);
}

/* In a tmpfs on Linux too; there what is left behind goes with the folder. */
static void enter(const char *name)
{
	check(mkdir(name, 0755) == 0 && chdir(name) == 0);
	check(mkdir("in", 0755) == 0 && chdir("in") == 0);
}

int main(void)
{
	const struct world world = { call_linux, say };
	char folder[64];

	snprintf(folder, sizeof(folder), "/dev/shm/uni-files-%d", (int)getpid());
	signal(SIGPIPE, SIG_IGN);
	check(syscall(SYS_close_range, 3, ~0u, 0) == 0);
	enter(folder);
	files_story(&world);
	for (unsigned seed = 100; seed < 104; seed++) {
		snprintf(folder, sizeof(folder), "/dev/shm/uni-files-%d-%u", (int)getpid(), seed);
		syscall(SYS_close_range, 3, ~0u, 0);
		enter(folder);
		files_random(&world, seed, 500);
	}
	if (getpid() != 1) {
		snprintf(folder, sizeof(folder), "rm -rf /dev/shm/uni-files-%d*", (int)getpid());
		check(system(folder) == 0);
	}
	return 0;
}
