/* Our own squashfs: round trips, the same bytes, what stays in place, what is refused. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <uni/base/file.h>
#include <uni/base/path.h>
#include <uni/fs/squash.h>
#include <uni/tree/tree.h>
#include <unistd.h>

#include "tests.h"

static struct uni_err err;

enum { BIG = 300000, SMALL_FILES = 700, IMAGE_MAX = 8 << 20 };

static void add(struct uni_tree *tree, const char *at, const void *data, size_t size)
{
	const struct uni_tree_rules rules = { .mtime = 500 };

	assert_int_equal(uni_tree_add_data(tree, at, data, size, &rules, &err), 0);
}

/* Words that pack, from a seed. */
static void add_words(struct uni_tree *tree, const char *at, uint32_t seed, size_t size)
{
	UNI_AUTO_FREE char *data = uni_alloc(size);

	for (size_t i = 0; i < size; i++) {
		seed = seed * 1103515245 + 12345;
		data[i] = (char)('a' + (seed >> 16) % 7);
	}
	add(tree, at, data, size);
}

static struct uni_tree *sample(void)
{
	const struct uni_tree_rules rules = { .mtime = 500 };
	struct uni_tree *tree = uni_tree_new(&rules);
	UNI_AUTO_FREE uint8_t *zero = uni_alloc(BIG);
	char name[300];

	add_words(tree, "big", 1, BIG);
	add_words(tree, "copy/of/big", 1, BIG);
	add_words(tree, "exact", 2, 131072);
	add(tree, "zero", zero, BIG);
	zero[BIG - 1] = 1;
	add(tree, "hole", zero, BIG);
	add(tree, "empty", "", 0);
	for (int i = 0; i < SMALL_FILES; i++) {
		snprintf(name, sizeof(name), "many/a-rather-long-name-of-a-file-%d", i);
		add(tree, name, name, strlen(name) - (size_t)(i % 3));
	}
	memset(name, 'n', 255);
	name[255] = '\0';
	add(tree, name, "long", 4);
	assert_int_equal(uni_tree_add_symlink(tree, "a/link", "../big", &rules, &err), 0);
	assert_int_equal(uni_tree_add_dir(tree, "nothing", &rules, &err), 0);
	return tree;
}

static int memory_file(void)
{
	int fd = memfd_create("image", MFD_CLOEXEC);

	assert_true(fd >= 0);
	return fd;
}

static struct uni_squash_options options_of(const char *compression)
{
	const struct uni_fs_format *format = uni_fs_find("squashfs");
	struct uni_fs_options resolved = { .compression = compression };

	assert_int_equal(format->resolve(&resolved, &err), 0);
	return (struct uni_squash_options){ .compression = resolved.compression,
					    .level = resolved.level,
					    .block_size = resolved.block_size,
					    .epoch = 1000 };
}

struct emission {
	int to;
	int from;
	uint64_t put;
	uint64_t kept;
};

static int put(void *user, uint64_t at, const void *data, size_t size, struct uni_err *e)
{
	struct emission *m = user;

	assert_int_equal(at % 4096, 0);
	assert_int_equal(size % 4096, 0);
	m->put += size;
	return uni_pwrite_full(m->to, data, size, at, "image", e);
}

static int keep(void *user, uint64_t at, uint64_t size, struct uni_err *e)
{
	struct emission *m = user;

	assert_int_equal(at % 4096, 0);
	m->kept += size;
	return uni_copy_range(m->from, at, m->to, at, size, e);
}

/* A placed image after the one in `from` (-1: none), of `from_size` bytes. */
static int place(struct uni_tree *tree, const struct uni_squash_options *options, int from,
		 uint64_t from_size, struct emission *m, uint64_t *size)
{
	UNI_AUTO(uni_squash_previous) struct uni_squash_previous *previous = NULL;
	UNI_AUTO(uni_squash_image) struct uni_squash_image *image = NULL;
	struct uni_squash_target target = { put, keep, m };
	struct uni_digest digest;

	*m = (struct emission){ .to = memory_file(), .from = from };
	assert_int_equal(uni_tree_digest(tree, NULL, 1, &digest, &err), 0);
	if (from >= 0)
		assert_int_equal(
			uni_squash_previous_open(&previous, from, 0, from_size, "before", &err), 0);
	if (uni_squash_prepare(&image, tree, options, previous, &err) != 0)
		fail_msg("%s", err.text);
	*size = uni_squash_image_size(image);
	if (uni_squash_emit(image, previous, &target, &err) != 0)
		fail_msg("%s", err.text);
	return m->to;
}

static void check_same(int fd, uint64_t size, int other, uint64_t other_size)
{
	UNI_AUTO(uni_fs_reader) struct uni_fs_reader *one = NULL;
	UNI_AUTO(uni_fs_reader) struct uni_fs_reader *two = NULL;
	UNI_AUTO_BUF struct uni_buf one_list = UNI_BUF_INIT;
	UNI_AUTO_BUF struct uni_buf two_list = UNI_BUF_INIT;

	if (uni_fs_open(&one, fd, 0, size, "one", &err) != 0 ||
	    uni_fs_open(&two, other, 0, other_size, "two", &err) != 0 ||
	    list_all(one, "/", &one_list, &err) != 0 || list_all(two, "/", &two_list, &err) != 0)
		fail_msg("%s", err.text);
	assert_string_equal(one_list.data, two_list.data);
}

/* Every codec and layout holds what mksquashfs' image of the same tree holds. */
void test_make(void **state)
{
	static const char *const names[] = { "zstd", "lz4", "gzip", "none" };
	UNI_AUTO(uni_tree) struct uni_tree *tree = sample();
	const struct uni_fs_format *format = uni_fs_find("squashfs");
	struct uni_fs_options resolved = { .volume = "v" };
	struct uni_fs_result r;
	struct emission m;
	UNI_AUTO_FREE char *dir = NULL;

	(void)state;
	assert_int_equal(uni_dir_tmp(NULL, &dir, &err), 0);
	UNI_AUTO_FREE char *path = uni_path_join(dir, "v");

	assert_int_equal(format->resolve(&resolved, &err), 0);
	assert_int_equal(format->write(tree, &resolved, path, &r, &err), 0);
	UNI_AUTO_CLOSE int theirs = open(path, O_RDONLY | O_CLOEXEC);

	for (size_t i = 0; i < UNI_COUNT(names); i++) {
		const struct uni_squash_options options = options_of(names[i]);
		UNI_AUTO_CLOSE int packed = memory_file();
		uint64_t size = 0;

		assert_int_equal(uni_squash_write(tree, &options, packed, &size, &err), 0);
		check_same(packed, size, theirs, r.size);
		UNI_AUTO_CLOSE int placed = place(tree, &options, -1, 0, &m, &size);
		check_same(placed, size, theirs, r.size);
	}
	assert_int_equal(uni_dir_remove(dir, &err), 0);
	uni_tmp_forget(dir);
}

static void check_digest(int fd, const char *wanted)
{
	struct uni_digest digest;
	char text[UNI_DIGEST_TEXT];
	uint64_t size;

	assert_int_equal(uni_digest_fd(fd, &size, &digest, "image", &err), 0);
	uni_digest_text(&digest, text);
	assert_string_equal(text, wanted);
}

/* Bytes without a codec are ours alone: they change only with the format's version. */
void test_make_golden(void **state)
{
	UNI_AUTO(uni_tree) struct uni_tree *tree = sample();
	struct uni_squash_options options = options_of("none");
	struct emission m;
	uint64_t size;

	(void)state;
	for (options.threads = 1; options.threads <= 3; options.threads++) {
		UNI_AUTO_CLOSE int packed = memory_file();

		assert_int_equal(uni_squash_write(tree, &options, packed, &size, &err), 0);
		check_digest(
			packed,
			"sha256:bb99114fc1637e487bb8e886a36345b37c01fff7b3861bbce620f83138292f49");
		UNI_AUTO_CLOSE int placed = place(tree, &options, -1, 0, &m, &size);

		check_digest(
			placed,
			"sha256:aa51796d6ebb1d2edc084fbf18091286baf28c3d5df35a991e8263f7ea96ec25");
	}
}

static uint64_t blocks_apart(int a, int b)
{
	UNI_AUTO_FREE uint8_t *x = uni_alloc(IMAGE_MAX);
	UNI_AUTO_FREE uint8_t *y = uni_alloc(IMAGE_MAX);
	uint64_t count = 0;

	assert_true(pread(a, x, IMAGE_MAX, 0) > 0);
	assert_true(pread(b, y, IMAGE_MAX, 0) > 0);
	for (size_t at = 0; at < IMAGE_MAX; at += 4096)
		count += memcmp(x + at, y + at, 4096) != 0;
	return count;
}

static int64_t time_of(int fd, uint64_t size, const char *path)
{
	UNI_AUTO(uni_fs_reader) struct uni_fs_reader *reader = NULL;
	struct uni_fs_stat st;

	assert_int_equal(uni_fs_open(&reader, fd, 0, size, "image", &err), 0);
	assert_int_equal(uni_fs_stat(reader, path, &st, &err), 0);
	return st.mtime;
}

/* One file changes: it and its inode move, nothing else; times tell what changed. */
void test_make_again(void **state)
{
	UNI_AUTO(uni_tree) struct uni_tree *tree = sample();
	UNI_AUTO(uni_tree) struct uni_tree *next = sample();
	struct uni_squash_options options = options_of("zstd");
	struct emission m;
	uint64_t size;
	uint64_t next_size;
	UNI_AUTO_CLOSE int before = place(tree, &options, -1, 0, &m, &size);

	(void)state;
	options.epoch = 2000;
	add(next, "many/a-rather-long-name-of-a-file-7", "changed", 7);
	UNI_AUTO_CLOSE int after = place(next, &options, before, size, &m, &next_size);

	assert_int_equal(size, next_size);
	/* superblock, the file, its inode, its digest */
	assert_true(blocks_apart(before, after) <= 5);
	assert_int_equal(time_of(after, next_size, "/many/a-rather-long-name-of-a-file-7"), 2000);
	assert_int_equal(time_of(after, next_size, "/many/a-rather-long-name-of-a-file-8"), 1000);
	assert_int_equal(time_of(after, next_size, "/many"), 1000);
	assert_int_equal(time_of(after, next_size, "/a/link"), 1000);
	UNI_AUTO_CLOSE int alone = place(next, &options, -1, 0, &m, &next_size);
	check_same(after, size, alone, next_size);
}

/* What moved to another name keeps its blocks; what is gone leaves room that is taken. */
void test_make_moves(void **state)
{
	const struct uni_tree_rules rules = { .mtime = 500 };
	UNI_AUTO(uni_tree) struct uni_tree *one = uni_tree_new(&rules);
	UNI_AUTO(uni_tree) struct uni_tree *two = uni_tree_new(&rules);
	UNI_AUTO(uni_tree) struct uni_tree *three = uni_tree_new(&rules);
	struct uni_squash_options options = options_of("zstd");
	struct emission m;
	uint64_t size[3];

	(void)state;
	add_words(one, "a", 1, BIG);
	add_words(one, "b", 2, BIG);
	add_words(one, "c", 3, BIG);
	add_words(two, "elsewhere/a", 1, BIG);
	add_words(two, "c", 3, BIG);
	add_words(three, "elsewhere/a", 1, BIG);
	add_words(three, "new", 9, BIG - 20000);
	add_words(three, "c", 3, BIG);
	UNI_AUTO_CLOSE int first = place(one, &options, -1, 0, &m, &size[0]);
	UNI_AUTO_CLOSE int second = place(two, &options, first, size[0], &m, &size[1]);

	assert_true(m.put < 64 << 10);
	assert_true(m.kept > BIG / 4);
	assert_int_equal(time_of(second, size[1], "/elsewhere/a"), 1000);
	UNI_AUTO_CLOSE int third = place(three, &options, second, size[1], &m, &size[2]);

	assert_int_equal(size[1], size[2]);
	UNI_AUTO_CLOSE int alone = place(three, &options, -1, 0, &m, &size[1]);
	check_same(third, size[2], alone, size[1]);
	/* Where gaps leave no room, everything is moved together. */
	options.limit = size[2] - (64 << 10);
	UNI_AUTO_CLOSE int tight = place(two, &options, first, size[0], &m, &size[2]);
	UNI_AUTO_CLOSE int tight_alone = place(two, &options, -1, 0, &m, &size[1]);
	check_same(tight, size[2], tight_alone, size[1]);
}

void test_make_too_small(void **state)
{
	UNI_AUTO(uni_tree) struct uni_tree *tree = sample();
	UNI_AUTO(uni_squash_image) struct uni_squash_image *roomy = NULL;
	UNI_AUTO(uni_squash_image) struct uni_squash_image *tight = NULL;
	struct uni_squash_options options = options_of("zstd");

	(void)state;
	assert_int_equal(uni_squash_prepare(&roomy, tree, &options, NULL, &err), 0);
	options.limit = 4096;
	assert_int_equal(uni_squash_prepare(&tight, tree, &options, NULL, &err), 0);
	assert_true(uni_squash_image_size(tight) < uni_squash_image_size(roomy));
	assert_true(uni_squash_image_size(tight) > options.limit);
}

/* An image before that was damaged, at every byte of its metadata: refused or read, never worse. */
void test_make_damaged(void **state)
{
	const struct uni_tree_rules rules = { .mtime = 1 };
	UNI_AUTO(uni_tree) struct uni_tree *tree = uni_tree_new(&rules);
	struct uni_squash_options options = options_of("zstd");
	struct emission m;
	uint64_t size;
	unsigned refused = 0;

	(void)state;
	add(tree, "a/b", "content", 7);
	add(tree, "c", "more", 4);
	UNI_AUTO_CLOSE int fd = place(tree, &options, -1, 0, &m, &size);

	for (uint64_t at = 0; at < size; at += at == 128 ? size - 12288 - at : 1) {
		struct uni_squash_previous *previous = NULL;
		uint8_t byte;

		assert_int_equal(uni_pread_full(fd, &byte, 1, at, "v", &err), 0);
		byte ^= 0x55;
		assert_int_equal(uni_pwrite_full(fd, &byte, 1, at, "v", &err), 0);
		refused += uni_squash_previous_open(&previous, fd, 0, size, "v", &err) != 0;
		uni_squash_previous_free(previous);
		byte ^= 0x55;
		assert_int_equal(uni_pwrite_full(fd, &byte, 1, at, "v", &err), 0);
	}
	assert_true(refused > 100);
	struct uni_squash_previous *none = NULL;

	assert_int_equal(uni_squash_previous_open(&none, fd, 0, size - 4096, "v", &err),
			 UNI_E_UNSUPPORTED);
}
