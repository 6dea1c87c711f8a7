/*
 * See worlds.h.
 */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>
#include <uk/syscall.h>

#include "shim.h"
#include "worlds.h"

enum { TEXT_MAX = 4 << 20 };

/* Shared with the child. */
struct text {
	size_t size;
	char at[TEXT_MAX];
};
static struct text *linux_text, *kernel_text, *text;

__attribute__((format(printf, 1, 2))) static void say(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	text->size += (size_t)vsnprintf(text->at + text->size, TEXT_MAX - text->size, fmt, args);
	va_end(args);
	if (text->size >= TEXT_MAX)
		abort();
}

static long linux_call(long number, long a, long b, long c, long d, long e, long f)
{
	long result = syscall(number, a, b, c, d, e, f);

	return result == -1 ? -errno : result;
}

static const struct {
	long number;
	int64_t (*fn)(const struct uk_sysargs *s);
} calls[] = {
#define UK_CALL(number, name, trace, state, missing) { number, uk_sys_##name },
#include "files.def"
#undef UK_CALL
};

long kernel_call(long number, long a, long b, long c, long d, long e, long f)
{
	struct uk_sysargs s = { { (uint64_t)a, (uint64_t)b, (uint64_t)c, (uint64_t)d, (uint64_t)e,
				  (uint64_t)f } };

	for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++)
		if (calls[i].number == number)
			return calls[i].fn(&s);
	return -ENOSYS;
}

static const struct world linux_world = { linux_call, say }, kernel_world = { kernel_call, say };

static void fixed(const struct world *world, unsigned seed, unsigned steps)
{
	(void)seed;
	(void)steps;
	files_story(world);
}

const struct story story_fixed = { fixed, 0, 0 };

void worlds_start(void)
{
	linux_text = mmap(NULL, 2 * sizeof(struct text), PROT_READ | PROT_WRITE,
			  MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	assert_true(linux_text != MAP_FAILED);
	kernel_text = linux_text + 1;
	shim_vfs();
	assert_int_equal(K3(mknod, "/null", 020666, 0x103), 0);
	for (int i = 0; i < 3; i++)
		assert_int_equal(K2(open, "/null", O_RDWR), i);
}

static pid_t spawn(void)
{
	pid_t child = fork();

	assert_true(child >= 0);
	return child;
}

void story_on_linux(const struct story *story)
{
	char folder[] = "/dev/shm/uni-files-XXXXXX";
	pid_t child;
	int status;

	text = linux_text;
	text->size = 0;
	assert_non_null(mkdtemp(folder));
	assert_int_equal(chmod(folder, 0755), 0);
	child = spawn();
	if (child == 0) {
		if (chdir(folder) != 0 || mkdir("in", 0755) != 0 || chdir("in") != 0)
			_exit(1);
		signal(SIGPIPE, SIG_IGN);
		syscall(SYS_close_range, 3, ~0u, 0);
		story->run(&linux_world, story->seed, story->steps);
		_exit(0);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	child = spawn();
	if (child == 0) {
		execlp("rm", "rm", "-rf", folder, (char *)NULL);
		_exit(1);
	}
	waitpid(child, NULL, 0);
	assert_int_equal(status, 0);
}

void story_on_kernel(const struct story *story)
{
	static unsigned round;
	char folder[32];

	text = kernel_text;
	text->size = 0;
	snprintf(folder, sizeof(folder), "story-%u", round++);
	kernel_call(SYS_close_range, 3, ~0u, 0, 0, 0, 0);
	for (const char *name = folder; name != NULL; name = name == folder ? "in" : NULL) {
		if (K2(mkdir, name, 0755) != 0)
			fail_msg("mkdir: %s", shim_log());
		assert_int_equal(K1(chdir, name), 0);
	}
	story->run(&kernel_world, story->seed, story->steps);
	assert_int_equal(K1(chdir, "/"), 0);
}

static const char *line_end(const char *p)
{
	while (*p != '\0' && *p != '\n')
		p++;
	return p;
}

void story_compare(const struct story *story)
{
	const char *a = linux_text->at, *b = kernel_text->at;
	unsigned line = 1;

	while (*a != '\0' || *b != '\0') {
		const char *a_end = line_end(a), *b_end = line_end(b);

		if (a_end - a != b_end - b || memcmp(a, b, (size_t)(a_end - a)) != 0)
			fail_msg("seed %u, line %u:\n linux:  %.*s\n kernel: %.*s\n%s", story->seed,
				 line, (int)(a_end - a), a, (int)(b_end - b), b, shim_log());
		a = a_end + (*a_end != '\0');
		b = b_end + (*b_end != '\0');
		line++;
	}
}
