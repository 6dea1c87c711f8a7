/*
 * Files: output that is whole or absent, removal of odd trees, copies with holes, locks.
 */
#include "unit.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static size_t names_in(void **state)
{
	struct uni_err err = UNI_ERR_INIT;
	struct uni_strv names UNI_AUTO_STRV = { .items = NULL };
	assert_int_equal(uni_dir_list(*state, &names, &err), 0);
	return names.count;
}

static void write_then_read(void **state)
{
	struct uni_err err = UNI_ERR_INIT;
	struct uni_buf back UNI_AUTO_BUF = UNI_BUF_INIT;
	const char *path = unit_path(state, "f");
	struct stat st;
	assert_int_equal(uni_file_write(path, "old", 3, 0600, &err), 0);
	assert_int_equal(uni_file_write(path, "new\0!", 5, 0400, &err), 0);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0400);
	assert_int_equal(uni_file_read(path, 5, &back, &err), 0);
	assert_int_equal(back.size, 5);
	assert_memory_equal(back.data, "new\0!", 6);
	assert_int_equal(uni_file_read(path, 4, &back, &err), UNI_E_LIMIT);
	assert_int_equal(uni_file_read(unit_path(state, "none"), 4, &back, &err), UNI_E_NOENT);
	assert_int_equal(uni_file_read(*state, 4, &back, &err), UNI_E_INVAL);
	assert_int_equal(mkfifo(unit_path(state, "fifo"), 0600), 0);
	assert_int_equal(uni_file_read(unit_path(state, "fifo"), 4, &back, &err), UNI_E_INVAL);
	assert_int_equal(names_in(state), 2);
}

static void empty_file_reads(void **state)
{
	struct uni_err err = UNI_ERR_INIT;
	struct uni_buf back UNI_AUTO_BUF = UNI_BUF_INIT;
	assert_int_equal(uni_file_write(unit_path(state, "f"), NULL, 0, 0600, &err), 0);
	assert_int_equal(uni_file_read(unit_path(state, "f"), 0, &back, &err), 0);
	assert_int_equal(back.size, 0);
	assert_string_equal(back.data, "");
}

static void outfile_leaves_nothing(void **state)
{
	struct uni_err err = UNI_ERR_INIT;
	struct uni_outfile *out = NULL;
	const char *path = unit_path(state, "f");
	assert_int_equal(uni_outfile_open(&out, path, 0600, &err), 0);
	assert_int_equal(uni_write_full(uni_outfile_fd(out), "x", 1, "f", &err), 0);
	assert_true(uni_file_exists(uni_outfile_tmp(out)));
	assert_false(uni_file_exists(path));
	uni_outfile_free(out);
	assert_int_equal(names_in(state), 0);

	assert_int_equal(uni_outfile_open(&out, path, 0600, &err), 0);
	uni_tmp_cleanup();
	assert_int_equal(names_in(state), 0);
	assert_int_equal(uni_outfile_commit(out, true, &err), UNI_E_NOENT);
	uni_outfile_free(out);
}

static void outfile_is_resumed(void **state)
{
	struct uni_err err = UNI_ERR_INIT;
	struct uni_outfile *out = NULL;
	struct stat st;
	bool begun = true;
	char *path UNI_AUTO_FREE = uni_strdup(unit_path(state, "disk"));
	char *other UNI_AUTO_FREE = uni_strdup(unit_path(state, ".disk.raw.1.part"));
	char *stale UNI_AUTO_FREE = uni_strdup(unit_path(state, ".disk.2.part"));
	mode_t mask = umask(0);

	assert_int_equal(uni_file_write(other, "x", 1, 0600, &err), 0);
	assert_int_equal(uni_file_write(stale, "x", 1, 0600, &err), 0);
	assert_int_equal(uni_outfile_resume(&out, path, "1", 0640, &begun, &err), 0);
	umask(mask);
	assert_false(begun);
	assert_int_equal(fstat(uni_outfile_fd(out), &st), 0);
	assert_int_equal(st.st_mode & 0777, 0640);
	/* What another key left of it goes, what another output has does not. */
	assert_false(uni_file_exists(stale));
	assert_true(uni_file_exists(other));
	assert_int_equal(uni_write_full(uni_outfile_fd(out), "half", 4, "f", &err), 0);
	/* As after a kill: closed, and still there under its name. */
	char *kept UNI_AUTO_FREE = uni_strdup(uni_outfile_tmp(out));
	assert_int_equal(link(kept, unit_path(state, "saved")), 0);
	uni_outfile_free(out);
	assert_int_equal(rename(unit_path(state, "saved"), kept), 0);
	assert_int_equal(uni_outfile_resume(&out, path, "1", 0640, &begun, &err), 0);
	assert_true(begun);
	assert_int_equal(uni_outfile_commit(out, false, &err), 0);
	uni_outfile_free(out);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_size, 4);
}

static void outfile_onto_a_folder(void **state)
{
	struct uni_err err = UNI_ERR_INIT;
	struct uni_outfile *out = NULL;
	assert_int_equal(uni_dir_make(unit_path(state, "d/e"), 0700, &err), 0);
	assert_int_equal(uni_outfile_open(&out, unit_path(state, "d"), 0600, &err), 0);
	assert_int_not_equal(uni_outfile_commit(out, false, &err), 0);
	uni_outfile_free(out);
	assert_int_equal(names_in(state), 1);
	assert_int_equal(uni_outfile_open(&out, unit_path(state, "d/"), 0600, &err), UNI_E_INVAL);
	assert_int_equal(uni_outfile_open(&out, unit_path(state, "no/f"), 0600, &err), UNI_E_NOENT);
}

static void outfiles_together(void **state)
{
	struct uni_err err = UNI_ERR_INIT;
	struct uni_outfile *files[2] = { NULL };
	const char *names[] = { "one", "two" };

	for (int i = 0; i < 2; i++) {
		assert_int_equal(
			uni_outfile_open(&files[i], unit_path(state, names[i]), 0600, &err), 0);
		assert_int_equal(uni_write_full(uni_outfile_fd(files[i]), "x", 1, "f", &err), 0);
	}
	assert_int_equal(uni_outfile_commit_all(files, 2, true, &err), 0);
	for (int i = 0; i < 2; i++) {
		uni_outfile_free(files[i]);
		assert_true(uni_file_exists(unit_path(state, names[i])));
	}
	assert_int_equal(uni_dir_sync(unit_path(state, "absent"), &err), UNI_E_NOENT);
}

static void outfile_long_name(void **state)
{
	struct uni_err err = UNI_ERR_INIT;
	char name[256];
	memset(name, 'n', 255);
	name[255] = '\0';
	assert_int_equal(uni_file_write(unit_path(state, name), "x", 1, 0600, &err), 0);
	assert_true(uni_file_exists(unit_path(state, name)));
}

static void dirs(void **state)
{
	struct uni_err err = UNI_ERR_INIT;
	struct uni_strv names UNI_AUTO_STRV = { .items = NULL };
	assert_int_equal(uni_dir_make(unit_path(state, "a/b/c"), 0700, &err), 0);
	assert_int_equal(uni_dir_make(unit_path(state, "a/b/c"), 0700, &err), 0);
	assert_int_equal(uni_file_write(unit_path(state, "a/Z"), "", 0, 0600, &err), 0);
	assert_int_equal(uni_dir_make(unit_path(state, "a/Z"), 0700, &err), UNI_E_EXIST);
	assert_int_equal(uni_dir_make(unit_path(state, "a/Z/d"), 0700, &err), UNI_E_NOENT);
	assert_int_equal(uni_dir_list(unit_path(state, "a"), &names, &err), 0);
	assert_int_equal(names.count, 2);
	assert_string_equal(names.items[0], "Z");
	assert_string_equal(names.items[1], "b");
	assert_int_equal(uni_dir_list(unit_path(state, "x"), &names, &err), UNI_E_NOENT);
}

static void remove_follows_no_link(void **state)
{
	struct uni_err err = UNI_ERR_INIT;
	assert_int_equal(uni_dir_make(unit_path(state, "keep"), 0700, &err), 0);
	assert_int_equal(uni_file_write(unit_path(state, "keep/f"), "", 0, 0600, &err), 0);
	assert_int_equal(uni_dir_make(unit_path(state, "gone/shut"), 0700, &err), 0);
	assert_int_equal(uni_file_write(unit_path(state, "gone/shut/f"), "", 0, 0600, &err), 0);
	assert_int_equal(symlink("../keep", unit_path(state, "gone/link")), 0);
	assert_int_equal(symlink("keep", unit_path(state, "link")), 0);
	assert_int_equal(chmod(unit_path(state, "gone/shut"), 0), 0);
	assert_int_equal(chmod(unit_path(state, "gone"), 0500), 0);
	assert_int_equal(uni_dir_remove(unit_path(state, "gone"), &err), 0);
	assert_int_equal(uni_dir_remove(unit_path(state, "link"), &err), 0);
	assert_int_equal(uni_dir_remove(unit_path(state, "absent"), &err), 0);
	assert_true(uni_file_exists(unit_path(state, "keep/f")));
	assert_int_equal(names_in(state), 1);
}

/* The reason that the user can do something about, not that of what was tried next. */
static void remove_says_why_not(void **state)
{
	struct uni_err err = UNI_ERR_INIT;
	char *file UNI_AUTO_FREE = uni_strdup(unit_path(state, "d/f"));
	uid_t user = geteuid();

	assert_int_equal(uni_dir_make(unit_path(state, "d"), 0700, &err), 0);
	assert_int_equal(uni_file_write(file, "x", 1, 0600, &err), 0);
	assert_int_equal(chmod(unit_path(state, "d"), 0555), 0);
	assert_int_equal(seteuid(user != 0 ? user : 65534), 0); /* for root nothing is forbidden */
	int rc = uni_dir_remove(file, &err);
	assert_int_equal(seteuid(user), 0);
	assert_int_equal(rc, UNI_E_DENIED);
	assert_non_null(strstr(err.text, "Permission denied"));
}

static void remove_deep_and_wide(void **state)
{
	struct uni_err err = UNI_ERR_INIT;
	int fd = open(*state, O_RDONLY | O_DIRECTORY);
	for (int i = 0; i < 1500; i++) {
		assert_int_equal(mkdirat(fd, "deep", 0700), 0);
		int below = openat(fd, "deep", O_RDONLY | O_DIRECTORY);
		close(fd);
		fd = below;
		for (int j = 0; i == 100 && j < 3000; j++) {
			char name[32];
			snprintf(name, sizeof(name), "wide-%d", j);
			close(openat(fd, name, O_CREAT | O_WRONLY, 0600));
		}
	}
	close(fd);
	assert_int_equal(uni_dir_remove(unit_path(state, "deep"), &err), 0);
	assert_int_equal(names_in(state), 0);
}

static void cleanup_removes_what_is_registered(void **state)
{
	struct uni_err err = UNI_ERR_INIT;
	char *dir UNI_AUTO_FREE = NULL;
	assert_int_equal(uni_dir_tmp(*state, &dir, &err), 0);
	assert_int_equal(uni_file_write(unit_path(state, "kept"), "", 0, 0600, &err), 0);
	char *inside UNI_AUTO_FREE = uni_asprintf("%s/f", dir);
	assert_int_equal(uni_file_write(inside, "", 0, 0600, &err), 0);
	uni_tmp_register(unit_path(state, "kept"));
	uni_tmp_forget(unit_path(state, "kept"));
	uni_tmp_cleanup();
	assert_int_equal(names_in(state), 1);
	assert_true(uni_file_exists(unit_path(state, "kept")));
	assert_int_equal(mkdir(*state, 0700), -1);
	assert_int_equal(errno, EEXIST);
}

static void copy_keeps_holes(void **state)
{
	struct uni_err err = UNI_ERR_INIT;
	const char *from = unit_path(state, "from");
	const char *to = unit_path(state, "to");
	const uint64_t size = UINT64_C(3) << 30;
	int fd = open(from, O_RDWR | O_CREAT, 0600);
	assert_int_equal(uni_pwrite_full(fd, "middle", 6, size / 2, "from", &err), 0);
	assert_int_equal(ftruncate(fd, (off_t)size), 0);
	assert_int_equal(uni_file_copy(from, to, 0600, &err), 0);
	struct stat st;
	assert_int_equal(stat(to, &st), 0);
	assert_true((uint64_t)st.st_size == size);
	assert_true(st.st_blocks < 1024);
	int copy = open(to, O_RDONLY);
	char back[6];
	assert_int_equal(uni_pread_full(copy, back, 6, size / 2, "to", &err), 0);
	assert_memory_equal(back, "middle", 6);
	close(copy);
	close(fd);
}

static void copy_range_between_offsets(void **state)
{
	struct uni_err err = UNI_ERR_INIT;
	int from = open(unit_path(state, "from"), O_RDWR | O_CREAT, 0600);
	int to = open(unit_path(state, "to"), O_RDWR | O_CREAT, 0600);
	char back[5];
	assert_int_equal(uni_write_full(from, "0123456789", 10, "from", &err), 0);
	assert_int_equal(uni_copy_range(from, 3, to, 7, 5, &err), 0);
	assert_int_equal(lseek(to, 0, SEEK_END), 12);
	assert_int_equal(uni_pread_full(to, back, 5, 7, "to", &err), 0);
	assert_memory_equal(back, "34567", 5);
	/* More than there is: whatever was a range of data is an error, not a silent hole. */
	assert_int_equal(uni_copy_range(from, 0, to, INT64_MAX - 3, 10, &err), UNI_E_LIMIT);
	assert_int_equal(uni_pread_full(from, back, 5, 8, "from", &err), UNI_E_CORRUPT);
	close(from);
	close(to);
}

static void data_ranges(void **state)
{
	struct uni_err err = UNI_ERR_INIT;
	int fd = open(unit_path(state, "f"), O_RDWR | O_CREAT, 0600);
	uint64_t offset = 0;
	uint64_t length = 0;
	const uint64_t size = 1 << 20;
	assert_int_equal(ftruncate(fd, (off_t)size), 0);
	assert_int_equal(uni_data_next(fd, size, &offset, &length, &err), 0);
	assert_int_equal(uni_pwrite_full(fd, "x", 1, 1 << 19, "f", &err), 0);
	assert_int_equal(uni_data_next(fd, size, &offset, &length, &err), 1);
	assert_true(offset <= 1 << 19 && offset + length > 1 << 19 && length < size);
	offset += length;
	assert_int_equal(uni_data_next(fd, size, &offset, &length, &err), 0);
	close(fd);
}

static void all_zero(void **state)
{
	(void)state;
	char data[100] = { 0 };
	for (size_t size = 0; size < sizeof(data); size++) {
		assert_true(uni_all_zero(data, size));
		for (size_t i = 0; i < size; i++) {
			data[i] = 1;
			assert_false(uni_all_zero(data, size));
			data[i] = 0;
		}
	}
}

static void noise(void **state)
{
	static uint8_t data[65536];
	uint32_t x = 1;

	(void)state;
	for (size_t i = 0; i < sizeof(data); i++) {
		x = x * 1664525 + 1013904223;
		data[i] = (uint8_t)(x >> 24);
	}
	assert_true(uni_is_noise(data, sizeof(data)));
	for (size_t i = 0; i < sizeof(data); i += 16)
		data[i] = 0;
	assert_false(uni_is_noise(data, sizeof(data)));
	/* Each value as often as any other, but in a pattern. */
	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (uint8_t)i;
	assert_false(uni_is_noise(data, sizeof(data)));
	memset(data, 7, sizeof(data));
	assert_false(uni_is_noise(data, sizeof(data)));
}

static void locks_exclude(void **state)
{
	struct uni_err err = UNI_ERR_INIT;
	const char *path = unit_path(state, "lock");
	int one = -1;
	int two = -1;
	assert_int_equal(uni_lock(path, false, false, &one, &err), 0);
	assert_int_equal(uni_lock(path, false, false, &two, &err), 0);
	uni_close_fd(&two);
	assert_int_equal(uni_lock(path, true, false, &two, &err), UNI_E_BUSY);
	uni_close_fd(&one);
	assert_int_equal(uni_lock(path, true, false, &two, &err), 0);
	assert_int_equal(uni_lock(path, false, false, &one, &err), UNI_E_BUSY);
	/* Another process waits for it and gets it. */
	pid_t child = fork();
	if (child == 0) {
		uni_close_fd(&two); /* the lock belongs to the open file, which we share */
		_exit(uni_lock(path, true, true, &one, &err) == 0 ? 0 : 1);
	}
	uni_close_fd(&two);
	int status;
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
}

int unit_file(void)
{
	const struct CMUnitTest tests[] = {
		DIR_TEST(write_then_read),
		DIR_TEST(empty_file_reads),
		DIR_TEST(outfile_leaves_nothing),
		DIR_TEST(outfile_is_resumed),
		DIR_TEST(outfile_onto_a_folder),
		DIR_TEST(outfiles_together),
		DIR_TEST(outfile_long_name),
		DIR_TEST(dirs),
		DIR_TEST(remove_follows_no_link),
		DIR_TEST(remove_says_why_not),
		DIR_TEST(remove_deep_and_wide),
		DIR_TEST(cleanup_removes_what_is_registered),
		DIR_TEST(copy_keeps_holes),
		DIR_TEST(copy_range_between_offsets),
		DIR_TEST(data_ranges),
		cmocka_unit_test(all_zero),
		cmocka_unit_test(noise),
		DIR_TEST(locks_exclude),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
