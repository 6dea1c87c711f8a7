/*
 * Disk full at each write of each form: the nth call fails, and the writer says so.
 */
#include <unistd.h>

#include "full_disk.h"
#include "sample.h"

static struct uni_err err;

static void fail_each(const struct sample_form *form, int raw)
{
	bool failed = true;
	int n;

	for (n = 0; failed; n++) {
		struct uni_disk_source *source =
			uni_disk_source_from_fd(raw, 0, sample_size(raw), "sample");
		int fd = sample_file();
		int rc;

		assert_true(n < 2000);
		full_disk_countdown = n;
		rc = uni_disk_convert(uni_disk_find(form->form), &form->options, &source, fd, &err);
		failed = full_disk_countdown < 0;
		full_disk_countdown = -1;
		assert_int_equal(rc, failed ? UNI_E_NOSPACE : 0);
		if (!failed)
			sample_same(fd, raw);
		uni_disk_source_free(source);
		close(fd);
	}
	assert_true(n > 1); /* some call did fail */
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
