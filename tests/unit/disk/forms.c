/*
 * Forms: what is written is read back, the same bytes whatever the threads and the source's holes,
 * and a hole costs nothing.
 */
#include <string.h>
#include <sys/stat.h>
#include <uni/base/file.h>
#include <uni/base/mem.h>
#include <unistd.h>

#include "sample.h"

static struct uni_err err;

static void assert_same_file(int a, int b)
{
	struct uni_digest first, second;
	uint64_t size;

	assert_int_equal(uni_digest_fd(a, &size, &first, "a", &err), 0);
	assert_int_equal(uni_digest_fd(b, &size, &second, "b", &err), 0);
	assert_true(uni_digest_eq(&first, &second));
}

/* A copy without holes. */
static int dense(int from)
{
	uint64_t size = sample_size(from);
	uint8_t *bytes = uni_alloc((size_t)size);
	int fd = sample_file();

	assert_int_equal(uni_pread_full(from, bytes, (size_t)size, 0, "disk", &err), 0);
	assert_int_equal(uni_pwrite_full(fd, bytes, (size_t)size, 0, "disk", &err), 0);
	free(bytes);
	return fd;
}

static void test_round(void **state)
{
	int raw = sample_disk(SAMPLE_SIZE);
	int full = dense(raw);

	(void)state;
	for (const struct sample_form *form = sample_forms; form->form != NULL; form++) {
		struct uni_disk_source *source = NULL;
		int one = sample_convert(form, raw, 1);
		int four = sample_convert(form, full, 4);

		sample_same(one, raw);
		assert_same_file(one, four);
		assert_int_equal(uni_disk_open_fd(&source, one, sample_size(one), form->form, &err),
				 0);
		assert_string_equal(source->form, form->form);
		if (form->exact)
			assert_int_equal(source->size, SAMPLE_SIZE);
		uni_disk_source_free(source);
		close(one);
		close(four);
	}
	close(raw);
	close(full);
}

/* From each form to each other. */
static void test_across(void **state)
{
	int raw = sample_disk(4 << 20);

	(void)state;
	for (const struct sample_form *from = sample_forms; from->form != NULL; from++) {
		int first = sample_convert(from, raw, 0);

		for (const struct sample_form *to = sample_forms; to->form != NULL; to++) {
			struct uni_disk_source *source = NULL;
			int direct = sample_convert(to, raw, 0);
			int second = sample_file();

			assert_int_equal(
				uni_disk_open_fd(&source, first, sample_size(first), "image", &err),
				0);
			assert_int_equal(uni_disk_convert(uni_disk_find(to->form), &to->options,
							  &source, second, &err),
					 0);
			assert_same_file(direct, second);
			uni_disk_source_free(source);
			close(second);
			close(direct);
		}
		close(first);
	}
	close(raw);
}

static void test_hole(void **state)
{
	int raw = sample_disk(UINT64_C(1) << 40);

	(void)state;
	for (const struct sample_form *form = sample_forms; form->form != NULL; form++) {
		struct uni_disk_source *source = NULL;
		struct stat st;
		uint64_t at = 0;
		uint64_t data = 0;
		uint64_t length = 0;
		int image = sample_convert(form, raw, 0);

		assert_int_equal(fstat(image, &st), 0);
		assert_true(st.st_blocks * 512 < 6 << 20);
		assert_int_equal(
			uni_disk_open_fd(&source, image, (uint64_t)st.st_size, "image", &err), 0);
		assert_int_equal(source->size, UINT64_C(1) << 40);
		while (uni_disk_source_next(source, &at, &length, &err) == 1) {
			data += length;
			at += length;
		}
		assert_true(data >= 600000 && data < 10 << 20);
		uni_disk_source_free(source);
		close(image);
	}
	close(raw);
}

static void test_options(void **state)
{
	struct uni_disk_options options = { .variant = "round" };
	uint64_t large = (UINT64_C(2) << 40) + 512;
	int raw = sample_file();
	struct uni_disk_source *source;

	(void)state;
	assert_int_equal(uni_disk_resolve(uni_disk_find("vhd"), &options, &err), UNI_E_INVAL);
	assert_non_null(strstr(err.hint, "fixed, dynamic"));
	options = (struct uni_disk_options){ .compression = "zlib" };
	assert_int_equal(uni_disk_resolve(uni_disk_find("raw"), &options, &err), UNI_E_INVAL);
	options = (struct uni_disk_options){ .compression = "zlib", .level = 13 };
	assert_int_equal(uni_disk_resolve(uni_disk_find("qcow2"), &options, &err), UNI_E_INVAL);
	options = (struct uni_disk_options){ 0 };
	assert_int_equal(uni_disk_resolve(uni_disk_find("qcow2"), &options, &err), 0);
	assert_string_equal(options.compression, "none");

	assert_int_equal(ftruncate(raw, (off_t)large), 0);
	source = uni_disk_source_from_fd(raw, 0, large, "raw");
	assert_int_equal(uni_disk_convert(uni_disk_find("vmdk"), NULL, &source, -1, &err),
			 UNI_E_LIMIT);
	uni_disk_source_free(source);
	source = uni_disk_source_from_fd(raw, 0, 0, "raw");
	assert_int_equal(uni_disk_convert(uni_disk_find("raw"), NULL, &source, -1, &err),
			 UNI_E_INVAL);
	uni_disk_source_free(source);
	close(raw);
}

static const struct uni_uuid guid = { .bytes = { 1, 2, 3 } };

/* A disk with a table, through every form; the backup moves to the end where the disk grows. */
static void test_grow(void **state)
{
	static uint8_t content[9000] = { 7 };
	struct uni_disk_partition part = {
		.type = guid, .guid = guid, .name = "p", .content = { .data = content }
	};
	struct uni_disk_layout layout = { .guid = guid, .partitions = &part, .count = 1 };
	struct uni_disk_result result;
	struct uni_disk_source *source = NULL;
	struct uni_disk *disk = NULL;
	uint8_t byte = 0;
	int fd = sample_file();

	(void)state;
	part.content.size = sizeof(content);
	assert_int_equal(uni_disk_write(uni_disk_find("qcow2"), NULL, &layout, fd, &result, &err),
			 0);
	assert_false(result.has_digest);
	assert_int_equal(result.placed[0].size, 12288);
	assert_int_equal(uni_disk_open_fd(&source, fd, sample_size(fd), "image", &err), 0);
	assert_int_equal(source->size, UNI_DISK_LEAST);
	assert_int_equal(uni_disk_source_grow(&source, 5 << 20, &err), 0);
	assert_int_equal(source->size, 5 << 20);
	assert_int_equal(uni_disk_read_source(&disk, source, "grown", &err), 0);
	assert_true(disk->primary_sound && disk->backup_sound);
	assert_int_equal(disk->count, 1);
	assert_int_equal(uni_disk_source_read(source, &byte, 1, disk->entries[0].offset, &err), 0);
	assert_int_equal(byte, 7);
	/* The old backup is gone. */
	assert_int_equal(uni_disk_source_read(source, &byte, 1, UNI_DISK_LEAST - 512, &err), 0);
	assert_int_equal(byte, 0);
	uni_disk_free(disk);
	uni_disk_source_free(source);
	close(fd);
}

/* What the raw form hashes on its way is what the others say. */
static void test_digests(void **state)
{
	static uint8_t content[5000] = { 1, 2 };
	struct uni_disk_partition part = { .type = guid,
					   .guid = { .bytes = { 9 } },
					   .content = { .data = content },
					   .size = 1 << 20 };
	struct uni_disk_layout layout = { .guid = guid, .partitions = &part, .count = 1 };
	struct uni_disk_result raw, vhd;
	int fd = sample_file();

	(void)state;
	part.content.size = sizeof(content);
	layout.grain = 1 << 20;
	assert_int_equal(uni_disk_write(uni_disk_find("raw"), NULL, &layout, fd, &raw, &err), 0);
	assert_true(raw.has_digest);
	assert_int_equal(raw.size, 2 << 20);
	assert_int_equal(ftruncate(fd, 0), 0);
	assert_int_equal(uni_disk_write(uni_disk_find("vhd"), NULL, &layout, fd, &vhd, &err), 0);
	assert_int_equal(vhd.size, raw.size);
	assert_true(uni_digest_eq(&vhd.placed[0].digest, &raw.placed[0].digest));
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_round), cmocka_unit_test(test_across),
		cmocka_unit_test(test_hole),  cmocka_unit_test(test_options),
		cmocka_unit_test(test_grow),  cmocka_unit_test(test_digests),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
