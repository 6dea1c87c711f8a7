/* Live volumes: generations, what is written of them, keys, sizes, writers that meet. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <uni/base/file.h>
#include <unistd.h>

#include "unit.h"

static const struct uni_live_options plain = { .time = 1000, .threads = 1 };

static void test_generations(void **state)
{
	UNI_AUTO_FREE char *path = scratch_path("generations");
	UNI_AUTO_FREE char *alone = scratch_path("alone");
	UNI_AUTO_BUF struct uni_buf a = UNI_BUF_INIT;
	UNI_AUTO_BUF struct uni_buf b = UNI_BUF_INIT;
	struct uni_live_made made;

	(void)state;
	make_volume(path, 10, &plain);
	for (unsigned seed = 11; seed < 20; seed++) {
		commit_volume(path, seed, &plain, &made);
		assert_int_equal(made.generation, seed - 9);
		make_volume(alone, seed, &plain);
		read_volume(path, false, &a);
		read_volume(alone, false, &b);
		assert_string_equal(uni_buf_text(&a), uni_buf_text(&b));
		assert_int_equal(unlink(alone), 0);
		make_volume(alone, seed - 1, &plain);
		read_volume(path, true, &a);
		read_volume(alone, false, &b);
		assert_string_equal(uni_buf_text(&a), uni_buf_text(&b));
		assert_int_equal(unlink(alone), 0);
	}
}

/* The page of 900 bytes changes: its block, inode, digest, superblock, and the way up the tree. */
static void test_difference(void **state)
{
	UNI_AUTO_FREE char *path = scratch_path("difference");
	UNI_AUTO(uni_live) struct uni_live *live = NULL;
	struct uni_live_made made;

	(void)state;
	make_volume(path, 10, &plain);
	commit_volume(path, 11, &plain, &made);
	assert_true(made.blocks_written > 10); /* the other slot was empty */
	commit_volume(path, 10, &plain, &made);
	assert_in_range(made.blocks_written, 3, 9);
	assert_true(made.blocks_kept > 20);
	assert_int_equal(uni_live_open(&live, path, false, &live_err), 0);
	assert_int_equal(uni_live_current(live)->time, 1002);
}

/* `size` bytes that do not compress, under the name. */
static void add_noise(struct uni_tree *tree, const char *at, uint32_t seed, size_t size)
{
	const struct uni_tree_rules rules = { .mtime = 1 };
	UNI_AUTO_FREE uint8_t *data = uni_alloc(size);

	for (size_t i = 0; i < size; i++) {
		seed = seed * 1664525 + 1013904223;
		data[i] = (uint8_t)(seed >> 24);
	}
	assert_int_equal(uni_tree_add_data(tree, at, data, size, &rules, &live_err), 0);
}

/* A tree whose small files stay, each behind one of `size` bytes that is new with each seed, of
 * which `distinct` differ. */
static struct uni_tree *striped_tree(unsigned seed, unsigned pairs, unsigned distinct, size_t size)
{
	const struct uni_tree_rules rules = { .mtime = 1 };
	struct uni_tree *tree = uni_tree_new(&rules);
	struct uni_digest digest;

	for (unsigned i = 0; i < pairs; i++) {
		UNI_AUTO_FREE char *still = uni_asprintf("%u-still", i);
		UNI_AUTO_FREE char *large = uni_asprintf("%u-large", i);

		add_noise(tree, still, 5 + i, 100 + i);
		add_noise(tree, large, seed + i % distinct, size);
	}
	assert_int_equal(uni_tree_digest(tree, NULL, 1, &digest, &live_err), 0);
	return tree;
}

/* What is kept is noted at once, what is new comes out of the pipe later: neither may get into the
 * other's list of blocks. */
static void test_kept_among_new(void **state)
{
	const struct uni_live_options small = { .time = 9, .threads = 3, .block_size = 4096 };
	UNI_AUTO_FREE char *path = scratch_path("kept");
	UNI_AUTO_FREE char *alone = scratch_path("kept-alone");
	UNI_AUTO_BUF struct uni_buf a = UNI_BUF_INIT;
	UNI_AUTO_BUF struct uni_buf b = UNI_BUF_INIT;
	struct uni_live_made made;

	(void)state;
	for (unsigned seed = 100; seed < 104; seed++) {
		UNI_AUTO(uni_tree) struct uni_tree *tree = striped_tree(seed, 6, 3, 300000);
		UNI_AUTO(uni_live) struct uni_live *live = NULL;

		assert_int_equal(uni_live_create(alone,
						 &(struct uni_live_shape){ "s", NULL, 16 << 20 },
						 tree, &small, &made, &live_err),
				 0);
		if (seed == 100) {
			assert_int_equal(rename(alone, path), 0);
			continue;
		}
		assert_int_equal(uni_live_open(&live, path, true, &live_err), 0);
		assert_int_equal(uni_live_commit(live, tree, &small, &made, &live_err), 0);
		read_volume(path, false, &a);
		read_volume(alone, false, &b);
		assert_int_equal(a.size, b.size);
		assert_memory_equal(a.data, b.data, a.size);
		assert_int_equal(unlink(alone), 0);
	}
}

static int count_call(void *user, struct uni_err *err)
{
	(void)err;
	++*(unsigned *)user;
	return 0;
}

/* What is there already makes no generation, and asks nobody to let go of a slot. */
static void test_unchanged(void **state)
{
	unsigned calls = 0;
	const struct uni_live_gate gate = { count_call, &calls };
	const struct uni_live_options later = { .time = 2000, .threads = 1, .gate = &gate };
	UNI_AUTO_FREE char *path = scratch_path("unchanged");
	UNI_AUTO_BUF struct uni_buf before = UNI_BUF_INIT;
	UNI_AUTO_BUF struct uni_buf after = UNI_BUF_INIT;
	struct uni_live_made made;

	(void)state;
	make_volume(path, 10, &plain);
	for (unsigned seed = 10; seed < 14; seed++) {
		commit_volume(path, seed, &later, &made);
		assert_int_equal(made.unchanged, seed == 10);
		assert_int_equal(calls, seed - 10);
		uni_buf_clear(&before);
		uni_buf_clear(&after);
		assert_int_equal(uni_file_read(path, 16 << 20, &before, &live_err), 0);
		commit_volume(path, seed, &later, &made);
		assert_true(made.unchanged);
		assert_int_equal(made.generation, seed - 9);
		assert_int_equal(made.blocks_written, 0);
		assert_int_equal(calls, seed - 10);
		assert_int_equal(uni_file_read(path, 16 << 20, &after, &live_err), 0);
		assert_memory_equal(before.data, after.data, before.size);
	}
	/* Of the generation before it would be a change. */
	commit_volume(path, 12, &later, &made);
	assert_false(made.unchanged);
	assert_int_equal(made.generation, 5);
}

/* Gaps that are too small for what is new, and no room behind them: all goes one behind the other,
 * in the tree's order, whichever thread had it ready first. */
static void test_packed(void **state)
{
	UNI_AUTO(uni_tree) struct uni_tree *first = striped_tree(100, 24, 24, 24 << 10);
	UNI_AUTO(uni_tree) struct uni_tree *then = striped_tree(200, 24, 24, 28 << 10);
	UNI_AUTO_FREE char *path = scratch_path("packed");
	UNI_AUTO_BUF struct uni_buf one = UNI_BUF_INIT;
	UNI_AUTO_BUF struct uni_buf other = UNI_BUF_INIT;

	(void)state;
	for (unsigned threads = 1; threads <= 4; threads++) {
		const struct uni_live_options how = { .time = 9,
						      .threads = threads,
						      .block_size = 4096 };
		UNI_AUTO(uni_live) struct uni_live *live = NULL;
		struct uni_live_made made;

		assert_int_equal(uni_live_create(path,
						 &(struct uni_live_shape){ "s", NULL, 3 << 20 },
						 first, &how, &made, &live_err),
				 0);
		assert_int_equal(uni_live_open(&live, path, true, &live_err), 0);
		assert_int_equal(uni_live_commit(live, then, &how, &made, &live_err), 0);
		uni_buf_clear(&other);
		assert_int_equal(
			uni_file_read(path, 3 << 20, threads == 1 ? &one : &other, &live_err), 0);
		assert_int_equal(unlink(path), 0);
		if (threads == 1)
			continue;
		assert_int_equal(one.size, other.size);
		assert_memory_equal(one.data, other.data, one.size);
	}
}

static void test_rollback(void **state)
{
	UNI_AUTO_FREE char *path = scratch_path("rollback");
	UNI_AUTO_BUF struct uni_buf a = UNI_BUF_INIT;
	UNI_AUTO_BUF struct uni_buf b = UNI_BUF_INIT;
	UNI_AUTO(uni_live) struct uni_live *live = NULL;
	struct uni_live_made made;

	(void)state;
	make_volume(path, 10, &plain);
	assert_int_equal(uni_live_open(&live, path, true, &live_err), 0);
	assert_int_equal(uni_live_rollback(live, &plain, &made, &live_err), UNI_E_NOENT);
	uni_live_free(live);
	live = NULL;
	read_volume(path, false, &a);
	commit_volume(path, 12, &plain, &made);
	assert_int_equal(uni_live_open(&live, path, true, &live_err), 0);
	assert_int_equal(uni_live_rollback(live, &plain, &made, &live_err), 0);
	assert_int_equal(made.generation, 3);
	assert_int_equal(made.blocks_written, 0);
	read_volume(path, false, &b);
	assert_string_equal(uni_buf_text(&a), uni_buf_text(&b));
	/* And forward again. */
	assert_int_equal(uni_live_rollback(live, &plain, &made, &live_err), 0);
	read_volume(path, false, &b);
	assert_string_not_equal(uni_buf_text(&a), uni_buf_text(&b));
	assert_int_equal(volume_generation(path), 4);
}

static void test_too_small(void **state)
{
	UNI_AUTO_FREE char *path = scratch_path("small");
	UNI_AUTO_BUF struct uni_buf before = UNI_BUF_INIT;
	UNI_AUTO_BUF struct uni_buf after = UNI_BUF_INIT;
	UNI_AUTO(uni_live) struct uni_live *live = NULL;
	const struct uni_tree_rules rules = { .mtime = 1 };
	UNI_AUTO(uni_tree) struct uni_tree *tree = uni_tree_new(&rules);
	UNI_AUTO_FREE char *random = uni_alloc(3 << 20);
	const struct uni_live_options stored = { .time = 5, .compression = "none" };
	struct uni_live_made made;

	(void)state;
	memset(random, 'r', 3 << 20);
	assert_int_equal(uni_tree_add_data(tree, "r", random, 3 << 20, &rules, &live_err), 0);
	assert_int_equal(uni_live_create(path, &(struct uni_live_shape){ "s", NULL, 5 << 20 }, tree,
					 &stored, &made, &live_err),
			 UNI_E_LIMIT);
	assert_non_null(strstr(live_err.text, "room for 2072576"));
	assert_false(uni_file_exists(path));
	make_volume(path, 10, &stored);
	assert_int_equal(uni_file_read(path, 16 << 20, &before, &live_err), 0);
	assert_int_equal(uni_live_open(&live, path, true, &live_err), 0);
	assert_int_equal(uni_live_commit(live, tree, &stored, &made, &live_err), UNI_E_LIMIT);
	assert_int_equal(uni_file_read(path, 16 << 20, &after, &live_err), 0);
	assert_memory_equal(before.data, after.data, before.size);
	assert_int_equal(uni_live_create(path, &(struct uni_live_shape){ "s", NULL, 5 << 20 }, tree,
					 &plain, &made, &live_err),
			 UNI_E_EXIST);
	assert_int_equal(uni_live_create("none", &(struct uni_live_shape){ "s", NULL, 9000 }, tree,
					 &plain, &made, &live_err),
			 UNI_E_LIMIT);
}

/* Content that is still being written: it is noticed, and the volume is as it was. */
static void test_changing(void **state)
{
	const struct uni_tree_rules rules = { .mtime = 1 };
	UNI_AUTO_FREE char *path = scratch_path("changing");
	UNI_AUTO_FREE char *file = scratch_path("growing");
	UNI_AUTO_BUF struct uni_buf before = UNI_BUF_INIT;
	UNI_AUTO_BUF struct uni_buf after = UNI_BUF_INIT;
	UNI_AUTO(uni_live) struct uni_live *live = NULL;
	UNI_AUTO(uni_tree) struct uni_tree *tree = uni_tree_new(&rules);
	struct uni_live_made made;

	(void)state;
	make_volume(path, 10, &plain);
	assert_int_equal(uni_file_read(path, 16 << 20, &before, &live_err), 0);
	assert_int_equal(uni_file_write(file, "half", 4, 0644, &live_err), 0);
	assert_int_equal(uni_tree_add_file(tree, "page", file, NULL, &rules, &live_err), 0);
	assert_int_equal(uni_file_write(file, "half and more", 13, 0644, &live_err), 0);
	assert_int_equal(uni_live_open(&live, path, true, &live_err), 0);
	assert_int_equal(uni_live_commit(live, tree, &plain, &made, &live_err), UNI_E_CHANGED);
	assert_non_null(strstr(live_err.text, "growing"));
	assert_int_equal(uni_file_read(path, 16 << 20, &after, &live_err), 0);
	assert_memory_equal(before.data, after.data, before.size);
}

static void test_two_writers(void **state)
{
	UNI_AUTO_FREE char *path = scratch_path("writers");
	UNI_AUTO(uni_live) struct uni_live *one = NULL;
	UNI_AUTO(uni_live) struct uni_live *two = NULL;

	(void)state;
	make_volume(path, 10, &plain);
	assert_int_equal(uni_live_open(&one, path, true, &live_err), 0);
	assert_int_equal(uni_live_open(&two, path, true, &live_err), UNI_E_BUSY);
	assert_int_equal(uni_live_open(&two, path, false, &live_err), 0);
	uni_live_free(two);
	two = NULL;
	uni_live_free(one);
	one = NULL;
	assert_int_equal(uni_live_open(&two, path, true, &live_err), 0);
}

/* RFC 8032, 7.1, test 1, as PEM. */
static const char key_pem[] = "-----BEGIN PRIVATE KEY-----\n"
			      "MC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g\n"
			      "-----END PRIVATE KEY-----\n";
static const char other_pem[] = "-----BEGIN PRIVATE KEY-----\n"
				"MC4CAQAwBQYDK2VwBCIEIEzNCJsozvla1rbi4YPqFmD7pVKZ/jHTpp1MWVGdPBb7\n"
				"-----END PRIVATE KEY-----\n";

static void test_keys(void **state)
{
	static const uint8_t wanted[4] = { 0xd7, 0x5a, 0x98, 0x01 };
	UNI_AUTO_FREE char *path = scratch_path("signed");
	UNI_AUTO_FREE char *one = scratch_path("one.pem");
	UNI_AUTO_FREE char *two = scratch_path("two.pem");
	UNI_AUTO(uni_live_key) struct uni_live_key *key = NULL;
	UNI_AUTO(uni_live) struct uni_live *live = NULL;
	struct uni_live_options options = plain;
	struct uni_live_made made;
	struct uni_live_super changed;
	uint8_t public[UNI_LIVE_KEY];
	uint8_t other[UNI_LIVE_KEY];

	(void)state;
	assert_int_equal(uni_file_write(one, key_pem, strlen(key_pem), 0600, &live_err), 0);
	assert_int_equal(uni_file_write(two, other_pem, strlen(other_pem), 0600, &live_err), 0);
	if (uni_live_key_load(&key, one, &live_err) != 0)
		fail_msg("%s", live_err.text);
	uni_live_key_public(key, public);
	assert_int_equal(uni_live_public_load(two, other, &live_err), 0);
	assert_int_equal(uni_live_public_load(path, other, &live_err), UNI_E_NOENT);
	assert_int_equal(uni_live_public_load(two, other, &live_err), 0);
	assert_memory_equal(public, wanted, sizeof(wanted));
	options.key = key;
	make_volume(path, 10, &options);
	assert_int_equal(uni_live_open(&live, path, true, &live_err), 0);
	assert_int_equal(uni_live_verify(live, uni_live_current(live), public, &live_err), 0);
	assert_int_equal(uni_live_verify(live, uni_live_current(live), other, &live_err),
			 UNI_E_AUTH);
	assert_non_null(strstr(live_err.text, "another key"));
	changed = *uni_live_current(live);
	changed.time++;
	assert_int_equal(uni_live_super_verify(&changed, public, &live_err), UNI_E_AUTH);
	UNI_AUTO(uni_tree) struct uni_tree *tree = sample_tree(11);

	assert_int_equal(uni_live_commit(live, tree, &plain, &made, &live_err), 0);
	assert_int_equal(uni_live_verify(live, uni_live_current(live), public, &live_err),
			 UNI_E_AUTH);
	assert_non_null(strstr(live_err.text, "not signed"));
	/* The same content once more, to be signed. */
	assert_int_equal(uni_live_commit(live, tree, &options, &made, &live_err), 0);
	assert_false(made.unchanged);
	assert_int_equal(uni_live_verify(live, uni_live_current(live), public, &live_err), 0);
	assert_int_equal(uni_live_commit(live, tree, &options, &made, &live_err), 0);
	assert_true(made.unchanged);
}

static void test_resize(void **state)
{
	static const uint64_t sizes[] = { 9 << 20, 21 << 20, 21 << 20, 7 << 20, 5 << 20, 31 << 20 };
	UNI_AUTO_FREE char *path = scratch_path("resize");
	UNI_AUTO_BUF struct uni_buf a = UNI_BUF_INIT;
	UNI_AUTO_BUF struct uni_buf b = UNI_BUF_INIT;
	struct uni_live_made made;
	struct stat st;

	(void)state;
	make_volume(path, 10, &plain);
	for (unsigned i = 0; i < UNI_COUNT(sizes) * 2; i++) {
		UNI_AUTO(uni_live) struct uni_live *live = NULL;

		read_volume(path, false, &a);
		assert_int_equal(uni_live_open(&live, path, true, &live_err), 0);
		if (uni_live_resize(live, sizes[i / 2], &plain, &made, &live_err) != 0)
			fail_msg("%s", live_err.text);
		uni_live_free(live);
		live = NULL;
		read_volume(path, false, &b);
		assert_string_equal(uni_buf_text(&a), uni_buf_text(&b));
		assert_int_equal(stat(path, &st), 0);
		assert_int_equal(st.st_size, sizes[i / 2]);
		/* In either slot. */
		commit_volume(path, 30 + i, &plain, &made);
		if (i % 3 == 0)
			commit_volume(path, 60 + i, &plain, &made);
	}
	UNI_AUTO(uni_live) struct uni_live *live = NULL;

	assert_int_equal(uni_live_open(&live, path, true, &live_err), 0);
	assert_int_equal(uni_live_resize(live, 3 << 20, &plain, &made, &live_err), 0);
	assert_int_equal(uni_live_resize(live, 1 << 20, &plain, &made, &live_err), UNI_E_LIMIT);
}

static int end(void **state)
{
	(void)state;
	scratch_end();
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_generations), cmocka_unit_test(test_difference),
		cmocka_unit_test(test_unchanged),   cmocka_unit_test(test_kept_among_new),
		cmocka_unit_test(test_packed),	    cmocka_unit_test(test_rollback),
		cmocka_unit_test(test_too_small),   cmocka_unit_test(test_changing),
		cmocka_unit_test(test_two_writers), cmocka_unit_test(test_keys),
		cmocka_unit_test(test_resize),	    cmocka_unit_test(test_crash),
		cmocka_unit_test(test_torn),	    cmocka_unit_test(test_hostile),
		cmocka_unit_test(test_newer),
	};

	return cmocka_run_group_tests(tests, NULL, end);
}
