/*
 * Disk full at each write of each form: the nth call fails, and the writer says so. The linker puts
 * our versions of the calls in (--wrap).
 */
#include <errno.h>
#include <unistd.h>

#include "sample.h"

static struct uni_err err;
static int countdown = -1; /* the call at 0 fails; negative: none does */

static bool fails(void)
{
	if (countdown < 0 || countdown-- != 0)
		return false;
	errno = ENOSPC;
	return true;
}

ssize_t __real_pwrite(int fd, const void *data, size_t size, off_t at);
ssize_t __wrap_pwrite(int fd, const void *data, size_t size, off_t at);
ssize_t __wrap_pwrite(int fd, const void *data, size_t size, off_t at)
{
	return fails() ? -1 : __real_pwrite(fd, data, size, at);
}

int __real_ftruncate(int fd, off_t size);
int __wrap_ftruncate(int fd, off_t size);
int __wrap_ftruncate(int fd, off_t size)
{
	return fails() ? -1 : __real_ftruncate(fd, size);
}

static void fail_each(const struct sample_form *form, int raw)
{
	bool failed = true;

	for (int n = 0; failed; n++) {
		struct uni_disk_source *source =
			uni_disk_source_from_fd(raw, 0, sample_size(raw), "sample");
		int fd = sample_file();
		int rc;

		assert_true(n < 2000);
		countdown = n;
		rc = uni_disk_convert(uni_disk_find(form->form), &form->options, &source, fd, &err);
		failed = countdown < 0;
		countdown = -1;
		assert_int_equal(rc, failed ? UNI_E_NOSPACE : 0);
		if (!failed)
			sample_same(fd, raw);
		uni_disk_source_free(source);
		close(fd);
	}
}

static void test_full(void **state)
{
	int raw = sample_disk(SAMPLE_SIZE);

	(void)state;
	for (const struct sample_form *form = sample_forms; form->form != NULL; form++)
		fail_each(form, raw);
	close(raw);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_full) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
