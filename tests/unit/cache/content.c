/*
 * Blobs, records, references: what goes in comes out, and damage never does.
 */
#include "unit.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <uni/base/system.h>
#include <unistd.h>

static void blob_comes_back(void **state)
{
	struct uni_store *store UNI_AUTO(uni_store) = unit_open(state);
	struct uni_buf back UNI_AUTO_BUF = UNI_BUF_INIT;
	struct uni_err err = UNI_ERR_INIT;
	struct uni_store_entry blob, again;
	char *path UNI_AUTO_FREE = NULL;
	struct stat st;

	unit_put(store, "hello", &blob);
	unit_put(store, "hello", &again);
	assert_int_equal(blob.stamp.inode, again.stamp.inode);
	assert_int_equal(unit_count(state, "blobs"), 1);
	path = unit_blob_path(state, &blob.digest);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0444);
	assert_int_equal(st.st_nlink, 1);
	assert_int_equal(uni_store_blob_read(store, &blob, 5, &back, &err), 0);
	assert_string_equal(back.data, "hello");
	assert_int_equal(uni_store_blob_read(store, &blob, 4, &back, &err), UNI_E_LIMIT);
}

static void writer_takes_a_childs_file(void **state)
{
	struct uni_store *store UNI_AUTO(uni_store) = unit_open(state);
	struct uni_store_writer *writer UNI_AUTO(uni_store_writer) = NULL;
	struct uni_err err = UNI_ERR_INIT;
	struct uni_digest want = unit_key("other file");
	struct uni_store_entry blob;

	assert_int_equal(uni_store_writer_open(&writer, store, &err), 0);
	/* As a linker does: the name is taken away and given to another file. */
	assert_int_equal(unlink(uni_store_writer_path(writer)), 0);
	assert_int_equal(
		uni_file_write(uni_store_writer_path(writer), "other file", 10, 0755, &err), 0);
	assert_int_equal(uni_store_writer_commit(writer, NULL, &blob, &err), 0);
	assert_true(uni_digest_eq(&blob.digest, &want));
	assert_int_equal(blob.size, 10);
}

static void writer_freed_leaves_nothing(void **state)
{
	struct uni_store *store = unit_open(state);
	struct uni_store_writer *writer = NULL;
	struct uni_err err = UNI_ERR_INIT;

	assert_int_equal(uni_store_writer_open(&writer, store, &err), 0);
	assert_int_equal(uni_write_full(uni_store_writer_fd(writer), "x", 1, "x", &err), 0);
	assert_int_equal(unit_count(state, "tmp"), 1);
	uni_store_writer_free(writer);
	uni_store_free(store);
	assert_int_equal(unit_count(state, "tmp"), 0);
	assert_int_equal(unit_count(state, "leases"), 0);
	assert_int_equal(unit_count(state, "blobs"), 0);
}

static void file_goes_in_and_out(void **state)
{
	struct uni_store *store UNI_AUTO(uni_store) = unit_open(state);
	char *path UNI_AUTO_FREE = uni_path_join(*state, "in");
	char *out UNI_AUTO_FREE = uni_path_join(*state, "out");
	struct uni_outfile *file UNI_AUTO(uni_outfile) = NULL;
	struct uni_err err = UNI_ERR_INIT;
	struct uni_store_entry blob;
	struct stat a, b;

	assert_int_equal(uni_file_write(path, "abc", 3, 0600, &err), 0);
	assert_int_equal(uni_store_put_file(store, path, &blob, &err), 0);
	assert_int_equal(uni_outfile_open(&file, out, 0644, &err), 0);
	assert_int_equal(uni_store_blob_copy(store, &blob, file, &err), 0);
	assert_int_equal(uni_outfile_commit(file, true, &err), 0);
	assert_int_equal(stat(out, &a), 0);
	assert_int_equal(a.st_mode & 0777, 0644);
	assert_int_equal(a.st_nlink, 1);
	free(path);
	path = unit_blob_path(state, &blob.digest);
	assert_int_equal(stat(path, &b), 0);
	assert_int_not_equal(a.st_ino, b.st_ino);
	assert_int_equal(uni_store_put_file(store, *state, &blob, &err), UNI_E_INVAL);
	assert_int_equal(uni_store_put_file(store, "/nowhere/at/all", &blob, &err), UNI_E_NOENT);
}

/* Writes over a byte and puts size and mtime back, as a bad disk or a bad tool would leave it. */
static void damage(const char *path)
{
	struct timespec times[2];
	struct stat st;
	int fd;

	assert_int_equal(chmod(path, 0644), 0);
	fd = open(path, O_RDWR);
	assert_true(fd >= 0);
	assert_int_equal(fstat(fd, &st), 0);
	assert_int_equal(pwrite(fd, "#", 1, 0), 1);
	times[0] = st.st_atim;
	times[1] = st.st_mtim;
	assert_int_equal(futimens(fd, times), 0);
	close(fd);
}

static void damaged_blob_is_absent(void **state)
{
	struct uni_store *store UNI_AUTO(uni_store) = unit_open(state);
	struct uni_digest digest = unit_key("content");
	char *path UNI_AUTO_FREE = unit_blob_path(state, &digest);

	unit_result(store, "key", "content");
	assert_int_equal(unit_known(store, "key"), 1);
	damage(path);
	assert_int_equal(unit_known(store, "key"), 0);
	assert_int_equal(unit_warnings, 1);
	assert_false(uni_file_exists(path));
	assert_int_equal(unit_count(state, "results"), 0);
	unit_result(store, "key", "content");
	assert_int_equal(unit_known(store, "key"), 1);
}

static void damaged_blob_is_healed_by_putting_it(void **state)
{
	struct uni_store *store UNI_AUTO(uni_store) = unit_open(state);
	struct uni_buf back UNI_AUTO_BUF = UNI_BUF_INIT;
	struct uni_err err = UNI_ERR_INIT;
	struct uni_store_entry blob;
	char *path UNI_AUTO_FREE = NULL;

	unit_put(store, "content", &blob);
	path = unit_blob_path(state, &blob.digest);
	damage(path);
	unit_put(store, "content", &blob);
	assert_int_equal(uni_store_blob_read(store, &blob, 100, &back, &err), 0);
	assert_string_equal(back.data, "content");
}

static void touched_blob_is_read_once(void **state)
{
	struct uni_store *store UNI_AUTO(uni_store) = unit_open(state);
	struct uni_store_record record UNI_AUTO_STORE_RECORD = UNI_STORE_RECORD_INIT;
	struct uni_err err = UNI_ERR_INIT;
	struct uni_digest digest = unit_key("content"), key = unit_key("key");
	char *path UNI_AUTO_FREE = unit_blob_path(state, &digest);
	struct stat st;

	unit_result(store, "key", "content");
	assert_int_equal(utimensat(AT_FDCWD, path, (struct timespec[2]){ { 1, 0 }, { 1, 0 } }, 0),
			 0);
	assert_int_equal(unit_known(store, "key"), 1);
	assert_int_equal(unit_warnings, 0);
	/* The record now has the new times. */
	assert_int_equal(uni_store_result_get(store, &key, &record, &err), 1);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(record.entries[0].stamp.mtime_s, 1);
	assert_int_equal(record.entries[0].stamp.ctime_ns, st.st_ctim.tv_nsec);
}

/* Who is stopped while he reads a blob has learned nothing about it. */
static void interrupted_look_drops_nothing(void **state)
{
	struct uni_store *store UNI_AUTO(uni_store) = unit_open(state);
	struct uni_err err = UNI_ERR_INIT;
	struct uni_store_entry blob;
	char *path UNI_AUTO_FREE = NULL;
	int fd = -1, opened, put;

	unit_put(store, "content", &blob);
	path = unit_blob_path(state, &blob.digest);
	assert_int_equal(utimensat(AT_FDCWD, path, NULL, 0), 0); /* it is to be read again */
	uni_cancelled = 1;
	opened = uni_store_blob_open(store, &blob, &fd, &err);
	put = uni_store_put(store, "content", 7, &blob, &err);
	uni_cancelled = 0;
	assert_int_equal(opened, UNI_E_CANCELLED);
	assert_int_equal(put, UNI_E_CANCELLED);
	assert_int_equal(unit_count(state, "blobs"), 1);
	assert_int_equal(uni_store_blob_open(store, &blob, &fd, &err), 0);
	close(fd);
}

static void gone_blob_is_no_result(void **state)
{
	struct uni_store *store UNI_AUTO(uni_store) = unit_open(state);
	struct uni_digest digest = unit_key("content");
	char *path UNI_AUTO_FREE = unit_blob_path(state, &digest);

	unit_result(store, "key", "content");
	assert_int_equal(unlink(path), 0);
	assert_int_equal(unit_known(store, "key"), 0);
	/* A folder in its place is no blob either. */
	unit_result(store, "key", "content");
	assert_int_equal(unlink(path), 0);
	assert_int_equal(mkdir(path, 0755), 0);
	assert_int_equal(unit_known(store, "key"), 0);
}

static void record_comes_back(void **state)
{
	struct uni_store *store UNI_AUTO(uni_store) = unit_open(state);
	struct uni_store_record record UNI_AUTO_STORE_RECORD = UNI_STORE_RECORD_INIT;
	struct uni_store_record back UNI_AUTO_STORE_RECORD = UNI_STORE_RECORD_INIT;
	struct uni_err err = UNI_ERR_INIT;
	struct uni_digest key = unit_key("key");
	struct uni_store_entry blob;

	unit_put(store, "a", &blob);
	uni_store_record_add(&record, "first name", &blob);
	unit_put(store, "", &blob);
	uni_store_record_add(&record, "", &blob);
	record.meta = uni_strdup("size 5\nend 00000000\n\n");
	assert_int_equal(uni_store_result_put(store, &key, &record, &err), 0);
	assert_int_equal(uni_store_result_get(store, &key, &back, &err), 1);
	assert_int_equal(back.count, 2);
	assert_string_equal(back.meta, record.meta);
	assert_string_equal(back.entries[0].name, "first name");
	assert_true(uni_digest_eq(&back.entries[0].digest, &record.entries[0].digest));
	assert_int_equal(back.entries[0].size, 1);
	assert_non_null(uni_store_record_find(&back, ""));
	assert_null(uni_store_record_find(&back, "nothing"));
	uni_store_record_add(&record, "new\nline", &blob);
	assert_int_equal(uni_store_result_put(store, &key, &record, &err), UNI_E_INVAL);
}

static void result_under_two_keys(void **state)
{
	struct uni_store *store UNI_AUTO(uni_store) = unit_open(state);
	struct uni_store_record record UNI_AUTO_STORE_RECORD = UNI_STORE_RECORD_INIT;
	struct uni_digest first = unit_key("first"), second = unit_key("second");
	struct uni_err err = UNI_ERR_INIT;

	unit_result(store, "first", "content");
	assert_int_equal(uni_store_result_get(store, &first, &record, &err), 1);
	for (int i = 0; i < 2; i++)
		assert_int_equal(uni_store_result_alias(store, &first, &second, &record, &err), 0);
	assert_int_equal(unit_known(store, "second"), 1);
	/* Where one goes, the other stays. */
	unit_result(store, "first", "other content");
	uni_store_record_free(&record);
	assert_int_equal(uni_store_result_get(store, &second, &record, &err), 1);
	assert_int_equal(record.entries[0].size, strlen("content"));
	assert_int_equal(uni_store_result_alias(store, &first, &second, &record, &err), 0);
	uni_store_record_free(&record);
	assert_int_equal(uni_store_result_get(store, &second, &record, &err), 1);
	assert_int_equal(record.entries[0].size, strlen("other content"));
}

/* However a record file was cut or changed, it is no result, and it goes away. */
static void damaged_record_is_absent(void **state)
{
	struct uni_store *store UNI_AUTO(uni_store) = unit_open(state);
	char *path UNI_AUTO_FREE = unit_result_path(state, "key");
	struct uni_buf whole UNI_AUTO_BUF = UNI_BUF_INIT;
	struct uni_err err = UNI_ERR_INIT;

	unit_result(store, "key", "content");
	assert_int_equal(uni_file_read(path, 4096, &whole, &err), 0);
	for (size_t i = 0; i < whole.size; i++) {
		char old = whole.data[i];

		assert_int_equal(uni_file_write(path, whole.data, i, 0444, &err), 0);
		assert_int_equal(unit_known(store, "key"), 0);
		assert_false(uni_file_exists(path));
		whole.data[i] ^= 1;
		assert_int_equal(uni_file_write(path, whole.data, whole.size, 0444, &err), 0);
		assert_int_equal(unit_known(store, "key"), 0);
		whole.data[i] = old;
	}
	assert_int_equal(uni_file_write(path, whole.data, whole.size, 0444, &err), 0);
	assert_int_equal(unit_known(store, "key"), 1);
}

static void references_by_name(void **state)
{
	static const char *const bad[] = { "",	   "/a",  "a/", "a//b", "../a",
					   "a/..", "a b", ".a", "a\n" };
	struct uni_store *store UNI_AUTO(uni_store) = unit_open(state);
	struct uni_store_record record UNI_AUTO_STORE_RECORD = UNI_STORE_RECORD_INIT;
	struct uni_store_record back UNI_AUTO_STORE_RECORD = UNI_STORE_RECORD_INIT;
	struct uni_strv names UNI_AUTO_STRV = { .items = NULL };
	struct uni_err err = UNI_ERR_INIT;
	struct uni_store_entry blob;

	unit_put(store, "x", &blob);
	uni_store_record_add(&record, "file", &blob);
	assert_int_equal(uni_store_ref_set(store, "packages/b/1.0.0/any", &record, &err), 0);
	assert_int_equal(uni_store_ref_set(store, "packages/a/2.0.0+x/any", &record, &err), 0);
	assert_int_equal(uni_store_ref_set(store, "manifests/a", &record, &err), 0);
	for (size_t i = 0; i < UNI_COUNT(bad); i++)
		assert_int_equal(uni_store_ref_set(store, bad[i], &record, &err), UNI_E_INVAL);
	assert_int_equal(uni_store_ref_list(store, "packages", &names, &err), 0);
	assert_int_equal(names.count, 2);
	assert_string_equal(names.items[0], "packages/a/2.0.0+x/any");
	assert_int_equal(uni_store_ref_get(store, "packages/b/1.0.0/any", &back, &err), 0);
	assert_string_equal(back.entries[0].name, "file");
	assert_int_equal(uni_store_ref_remove(store, "packages/b/1.0.0/any", &err), 0);
	assert_int_equal(uni_store_ref_remove(store, "packages/b/1.0.0/any", &err), UNI_E_NOENT);
	uni_strv_free(&names);
	assert_int_equal(uni_store_ref_list(store, "", &names, &err), 0);
	assert_int_equal(names.count, 2);
	uni_strv_free(&names);
	assert_int_equal(uni_store_ref_list(store, "packages/b", &names, &err), 0);
	assert_int_equal(names.count, 0);
}

static void verify_finds_damage(void **state)
{
	struct uni_store *store UNI_AUTO(uni_store) = unit_open(state);
	struct uni_store_verify_report report;
	struct uni_err err = UNI_ERR_INIT;
	struct uni_digest digest = unit_key("17");
	char *path UNI_AUTO_FREE = unit_blob_path(state, &digest);
	char *stray UNI_AUTO_FREE = uni_asprintf("%s/v1/blobs/zz", (const char *)*state);
	char *strayed UNI_AUTO_FREE = uni_path_join(stray, "name");
	char *beside UNI_AUTO_FREE = uni_asprintf("%s/v1/results/file", (const char *)*state);

	for (int i = 0; i < 40; i++) {
		char text[8];

		snprintf(text, sizeof(text), "%d", i);
		unit_result(store, text, text);
	}
	assert_int_equal(uni_store_verify(store, &report, &err), 0);
	assert_int_equal(report.blobs, 40);
	assert_int_equal(report.damaged + report.dropped, 0);
	damage(path);
	assert_int_equal(mkdir(stray, 0755), 0);
	assert_int_equal(uni_file_write(strayed, "", 0, 0644, &err), 0);
	assert_int_equal(uni_file_write(beside, "", 0, 0644, &err), 0);
	assert_int_equal(uni_store_verify(store, &report, &err), 0);
	assert_int_equal(report.damaged, 1);
	assert_int_equal(report.dropped, 2);
	assert_int_equal(unit_warnings, 3);
	assert_false(uni_file_exists(beside));
	assert_false(uni_file_exists(path));
	assert_int_equal(unit_known(store, "17"), 0);
	assert_int_equal(unit_known(store, "18"), 1);
}

int unit_content(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(blob_comes_back, unit_setup, unit_teardown),
		cmocka_unit_test_setup_teardown(writer_takes_a_childs_file, unit_setup,
						unit_teardown),
		cmocka_unit_test_setup_teardown(writer_freed_leaves_nothing, unit_setup,
						unit_teardown),
		cmocka_unit_test_setup_teardown(file_goes_in_and_out, unit_setup, unit_teardown),
		cmocka_unit_test_setup_teardown(damaged_blob_is_absent, unit_setup, unit_teardown),
		cmocka_unit_test_setup_teardown(damaged_blob_is_healed_by_putting_it, unit_setup,
						unit_teardown),
		cmocka_unit_test_setup_teardown(touched_blob_is_read_once, unit_setup,
						unit_teardown),
		cmocka_unit_test_setup_teardown(interrupted_look_drops_nothing, unit_setup,
						unit_teardown),
		cmocka_unit_test_setup_teardown(gone_blob_is_no_result, unit_setup, unit_teardown),
		cmocka_unit_test_setup_teardown(record_comes_back, unit_setup, unit_teardown),
		cmocka_unit_test_setup_teardown(result_under_two_keys, unit_setup, unit_teardown),
		cmocka_unit_test_setup_teardown(damaged_record_is_absent, unit_setup,
						unit_teardown),
		cmocka_unit_test_setup_teardown(references_by_name, unit_setup, unit_teardown),
		cmocka_unit_test_setup_teardown(verify_finds_damage, unit_setup, unit_teardown),
	};

	return cmocka_run_group_tests_name("cache: content", tests, NULL, NULL);
}
