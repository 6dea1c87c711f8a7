/* ext4 and ext2: what e2fsck and debugfs say of what we write, round trips, limits, damage. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <uni/base/file.h>
#include <uni/base/path.h>
#include <uni/base/process.h>
#include <uni/tree/tree.h>
#include <unistd.h>

#include "ext4.h"
#include "tests.h"

static struct uni_err err;

enum { BIG = 3000001, HOLE = 40 << 20, MIB = 1 << 20, ROUNDS = 3000 };
#define FAR (UINT64_C(5) << 30)

static void add(struct uni_tree *tree, const char *at, const void *data, size_t size)
{
	const struct uni_tree_rules rules = { .mtime = 1000 };

	assert_int_equal(uni_tree_add_data(tree, at, data, size, &rules, &err), 0);
}

static struct uni_tree *sample(unsigned names)
{
	const struct uni_tree_rules rules = { .mtime = 1000 };
	struct uni_tree *tree = uni_tree_new(&rules);
	UNI_AUTO_FREE uint8_t *big = uni_alloc(HOLE);
	char name[300];

	for (size_t i = 0; i < BIG; i++)
		big[i] = (uint8_t)(i * 7 + i / 4096);
	add(tree, "big", big, BIG);
	add(tree, "empty", "", 0);
	add(tree, "hello", "hello\n", 6);
	/* More pieces than an inode holds: one block in four of a hole. */
	memset(big, 0, HOLE);
	for (size_t i = 0; i < HOLE; i += 16384)
		big[i] = 1;
	add(tree, "sparse", big, HOLE);
	memset(name, 't', 200);
	name[200] = '\0';
	assert_int_equal(uni_tree_add_symlink(tree, "a/long", name, &rules, &err), 0);
	assert_int_equal(uni_tree_add_symlink(tree, "a/link", "../hello", &rules, &err), 0);
	for (unsigned i = 0; i < names; i++) {
		snprintf(name, sizeof(name), "many/file-%u", i);
		add(tree, name, name, strlen(name));
	}
	assert_int_equal(uni_tree_add_dir(tree, "nothing", &rules, &err), 0);
	return tree;
}

static char *volume_path(void)
{
	UNI_AUTO_FREE char *dir = NULL;

	assert_int_equal(uni_dir_tmp(NULL, &dir, &err), 0);
	return uni_path_join(dir, "volume");
}

static void forget(char *path)
{
	UNI_AUTO_FREE char *dir = uni_strndup(path, (size_t)(strrchr(path, '/') - path));

	assert_int_equal(uni_dir_remove(dir, &err), 0);
	uni_tmp_forget(dir);
	free(path);
}

/* Its words, NUL-terminated. */
static int run(const char *const *argv, char *words, size_t room)
{
	struct uni_process_spec spec = UNI_PROCESS_SPEC_INIT;
	UNI_AUTO(uni_process) struct uni_process *process = NULL;
	FILE *out = tmpfile();
	int status = -1;
	size_t got;

	assert_non_null(out);
	spec.argv = argv;
	spec.stdout_fd = fileno(out);
	spec.stderr_fd = fileno(out);
	if (uni_process_start(&process, &spec, &err) != 0)
		fail_msg("%s", err.text);
	assert_int_equal(uni_process_wait(process, -1, &status, &err), 0);
	rewind(out);
	got = fread(words, 1, room - 1, out);
	words[got] = '\0';
	(void)fclose(out);
	return status;
}

static void fsck(const char *path)
{
	const char *const argv[] = { "/sbin/e2fsck", "-fn", path, NULL };
	char words[4000];

	if (run(argv, words, sizeof(words)) != 0)
		fail_msg("%s", words);
}

static void debugfs(const char *path, const char *request, char *words, size_t room)
{
	const char *const argv[] = { "/sbin/debugfs", "-R", request, path, NULL };

	assert_int_equal(run(argv, words, room), 0);
}

static int write_as(const char *format, const struct uni_tree *tree, struct uni_fs_options options,
		    const char *path, struct uni_fs_result *result)
{
	const struct uni_fs_format *f = uni_fs_find(format);

	assert_int_equal(f->resolve(&options, &err), 0);
	return f->write(tree, &options, path, result, &err);
}

static struct uni_fs_reader *open_volume(const char *path, int *fd)
{
	struct uni_fs_reader *reader;
	struct stat st;

	*fd = open(path, O_RDWR | O_CLOEXEC);
	assert_true(*fd >= 0);
	assert_int_equal(fstat(*fd, &st), 0);
	if (uni_fs_open(&reader, *fd, 0, (uint64_t)st.st_size, "v", &err) != 0)
		fail_msg("%s", err.text);
	return reader;
}

static void check_sample(const char *path, unsigned names)
{
	UNI_AUTO_BUF struct uni_buf data = UNI_BUF_INIT;
	UNI_AUTO_CLOSE int fd = -1;
	UNI_AUTO(uni_fs_reader) struct uni_fs_reader *reader = open_volume(path, &fd);
	struct uni_fs_stat st;
	char name[64];

	assert_int_equal(read_all(reader, "/big", &data, &err), 0);
	assert_int_equal(data.size, BIG);
	for (size_t i = 0; i < BIG; i++)
		if ((uint8_t)data.data[i] != (uint8_t)(i * 7 + i / 4096))
			fail_msg("byte %zu", i);
	uni_buf_clear(&data);
	assert_int_equal(read_all(reader, "/a/link", &data, &err), 0);
	assert_string_equal(data.data, "hello\n");
	uni_buf_clear(&data);
	assert_int_equal(uni_fs_readlink(reader, "/a/long", &data, &err), 0);
	assert_int_equal(data.size, 200);
	uni_buf_clear(&data);
	snprintf(name, sizeof(name), "many/file-%u", names - 1);
	assert_int_equal(read_all(reader, name, &data, &err), 0);
	assert_string_equal(data.data, name);
	assert_int_equal(uni_fs_stat(reader, "/sparse", &st, &err), 0);
	assert_int_equal(st.size, HOLE);
	assert_int_equal(st.mtime, 1000);
	assert_int_equal(st.mode, 0644);
	assert_int_equal(uni_fs_stat(reader, "/many/file-none", &st, &err), UNI_E_NOENT);
}

void test_ext4_round_trip(void **state)
{
	static const struct {
		const char *format;
		uint64_t size;
		bool writable;
	} cases[] = { { "ext4", 0, false },
		      { "ext4", 400 * MIB, true },
		      { "ext4", 700 * MIB, true },
		      { "ext2", 0, false },
		      { "ext2", 300 * MIB, false } };
	UNI_AUTO(uni_tree) struct uni_tree *tree = sample(5000);

	(void)state;
	for (size_t i = 0; i < UNI_COUNT(cases); i++) {
		char *path = volume_path();
		struct uni_fs_options options = { .volume = "data",
						  .image = "image",
						  .size = cases[i].size,
						  .writable = cases[i].writable };
		struct uni_fs_result result;
		struct stat st;

		if (write_as(cases[i].format, tree, options, path, &result) != 0)
			fail_msg("%s", err.text);
		assert_int_equal(stat(path, &st), 0);
		assert_int_equal(st.st_size, result.size);
		if (cases[i].size != 0)
			assert_int_equal(result.size, cases[i].size);
		/* Holes are holes: of the file inside, and of the room that is free. */
		assert_true(st.st_blocks * 512 < 60 * MIB);
		fsck(path);
		check_sample(path, 5000);
		forget(path);
	}
}

/* A folder whose index has two levels. */
void test_ext4_large_folder(void **state)
{
	UNI_AUTO(uni_tree) struct uni_tree *tree = sample(110000);
	struct uni_fs_options options = { .volume = "data" };
	char *path = volume_path(), words[4000];
	struct uni_fs_result result;

	(void)state;
	assert_int_equal(write_as("ext4", tree, options, path, &result), 0);
	fsck(path);
	check_sample(path, 110000);
	debugfs(path, "htree_dump /many", words, sizeof(words));
	assert_non_null(strstr(words, "Indirect levels: 1"));
	forget(path);
}

/* The same bytes each time; of a writable one the UUID follows from names alone. */
void test_ext4_identity(void **state)
{
	UNI_AUTO(uni_tree) struct uni_tree *tree = sample(10);
	UNI_AUTO(uni_tree) struct uni_tree *other = sample(11);
	struct uni_fs_options options = { .volume = "data", .size = 100 * MIB };
	struct uni_fs_result one, two;
	char *path = volume_path();

	(void)state;
	assert_int_equal(write_as("ext4", tree, options, path, &one), 0);
	assert_int_equal(write_as("ext4", tree, options, path, &two), 0);
	assert_true(uni_digest_eq(&one.digest, &two.digest));
	assert_int_equal(write_as("ext4", other, options, path, &two), 0);
	assert_memory_not_equal(&one.uuid, &two.uuid, 16);
	options.image = "image";
	options.writable = true;
	assert_int_equal(write_as("ext4", tree, options, path, &one), 0);
	assert_int_equal(write_as("ext4", other, options, path, &two), 0);
	assert_memory_equal(&one.uuid, &two.uuid, 16);
	assert_false(uni_digest_eq(&one.digest, &two.digest));
	forget(path);
}

void test_ext4_refuses(void **state)
{
	const struct uni_fs_format *format = uni_fs_find("ext4");
	UNI_AUTO(uni_tree) struct uni_tree *tree = sample(10);
	struct uni_fs_options options = { .volume = "data", .compression = "zstd" };
	struct uni_fs_result result;
	char *path = volume_path();

	(void)state;
	assert_int_equal(format->resolve(&options, &err), UNI_E_INVAL);
	options = (struct uni_fs_options){ .volume = "data", .writable = true, .image = "i" };
	assert_int_equal(format->resolve(&options, &err), UNI_E_INVAL);
	options = (struct uni_fs_options){ .volume = "data", .size = 5000 };
	assert_int_equal(format->resolve(&options, &err), UNI_E_INVAL);
	options = (struct uni_fs_options){ .volume = "data", .size = 8 * MIB };
	assert_int_equal(write_as("ext4", tree, options, path, &result), UNI_E_LIMIT);
	assert_non_null(strstr(err.text, "sparse"));
	options.size = 1 * MIB;
	options.writable = true;
	options.image = "i";
	assert_int_equal(write_as("ext4", tree, options, path, &result), UNI_E_LIMIT);
	assert_non_null(strstr(err.text, "journal"));
	forget(path);
}

/* A file of holes that no volume is as long as; one byte lies at the end of what ext2 can hold. */
void test_ext4_holes(void **state)
{
	const struct uni_tree_rules rules = { .mtime = 0 };
	struct uni_fs_options options = { .volume = "data", .size = 32 * MIB };
	char *path = volume_path(), words[4000];
	UNI_AUTO_FREE char *file = uni_asprintf("%s.file", path);
	const off_t most = 536346109ll * 4096;

	(void)state;
	for (int i = 0; i < 2; i++) {
		UNI_AUTO(uni_tree) struct uni_tree *tree = uni_tree_new(&rules);
		int fd = open(file, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
		struct uni_fs_result result;

		assert_int_equal(pwrite(fd, "x", 1, most - 1 + i), 1);
		close(fd);
		assert_int_equal(uni_tree_add_file(tree, "f", file, NULL, &rules, &err), 0);
		assert_int_equal(write_as("ext4", tree, options, path, &result), 0);
		fsck(path);
		debugfs(path, "stat /f", words, sizeof(words));
		assert_non_null(
			strstr(words, i == 0 ? "Size: 2196873662464" : "Size: 2196873662465"));
		assert_non_null(strstr(words, "Blockcount: 8"));
		if (write_as("ext2", tree, options, path, &result) == 0) {
			assert_int_equal(i, 0);
			fsck(path);
			continue;
		}
		assert_int_equal(i, 1);
		assert_int_equal(err.code, UNI_E_LIMIT);
		assert_non_null(strstr(err.text, "a file of an ext2 has 2196873662464 at most"));
	}
	forget(path);
}

static void put(struct ext4 *fs, struct uni_entry entry)
{
	if (ext4_add(fs, &entry, &err) < 0)
		fail_msg("%s", err.text);
}

/* What a tree does not hold: second names, attributes, devices, owners, late times. */
static void add_rest(struct ext4 *fs)
{
	static uint8_t large[3000];
	const struct uni_xattr attributes[] = {
		{ "security.capability", "\1\0\0\2\0\4\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 20 },
		{ "user.large", large, sizeof(large) },
		{ "user.mime", "text/plain", 10 },
	};

	memset(large, 'x', sizeof(large));
	put(fs, (struct uni_entry){ .type = UNI_ENTRY_DIR, .path = ".", .mode = 0755 });
	put(fs, (struct uni_entry){ .type = UNI_ENTRY_DIR, .path = "d", .mode = 0755 });
	put(fs, (struct uni_entry){ .path = "d/f",
				    .mode = 0640,
				    .uid = 70000,
				    .gid = 3,
				    .xattrs = attributes,
				    .xattr_count = 1 });
	put(fs, (struct uni_entry){ .path = "d/g",
				    .mode = 0640,
				    .xattrs = attributes,
				    .xattr_count = 3,
				    .mtime = 5000000000 });
	put(fs,
	    (struct uni_entry){
		    .type = UNI_ENTRY_CHAR, .path = "null", .mode = 0666, .major = 1, .minor = 3 });
	put(fs, (struct uni_entry){ .type = UNI_ENTRY_BLOCK,
				    .path = "disk",
				    .mode = 0600,
				    .major = 259,
				    .minor = 300 });
	put(fs, (struct uni_entry){ .type = UNI_ENTRY_FIFO, .path = "fifo", .mode = 0600 });
	put(fs, (struct uni_entry){ .type = UNI_ENTRY_HARDLINK, .path = "h", .target = "d/f" });
	put(fs, (struct uni_entry){ .type = UNI_ENTRY_HARDLINK, .path = "i", .target = "null" });
}

void test_ext4_rest(void **state)
{
	const struct uni_uuid uuid = { .bytes = { 1, 2, 3 } };
	const struct uni_entry wrong = { .type = UNI_ENTRY_HARDLINK, .path = "w", .target = "d" };
	char *path = volume_path(), words[4000];
	struct ext4 fs = { .shape = { .size = 0 } };

	(void)state;
	fs.fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	add_rest(&fs);
	assert_int_equal(ext4_add(&fs, &wrong, &err), UNI_E_INVAL);
	assert_int_equal(ext4_begin(&fs, &err), 0);
	assert_int_equal(ext4_end(&fs, &uuid, &err), 0);
	uni_close_fd(&fs.fd);
	ext4_clear(&fs);
	fsck(path);
	debugfs(path, "stat h", words, sizeof(words));
	assert_non_null(strstr(words, "Links: 2"));
	assert_non_null(strstr(words, "User: 70000   Group:     3"));
	assert_non_null(strstr(words, "security.capability (20)"));
	debugfs(path, "stat d/g", words, sizeof(words));
	assert_non_null(strstr(words, "user.large (3000)"));
	assert_non_null(strstr(words, "user.mime (10) = \"text/plain\""));
	assert_non_null(strstr(words, "2128"));
	debugfs(path, "stat i", words, sizeof(words));
	assert_non_null(strstr(words, "Device major/minor number: 01:03"));
	debugfs(path, "stat disk", words, sizeof(words));
	assert_non_null(strstr(words, "Device major/minor number: 259:300"));
	debugfs(path, "stat fifo", words, sizeof(words));
	assert_non_null(strstr(words, "Type: FIFO"));
	forget(path);
}

/* A file of 5 GiB with two blocks in it, and links just short enough for their inode and too long;
 * by extents, and by the map of ext2, where the file's end takes three tables. */
static void write_far(const char *path, bool ext2)
{
	static const char target[] =
		"0123456789-123456789-123456789-123456789-123456789-123456789x";
	const struct uni_uuid uuid = { .bytes = { 9 } };
	struct ext4 fs = { .shape = { .size = 16 * MIB, .ext2 = ext2, .journal = !ext2 } };
	char near[sizeof(target) - 1];
	int far;

	memcpy(near, target, sizeof(near));
	near[59] = '\0';
	fs.fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	put(&fs, (struct uni_entry){ .type = UNI_ENTRY_DIR, .path = ".", .mode = 0755 });
	far = ext4_add(&fs, &(struct uni_entry){ .path = "far", .mode = 0600, .size = FAR + 3 },
		       &err);
	assert_true(far > 0);
	put(&fs, (struct uni_entry){ .type = UNI_ENTRY_SYMLINK, .path = "l59", .target = near });
	put(&fs, (struct uni_entry){ .type = UNI_ENTRY_SYMLINK, .path = "l61", .target = target });
	assert_int_equal(ext4_begin(&fs, &err), 0);
	assert_int_equal(ext4_data(&fs, (uint32_t)far, UINT64_C(3) << 30, "mid", 3, &err), 0);
	assert_int_equal(ext4_data(&fs, (uint32_t)far, FAR, "end", 3, &err), 0);
	assert_int_equal(ext4_end(&fs, &uuid, &err), 0);
	uni_close_fd(&fs.fd);
	ext4_clear(&fs);
}

void test_ext4_far(void **state)
{
	char *path = volume_path(), words[4000];

	(void)state;
	for (unsigned ext2 = 0; ext2 < 2; ext2++) {
		write_far(path, ext2 != 0);
		fsck(path);
		debugfs(path, "stat far", words, sizeof(words));
		assert_non_null(strstr(words, "Size: 5368709123"));
		assert_non_null(strstr(words, "(1310720)"));
		debugfs(path, "bmap far 786432", words, sizeof(words));
		assert_null(strstr(words, "\n0\n"));
		debugfs(path, "stat l59", words, sizeof(words));
		assert_non_null(strstr(words, "Fast link dest: \"0123456789"));
		debugfs(path, "stat l61", words, sizeof(words));
		assert_null(strstr(words, "Fast link"));
		debugfs(path, "stat <2>", words, sizeof(words));
		assert_true((strstr(words, "Inode checksum") == NULL) == (ext2 != 0));
	}
	forget(path);
}

/* Whatever is wrong with it, reading ends, and nothing is read that is not there. */
void test_ext4_damaged(void **state)
{
	UNI_AUTO(uni_tree) struct uni_tree *tree = sample(300);
	struct uni_fs_options options = { .volume = "data" };
	struct uni_fs_result result;
	char *path = volume_path();
	uint32_t x = 99;

	(void)state;
	assert_int_equal(write_as("ext4", tree, options, path, &result), 0);
	UNI_AUTO_CLOSE int fd = open(path, O_RDWR | O_CLOEXEC);

	for (unsigned i = 0; i < ROUNDS; i++) {
		UNI_AUTO_BUF struct uni_buf data = UNI_BUF_INIT;
		struct uni_fs_reader *reader;
		struct uni_fs_stat st;
		uint64_t at;
		uint8_t old, new;

		x = x * 1103515245 + 12345;
		at = (x >> 8) % (i % 3 == 0 ? 8192 : 200 * 1024) + UNI_EXT4_SUPER_AT;
		assert_int_equal(uni_pread_full(fd, &old, 1, at, "v", &err), 0);
		new = (uint8_t)(old ^ (1u << (x >> 5) % 8));
		assert_int_equal(uni_pwrite_full(fd, &new, 1, at, "v", &err), 0);
		if (uni_fs_open(&reader, fd, 0, result.size, "v", &err) == 0) {
			(void)uni_fs_stat(reader, "/many/file-7", &st, &err);
			(void)uni_fs_readlink(reader, "/a/long", &data, &err);
			(void)uni_fs_stat(reader, "/a/link/x", &st, &err);
			uni_fs_reader_free(reader);
		}
		assert_int_equal(uni_pwrite_full(fd, &old, 1, at, "v", &err), 0);
	}
	forget(path);
}
