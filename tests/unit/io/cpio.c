/*
 * Cpio, judged by GNU cpio.
 */
#include "unit.h"
#include <string.h>
#include <uni/base/process.h>
#include <uni/io/cpio.h>

#define LIMIT (1u << 20)

static void gnu_cpio_reads_it(void **state)
{
	struct uni_err err = UNI_ERR_INIT;
	struct uni_buf archive UNI_AUTO_BUF = UNI_BUF_INIT;
	struct uni_buf out UNI_AUTO_BUF = UNI_BUF_INIT;
	struct uni_buf errors UNI_AUTO_BUF = UNI_BUF_INIT;
	static const struct uni_entry entries[] = {
		{ .type = UNI_ENTRY_DIR, .path = "d", .mode = 0755 },
		{ .type = UNI_ENTRY_FILE, .path = "d/five", .mode = 0644, .size = 5, .mtime = 1 },
		{ .type = UNI_ENTRY_FILE, .path = "d/none", .mode = 0600 },
		{ .type = UNI_ENTRY_SYMLINK, .path = "s", .target = "d/five", .mode = 0777 },
		{ .type = UNI_ENTRY_CHAR, .path = "tty", .mode = 0600, .major = 5, .minor = 1 },
		{ .type = UNI_ENTRY_FILE, .path = "init", .mode = 0755, .size = 8 },
	};
	struct uni_sink *sink UNI_AUTO(uni_sink) = uni_sink_to_buf(&archive, LIMIT);
	struct uni_cpio_writer *cpio UNI_AUTO(uni_cpio_writer) = uni_cpio_writer_new(sink);
	for (size_t i = 0; i < UNI_COUNT(entries); i++) {
		assert_int_equal(uni_cpio_writer_entry(cpio, &entries[i], &err), 0);
		assert_int_equal(
			uni_cpio_writer_data(cpio, "12345678", (size_t)entries[i].size, &err), 0);
	}
	assert_int_equal(uni_cpio_writer_end(cpio, &err), 0);
	assert_int_equal(archive.size % 512, 0);
	assert_int_equal(
		uni_file_write(unit_path(state, "a"), archive.data, archive.size, 0600, &err), 0);
	static const char *const list[] = { "cpio", "-ivtnF", "a", NULL };
	assert_int_equal(uni_process_run(list, *state, &out, &errors, LIMIT, &err), 0);
	static const char *const wanted[] = {
		"drwxr-xr-x   2 0        0               0 Jan  1  1970 d\n",
		"-rw-r--r--   1 0        0               5 Jan  1  1970 d/five\n",
		"s -> d/five\n",
		"crw-------   1 0        0          5,   1 Jan  1  1970 tty\n",
		"-rwxr-xr-x   1 0        0               8 Jan  1  1970 init\n",
	};
	for (size_t i = 0; i < UNI_COUNT(wanted); i++)
		if (strstr(out.data, wanted[i]) == NULL)
			fail_msg("no \"%s\" in\n%s", wanted[i], out.data);
	uni_buf_clear(&out);
	static const char *const content[] = { "cpio", "-i", "--to-stdout", "--quiet",
					       "-F",   "a",  "init",	    NULL };
	assert_int_equal(uni_process_run(content, *state, &out, NULL, LIMIT, &err), 0);
	assert_string_equal(out.data, "12345678");
}

static void writer_refuses(void **state)
{
	(void)state;
	struct uni_err err = UNI_ERR_INIT;
	static const struct {
		struct uni_entry entry;
		int code;
	} wrong[] = {
		{ { .type = UNI_ENTRY_HARDLINK, .path = "a", .target = "b" }, UNI_E_UNSUPPORTED },
		{ { .type = UNI_ENTRY_FILE, .path = "a", .size = UINT64_C(1) << 32 }, UNI_E_LIMIT },
		{ { .type = UNI_ENTRY_FILE, .path = "a", .mtime = -1 }, UNI_E_LIMIT },
		{ { .type = UNI_ENTRY_SYMLINK, .path = "a" }, UNI_E_INVAL },
		{ { .type = UNI_ENTRY_DIR, .path = "a", .size = 1 }, UNI_E_INVAL },
	};
	struct uni_sink *sink UNI_AUTO(uni_sink) = uni_sink_to_nothing();
	struct uni_cpio_writer *cpio UNI_AUTO(uni_cpio_writer) = uni_cpio_writer_new(sink);
	for (size_t i = 0; i < UNI_COUNT(wrong); i++)
		assert_int_equal(uni_cpio_writer_entry(cpio, &wrong[i].entry, &err), wrong[i].code);
	static const struct uni_entry file = { .type = UNI_ENTRY_FILE, .path = "a", .size = 1 };
	assert_int_equal(uni_cpio_writer_entry(cpio, &file, &err), 0);
	assert_int_equal(uni_cpio_writer_end(cpio, &err), UNI_E_INVAL);
	assert_int_equal(uni_cpio_writer_data(cpio, "ab", 2, &err), UNI_E_INVAL);
}

int unit_cpio(void)
{
	const struct CMUnitTest tests[] = {
		DIR_TEST(gnu_cpio_reads_it),
		cmocka_unit_test(writer_refuses),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
