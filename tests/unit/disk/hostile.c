/*
 * Images that lie: shortened at every place, with every number of their headers made wrong, tables
 * that map one block for ever, and those that want another file.
 */
#include <endian.h>
#include <string.h>
#include <uni/base/file.h>
#include <uni/base/mem.h>
#include <unistd.h>

#include "sample.h"

static struct uni_err err;

/* Reads all data of an image; 0, or what opening or reading came to. */
static int read_all(int fd, uint64_t size)
{
	enum { ROOM = 1 << 20 };
	struct uni_disk_source *source = NULL;
	uint8_t *data = uni_alloc(ROOM);
	uint64_t at = 0;
	uint64_t length = 0;
	int rc = uni_disk_open_fd(&source, fd, size, "image", &err);

	while (rc == 0 && (rc = uni_disk_source_next(source, &at, &length, &err)) == 1) {
		size_t step = length < ROOM ? (size_t)length : ROOM;

		rc = uni_disk_source_read(source, data, step, at, &err);
		at += step;
	}
	uni_disk_source_free(source);
	free(data);
	return rc;
}

static void test_truncated(void **state)
{
	int raw = sample_disk(SAMPLE_SIZE);

	(void)state;
	for (const struct sample_form *form = sample_forms + 1; form->form != NULL; form++) {
		int fd = sample_convert(form, raw, 0);
		uint64_t size = sample_size(fd);
		bool fixed = strcmp(form->form, "vhd") == 0 &&
			     strcmp(form->options.variant, "fixed") == 0;
		/* Where a form says what it is: a CD does so at 32 KiB. */
		uint64_t least = strcmp(form->form, "iso") == 0 ? 34816 : 512;

		assert_int_equal(read_all(fd, size), 0);
		/* Without its end a fixed VHD is a raw disk, and nobody can tell. The last sectors
		 * of other forms may hold nothing that a reader needs. */
		for (uint64_t cut = size / 3 * 2; !fixed && cut > least; cut = cut / 3 * 2)
			if (read_all(fd, cut) != UNI_E_CORRUPT)
				fail_msg("%s of %llu bytes cut to %llu is read", form->form,
					 (unsigned long long)size, (unsigned long long)cut);
		close(fd);
	}
	close(raw);
}

/* Nothing to expect but that it ends: the sanitizers look on. */
static void test_headers(void **state)
{
	int raw = sample_disk(300000 / 512 * 512);

	(void)state;
	for (const struct sample_form *form = sample_forms + 1; form->form != NULL; form++) {
		int fd = sample_convert(form, raw, 0);
		uint64_t size = sample_size(fd);

		for (uint64_t at = 0; at < size && at < 2048; at++) {
			uint8_t old, wrong;

			assert_int_equal(uni_pread_full(fd, &old, 1, at, "image", &err), 0);
			for (unsigned way = 0; way < 3; way++) {
				wrong = way == 0 ? 0xff : way == 1 ? (uint8_t)(old + 1) : 0x80;
				assert_int_equal(uni_pwrite_full(fd, &wrong, 1, at, "image", &err),
						 0);
				(void)read_all(fd, size);
			}
			assert_int_equal(uni_pwrite_full(fd, &old, 1, at, "image", &err), 0);
		}
		assert_int_equal(read_all(fd, size), 0);
		close(fd);
	}
	close(raw);
}

static void put64(int fd, uint64_t at, uint64_t value)
{
	value = htobe64(value);
	assert_int_equal(uni_pwrite_full(fd, &value, sizeof(value), at, "image", &err), 0);
}

static void put32(int fd, uint64_t at, uint32_t value)
{
	value = htobe32(value);
	assert_int_equal(uni_pwrite_full(fd, &value, sizeof(value), at, "image", &err), 0);
}

/* A few clusters that claim to be a petabyte, each level 1 entry naming the same table, whose
 * entries all name one cluster. */
static int bomb(uint64_t entry)
{
	enum { CLUSTER = 1 << 16, TABLE = 2 * CLUSTER, DATA = 3 * CLUSTER, L1 = 4 * CLUSTER };
	int raw = sample_disk(1 << 20);
	int fd = sample_convert(&sample_forms[1], raw, 1);
	uint64_t l1_size = 8192;

	assert_int_equal(ftruncate(fd, 0), 0);
	assert_int_equal(ftruncate(fd, L1 + (off_t)l1_size * 8), 0);
	put32(fd, 0, 0x514649fb);
	put32(fd, 4, 3);
	put32(fd, 20, 16);
	put64(fd, 24, l1_size << 29);
	put32(fd, 36, (uint32_t)l1_size);
	put64(fd, 40, L1);
	put32(fd, 100, 112);
	for (uint64_t i = 0; i < l1_size; i++)
		put64(fd, L1 + i * 8, TABLE);
	for (uint64_t i = 0; i < CLUSTER / 8; i++)
		put64(fd, TABLE + i * 8, entry);
	put64(fd, DATA, 1);
	close(raw);
	return fd;
}

static void test_bomb(void **state)
{
	int fd = bomb(3 << 16);

	(void)state;
	assert_int_equal(read_all(fd, sample_size(fd)), UNI_E_CORRUPT);
	assert_non_null(strstr(err.text, "more data than it has"));
	close(fd);
}

static void refused(int fd, int code, const char *words)
{
	assert_int_equal(read_all(fd, sample_size(fd)), code);
	if (strstr(err.text, words) == NULL)
		fail_msg("\"%s\" does not say \"%s\"", err.text, words);
}

static void test_refused(void **state)
{
	static const char descriptor[] = "# Disk DescriptorFile\nversion=1\n";
	int raw = sample_disk(1 << 20);
	int fd = sample_convert(&sample_forms[1], raw, 1);

	(void)state;
	put64(fd, 8, 200); /* a backing file */
	refused(fd, UNI_E_UNSUPPORTED, "stands on another image");
	put64(fd, 8, 0);
	put32(fd, 32, 1);
	refused(fd, UNI_E_UNSUPPORTED, "encrypted");
	put32(fd, 32, 0);
	put64(fd, 72, 1u << 2);
	refused(fd, UNI_E_UNSUPPORTED, "another file");
	put64(fd, 72, 1u << 20);
	refused(fd, UNI_E_UNSUPPORTED, "unknown features");
	put64(fd, 72, 0);
	put64(fd, 24, UINT64_C(1) << 45); /* a size that its table cannot map */
	refused(fd, UNI_E_CORRUPT, "does not fit its size");
	assert_int_equal(ftruncate(fd, 0), 0);
	assert_int_equal(uni_pwrite_full(fd, descriptor, sizeof(descriptor), 0, "image", &err), 0);
	refused(fd, UNI_E_UNSUPPORTED, "other files");
	close(fd);
	close(raw);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_truncated),
		cmocka_unit_test(test_headers),
		cmocka_unit_test(test_bomb),
		cmocka_unit_test(test_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
