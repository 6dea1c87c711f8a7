/* What size a tree needs, told before its content is read: enough is enough, too little is refused.
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <uni/base/mem.h>
#include <uni/tree/tree.h>
#include <unistd.h>

#include "tests.h"

enum { FILES = 900, LARGE = 5 << 20, LONG = 40 << 20, FAR = (33 << 20) + 777 };

static struct uni_err err;

/* Bytes that nothing packs, in files of many sizes. */
static struct uni_tree *noise(void)
{
	const struct uni_tree_rules rules = { .mtime = 0 };
	struct uni_tree *tree = uni_tree_new(&rules);
	UNI_AUTO_FREE uint8_t *data = uni_alloc(LARGE);
	uint64_t seed = 1;
	char name[300];

	for (size_t i = 0; i < LARGE; i++) {
		seed = seed * UINT64_C(6364136223846793005) + 1442695040888963407;
		data[i] = (uint8_t)(seed >> 56);
	}
	assert_int_equal(uni_tree_add_data(tree, "large", data, LARGE, &rules, &err), 0);
	for (int i = 0; i < FILES; i++) {
		snprintf(name, sizeof(name), "%d/%0*d", i % 7, 1 + i % 250, i);
		assert_int_equal(
			uni_tree_add_data(tree, name, data + i * 7, (size_t)i * 3, &rules, &err),
			0);
	}
	return tree;
}

static struct uni_fs_options options_of(const struct uni_fs_format *format)
{
	struct uni_fs_options options = { .volume = "v", .image = "i" };

	options.writable = strcmp(format->name, "ext4") == 0;
	options.size = 16 << 20; /* what a writable one must say */
	assert_int_equal(format->resolve(&options, &err), 0);
	return options;
}

void test_room(void **state)
{
	UNI_AUTO(uni_tree) struct uni_tree *tree = noise();

	(void)state;
	for (size_t i = 0; uni_fs_formats[i] != NULL; i++) {
		const struct uni_fs_format *format = uni_fs_formats[i];
		struct uni_fs_result result;

		if (format->enough == NULL)
			continue;
		struct uni_fs_options options = options_of(format);

		assert_int_equal(format->enough(tree, &options, &options.size, &err), 0);
		assert_true(options.size < 32 << 20);
		assert_int_equal(uni_fs_fits(format, tree, &options, &err), 0);
		assert_int_equal(format->write(tree, &options, "room.volume", &result, &err), 0);
		assert_true(result.size <= options.size);
		remove("room.volume");
	}
}

void test_room_refused(void **state)
{
	UNI_AUTO(uni_tree) struct uni_tree *tree = noise();

	(void)state;
	for (size_t i = 0; uni_fs_formats[i] != NULL; i++) {
		const struct uni_fs_format *format = uni_fs_formats[i];
		struct uni_fs_options options = options_of(format);

		options.size = uni_tree_bytes(tree) / format->packs - 4096;
		assert_int_equal(uni_fs_fits(format, tree, &options, &err), UNI_E_LIMIT);
		assert_non_null(strstr(err.text, "do not fit into"));
		assert_int_equal(format->enough != NULL, strstr(err.hint, "is sure to do") != NULL);
	}
}

/* A file of `length` that is a hole but for `size` bytes at FAR. */
static void write_holes(const char *path, uint64_t length, const uint8_t *data, size_t size)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	assert_int_equal(pwrite(fd, data, size, FAR), size);
	assert_int_equal(ftruncate(fd, (off_t)length), 0);
	close(fd);
}

/* Longer than its volume, with data that fits; and the volume is that of zeros written out. */
void test_room_holes(void **state)
{
	const struct uni_tree_rules rules = { .mtime = 0 };
	UNI_AUTO(uni_tree) struct uni_tree *holes = uni_tree_new(&rules);
	UNI_AUTO(uni_tree) struct uni_tree *zeros = uni_tree_new(&rules);
	UNI_AUTO_FREE uint8_t *data = uni_alloc(LONG);

	(void)state;
	memset(data + FAR, 'x', 300000);
	write_holes("room.holes", LONG, data + FAR, 300000);
	assert_int_equal(uni_tree_add_file(holes, "f", "room.holes", NULL, &rules, &err), 0);
	assert_int_equal(uni_tree_add_data(zeros, "f", data, LONG, &rules, &err), 0);
	for (size_t i = 0; uni_fs_formats[i] != NULL; i++) {
		const struct uni_fs_format *format = uni_fs_formats[i];
		struct uni_fs_options options = options_of(format);
		struct uni_fs_result one, two;

		assert_int_equal(uni_fs_fits(format, holes, &options, &err),
				 format->holes || format->packs > 1 ? 0 : UNI_E_LIMIT);
		if (!format->holes)
			continue;
		assert_int_equal(format->write(holes, &options, "room.volume", &one, &err), 0);
		assert_int_equal(format->write(zeros, &options, "room.volume", &two, &err), 0);
		assert_true(uni_digest_eq(&one.digest, &two.digest));
		options.size = 1 << 16;
		assert_int_equal(format->packs > 1 ||
					 uni_fs_fits(format, holes, &options, &err) == UNI_E_LIMIT,
				 1);
	}
	remove("room.holes");
	remove("room.volume");
}
