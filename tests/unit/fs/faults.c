/*
 * Disk full at each write of each file system and archive: the nth call fails, and the writer says
 * so.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <uni/base/file.h>
#include <uni/base/path.h>
#include <uni/fs/fs.h>
#include <uni/io/cpio.h>
#include <uni/io/tar.h>
#include <uni/tree/tree.h>
#include <unistd.h>

#include <cmocka.h>

#include "full_disk.h"

enum { CALLS_MOST = 1000, FILES = 200, BIG = 300000 };

static struct uni_err err;
static const struct uni_tree_rules rules = { .mtime = 1000 };

/* `attempt` with one more call that succeeds each time, until all do. */
static void fail_each(const char *name, int (*attempt)(const void *what), const void *what)
{
	bool failed = true;
	int n;

	for (n = 0; failed; n++) {
		int rc;

		assert_true(n < CALLS_MOST);
		full_disk_countdown = n;
		rc = attempt(what);
		failed = full_disk_countdown < 0;
		full_disk_countdown = -1;
		if (rc != (failed ? UNI_E_NOSPACE : 0))
			fail_msg("%s, call %d: %d %s", name, n, rc, err.text);
		uni_err_clear(&err);
	}
	assert_true(n > 1); /* it writes something */
}

/* --- file systems --- */

struct fs_case {
	const char *format;
	struct uni_fs_options options;
	const struct uni_tree *tree;
};

/* Files of several blocks, a folder of several, and names of all kinds that FAT takes too. */
static struct uni_tree *sample(void)
{
	struct uni_tree *tree = uni_tree_new(&rules);
	UNI_AUTO_FREE uint8_t *big = uni_alloc(BIG);
	char name[64];

	for (size_t i = 0; i < BIG; i++)
		big[i] = (uint8_t)(i * i >> 8);
	assert_int_equal(uni_tree_add_data(tree, "big", big, BIG, &rules, &err), 0);
	for (int i = 0; i < FILES; i++) {
		(void)snprintf(name, sizeof(name), "many/a rather long name of file %d", i);
		assert_int_equal(uni_tree_add_data(tree, name, name, strlen(name), &rules, &err),
				 0);
	}
	return tree;
}

static int write_fs(const void *what)
{
	const struct fs_case *c = what;
	const struct uni_fs_format *format = uni_fs_find(c->format);
	struct uni_fs_options options = c->options;
	int fails_at = full_disk_countdown;
	UNI_AUTO_FREE char *dir = NULL;
	UNI_AUTO_FREE char *path = NULL;
	struct uni_err ignored = UNI_ERR_INIT;
	struct uni_fs_result result;
	int rc;

	full_disk_countdown = -1;
	options.volume = options.image = "unit";
	options.threads = 1;
	assert_int_equal(uni_dir_tmp(NULL, &dir, &err), 0);
	path = uni_path_join(dir, "volume");
	rc = format->resolve(&options, &err);
	assert_int_equal(rc, 0);
	full_disk_countdown = fails_at;
	rc = format->write(c->tree, &options, path, &result, &err);
	fails_at = full_disk_countdown;
	full_disk_countdown = -1;
	assert_int_equal(uni_dir_remove(dir, &ignored), 0);
	full_disk_countdown = fails_at < 0 ? -1 : fails_at;
	return rc;
}

static void test_file_systems(void **state)
{
	UNI_AUTO(uni_tree) struct uni_tree *tree = sample();
	const struct fs_case cases[] = {
		{ "squashfs", { .verity = true }, tree },
		{ "fat", { .verity = false }, tree },
		{ "ext4", { .writable = true, .size = 8 << 20 }, tree },
		{ "ext4", { .verity = true }, tree },
		{ "ext2", { .verity = false }, tree },
		{ "live", { .size = 8 << 20 }, tree },
	};
	struct uni_digest digest;

	(void)state;
	assert_int_equal(uni_tree_digest(tree, NULL, 1, &digest, &err), 0);
	for (size_t i = 0; i < UNI_COUNT(cases); i++)
		fail_each(cases[i].format, write_fs, &cases[i]);
}

/* --- archives --- */

static struct uni_entry file_entry(void)
{
	return (struct uni_entry){
		.type = UNI_ENTRY_FILE, .path = "folder/file", .mode = 0644, .size = BIG
	};
}

static int write_tar(struct uni_sink *sink, const uint8_t *data)
{
	UNI_AUTO(uni_tar_writer) struct uni_tar_writer *tar = uni_tar_writer_new(sink);
	const struct uni_entry entry = file_entry();
	int rc = uni_tar_writer_entry(tar, &entry, &err);

	if (rc == 0)
		rc = uni_tar_writer_data(tar, data, BIG, &err);
	return rc == 0 ? uni_tar_writer_end(tar, &err) : rc;
}

static int write_cpio(struct uni_sink *sink, const uint8_t *data)
{
	UNI_AUTO(uni_cpio_writer) struct uni_cpio_writer *cpio = uni_cpio_writer_new(sink);
	const struct uni_entry entry = file_entry();
	int rc = uni_cpio_writer_entry(cpio, &entry, &err);

	if (rc == 0)
		rc = uni_cpio_writer_data(cpio, data, BIG, &err);
	return rc == 0 ? uni_cpio_writer_end(cpio, &err) : rc;
}

struct archive_case {
	const char *name;
	int (*write)(struct uni_sink *sink, const uint8_t *data);
	const uint8_t *data;
};

static int write_archive(const void *what)
{
	const struct archive_case *c = what;
	UNI_AUTO_CLOSE int fd = memfd_create("archive", MFD_CLOEXEC);
	UNI_AUTO(uni_sink) struct uni_sink *sink = uni_sink_to_fd(fd, "archive");
	int rc = c->write(sink, c->data);

	return rc == 0 ? uni_sink_finish(sink, &err) : rc;
}

static void test_archives(void **state)
{
	UNI_AUTO_FREE uint8_t *data = uni_alloc(BIG);
	const struct archive_case cases[] = { { "tar", write_tar, data },
					      { "cpio", write_cpio, data } };

	(void)state;
	for (size_t i = 0; i < UNI_COUNT(cases); i++)
		fail_each(cases[i].name, write_archive, &cases[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_file_systems),
					    cmocka_unit_test(test_archives) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
