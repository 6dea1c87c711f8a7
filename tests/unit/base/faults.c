/*
 * Output under failing system calls: for every n, the nth call fails, and what was to be written is
 * whole or absent, the old file is still there, and no temporary name is left. The linker puts our
 * versions of the calls in (--wrap).
 */
#include "scratch.h"
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <uni/base/digest.h>
#include <unistd.h>

/* Counts down; the call at 0 fails. Negative: none does. */
static int countdown = -1;

static bool fails(void)
{
	if (countdown < 0 || countdown-- != 0)
		return false;
	errno = ENOSPC;
	return true;
}

#define WRAP(type, name, parameters, arguments)                                                    \
	type __real_##name parameters;                                                             \
	type __wrap_##name parameters;                                                             \
	type __wrap_##name parameters                                                              \
	{                                                                                          \
		return fails() ? -1 : __real_##name arguments;                                     \
	}

WRAP(ssize_t, write, (int fd, const void *data, size_t size), (fd, data, size))
WRAP(ssize_t, pread, (int fd, void *data, size_t size, off_t at), (fd, data, size, at))
WRAP(ssize_t, pwrite, (int fd, const void *data, size_t size, off_t at), (fd, data, size, at))
WRAP(int, fsync, (int fd), (fd))
WRAP(int, ftruncate, (int fd, off_t size), (fd, size))

static bool seeking_fails;

off_t __real_lseek(int fd, off_t offset, int whence);
off_t __wrap_lseek(int fd, off_t offset, int whence);
off_t __wrap_lseek(int fd, off_t offset, int whence)
{
	errno = EIO;
	return seeking_fails ? -1 : __real_lseek(fd, offset, whence);
}

/* Another process had the name, and has given it up again. */
static bool name_was_taken;

int __real_renameat2(int from_dir, const char *from, int to_dir, const char *to, unsigned flags);
int __wrap_renameat2(int from_dir, const char *from, int to_dir, const char *to, unsigned flags);
int __wrap_renameat2(int from_dir, const char *from, int to_dir, const char *to, unsigned flags)
{
	if (name_was_taken) {
		errno = EEXIST;
		return -1;
	}
	return fails() ? -1 : __real_renameat2(from_dir, from, to_dir, to, flags);
}

int __real_close(int fd);
int __wrap_close(int fd);
int __wrap_close(int fd)
{
	bool failing = fails();
	int rc = __real_close(fd); /* closed in any case, as Linux does it */
	return failing ? -1 : rc;
}

/* Neither is left to the system: the copy has to go through read and write. */
int __wrap_ioctl(int fd, unsigned long request, ...);
int __wrap_ioctl(int fd, unsigned long request, ...)
{
	(void)fd;
	(void)request;
	errno = ENOTTY;
	return -1;
}

ssize_t __wrap_copy_file_range(int from, off_t *from_at, int to, off_t *to_at, size_t size,
			       unsigned flags);
ssize_t __wrap_copy_file_range(int from, off_t *from_at, int to, off_t *to_at, size_t size,
			       unsigned flags)
{
	(void)from;
	(void)from_at;
	(void)to;
	(void)to_at;
	(void)size;
	(void)flags;
	errno = EXDEV;
	return -1;
}

static bool holds(const char *path, const struct uni_buf *wanted)
{
	struct uni_err err = UNI_ERR_INIT;
	struct uni_buf found UNI_AUTO_BUF = UNI_BUF_INIT;
	return uni_file_read(path, 1 << 24, &found, &err) == 0 && found.size == wanted->size &&
	       memcmp(found.data, wanted->data, found.size) == 0;
}

struct job {
	int (*run)(const char *path, const struct job *job, struct uni_err *err);
	struct uni_buf content;
	const char *source;
};

static int run_write(const char *path, const struct job *job, struct uni_err *err)
{
	return uni_file_write(path, job->content.data, job->content.size, 0600, err);
}

static int run_copy(const char *path, const struct job *job, struct uni_err *err)
{
	return uni_file_copy(job->source, path, 0600, err);
}

static void fail_each(void **state, const struct job *job)
{
	struct uni_buf old UNI_AUTO_BUF = UNI_BUF_INIT;
	char *path UNI_AUTO_FREE = uni_strdup(unit_path(state, "out/f"));
	int rc = -1;
	uni_buf_puts(&old, "old");
	for (int n = 0; rc != 0; n++) {
		struct uni_err err = UNI_ERR_INIT;
		struct uni_strv names UNI_AUTO_STRV = { .items = NULL };
		assert_true(n < 100);
		assert_int_equal(uni_file_write(path, old.data, old.size, 0600, &err), 0);
		countdown = n;
		rc = job->run(path, job, &err);
		bool used = countdown < 0;
		countdown = -1;
		if (rc != 0)
			assert_int_equal(rc, UNI_E_NOSPACE);
		/* A failure is told, but for one in closing what was only read or only synced. */
		if (rc == 0 && used)
			rc = -1;
		assert_true(holds(path, &job->content) || holds(path, &old));
		assert_int_equal(uni_dir_list(unit_path(state, "out"), &names, &err), 0);
		assert_int_equal(names.count, 1);
		if (n == 0)
			assert_true(holds(path, &old));
	}
	assert_true(holds(path, &job->content));
}

static void output_survives(void **state)
{
	struct uni_err err = UNI_ERR_INIT;
	struct job job = { .run = run_write };
	while (job.content.size < 1000000)
		uni_buf_printf(&job.content, "%zu\n", job.content.size);
	char *source UNI_AUTO_FREE = uni_strdup(unit_path(state, "source"));
	job.source = source;
	assert_int_equal(uni_dir_make(unit_path(state, "out"), 0700, &err), 0);
	assert_int_equal(uni_file_write(job.source, job.content.data, job.content.size, 0600, &err),
			 0);
	fail_each(state, &job);
	job.run = run_copy;
	fail_each(state, &job);
	uni_buf_free(&job.content);
}

static void taken_name_is_told(void **state)
{
	struct uni_err err = UNI_ERR_INIT;
	struct uni_outfile *out UNI_AUTO(uni_outfile) = NULL;

	assert_int_equal(uni_output_open(&out, unit_path(state, "f"), 0600, false, &err), 0);
	name_was_taken = true;
	assert_int_equal(uni_outfile_commit(out, false, &err), UNI_E_EXIST);
	name_was_taken = false;
	assert_false(uni_file_exists(unit_path(state, "f")));
}

static void unreadable_file_is_named(void **state)
{
	struct uni_err err = UNI_ERR_INIT;
	struct uni_digest digest;
	const char *path = unit_path(state, "f");

	assert_int_equal(uni_file_write(path, "", 0, 0600, &err), 0);
	assert_int_equal(truncate(path, 1 << 20), 0);
	seeking_fails = true;
	assert_int_equal(uni_digest_file(path, NULL, &digest, &err), UNI_E_IO);
	seeking_fails = false;
	assert_non_null(strstr(err.text, path));
}

int main(void)
{
	const struct CMUnitTest tests[] = { DIR_TEST(output_survives), DIR_TEST(taken_name_is_told),
					    DIR_TEST(unreadable_file_is_named) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
