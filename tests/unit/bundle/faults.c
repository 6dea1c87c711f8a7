/*
 * Disk full at each write of each form: the nth call fails, and the writer says so.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>
#include <uni/bundle/form.h>
#include <unistd.h>

#include <cmocka.h>

#include "full_disk.h"

enum { SIZE = 3 << 20 };

static struct uni_err err;

/* Files of a form, in memory; only their number and names count. */
struct files {
	int fd;
	unsigned count;
};

static int begin(void *user, int *fd, struct uni_err *why)
{
	struct files *files = user;

	(void)why;
	assert_int_equal(files->fd, -1);
	files->fd = memfd_create("file", MFD_CLOEXEC);
	*fd = files->fd;
	return 0;
}

static int end(void *user, const char *name, const struct uni_digest *known, struct uni_err *why)
{
	struct files *files = user;
	struct uni_digest digest;
	uint64_t size;

	if (known != NULL) {
		assert_int_equal(uni_digest_fd(files->fd, &size, &digest, name, why), 0);
		assert_true(uni_digest_eq(&digest, known));
	}
	close(files->fd);
	files->fd = -1;
	files->count++;
	return 0;
}

static int write_form(const struct uni_form *form, const uint8_t *data, struct files *files)
{
	const struct uni_form_machine machine = {
		.name = "full",
		.version = "1.0.0+x",
		.memory = 64 << 20,
		.processors = 1,
		.bios = true,
		.threads = 1,
	};
	const struct uni_form_out out = { .begin = begin, .end = end, .user = files };
	struct uni_disk_source *source = uni_disk_source_from_memory(data, SIZE);
	int rc = form->grain != 0 ? uni_disk_source_grow(&source, form->grain, &err) : 0;

	*files = (struct files){ .fd = -1 };
	assert_int_equal(rc, 0);
	rc = form->write(source, &machine, &out, &err);
	if (files->fd >= 0)
		close(files->fd);
	uni_disk_source_free(source);
	return rc;
}

static void test_full(void **state)
{
	uint8_t *data = uni_alloc(SIZE);

	(void)state;
	memset(data, 1, 1000);
	memset(data + SIZE / 2, 2, SIZE / 4);
	for (size_t i = 0; uni_forms[i] != NULL; i++) {
		struct files files;
		bool failed = true;
		int n;

		for (n = 0; failed; n++) {
			int rc;

			assert_true(n < 500);
			full_disk_countdown = n;
			rc = write_form(uni_forms[i], data, &files);
			failed = full_disk_countdown < 0;
			full_disk_countdown = -1;
			if (rc != (failed ? UNI_E_NOSPACE : 0))
				fail_msg("%s, call %d: %d %s", uni_forms[i]->name, n, rc, err.text);
		}
		assert_true(n > 1); /* some call did fail */
		assert_true(files.count >= 1);
	}
	free(data);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_full) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
