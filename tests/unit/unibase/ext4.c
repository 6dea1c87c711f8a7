/*
 * The ext4 driver. What files do on it is judged by Linux, by the same stories as for a tmpfs; what
 * it leaves on the disk by e2fsck; and what a loss of power leaves by both: from a log of all
 * writes and flushes disks are rebuilt on which any of the writes since the last flush are missing.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>
#include <uk/syscall.h>

#include "files.h"
#include "fs.h"
#include "shim.h"

enum { TEXT_MAX = 4 << 20, DISK = 24 << 20 };

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

static long kernel_call(long number, long a, long b, long c, long d, long e, long f)
{
	struct uk_sysargs s = { { (uint64_t)a, (uint64_t)b, (uint64_t)c, (uint64_t)d, (uint64_t)e,
				  (uint64_t)f } };

	for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++)
		if (calls[i].number == number)
			return calls[i].fn(&s);
	return -ENOSYS;
}

#define K1(name, a) kernel_call(SYS_##name, (long)(a), 0, 0, 0, 0, 0)
#define K2(name, a, b) kernel_call(SYS_##name, (long)(a), (long)(b), 0, 0, 0, 0)
#define K3(name, a, b, c) kernel_call(SYS_##name, (long)(a), (long)(b), (long)(c), 0, 0, 0)
#define K4(name, a, b, c, d)                                                                       \
	kernel_call(SYS_##name, (long)(a), (long)(b), (long)(c), (long)(d), 0, 0)

static const struct world linux_world = { linux_call, say }, kernel_world = { kernel_call, say };

/* -- programs that make and judge volumes -- */

static char folder[] = "/tmp/uni-ext4-XXXXXX";

static const char *path_of(const char *name)
{
	static char paths[4][128];
	static unsigned last;
	char *path = paths[++last % 4];

	snprintf(path, sizeof(paths[0]), "%s/%s", folder, name);
	return path;
}

static int run(const char *const *argv)
{
	union {
		const char *const *in;
		char *const *out;
	} same = { argv };
	int status;
	pid_t child = fork();

	if (child == 0) {
		/* Its words stand between ours only when it is not content. */
		int words = open(path_of("words"), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

		dup2(words, 1);
		dup2(words, 2);
		execvp(argv[0], same.out);
		_exit(127);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 255;
}

static const char *words(void)
{
	static char text_of[4000];
	FILE *file = fopen(path_of("words"), "rb");

	text_of[file != NULL ? fread(text_of, 1, sizeof(text_of) - 1, file) : 0] = '\0';
	if (file != NULL)
		(void)fclose(file);
	return text_of;
}

static void put_file(const char *path, const void *data, size_t size)
{
	int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, data, size), (ssize_t)size);
	close(fd);
}

static void get_file(const char *path, void *data, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(read(fd, data, size), (ssize_t)size);
	close(fd);
}

/* An empty volume with these options of mke2fs, separated by spaces. */
static void make_volume(const char *options, uint8_t *disk)
{
	const char *argv[24] = { "/sbin/mke2fs", "-q", "-F" };
	char words[256], *save = NULL;
	const char *path = path_of("made");
	unsigned count = 3;

	snprintf(words, sizeof(words), "%s", options);
	for (char *w = strtok_r(words, " ", &save); w != NULL; w = strtok_r(NULL, " ", &save))
		argv[count++] = w;
	argv[count++] = "-E";
	argv[count++] = "root_owner=0:0,lazy_itable_init=0";
	argv[count] = path;
	memset(disk, 0, DISK);
	put_file(path, disk, DISK);
	assert_int_equal(run(argv), 0);
	get_file(path, disk, DISK);
}

static int fsck(const char *how, const char *path)
{
	const char *const argv[] = { "/sbin/e2fsck", how, path, NULL };

	return run(argv);
}

/* The volume as it lies there is sound, with nothing left to do. */
static void judge(const uint8_t *disk, const char *what)
{
	const char *path = path_of("judged");

	put_file(path, disk, DISK);
	if (fsck("-fn", path) != 0)
		fail_msg("%s: e2fsck -fn: %s", what, words());
}

/* -- mounting -- */

static unsigned mounts;
static char point[32];

static struct uk_super *mount_at(struct uk_block_dev *dev, bool read_only)
{
	struct uk_super *super = NULL;
	struct uk_dentry *at;
	int error = fs_ext4_mount(dev, read_only, &super);

	if (error != 0)
		fail_msg("mount: %d: %s", error, shim_log());
	snprintf(point, sizeof(point), "/vol-%u", mounts++);
	assert_int_equal(K2(mkdir, point, 0755), 0);
	assert_int_equal(fs_walk_path(UK_AT_FDCWD, point, FS_FOLLOW, &at), 0);
	assert_int_equal(fs_mount_add(at, super, "test"), 0);
	fs_dentry_put(at);
	return super;
}

static void stop(struct uk_super *super)
{
	assert_int_equal(K1(chdir, "/"), 0);
	kernel_call(SYS_close_range, 3, ~0u, 0, 0, 0, 0);
	assert_int_equal(super->ops->stop(super), 0);
}

/* -- the same stories as Linux -- */

struct story {
	void (*run)(const struct world *world, unsigned seed, unsigned steps);
	unsigned seed, steps;
};

static void fixed(const struct world *world, unsigned seed, unsigned steps)
{
	(void)seed;
	(void)steps;
	files_story(world);
}

static void on_linux(const struct story *story)
{
	char at[] = "/dev/shm/uni-ext4-XXXXXX";
	const char *const argv[] = { "rm", "-rf", at, NULL };
	pid_t child;
	int status;

	text = linux_text;
	text->size = 0;
	assert_non_null(mkdtemp(at));
	assert_int_equal(chmod(at, 0755), 0);
	child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		if (chdir(at) != 0 || mkdir("in", 0755) != 0 || chdir("in") != 0)
			_exit(1);
		signal(SIGPIPE, SIG_IGN);
		syscall(SYS_close_range, 3, ~0u, 0);
		story->run(&linux_world, story->seed, story->steps);
		_exit(0);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(run(argv), 0);
	assert_int_equal(status, 0);
}

static void on_kernel(const struct story *story)
{
	text = kernel_text;
	text->size = 0;
	kernel_call(SYS_close_range, 3, ~0u, 0, 0, 0, 0);
	assert_int_equal(K1(chdir, point), 0);
	for (const char *name = "out"; name != NULL;
	     name = strcmp(name, "out") == 0 ? "in" : NULL) {
		if (K2(mkdir, name, 0755) != 0)
			fail_msg("mkdir: %s", shim_log());
		assert_int_equal(K1(chdir, name), 0);
	}
	story->run(&kernel_world, story->seed, story->steps);
}

static const char *line_end(const char *p)
{
	while (*p != '\0' && *p != '\n')
		p++;
	return p;
}

static void compare(const struct story *story)
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

static uint8_t disk[DISK];

static void tell(const char *options, const struct story *story)
{
	struct uk_super *super;

	make_volume(options, disk);
	super = mount_at(shim_block_disk("disk", disk, DISK), false);
	on_linux(story);
	on_kernel(story);
	compare(story);
	stop(super);
	judge(disk, options);
}

static const char *const shapes[] = {
	"-t ext4 -b 4096",
	"-t ext4 -b 1024",
	"-t ext4 -b 4096 -O ^has_journal",
	"-t ext4 -b 2048 -O ^metadata_csum,uninit_bg",
	"-t ext4 -b 4096 -I 128 -O ^64bit,^metadata_csum,^dir_index",
};

static void test_story(void **unused)
{
	const struct story story = { fixed, 0, 0 };

	(void)unused;
	/* It tells the size of blocks, which is a page's on Linux's tmpfs. */
	for (size_t i = 0; i < UK_COUNT(shapes); i++)
		if (strstr(shapes[i], "-b 4096") != NULL)
			tell(shapes[i], &story);
}

static void test_random(void **unused)
{
	(void)unused;
	for (unsigned seed = 1; seed <= 20; seed++) {
		const struct story story = { files_random, seed, 700 };

		tell(shapes[seed % UK_COUNT(shapes)], &story);
	}
}

static int start(void **unused)
{
	(void)unused;
	assert_non_null(mkdtemp(folder));
	linux_text = mmap(NULL, 2 * sizeof(struct text), PROT_READ | PROT_WRITE,
			  MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	assert_true(linux_text != MAP_FAILED);
	kernel_text = linux_text + 1;
	shim_vfs();
	assert_int_equal(K3(mknod, "/null", 020666, 0x103), 0);
	for (int i = 0; i < 3; i++)
		assert_int_equal(K2(open, "/null", O_RDWR), i);
	return 0;
}

static int end(void **unused)
{
	const char *const argv[] = { "rm", "-rf", folder, NULL };

	(void)unused;
	return run(argv);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_story),
		cmocka_unit_test(test_random),
	};

	return cmocka_run_group_tests_name("unibase-ext4", tests, start, end);
}
