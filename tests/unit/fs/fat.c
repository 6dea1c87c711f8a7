/* FAT: types by size, names and their aliases, round trips, what it cannot hold, damage. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <uni/base/file.h>
#include <uni/base/path.h>
#include <uni/tree/tree.h>
#include <unistd.h>

#include "tests.h"

static struct uni_err err;
static const struct uni_tree_rules rules = { .mtime = 1700000001 };

static void add(struct uni_tree *tree, const char *at, const void *data, size_t size)
{
	assert_int_equal(uni_tree_add_data(tree, at, data, size, &rules, &err), 0);
}

static int try_write(const struct uni_tree *tree, struct uni_fs_result *result, int *fd)
{
	const struct uni_fs_format *format = uni_fs_find("fat");
	struct uni_fs_options options = { .volume = "unit" };
	UNI_AUTO_FREE char *dir = NULL;
	UNI_AUTO_FREE char *path = NULL;
	struct uni_err ignored = UNI_ERR_INIT;
	int rc;

	assert_int_equal(format->resolve(&options, &err), 0);
	assert_int_equal(uni_dir_tmp(NULL, &dir, &err), 0);
	path = uni_path_join(dir, "volume");
	rc = format->write(tree, &options, path, result, &err);
	*fd = rc == 0 ? open(path, O_RDWR | O_CLOEXEC) : -1;
	assert_int_equal(uni_dir_remove(dir, &ignored), 0);
	return rc;
}

static int write_fat(const struct uni_tree *tree, struct uni_fs_result *result)
{
	int fd;

	if (try_write(tree, result, &fd) != 0)
		fail_msg("%s", err.text);
	return fd;
}

static struct uni_fs_reader *open_fat(int fd, uint64_t size)
{
	struct uni_fs_reader *reader = NULL;

	if (uni_fs_open(&reader, fd, 0, size, "fat", &err) != 0)
		fail_msg("%s", err.text);
	return reader;
}

static struct uni_tree *sample(void)
{
	struct uni_tree *tree = uni_tree_new(&rules);
	static uint8_t data[5000];

	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (uint8_t)(i * 7 + i / 256);
	add(tree, "EFI/BOOT/BOOTX64.EFI", data, sizeof(data));
	add(tree, "EMPTY", "", 0);
	add(tree, "SECTOR.BIN", data, 512);
	add(tree, "lower.txt", "lower", 5);
	add(tree, "A Name That Is Long.text", "long", 4);
	add(tree, "h\xc3\xa4user \xf0\x9f\x8f\xa0", "utf-8", 5);
	assert_int_equal(uni_tree_add_dir(tree, "nothing", &rules, &err), 0);
	return tree;
}

/* The bytes are known: they change with the format's version only. */
void test_fat_golden(void **state)
{
	UNI_AUTO(uni_tree) struct uni_tree *tree = sample();
	struct uni_fs_result first, again;
	char text[UNI_DIGEST_TEXT];
	int fd = write_fat(tree, &first);

	(void)state;
	close(fd);
	close(write_fat(tree, &again));
	assert_true(uni_digest_eq(&first.digest, &again.digest));
	uni_digest_text(&first.digest, text);
	assert_string_equal(
		text, "sha256:61a41286f3e4b5fa2b73cf7eb630545fc3424e5bf9f21b231dceefa36480d2e6");
	assert_int_equal(first.size, 16384);
}

void test_fat_round_trip(void **state)
{
	UNI_AUTO(uni_tree) struct uni_tree *tree = sample();
	UNI_AUTO_BUF struct uni_buf list = UNI_BUF_INIT, data = UNI_BUF_INIT;
	struct uni_fs_result result;
	struct uni_fs_about about;
	struct uni_fs_stat st;
	int fd = write_fat(tree, &result);
	struct uni_fs_reader *reader = open_fat(fd, result.size);

	(void)state;
	uni_fs_about(reader, &about);
	assert_string_equal(about.format, "FAT12");
	assert_int_equal(list_all(reader, "/", &list, &err), 0);
	for (const char *const *name =
		     (const char *const[]){ "d 755 /EFI ", "d 755 /EFI/BOOT ",
					    "f 644 /EFI/BOOT/BOOTX64.EFI ", "f 644 /EMPTY ",
					    "f 644 /lower.txt ", "f 644 /A Name That Is Long.text ",
					    "f 644 /h\xc3\xa4user \xf0\x9f\x8f\xa0 ",
					    "d 755 /nothing ", NULL };
	     *name != NULL; name++)
		if (strstr(list.data, *name) == NULL)
			fail_msg("no \"%s\" in\n%s", *name, list.data);
	assert_int_equal(uni_fs_stat(reader, "/EFI/BOOT/BOOTX64.EFI", &st, &err), 0);
	assert_int_equal(st.mtime, 1700000000);
	assert_int_equal(read_all(reader, "/EFI/BOOT/BOOTX64.EFI", &data, &err), 0);
	assert_int_equal(data.size, 5000);
	assert_int_equal((uint8_t)data.data[4999], (uint8_t)(4999 * 7 + 4999 / 256));
	uni_fs_reader_free(reader);
	close(fd);
}

/* Content that needs more than a type holds gets the next. */
void test_fat_types(void **state)
{
	static const struct {
		size_t size;
		const char *format;
		uint32_t cluster;
	} cases[] = {
		{ 0, "FAT12", 512 },
		{ 4000 * 512, "FAT12", 512 },
		{ 4070 * 512, "FAT12", 4096 },
		{ 4069 * 4096, "FAT12", 4096 },
		{ 4070 * 4096, "FAT16", 4096 },
		{ 4100 * 4096, "FAT16", 4096 },
		{ 65509 * 4096, "FAT16", 4096 },
		{ 65510 * 4096, "FAT32", 4096 },
	};

	(void)state;
	for (size_t i = 0; i < UNI_COUNT(cases); i++) {
		UNI_AUTO(uni_tree) struct uni_tree *tree = uni_tree_new(&rules);
		UNI_AUTO_FREE char *dir = NULL;
		UNI_AUTO_FREE char *path = NULL;
		struct uni_fs_result result;
		struct uni_fs_about about;
		struct uni_fs_reader *reader;
		int fd;

		assert_int_equal(uni_dir_tmp(NULL, &dir, &err), 0);
		path = uni_path_join(dir, "data");
		assert_int_equal(uni_file_write(path, "", 0, 0600, &err), 0);
		assert_int_equal(truncate(path, (off_t)cases[i].size), 0);
		assert_int_equal(uni_tree_add_file(tree, "DATA", path, NULL, &rules, &err), 0);
		fd = write_fat(tree, &result);
		reader = open_fat(fd, result.size);
		uni_fs_about(reader, &about);
		assert_string_equal(about.format, cases[i].format);
		assert_int_equal(about.block_size, cases[i].cluster);
		assert_int_equal(about.used, result.size);
		uni_fs_reader_free(reader);
		close(fd);
		assert_int_equal(uni_dir_remove(dir, &err), 0);
	}
}

/* Aliases are short, upper case, and differ, from names that are short already too. */
void test_fat_aliases(void **state)
{
	UNI_AUTO(uni_tree) struct uni_tree *tree = uni_tree_new(&rules);
	static uint8_t volume[1 << 20];
	struct uni_fs_result result;
	size_t found = 0, aliases = 0;
	int fd;

	(void)state;
	for (int i = 0; i < 30; i++) {
		char name[64];

		snprintf(name, sizeof(name), "long name number %02d.data", i);
		add(tree, name, "x", 1);
	}
	add(tree, "LONGNA~3.DAT", "x", 1);
	fd = write_fat(tree, &result);
	assert_true(result.size <= sizeof(volume));
	assert_int_equal(pread(fd, volume, (size_t)result.size, 0), (ssize_t)result.size);
	for (size_t at = 0; at < result.size; at += 32) {
		if (memcmp(volume + at, "LONGNA~3DAT", 11) == 0 && volume[at + 11] == 0x20)
			found++;
		if (memcmp(volume + at, "LONG", 4) == 0 && volume[at + 11] == 0x20)
			aliases++;
	}
	assert_int_equal(found, 1);
	assert_int_equal(aliases, 31);
	close(fd);
}

static void refuse(struct uni_tree *tree, int code, const char *words)
{
	struct uni_fs_result result;
	int fd;

	assert_int_equal(try_write(tree, &result, &fd), code);
	if (strstr(err.text, words) == NULL)
		fail_msg("no \"%s\" in \"%s\"", words, err.text);
	uni_tree_free(tree);
}

void test_fat_refused(void **state)
{
	static const char *const names[] = { "a:b", "a?", "tab\tbed", "dot.", "space ", "a\\b" };
	char name[300];
	struct uni_tree *tree;

	(void)state;
	for (size_t i = 0; i < UNI_COUNT(names); i++) {
		tree = uni_tree_new(&rules);
		add(tree, names[i], "", 0);
		refuse(tree, UNI_E_UNSUPPORTED, "FAT cannot have");
	}
	tree = uni_tree_new(&rules);
	add(tree, "d/Readme", "", 0);
	add(tree, "d/README", "", 0);
	refuse(tree, UNI_E_UNSUPPORTED, "upper from lower");
	tree = uni_tree_new(&rules);
	assert_int_equal(uni_tree_add_symlink(tree, "link", "x", &rules, &err), 0);
	refuse(tree, UNI_E_UNSUPPORTED, "files and folders only");
	tree = uni_tree_new(&rules);
	for (int i = 0; i < 3300; i++) {
		int n = snprintf(name, sizeof(name), "%04d", i);

		memset(name + n, 'x', (size_t)(250 - n));
		name[250] = '\0';
		add(tree, name, "", 0);
	}
	refuse(tree, UNI_E_LIMIT, "more names");
}

/* Every byte of what decides the volume, changed: an error or other content, and an end. */
void test_fat_damaged(void **state)
{
	UNI_AUTO(uni_tree) struct uni_tree *tree = sample();
	struct uni_fs_result result;
	int fd = write_fat(tree, &result);

	(void)state;
	for (off_t at = 0; at < 4096 + 1024; at++) {
		UNI_AUTO_BUF struct uni_buf list = UNI_BUF_INIT;
		struct uni_fs_reader *reader = NULL;
		uint8_t was, now;

		if (at >= 64 && at < 1024)
			continue;
		assert_int_equal(pread(fd, &was, 1, at), 1);
		now = (uint8_t)~was;
		assert_int_equal(pwrite(fd, &now, 1, at), 1);
		if (uni_fs_open(&reader, fd, 0, result.size, "fat", &err) == 0) {
			(void)list_all(reader, "/", &list, &err);
			uni_fs_reader_free(reader);
		}
		assert_int_equal(pwrite(fd, &was, 1, at), 1);
	}
	close(fd);
}
