/*
 * Executing a build: the walk of its plan (walk.c), and the small things that its parts pass on.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include <uni/base/file.h>
#include <uni/base/path.h>
#include <unistd.h>

#include "tests.h"

/* --- where two files part --- */

static char *file_of(const char *dir, const char *name, const void *data, size_t size,
		     uint64_t whole)
{
	char *path = uni_path_join(dir, name);
	struct uni_err err = UNI_ERR_INIT;

	assert_int_equal(uni_file_write(path, data, size, 0644, &err), 0);
	assert_int_equal(truncate(path, (off_t)whole), 0);
	return path;
}

static int64_t parts_at(const char *dir, const char *x, uint64_t x_size, const char *y,
			uint64_t y_size)
{
	char *a UNI_AUTO_FREE = file_of(dir, "a", x, strlen(x), x_size);
	char *b UNI_AUTO_FREE = file_of(dir, "b", y, strlen(y), y_size);
	struct uni_err err = UNI_ERR_INIT;
	int64_t offset = 0;

	assert_int_equal(first_difference(a, b, &offset, &err), 0);
	return offset;
}

static void files_part_where_they_differ(void **state)
{
	const uint64_t large = 5u << 20; /* mostly a hole */

	assert_int_equal(parts_at(*state, "same", 4, "same", 4), -1);
	assert_int_equal(parts_at(*state, "", 0, "", 0), -1);
	assert_int_equal(parts_at(*state, "same", 4, "sane", 4), 2);
	assert_int_equal(parts_at(*state, "same", 4, "same and more", 13), 4);
	assert_int_equal(parts_at(*state, "same", large, "same", large), -1);
	assert_int_equal(parts_at(*state, "same", large, "same", large + 1), large);
	assert_int_equal(parts_at(*state, "same", large, "some", large), 1);
}

static void a_file_that_is_not_there_is_named(void **state)
{
	char *a UNI_AUTO_FREE = file_of(*state, "a", "a", 1, 1);
	char *b UNI_AUTO_FREE = uni_path_join(*state, "none");
	struct uni_err err = UNI_ERR_INIT;
	int64_t offset;

	assert_int_not_equal(first_difference(a, b, &offset, &err), 0);
	assert_non_null(strstr(err.text, b));
}

/* --- what a volume's step says --- */

static void words_of_a_volume_are_read_back(void **state)
{
	struct uni_fs_result made = { .size = 12288, .data_blocks = 2, .hash_offset = 8192 };
	char *text UNI_AUTO_FREE = NULL;
	struct volume_words words;

	(void)state;
	made.salt_size = sizeof(made.salt);
	memset(made.salt, 0xa5, sizeof(made.salt));
	memset(made.root_hash, 0x5a, sizeof(made.root_hash));
	memset(made.uuid.bytes, 0x11, sizeof(made.uuid.bytes));
	text = volume_words_write(&made);
	assert_true(volume_words_read(text, &words));
	assert_int_equal(words.size, made.size);
	assert_int_equal(words.data_blocks, made.data_blocks);
	assert_int_equal(words.hash_offset, made.hash_offset);
	assert_int_equal(words.salt_size, made.salt_size);
	assert_memory_equal(words.salt, made.salt, sizeof(made.salt));
	assert_memory_equal(words.root_hash, made.root_hash, sizeof(made.root_hash));
	assert_memory_equal(words.uuid.bytes, made.uuid.bytes, sizeof(made.uuid.bytes));
	/* Without a hash tree there is no salt. */
	made.salt_size = 0;
	free(text);
	text = volume_words_write(&made);
	assert_true(volume_words_read(text, &words));
	assert_int_equal(words.salt_size, 0);
}

static void damaged_words_of_a_volume_are_refused(void **state)
{
	struct uni_fs_result made = { .size = 4096, .salt_size = 32 };
	char *text UNI_AUTO_FREE = volume_words_write(&made);
	struct volume_words words;

	(void)state;
	assert_false(volume_words_read(NULL, &words));
	assert_false(volume_words_read("", &words));
	/* Cut anywhere but behind its last digit. */
	for (size_t size = 0; size + 1 < strlen(text); size++) {
		char *cut UNI_AUTO_FREE = uni_strndup(text, size);

		assert_false(volume_words_read(cut, &words));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define IN_A_FOLDER(test) cmocka_unit_test_setup_teardown(test, steps_setup, steps_teardown)
		IN_A_FOLDER(inputs_run_before_what_uses_them),
		IN_A_FOLDER(nothing_runs_twice),
		IN_A_FOLDER(a_change_runs_what_comes_behind_it),
		IN_A_FOLDER(work_stops_where_a_change_changed_nothing),
		IN_A_FOLDER(fresh_takes_nothing_from_the_store),
		IN_A_FOLDER(a_step_that_fails_is_told_and_not_kept),
		IN_A_FOLDER(a_cancelled_walk_runs_nothing),
		IN_A_FOLDER(forms_are_made_in_one_pass),
		IN_A_FOLDER(a_form_that_fails_leaves_the_others),
		IN_A_FOLDER(files_part_where_they_differ),
		IN_A_FOLDER(a_file_that_is_not_there_is_named),
		cmocka_unit_test(words_of_a_volume_are_read_back),
		cmocka_unit_test(damaged_words_of_a_volume_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
