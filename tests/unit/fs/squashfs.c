/* Squashfs: options, identity, round trips, damage. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <uni/base/file.h>
#include <uni/base/path.h>
#include <uni/io/hashtree.h>
#include <uni/tree/tree.h>
#include <unistd.h>

#include "tests.h"

static struct uni_err err;

enum { BIG = 300000, SPARSE = 400000, SMALL_FILES = 600 };

static void fill(uint8_t *data, size_t size)
{
	uint32_t x = 12345;

	for (size_t i = 0; i < size; i++) {
		x = x * 1103515245 + 12345;
		data[i] = (uint8_t)(x >> 16);
	}
}

static void add(struct uni_tree *tree, const char *at, const void *data, size_t size, int64_t mtime)
{
	const struct uni_tree_rules rules = { .mtime = mtime };

	assert_int_equal(uni_tree_add_data(tree, at, data, size, &rules, &err), 0);
}

/* Blocks, fragments, a hole, an empty file, many entries, depth, a link, a long name. */
static struct uni_tree *sample_tree(int64_t mtime)
{
	const struct uni_tree_rules rules = { .mtime = mtime };
	struct uni_tree *tree = uni_tree_new(&rules);
	UNI_AUTO_FREE uint8_t *big = uni_alloc(BIG);
	UNI_AUTO_FREE uint8_t *zero = uni_alloc(SPARSE);
	char name[300];

	fill(big, BIG);
	add(tree, "big", big, BIG, mtime);
	add(tree, "exact", big, 131072, mtime);
	add(tree, "zero", zero, SPARSE, mtime);
	add(tree, "empty", "", 0, mtime);
	add(tree, "hello", "hello\n", 6, mtime);
	for (int i = 0; i < SMALL_FILES; i++) {
		snprintf(name, sizeof(name), "many/file-%d", i);
		add(tree, name, name, strlen(name), mtime);
	}
	memset(name, 'n', 255);
	name[255] = '\0';
	add(tree, name, "long", 4, mtime);
	add(tree, "a/b/c/d/e/f", "deep", 4, mtime);
	assert_int_equal(uni_tree_add_symlink(tree, "a/link", "b/c", &rules, &err), 0);
	assert_int_equal(uni_tree_add_symlink(tree, "abs", "/a/link/d", &rules, &err), 0);
	assert_int_equal(uni_tree_add_symlink(tree, "loop", "loop", &rules, &err), 0);
	assert_int_equal(uni_tree_add_symlink(tree, "up", "../../../hello", &rules, &err), 0);
	assert_int_equal(uni_tree_add_dir(tree, "nothing", &rules, &err), 0);
	return tree;
}

/* Writes to a file in memory's folder and gives its descriptor. */
static int write_volume(const struct uni_tree *tree, const struct uni_fs_options *options,
			struct uni_fs_result *result)
{
	const struct uni_fs_format *format = uni_fs_find("squashfs");
	struct uni_fs_options resolved = *options;
	UNI_AUTO_FREE char *dir = NULL;
	UNI_AUTO_FREE char *path = NULL;
	int fd;

	assert_int_equal(uni_dir_tmp(NULL, &dir, &err), 0);
	path = uni_path_join(dir, "volume");
	assert_int_equal(format->resolve(&resolved, &err), 0);
	if (format->write(tree, &resolved, path, result, &err) != 0)
		fail_msg("%s", err.text);
	fd = open(path, O_RDWR | O_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(uni_dir_remove(dir, &err), 0);
	uni_tmp_forget(dir);
	return fd;
}

void test_resolve(void **state)
{
	const struct uni_fs_format *format = uni_fs_find("squashfs");
	struct uni_fs_options o = { .volume = "v" };

	(void)state;
	assert_null(uni_fs_find("ntfs"));
	assert_int_equal(format->resolve(&o, &err), 0);
	assert_string_equal(o.compression, "zstd");
	assert_int_equal(o.level, 1);
	assert_int_equal(o.block_size, 131072);
	o.level = 23;
	assert_int_equal(format->resolve(&o, &err), UNI_E_INVAL);
	o = (struct uni_fs_options){ .compression = "lz4", .level = 9 };
	assert_int_equal(format->resolve(&o, &err), 0);
	assert_int_equal(o.level, 9);
	o = (struct uni_fs_options){ .compression = "none", .level = 1 };
	assert_int_equal(format->resolve(&o, &err), UNI_E_INVAL);
	o = (struct uni_fs_options){ .compression = "rar" };
	assert_int_equal(format->resolve(&o, &err), UNI_E_INVAL);
	assert_non_null(strstr(err.text, "rar"));
	o = (struct uni_fs_options){ .block_size = 5000 };
	assert_int_equal(format->resolve(&o, &err), UNI_E_INVAL);
	o = (struct uni_fs_options){ .epoch = -1 };
	assert_int_equal(format->resolve(&o, &err), UNI_E_LIMIT);
}

static void check_sample(struct uni_fs_reader *reader, int64_t mtime)
{
	UNI_AUTO_BUF struct uni_buf data = UNI_BUF_INIT;
	UNI_AUTO_FREE uint8_t *big = uni_alloc(BIG);
	struct uni_fs_stat st;

	fill(big, BIG);
	assert_int_equal(read_all(reader, "/big", &data, &err), 0);
	assert_int_equal(data.size, BIG);
	assert_memory_equal(data.data, big, BIG);
	uni_buf_clear(&data);
	assert_int_equal(read_all(reader, "exact", &data, &err), 0);
	assert_int_equal(data.size, 131072);
	assert_memory_equal(data.data, big, data.size);
	uni_buf_clear(&data);
	assert_int_equal(read_all(reader, "/zero", &data, &err), 0);
	assert_int_equal(data.size, SPARSE);
	assert_true(uni_all_zero(data.data, data.size));
	uni_buf_clear(&data);
	assert_int_equal(read_all(reader, "/empty", &data, &err), 0);
	assert_int_equal(data.size, 0);
	assert_int_equal(read_all(reader, "/many/file-577", &data, &err), 0);
	assert_string_equal(data.data, "many/file-577");
	assert_int_equal(uni_fs_stat(reader, "/big", &st, &err), 0);
	assert_int_equal(st.type, UNI_FS_TYPE_FILE);
	assert_int_equal(st.mode, 0644);
	assert_int_equal(st.size, BIG);
	assert_int_equal(st.uid, 0);
	assert_int_equal(st.mtime, mtime);
	assert_int_equal(uni_fs_stat(reader, "/", &st, &err), 0);
	assert_int_equal(st.mode, 0755);
	assert_int_equal(st.mtime, mtime);
}

static int verify(int fd, const struct uni_fs_result *r)
{
	struct uni_hashtree tree = { .data_fd = fd,
				     .data_blocks = r->data_blocks,
				     .hash_fd = fd,
				     .hash_offset = r->hash_offset,
				     .salt_size = r->salt_size,
				     .uuid = r->uuid,
				     .name = "v" };

	memcpy(tree.salt, r->salt, r->salt_size);
	return uni_hashtree_verify(&tree, r->root_hash, &err);
}

void test_round_trip(void **state)
{
	static const struct {
		const char *compression;
		uint32_t level;
		uint32_t block;
	} cases[] = { { "zstd", 0, 0 }, { "zstd", 19, 4096 },	{ "lz4", 0, 0 },
		      { "lz4", 12, 0 }, { "gzip", 0, 1048576 }, { "none", 0, 0 } };
	UNI_AUTO(uni_tree) struct uni_tree *tree = sample_tree(86400);

	(void)state;
	for (size_t i = 0; i < UNI_COUNT(cases); i++) {
		const struct uni_fs_options options = { .volume = "v",
							.compression = cases[i].compression,
							.level = cases[i].level,
							.block_size = cases[i].block,
							.verity = true };
		UNI_AUTO(uni_fs_reader) struct uni_fs_reader *reader = NULL;
		struct uni_fs_about about;
		struct uni_fs_result r;
		struct uni_digest digest;
		UNI_AUTO_CLOSE int fd = write_volume(tree, &options, &r);
		uint64_t size;

		assert_int_equal(uni_digest_fd(fd, &size, &digest, "v", &err), 0);
		assert_int_equal(size, r.size);
		assert_int_equal(size % 4096, 0);
		assert_true(uni_digest_eq(&digest, &r.digest));
		assert_int_equal(r.data_blocks * 4096, r.fs_size);
		assert_int_equal(r.hash_offset, r.fs_size);
		assert_int_equal(verify(fd, &r), 0);
		assert_int_equal(uni_fs_open(&reader, fd, 0, size, "v", &err), 0);
		check_sample(reader, 86400);
		uni_fs_about(reader, &about);
		assert_string_equal(about.format, "squashfs");
		assert_string_equal(about.compression != NULL ? about.compression : "none",
				    cases[i].compression);
		assert_int_equal(about.mtime, 0);
	}
}

void test_same_bytes(void **state)
{
	struct uni_fs_options options = { .volume = "v", .verity = true, .epoch = 5 };
	struct uni_fs_result one;
	struct uni_fs_result two;

	(void)state;
	for (unsigned threads = 1; threads <= 3; threads++) {
		UNI_AUTO(uni_tree) struct uni_tree *tree = sample_tree(1);

		options.threads = threads;
		close(write_volume(tree, &options, threads == 1 ? &one : &two));
		if (threads == 1)
			continue;
		assert_true(uni_digest_eq(&one.digest, &two.digest));
		assert_memory_equal(one.root_hash, two.root_hash, 32);
		assert_memory_equal(&one.uuid, &two.uuid, 16);
	}
}

/* UUID and salt follow from name, options and content. */
void test_identity(void **state)
{
	UNI_AUTO(uni_tree) struct uni_tree *tree = sample_tree(1);
	struct uni_fs_options options = { .volume = "v", .compression = "lz4", .verity = true };
	struct uni_fs_result one;
	struct uni_fs_result two;
	char uuid[UNI_UUID_TEXT];

	(void)state;
	close(write_volume(tree, &options, &one));
	uni_uuid_text(&one.uuid, uuid);
	assert_string_equal(uuid, "685bb939-88b3-8a6e-950a-634080191ab1"); /* changes only with the
									      format's version */
	options.volume = "w";
	close(write_volume(tree, &options, &two));
	assert_memory_not_equal(&one.uuid, &two.uuid, 16);
	assert_memory_not_equal(one.salt, two.salt, 32);
	assert_true(uni_digest_eq(&one.tree, &two.tree));
	options.volume = "v";
	add(tree, "hello", "other\n", 6, 1);
	close(write_volume(tree, &options, &two));
	assert_memory_not_equal(&one.uuid, &two.uuid, 16);
	assert_false(uni_digest_eq(&one.tree, &two.tree));
	options.verity = false;
	close(write_volume(tree, &options, &two));
	assert_int_equal(two.salt_size, 0);
	assert_int_equal(two.size, two.fs_size);
}

/* Times that differ inside a tree, and one for the superblock. */
void test_times(void **state)
{
	const struct uni_fs_options options = { .volume = "v", .epoch = 77 };
	UNI_AUTO(uni_tree) struct uni_tree *tree = sample_tree(1000);
	UNI_AUTO(uni_fs_reader) struct uni_fs_reader *reader = NULL;
	struct uni_fs_about about;
	struct uni_fs_result r;
	struct uni_fs_stat st;

	(void)state;
	add(tree, "newer", "n", 1, 2000);
	UNI_AUTO_CLOSE int fd = write_volume(tree, &options, &r);

	assert_int_equal(uni_fs_open(&reader, fd, 0, r.size, "v", &err), 0);
	uni_fs_about(reader, &about);
	assert_int_equal(about.mtime, 77);
	assert_int_equal(uni_fs_stat(reader, "/newer", &st, &err), 0);
	assert_int_equal(st.mtime, 2000);
	assert_int_equal(uni_fs_stat(reader, "/hello", &st, &err), 0);
	assert_int_equal(st.mtime, 1000);
	assert_int_equal(uni_fs_stat(reader, "/", &st, &err), 0);
	assert_int_equal(st.mtime, 1000);
}

void test_empty(void **state)
{
	const struct uni_fs_options options = { .volume = "v", .verity = true };
	const struct uni_tree_rules rules = { .mtime = 3 };
	UNI_AUTO(uni_tree) struct uni_tree *tree = uni_tree_new(&rules);
	UNI_AUTO(uni_fs_reader) struct uni_fs_reader *reader = NULL;
	UNI_AUTO_BUF struct uni_buf list = UNI_BUF_INIT;
	struct uni_fs_result r;
	UNI_AUTO_CLOSE int fd = write_volume(tree, &options, &r);

	(void)state;
	assert_int_equal(uni_fs_open(&reader, fd, 0, r.size, "v", &err), 0);
	assert_int_equal(list_all(reader, "/", &list, &err), 0);
	assert_int_equal(list.size, 0);
}

void test_verify(void **state)
{
	const struct uni_fs_options options = { .volume = "v", .verity = true };
	UNI_AUTO(uni_tree) struct uni_tree *tree = sample_tree(1);
	struct uni_fs_result r;
	uint8_t byte = 0;

	(void)state;
	UNI_AUTO_CLOSE int fd = write_volume(tree, &options, &r);

	for (uint64_t at = 5000; at < r.size; at += r.size / 5) {
		assert_int_equal(uni_pread_full(fd, &byte, 1, at, "v", &err), 0);
		byte ^= 1;
		assert_int_equal(uni_pwrite_full(fd, &byte, 1, at, "v", &err), 0);
		assert_int_equal(verify(fd, &r), UNI_E_CORRUPT);
		byte ^= 1;
		assert_int_equal(uni_pwrite_full(fd, &byte, 1, at, "v", &err), 0);
	}
	assert_int_equal(verify(fd, &r), 0);
	r.root_hash[3] ^= 1;
	assert_int_equal(verify(fd, &r), UNI_E_CORRUPT);
}

/* A source that changes, and a target that takes nothing. */
void test_write_fails(void **state)
{
	const struct uni_fs_format *format = uni_fs_find("squashfs");
	const struct uni_tree_rules rules = { .mtime = 1 };
	struct uni_fs_options options = { .volume = "v" };
	UNI_AUTO(uni_tree) struct uni_tree *tree = uni_tree_new(&rules);
	UNI_AUTO(uni_tree) struct uni_tree *large = sample_tree(1);
	UNI_AUTO_FREE char *dir = NULL;
	struct uni_fs_result r;

	(void)state;
	assert_int_equal(uni_dir_tmp(NULL, &dir, &err), 0);
	UNI_AUTO_FREE char *source = uni_path_join(dir, "source");
	UNI_AUTO_FREE char *target = uni_path_join(dir, "target");
	UNI_AUTO_FREE char *nowhere = uni_path_join(dir, "no/where");

	assert_int_equal(format->resolve(&options, &err), 0);
	assert_int_equal(uni_file_write(source, "0123456789", 10, 0644, &err), 0);
	assert_int_equal(uni_tree_add_file(tree, "f", source, NULL, &rules, &err), 0);
	assert_int_equal(uni_file_write(source, "01234", 5, 0644, &err), 0);
	assert_int_equal(format->write(tree, &options, target, &r, &err), UNI_E_CHANGED);
	assert_true(format->write(large, &options, nowhere, &r, &err) < 0);
	assert_non_null(strstr(err.text, "No such file"));
	if (access("/dev/full", W_OK) == 0)
		assert_true(format->write(large, &options, "/dev/full", &r, &err) < 0);
	assert_int_equal(uni_dir_remove(dir, &err), 0);
	uni_tmp_forget(dir);
}

void test_paths(void **state)
{
	const struct uni_fs_options options = { .volume = "v" };
	UNI_AUTO(uni_tree) struct uni_tree *tree = sample_tree(1);
	UNI_AUTO(uni_fs_reader) struct uni_fs_reader *reader = NULL;
	UNI_AUTO_BUF struct uni_buf data = UNI_BUF_INIT;
	struct uni_fs_stat st;
	struct uni_fs_result r;

	(void)state;
	UNI_AUTO_CLOSE int fd = write_volume(tree, &options, &r);

	assert_int_equal(uni_fs_open(&reader, fd, 0, r.size, "v", &err), 0);
	assert_int_equal(read_all(reader, "//a/./b/../link/d/e//f", &data, &err), 0);
	assert_string_equal(data.data, "deep");
	uni_buf_clear(&data);
	assert_int_equal(read_all(reader, "/abs/e/f", &data, &err), 0);
	assert_string_equal(data.data, "deep");
	uni_buf_clear(&data);
	assert_int_equal(read_all(reader, "/up", &data, &err), 0);
	assert_string_equal(data.data, "hello\n");
	assert_int_equal(read_all(reader, "/loop", &data, &err), UNI_E_INVAL);
	assert_non_null(strstr(err.text, "links"));
	assert_int_equal(uni_fs_stat(reader, "/loop", &st, &err), 0);
	assert_int_equal(st.type, UNI_FS_TYPE_LINK);
	assert_int_equal(read_all(reader, "/missing", &data, &err), UNI_E_NOENT);
	assert_int_equal(read_all(reader, "/hello/x", &data, &err), UNI_E_NOENT);
	assert_int_equal(read_all(reader, "/a", &data, &err), UNI_E_INVAL);
	assert_int_equal(list_all(reader, "/hello", &data, &err), UNI_E_INVAL);
	uni_buf_clear(&data);
	assert_int_equal(uni_fs_readlink(reader, "/a/link", &data, &err), 0);
	assert_string_equal(data.data, "b/c");
	assert_int_equal(uni_fs_readlink(reader, "/hello", &data, &err), UNI_E_INVAL);
}

/* Truncated at every place, and every byte changed: an error or other content, never worse. */
void test_damaged(void **state)
{
	const struct uni_fs_options options = { .volume = "v", .block_size = 4096 };
	const struct uni_tree_rules rules = { .mtime = 1 };
	UNI_AUTO(uni_tree) struct uni_tree *tree = uni_tree_new(&rules);
	struct uni_fs_reader *reader = NULL;
	struct uni_fs_about about;
	struct uni_fs_result r;
	unsigned refused = 0;

	(void)state;
	add(tree, "a/b", "content", 7, 1);
	add(tree, "c", "more", 4, 1);
	UNI_AUTO_CLOSE int fd = write_volume(tree, &options, &r);

	assert_int_equal(uni_fs_open(&reader, fd, 0, r.size, "v", &err), 0);
	uni_fs_about(reader, &about);
	uni_fs_reader_free(reader);
	for (uint64_t size = 0; size < about.used; size++)
		if (uni_fs_open(&reader, fd, 0, size, "v", &err) == 0)
			fail_msg("opened with %llu bytes", (unsigned long long)size);
	assert_int_equal(uni_fs_open(&reader, fd, 0, 96, "v", &err), UNI_E_CORRUPT);
	assert_non_null(strstr(err.text, "truncated"));
	for (uint64_t at = 0; at < about.used; at++) {
		UNI_AUTO_BUF struct uni_buf list = UNI_BUF_INIT;
		uint8_t byte;
		int rc;

		assert_int_equal(uni_pread_full(fd, &byte, 1, at, "v", &err), 0);
		byte ^= 0x55;
		assert_int_equal(uni_pwrite_full(fd, &byte, 1, at, "v", &err), 0);
		rc = uni_fs_open(&reader, fd, 0, r.size, "v", &err);
		if (rc == 0)
			rc = list_all(reader, "/", &list, &err);
		refused += rc != 0;
		uni_fs_reader_free(reader);
		byte ^= 0x55;
		assert_int_equal(uni_pwrite_full(fd, &byte, 1, at, "v", &err), 0);
	}
	assert_true(refused > 50);
}
