/* Disks for the tests of forms. */
#ifndef UNI_TEST_DISK_SAMPLE_H
#define UNI_TEST_DISK_SAMPLE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants the four above */
#include <cmocka.h>
#include <uni/disk/disk.h>

#define SAMPLE_SIZE (5 << 20 | 1536) /* of no form's grain */

/* An empty file in memory. */
int sample_file(void);
/* A disk with data that shrinks, data that does not, zeros that are written, and holes. */
int sample_disk(uint64_t size);
/* Whether the disk in `image` is that of `raw`, and zeros behind it. */
void sample_same(int image, int raw);
uint64_t sample_size(int fd);
/* "qcow2 zlib": every form with every choice it has; NULL at the end. */
struct sample_form {
	const char *form;
	struct uni_disk_options options;
	bool exact; /* the disk keeps its size */
};
extern const struct sample_form sample_forms[];
/* Into a new file. */
int sample_convert(const struct sample_form *form, int raw, unsigned threads);

#endif
