/*
 * Collection: what goes, in which order, and what never does.
 */
#include "unit.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

/* Ten results of 8 KiB each, "0" used longest ago. Their store is closed, so no lease is left. */
static void fill(void **state)
{
	struct uni_store *store UNI_AUTO(uni_store) = unit_open(state);
	char text[8193];

	for (int i = 0; i < 10; i++) {
		char key[2] = { (char)('0' + i), '\0' };
		char *path UNI_AUTO_FREE = unit_result_path(state, key);

		memset(text, 'a' + i, 8192);
		text[8192] = '\0';
		unit_result(store, key, text);
		assert_int_equal(utimensat(AT_FDCWD, path,
					   (struct timespec[2]){ { 1000 + i, 0 }, { 1000 + i, 0 } },
					   0),
				 0);
	}
}

static void gc(struct uni_store *store, uint64_t limit, bool dry,
	       struct uni_store_gc_report *report)
{
	struct uni_err err = UNI_ERR_INIT;
	struct uni_store_gc_options options = { .limit = limit, .dry_run = dry };

	assert_int_equal(uni_store_gc(store, &options, report, &err), 0);
}

static void oldest_go_first(void **state)
{
	struct uni_store *store UNI_AUTO(uni_store) = NULL;
	struct uni_store_gc_report report;

	fill(state);
	store = unit_open(state);
	gc(store, 3 * 8192, true, &report);
	assert_int_equal(report.results, 7);
	assert_int_equal(report.blobs, 7);
	assert_int_equal(unit_count(state, "blobs"), 10);
	gc(store, 3 * 8192, false, &report);
	assert_int_equal(report.results, 7);
	assert_int_equal(report.blobs, 7);
	assert_int_equal(report.bytes, 7 * 8192);
	assert_int_equal(report.kept_bytes, 3 * 8192);
	assert_int_equal(unit_count(state, "blobs"), 3);
	assert_int_equal(unit_known(store, "6"), 0);
	assert_int_equal(unit_known(store, "7"), 1);
}

static void use_makes_young(void **state)
{
	struct uni_store *store;
	struct uni_store_gc_report report;

	fill(state);
	store = unit_open(state);
	assert_int_equal(unit_known(store, "0"), 1);
	uni_store_free(store);
	store = unit_open(state);
	gc(store, 2 * 8192, false, &report);
	assert_int_equal(unit_known(store, "0"), 1);
	assert_int_equal(unit_known(store, "9"), 1);
	assert_int_equal(unit_known(store, "8"), 0);
	uni_store_free(store);
}

static void leased_stays(void **state)
{
	struct uni_store *user UNI_AUTO(uni_store) = NULL;
	struct uni_store *store UNI_AUTO(uni_store) = NULL;
	struct uni_store_gc_report report;

	fill(state);
	user = unit_open(state);
	assert_int_equal(unit_known(user, "4"), 1);
	store = unit_open(state);
	gc(store, 0, false, &report);
	assert_int_equal(report.results, 9);
	assert_int_equal(report.kept_blobs, 1);
	assert_int_equal(unit_known(user, "4"), 1);
	assert_int_equal(unit_known(user, "5"), 0);
}

static void referenced_stays(void **state)
{
	struct uni_store_record record UNI_AUTO_STORE_RECORD = UNI_STORE_RECORD_INIT;
	struct uni_store *store;
	struct uni_store_gc_report report;
	struct uni_err err = UNI_ERR_INIT;
	struct uni_store_entry kept, loose;
	int fd UNI_AUTO_CLOSE = -1;

	store = unit_open(state);
	unit_put(store, "kept", &kept);
	unit_put(store, "loose", &loose);
	uni_store_record_add(&record, "file", &kept);
	assert_int_equal(uni_store_ref_set(store, "packages/a", &record, &err), 0);
	uni_store_free(store);
	store = unit_open(state);
	gc(store, 1 << 20, false, &report);
	assert_int_equal(report.blobs, 1);
	assert_int_equal(uni_store_blob_open(store, &kept, &fd, &err), 0);
	gc(store, 0, false, &report);
	assert_int_equal(report.blobs, 0);
	assert_int_equal(unit_count(state, "blobs"), 1);
	uni_store_free(store);
}

static void shared_blob_counts_once(void **state)
{
	struct uni_store *store;
	struct uni_store_gc_report report;

	store = unit_open(state);
	for (int i = 0; i < 5; i++)
		unit_result(store, (char[2]){ (char)('a' + i), '\0' }, "the same");
	uni_store_free(store);
	store = unit_open(state);
	gc(store, 4096, false, &report);
	assert_int_equal(report.results, 0);
	assert_int_equal(report.kept_blobs, 1);
	uni_store_free(store);
}

static int count_item(void *user, const struct uni_store_item *item, struct uni_err *err)
{
	unsigned *counts = user;

	(void)err;
	counts[item->kind]++;
	if (item->kind == UNI_STORE_RESULT)
		assert_int_equal(item->size, 8192);
	return 0;
}

static void publish(void **state, char key, size_t size)
{
	struct uni_store *store UNI_AUTO(uni_store) = unit_open(state);
	char *text UNI_AUTO_FREE = uni_alloc(size + 1);

	memset(text, key, size);
	unit_result(store, (char[2]){ key, '\0' }, text);
}

static bool kept(void **state, char key)
{
	char *path UNI_AUTO_FREE = unit_result_path(state, (char[2]){ key, '\0' });

	return uni_file_exists(path);
}

/* Whoever takes the store beyond its limit collects: the oldest go, until four fifths are left. */
static void limit_is_kept(void **state)
{
	struct uni_store *store = unit_open(state);
	struct uni_store *user UNI_AUTO(uni_store) = NULL;
	struct uni_err err = UNI_ERR_INIT;
	uint64_t limit;

	assert_int_equal(uni_store_limit_get(store, &limit, &err), 0);
	assert_int_equal(limit, UNI_STORE_LIMIT_DEFAULT);
	assert_int_equal(uni_store_limit_set(store, 10 * 8192, &err), 0);
	assert_int_equal(uni_store_limit_get(store, &limit, &err), 0);
	assert_int_equal(limit, 10 * 8192);
	uni_store_free(store);
	for (char key = '0'; key <= '9'; key++)
		publish(state, key, 8192);
	assert_int_equal(unit_count(state, "blobs"), 10);
	/* What a living process uses stays, as old as it is. */
	user = unit_open(state);
	assert_int_equal(unit_known(user, "0"), 1);
	publish(state, 'a', 8192);
	assert_int_equal(unit_count(state, "blobs"), 8);
	assert_true(kept(state, '0'));
	assert_false(kept(state, '1'));
	assert_false(kept(state, '3'));
	assert_true(kept(state, '4'));
	assert_true(kept(state, 'a'));
	/* Counted once more only when it has grown. */
	publish(state, 'b', 8192);
	publish(state, 'c', 8192);
	assert_int_equal(unit_count(state, "blobs"), 10);
	assert_int_equal(uni_store_limit_set(user, 0, &err), 0);
	assert_int_equal(uni_store_limit_get(user, &limit, &err), 0);
	assert_int_equal(limit, 0);
	for (char key = 'd'; key <= 'h'; key++)
		publish(state, key, 8192);
	assert_int_equal(unit_count(state, "blobs"), 15);
}

/* A count that was lost, cut short or is nonsense costs a count, no result. */
static void limit_without_a_count(void **state)
{
	struct uni_store *store = unit_open(state);
	struct uni_err err = UNI_ERR_INIT;
	char *usage UNI_AUTO_FREE = uni_asprintf("%s/v1/usage", uni_store_path(store));
	char *limit_path UNI_AUTO_FREE = uni_asprintf("%s/v1/limit", uni_store_path(store));
	uint64_t limit;

	assert_int_equal(uni_store_limit_set(store, 4 * 8192, &err), 0);
	uni_store_free(store);
	publish(state, '0', 8192);
	for (size_t i = 0; i < 3; i++) {
		const char *const text[] = { "", "12x", "18446744073709551615" };

		assert_int_equal(uni_file_write(usage, text[i], strlen(text[i]), 0644, &err), 0);
		publish(state, (char)('1' + i), 4096);
		assert_true(kept(state, '0'));
	}
	publish(state, '9', 2 * 8192);
	assert_false(kept(state, '0'));
	assert_true(kept(state, '9'));
	/* What was made just now stays until something newer is made, were it larger than all. */
	publish(state, 'b', 5 * 8192);
	assert_true(kept(state, 'b'));
	assert_false(kept(state, '9'));
	publish(state, '9', 2 * 8192);
	assert_false(kept(state, 'b'));
	assert_int_equal(uni_file_write(limit_path, "much", 4, 0644, &err), 0);
	publish(state, 'a', 8 * 8192);
	assert_true(kept(state, '9'));
	store = unit_open(state);
	assert_int_equal(uni_store_limit_get(store, &limit, &err), UNI_E_CORRUPT);
	uni_store_free(store);
}

static void listing(void **state)
{
	struct uni_store *store UNI_AUTO(uni_store) = NULL;
	struct uni_err err = UNI_ERR_INIT;
	unsigned counts[3] = { 0 };

	fill(state);
	store = unit_open(state);
	assert_int_equal(uni_store_list(store, count_item, counts, &err), 0);
	assert_int_equal(counts[UNI_STORE_BLOB], 10);
	assert_int_equal(counts[UNI_STORE_RESULT], 10);
	assert_int_equal(counts[UNI_STORE_REF], 0);
}

int unit_collect(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(oldest_go_first, unit_setup, unit_teardown),
		cmocka_unit_test_setup_teardown(use_makes_young, unit_setup, unit_teardown),
		cmocka_unit_test_setup_teardown(leased_stays, unit_setup, unit_teardown),
		cmocka_unit_test_setup_teardown(referenced_stays, unit_setup, unit_teardown),
		cmocka_unit_test_setup_teardown(shared_blob_counts_once, unit_setup, unit_teardown),
		cmocka_unit_test_setup_teardown(limit_is_kept, unit_setup, unit_teardown),
		cmocka_unit_test_setup_teardown(limit_without_a_count, unit_setup, unit_teardown),
		cmocka_unit_test_setup_teardown(listing, unit_setup, unit_teardown),
	};

	return cmocka_run_group_tests_name("cache: collection", tests, NULL, NULL);
}
