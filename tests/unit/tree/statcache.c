/*
 * The stat cache: what it may answer, what it must not, and that damage only costs time.
 */
#include "unit.h"
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <uni/base/system.h>
#include <unistd.h>

#define SECOND INT64_C(1000000000)

static const struct uni_filestat some = {
	.dev = 1, .ino = 2, .size = 3, .mtime_ns = 4 * SECOND, .ctime_ns = 5 * SECOND
};
static const struct uni_digest one = { { 1 } };
static const struct uni_digest two = { { 2 } };

static bool holds(struct uni_statscope *scope, const char *path, const struct uni_filestat *st,
		  const struct uni_digest *wanted)
{
	struct uni_digest found;
	return uni_statscope_find(scope, path, st, &found) && uni_digest_eq(&found, wanted);
}

static void remembers(void **state)
{
	struct uni_err err = UNI_ERR_INIT;
	static const char *const paths[] = { "a.b", "b", "a", "a/b" };
	const char *file = unit_path(state, "cache");
	for (int run = 0; run < 3; run++) {
		struct uni_statcache *cache UNI_AUTO(uni_statcache) = uni_statcache_new(file);
		struct uni_statscope *scope = uni_statcache_scope(cache, "s");
		assert_ptr_equal(scope, uni_statcache_scope(cache, "s"));
		for (size_t i = 0; i < UNI_COUNT(paths); i++) {
			assert_int_equal(holds(scope, paths[i], &some, &one), run != 0);
			if (run == 0)
				uni_statscope_note(scope, paths[i], &some, 10 * SECOND, &one);
		}
		assert_false(holds(scope, "c", &some, &one));
		assert_false(holds(uni_statcache_scope(cache, "t"), "a", &some, &one));
		unit_ok(uni_statcache_save(cache, &err), &err);
	}
	struct uni_statcache *cache UNI_AUTO(uni_statcache) = uni_statcache_new(file);
	struct uni_statscope *scope = uni_statcache_scope(cache, "s");
	for (int field = 0; field < 5; field++) {
		struct uni_filestat other = some;
		uint64_t *numbers[] = { &other.dev, &other.ino, &other.size };
		int64_t *times[] = { &other.mtime_ns, &other.ctime_ns };
		if (field < 3)
			++*numbers[field];
		else
			++*times[field - 3];
		assert_false(holds(scope, "a", &other, &one));
	}
}

static void racy_is_not_kept(void **state)
{
	struct uni_err err = UNI_ERR_INIT;
	const char *file = unit_path(state, "cache");
	struct uni_statcache *cache UNI_AUTO(uni_statcache) = uni_statcache_new(file);
	struct uni_statscope *scope = uni_statcache_scope(cache, "s");
	uni_statscope_note(scope, "same", &some, 5 * SECOND, &one);
	uni_statscope_note(scope, "edge", &some, 6 * SECOND, &one);
	uni_statscope_note(scope, "safe", &some, 6 * SECOND + 1, &one);
	struct uni_filestat future = some;
	future.mtime_ns = 100 * SECOND;
	uni_statscope_note(scope, "future", &future, 50 * SECOND, &one);
	unit_ok(uni_statcache_save(cache, &err), &err);
	struct uni_statcache *again UNI_AUTO(uni_statcache) = uni_statcache_new(file);
	scope = uni_statcache_scope(again, "s");
	assert_false(holds(scope, "same", &some, &one));
	assert_false(holds(scope, "edge", &some, &one));
	assert_false(holds(scope, "future", &future, &one));
	assert_true(holds(scope, "safe", &some, &one));
}

static void scopes_are_kept_and_pruned(void **state)
{
	struct uni_err err = UNI_ERR_INIT;
	const char *file = unit_path(state, "cache");
	struct uni_statcache *cache = uni_statcache_new(file);
	for (int i = 0; i < 3; i++) {
		char name[2] = { (char)('a' + i), '\0' };
		struct uni_statscope *scope = uni_statcache_scope(cache, name);
		uni_statscope_note(scope, "kept", &some, 10 * SECOND, &one);
		uni_statscope_note(scope, "gone", &some, 10 * SECOND, &one);
	}
	unit_ok(uni_statcache_save(cache, &err), &err);
	uni_statcache_free(cache);

	cache = uni_statcache_new(file);
	struct uni_statscope *scope = uni_statcache_scope(cache, "b");
	assert_true(holds(scope, "kept", &some, &one));
	uni_statscope_note(scope, "kept", &some, 10 * SECOND, &two); /* and replaced */
	uni_statscope_note(scope, "fresh", &some, 10 * SECOND, &two);
	uni_statcache_scope(cache, "c");
	unit_ok(uni_statcache_save(cache, &err), &err);
	uni_statcache_free(cache);

	cache = uni_statcache_new(file);
	scope = uni_statcache_scope(cache, "a");
	assert_true(holds(scope, "kept", &some, &one));
	assert_true(holds(scope, "gone", &some, &one));
	scope = uni_statcache_scope(cache, "b");
	assert_true(holds(scope, "kept", &some, &two));
	assert_true(holds(scope, "fresh", &some, &two));
	assert_false(holds(scope, "gone", &some, &one));
	scope = uni_statcache_scope(cache, "c");
	assert_false(holds(scope, "kept", &some, &one));
	uni_statcache_free(cache);
}

static void unchanged_is_not_written(void **state)
{
	struct uni_err err = UNI_ERR_INIT;
	const char *file = unit_path(state, "cache");
	struct stat before, after;
	struct uni_statcache *cache = uni_statcache_new(file);
	unit_ok(uni_statcache_save(cache, &err), &err);
	assert_false(uni_file_exists(file));
	uni_statscope_note(uni_statcache_scope(cache, "s"), "a", &some, 10 * SECOND, &one);
	unit_ok(uni_statcache_save(cache, &err), &err);
	uni_statcache_free(cache);
	assert_int_equal(stat(file, &before), 0);
	cache = uni_statcache_new(file);
	assert_true(holds(uni_statcache_scope(cache, "s"), "a", &some, &one));
	unit_ok(uni_statcache_save(cache, &err), &err);
	uni_statcache_free(cache);
	assert_int_equal(stat(file, &after), 0);
	assert_int_equal(before.st_ino, after.st_ino);
}

static void rewrite(const char *path, const void *data, size_t size)
{
	struct uni_err err = UNI_ERR_INIT;
	int fd UNI_AUTO_CLOSE = open(path, O_WRONLY | O_TRUNC | O_CLOEXEC);
	unit_ok(uni_write_full(fd, data, size, path, &err), &err);
}

static void damage_is_an_empty_cache(void **state)
{
	struct uni_err err = UNI_ERR_INIT;
	struct uni_buf whole UNI_AUTO_BUF = UNI_BUF_INIT;
	const char *file = unit_path(state, "cache");
	struct uni_statcache *cache = uni_statcache_new(file);
	uni_statscope_note(uni_statcache_scope(cache, "s"), "a", &some, 10 * SECOND, &one);
	uni_statscope_note(uni_statcache_scope(cache, "s"), "b", &some, 10 * SECOND, &one);
	unit_ok(uni_statcache_save(cache, &err), &err);
	uni_statcache_free(cache);
	unit_ok(uni_file_read(file, 1 << 20, &whole, &err), &err);
	for (size_t i = 0; i < whole.size; i++) {
		whole.data[i] ^= 1;
		rewrite(file, whole.data, whole.size);
		cache = uni_statcache_new(file);
		assert_false(holds(uni_statcache_scope(cache, "s"), "a", &some, &one));
		uni_statcache_free(cache);
		whole.data[i] ^= 1;
		rewrite(file, whole.data, i);
		cache = uni_statcache_new(file);
		assert_false(holds(uni_statcache_scope(cache, "s"), "a", &some, &one));
		uni_statcache_free(cache);
	}
}

/* A tree's files, dated back so that they are safe to remember. */
static void make_files(void **state, unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		char name[32];
		snprintf(name, sizeof(name), "in/d%u/f%u", i % 7, i);
		unit_write(state, name, name, 0644);
	}
}

struct outcome {
	int known;
	struct uni_digest digest;
};

static struct outcome build(void **state, const char *cache_file)
{
	static const struct uni_tree_rules rules = { .mtime = 0 };
	struct uni_err err = UNI_ERR_INIT;
	struct uni_statcache *cache UNI_AUTO(uni_statcache) = uni_statcache_new(cache_file);
	struct uni_tree *tree UNI_AUTO(uni_tree) = uni_tree_new(&rules);
	struct uni_statscope *scope = uni_statcache_scope(cache, "volume");
	struct uni_digest known;
	struct outcome outcome;
	unit_ok(uni_tree_add_folder(tree, ".", unit_path(state, "in"), &rules, &err), &err);
	outcome.known = uni_tree_digest_known(tree, scope, &known, &err);
	unit_ok(uni_tree_digest(tree, scope, 0, &outcome.digest, &err), &err);
	if (outcome.known)
		assert_true(uni_digest_eq(&known, &outcome.digest));
	unit_ok(uni_statcache_save(cache, &err), &err);
	return outcome;
}

static void trees_are_remembered(void **state)
{
	char *file UNI_AUTO_FREE = uni_strdup(unit_path(state, "cache"));
	make_files(state, 100);
	struct outcome first = build(state, file);
	assert_int_equal(first.known, 0);
	/* Change times cannot be set back: this has to wait until they are a second old. */
	struct outcome second = build(state, file);
	for (int i = 0; i < 600 && !second.known; i++) {
		usleep(100000);
		second = build(state, file);
	}
	assert_int_equal(second.known, 1);
	assert_true(uni_digest_eq(&first.digest, &second.digest));
	/* One byte of one file, with the old modification time put back. */
	const char *path = unit_path(state, "in/d3/f10");
	struct stat st;
	assert_int_equal(stat(path, &st), 0);
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	assert_int_equal(pwrite(fd, "X", 1, 0), 1);
	struct timespec times[2] = { st.st_atim, st.st_mtim };
	assert_int_equal(futimens(fd, times), 0);
	close(fd);
	struct outcome third = build(state, file);
	assert_int_equal(third.known, 0);
	assert_false(uni_digest_eq(&first.digest, &third.digest));
	/* The changed one is too young to be kept, all others still are. */
	assert_int_equal(unlink(path), 0);
	struct outcome fourth = build(state, file);
	assert_int_equal(fourth.known, 1);
}

static void single_files(void **state)
{
	struct uni_err err = UNI_ERR_INIT;
	struct uni_statcache *cache UNI_AUTO(uni_statcache) =
		uni_statcache_new(unit_path(state, "cache"));
	struct uni_statscope *scope = uni_statcache_scope(cache, "tools");
	struct uni_digest digest;
	struct uni_digest wanted = uni_digest_of("tool", 4);
	uint64_t size = 0;
	unit_write(state, "tool", "tool", 0755);
	unit_ok(uni_statscope_digest_file(scope, unit_path(state, "tool"), &size, &digest, &err),
		&err);
	assert_int_equal(size, 4);
	assert_true(uni_digest_eq(&digest, &wanted));
	unit_ok(uni_statscope_digest_file(NULL, unit_path(state, "tool"), NULL, &digest, &err),
		&err);
	assert_true(uni_digest_eq(&digest, &wanted));
	assert_int_equal(
		uni_statscope_digest_file(scope, unit_path(state, "none"), &size, &digest, &err),
		UNI_E_NOENT);
	assert_int_equal(uni_statscope_digest_file(scope, *state, &size, &digest, &err),
			 UNI_E_INVAL);
}

int unit_statcache(void)
{
	const struct CMUnitTest tests[] = {
		DIR_TEST(remembers),
		DIR_TEST(racy_is_not_kept),
		DIR_TEST(scopes_are_kept_and_pruned),
		DIR_TEST(unchanged_is_not_written),
		DIR_TEST(damage_is_an_empty_cache),
		DIR_TEST(trees_are_remembered),
		DIR_TEST(single_files),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
