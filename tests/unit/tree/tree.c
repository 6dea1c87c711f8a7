/*
 * Making trees: order, normalisation, what is refused, laying one over another.
 */
#include "unit.h"
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const struct uni_tree_rules rules = { .mtime = 7 };

static void order_of_paths(void **state)
{
	(void)state;
	static const char *const sorted[] = {
		"", "a", "a/b", "a/b/c", "a/b.c", "a b", "a.b", "ab"
	};
	for (size_t i = 0; i < UNI_COUNT(sorted); i++)
		for (size_t j = 0; j < UNI_COUNT(sorted); j++) {
			int order = uni_tree_path_cmp(sorted[i], sorted[j]);
			assert_true(i < j ? order < 0 : i > j ? order > 0 : order == 0);
		}
}

static void folder_is_normalised(void **state)
{
	struct uni_err err = UNI_ERR_INIT;
	struct uni_tree *tree UNI_AUTO(uni_tree) = uni_tree_new(&rules);
	unit_write(state, "in/b", "bb", 0600);
	unit_write(state, "in/a/x", "xxx", 0711);
	unit_write(state, "in/a/y", "", 0070);
	unit_write(state, "in/a.b", "1", 04644);
	unit_write(state, "in/a/\xc3\xa4", "u", 0644);
	assert_int_equal(chmod(unit_path(state, "in/a"), 02700), 0);
	assert_int_equal(symlink("../../outside", unit_path(state, "in/a/link")), 0);
	assert_int_equal(symlink("in", unit_path(state, "entry")), 0);
	assert_int_equal(link(unit_path(state, "in/b"), unit_path(state, "in/hard")), 0);
	unit_ok(uni_tree_add_folder(tree, ".", unit_path(state, "entry"), &rules, &err), &err);
	char *listing UNI_AUTO_FREE = unit_listing(tree);
	assert_string_equal(listing, "d 0755 0 .\n"
				     "d 0755 0 a\n"
				     "l 0777 0 a/link -> ../../outside\n"
				     "f 0755 3 a/x\n"
				     "f 0644 0 a/y\n"
				     "f 0644 1 a/\xc3\xa4\n"
				     "f 0644 1 a.b\n"
				     "f 0644 2 b\n"
				     "f 0644 2 hard\n");
	assert_int_equal(uni_tree_bytes(tree), 9);
	struct uni_tree_entry entry;
	assert_int_equal(uni_tree_find(tree, "a/x", &entry), 1);
	assert_int_equal(entry.meta.mtime, 7);
	assert_int_equal(uni_tree_find(tree, "a/z", &entry), 0);
	assert_int_equal(uni_tree_find(tree, "a/x/y", &entry), 0);
	assert_int_equal(uni_tree_find(tree, ".", &entry), 1);
}

static void modes_can_be_given(void **state)
{
	struct uni_err err = UNI_ERR_INIT;
	static const struct uni_tree_rules strict = { .file_mode = 0440, .dir_mode = 0550 };
	struct uni_tree *tree UNI_AUTO(uni_tree) = uni_tree_new(&rules);
	unit_write(state, "in/d/f", "", 0755);
	unit_ok(uni_tree_add_folder(tree, "at/place", unit_path(state, "in"), &strict, &err), &err);
	char *listing UNI_AUTO_FREE = unit_listing(tree);
	assert_string_equal(listing, "d 0755 0 .\n"
				     "d 0755 0 at\n"
				     "d 0550 0 at/place\n"
				     "d 0550 0 at/place/d\n"
				     "f 0440 0 at/place/d/f\n");
}

/* What archives do: any order, folders after what is in them, the same again. */
static void any_order(void **state)
{
	struct uni_err err = UNI_ERR_INIT;
	struct uni_tree *sorted UNI_AUTO(uni_tree) = uni_tree_new(&rules);
	struct uni_tree *mixed UNI_AUTO(uni_tree) = uni_tree_new(&rules);
	const unsigned count = 40;
	char path[32];

	(void)state;
	for (unsigned i = 0; i < count; i++) {
		snprintf(path, sizeof(path), "d%u/f%02u", i / 20, i % 20);
		unit_ok(uni_tree_add_data(sorted, path, path, i % 3, &rules, &err), &err);
	}
	for (unsigned round = 0; round < 2; round++)
		for (unsigned n = 0; n < count; n++) {
			unsigned i = n * 23 % count;
			struct uni_tree_entry entry;

			snprintf(path, sizeof(path), "d%u/f%02u", i / 20, i % 20);
			unit_ok(uni_tree_add_data(mixed, path, path, round != 0 ? i % 3 : 1, &rules,
						  &err),
				&err);
			assert_int_equal(uni_tree_find(mixed, path, &entry), 1);
			assert_int_equal(entry.meta.size, round != 0 ? i % 3 : 1);
			assert_int_equal(uni_tree_find(mixed, "d0/f", &entry), 0);
		}
	unit_ok(uni_tree_add_dir(mixed, "d1", &rules, &err), &err);
	assert_int_equal(uni_tree_bytes(mixed), uni_tree_bytes(sorted));
	char *wanted UNI_AUTO_FREE = unit_listing(sorted);
	char *listing UNI_AUTO_FREE = unit_listing(mixed);
	assert_string_equal(listing, wanted);
	/* And once more behind what is sorted now. */
	unit_ok(uni_tree_add_data(mixed, "d0/f05", "other", 5, &rules, &err), &err);
	unit_ok(uni_tree_add_data(sorted, "d0/f05", "other", 5, &rules, &err), &err);
	unit_ok(uni_tree_add_data(mixed, "d0/a", "", 0, &rules, &err), &err);
	unit_ok(uni_tree_add_data(sorted, "d0/a", "", 0, &rules, &err), &err);
	char *wanted_then UNI_AUTO_FREE = unit_listing(sorted);
	char *listing_then UNI_AUTO_FREE = unit_listing(mixed);
	assert_string_equal(listing_then, wanted_then);
}

/* Backwards, each in front of all that are there: no place is made for it among them. */
static void many_backwards(void **state)
{
	struct uni_err err = UNI_ERR_INIT;
	struct uni_tree *tree UNI_AUTO(uni_tree) = uni_tree_new(&rules);
	struct uni_tree_entry entry;
	char path[32];

	(void)state;
	for (unsigned i = 300000; i-- != 0;) {
		snprintf(path, sizeof(path), "d/f%06u", i);
		unit_ok(uni_tree_add_symlink(tree, path, "x", &rules, &err), &err);
	}
	char *listing UNI_AUTO_FREE = unit_listing(tree);
	assert_non_null(strstr(listing, "d/f000000 -> x\nl 0777 0 d/f000001 -> x\n"));
	assert_int_equal(uni_tree_find(tree, "d/f299999", &entry), 1);
}

static void overlays(void **state)
{
	struct uni_err err = UNI_ERR_INIT;
	struct uni_tree *tree UNI_AUTO(uni_tree) = uni_tree_new(&rules);
	unit_write(state, "one/d/f", "one", 0644);
	unit_write(state, "one/d/keep", "k", 0644);
	unit_write(state, "two/d/f", "second", 0755);
	unit_write(state, "two/d/new/g", "g", 0644);
	unit_write(state, "single", "single", 0644);
	unit_ok(uni_tree_add_folder(tree, "/", unit_path(state, "one"), &rules, &err), &err);
	unit_ok(uni_tree_add_folder(tree, "", unit_path(state, "two"), &rules, &err), &err);
	unit_ok(uni_tree_add_data(tree, "/etc/hosts", "h", 1, &rules, &err), &err);
	unit_ok(uni_tree_add_symlink(tree, "d/link", "f", &rules, &err), &err);
	unit_ok(uni_tree_add_file(tree, "./d//keep", unit_path(state, "single"), NULL, &rules,
				  &err),
		&err);
	unit_ok(uni_tree_add_dir(tree, "tmp", &(struct uni_tree_rules){ .dir_mode = 01777 }, &err),
		&err);
	char *listing UNI_AUTO_FREE = unit_listing(tree);
	assert_string_equal(listing, "d 0755 0 .\n"
				     "d 0755 0 d\n"
				     "f 0755 6 d/f\n"
				     "f 0644 6 d/keep\n"
				     "l 0777 0 d/link -> f\n"
				     "d 0755 0 d/new\n"
				     "f 0644 1 d/new/g\n"
				     "d 0755 0 etc\n"
				     "f 0644 1 etc/hosts\n"
				     "d 1777 0 tmp\n");
	assert_int_equal(uni_tree_bytes(tree), 14);
	/* A folder in place of something else, and the other way round. */
	assert_int_equal(uni_tree_add_data(tree, "d", "x", 1, &rules, &err), UNI_E_EXIST);
	assert_int_equal(uni_tree_add_data(tree, ".", "x", 1, &rules, &err), UNI_E_EXIST);
	assert_int_equal(uni_tree_add_dir(tree, "d/f", &rules, &err), UNI_E_EXIST);
	assert_int_equal(uni_tree_add_data(tree, "d/f/x", "x", 1, &rules, &err), UNI_E_EXIST);
	assert_int_equal(uni_tree_add_data(tree, "d/link/x", "x", 1, &rules, &err), UNI_E_EXIST);
	assert_int_equal(uni_tree_add_folder(tree, "d/f", unit_path(state, "two"), &rules, &err),
			 UNI_E_EXIST);
}

static void paths_are_checked(void **state)
{
	struct uni_err err = UNI_ERR_INIT;
	struct uni_tree *tree UNI_AUTO(uni_tree) = uni_tree_new(&rules);
	char longer[400];
	memset(longer, 'n', sizeof(longer));
	longer[256] = '\0';
	assert_int_equal(uni_tree_add_data(tree, "..", "", 0, &rules, &err), UNI_E_INVAL);
	assert_int_equal(uni_tree_add_data(tree, "/../x", "", 0, &rules, &err), UNI_E_INVAL);
	assert_int_equal(uni_tree_add_data(tree, "a/../../x", "", 0, &rules, &err), UNI_E_INVAL);
	assert_int_equal(uni_tree_add_data(tree, "\xff", "", 0, &rules, &err), UNI_E_INVAL);
	assert_int_equal(uni_tree_add_data(tree, longer, "", 0, &rules, &err), UNI_E_LIMIT);
	assert_int_equal(uni_tree_add_symlink(tree, "l", "", &rules, &err), UNI_E_INVAL);
	assert_int_equal(uni_tree_add_file(tree, "f", unit_path(state, "none"), NULL, &rules, &err),
			 UNI_E_NOENT);
	assert_int_equal(uni_tree_add_file(tree, "f", *state, NULL, &rules, &err), UNI_E_INVAL);
	assert_int_equal(uni_tree_add_folder(tree, "f", unit_path(state, "none"), &rules, &err),
			 UNI_E_NOENT);
	assert_int_equal(symlink("loop", unit_path(state, "loop")), 0);
	assert_int_equal(uni_tree_add_file(tree, "f", unit_path(state, "loop"), NULL, &rules, &err),
			 UNI_E_INVAL);
	assert_int_equal(uni_tree_add_folder(tree, "f", unit_path(state, "loop"), &rules, &err),
			 UNI_E_INVAL);
	struct uni_tree_entry entry;
	assert_int_equal(uni_tree_find(tree, "f", &entry), 0);
}

/* Adds the test's folder "in" to a tree of its own. */
static int try(void **state, struct uni_err *err)
{
	struct uni_tree *tree UNI_AUTO(uni_tree) = uni_tree_new(&rules);
	return uni_tree_add_folder(tree, ".", unit_path(state, "in"), &rules, err);
}

static void folder_refuses(void **state)
{
	struct uni_err err = UNI_ERR_INIT;
	unit_write(state, "in/d/f", "", 0644);
	assert_int_equal(mkfifo(unit_path(state, "in/d/fifo"), 0600), 0);
	assert_int_equal(try(state, &err), UNI_E_UNSUPPORTED);
	char *wanted UNI_AUTO_FREE =
		uni_asprintf("%s/in/d/fifo is a device, socket or FIFO", (const char *)*state);
	assert_string_equal(err.text, wanted);
	assert_int_equal(unlink(unit_path(state, "in/d/fifo")), 0);
	assert_int_equal(try(state, &err), 0);
	unit_write(state, "in/d/bad\xffname", "", 0644);
	assert_int_equal(try(state, &err), UNI_E_INVAL);
	char *bad UNI_AUTO_FREE = uni_asprintf("%s/in/d/bad\\xffname has a name that is not UTF-8",
					       (const char *)*state);
	assert_string_equal(err.text, bad);
	assert_int_equal(unlink(unit_path(state, "in/d/bad\xffname")), 0);
	assert_int_equal(symlink("\xff", unit_path(state, "in/link")), 0);
	assert_int_equal(try(state, &err), UNI_E_INVAL);
	char *link UNI_AUTO_FREE = uni_asprintf("%s/in/link is a link whose target is not UTF-8",
						(const char *)*state);
	assert_string_equal(err.text, link);
	assert_int_equal(unlink(unit_path(state, "in/link")), 0);
}

/* Which folder on this machine it was, not which one inside of it. */
static void folder_that_is_closed_is_named(void **state)
{
	struct uni_err err = UNI_ERR_INIT;
	uid_t user = geteuid();
	char *wanted UNI_AUTO_FREE =
		uni_asprintf("cannot open folder %s/in/d: Permission denied", (const char *)*state);
	assert_int_equal(chmod(*state, 0755), 0);
	unit_write(state, "in/d/f", "", 0644);
	assert_int_equal(chmod(unit_path(state, "in/d"), 0), 0);
	assert_int_equal(seteuid(user != 0 ? user : 65534), 0); /* for root nothing is forbidden */
	int rc = try(state, &err);
	assert_int_equal(seteuid(user), 0);
	assert_int_equal(chmod(unit_path(state, "in/d"), 0755), 0);
	assert_int_equal(rc, UNI_E_DENIED);
	assert_string_equal(err.text, wanted);
}

static void depth_is_bounded(void **state)
{
	struct uni_err err = UNI_ERR_INIT;
	assert_int_equal(mkdir(unit_path(state, "in"), 0755), 0);
	int fd = open(unit_path(state, "in"), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	for (int i = 0; i < UNI_TREE_DEPTH_MAX; i++) {
		assert_int_equal(mkdirat(fd, "d", 0755), 0);
		int below = openat(fd, "d", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		close(fd);
		fd = below;
	}
	assert_int_equal(try(state, &err), 0);
	assert_int_equal(mkdirat(fd, "d", 0755), 0);
	assert_int_equal(try(state, &err), UNI_E_LIMIT);
	close(fd);
}

/* The same tree whatever made it and in whatever order. */
static void many_entries(void **state)
{
	struct uni_err err = UNI_ERR_INIT;
	struct uni_tree *walked UNI_AUTO(uni_tree) = uni_tree_new(&rules);
	struct uni_tree *added UNI_AUTO(uni_tree) = uni_tree_new(&rules);
	struct uni_digest one, two;
	char name[64];
	for (unsigned i = 0; i < 1000; i++) {
		unsigned mixed = i * 1237 % 1000;
		snprintf(name, sizeof(name), "in/d%u/e%u/f%u", mixed % 50, mixed % 7, mixed);
		unit_write(state, name, name, 0644);
		unit_ok(uni_tree_add_data(added, name + 3, name, strlen(name), &rules, &err), &err);
	}
	unit_ok(uni_tree_add_folder(walked, ".", unit_path(state, "in"), &rules, &err), &err);
	char *first UNI_AUTO_FREE = unit_listing(walked);
	char *second UNI_AUTO_FREE = unit_listing(added);
	assert_string_equal(first, second);
	for (unsigned threads = 1; threads < 4; threads++) {
		unit_ok(uni_tree_digest(walked, NULL, threads, &one, &err), &err);
		unit_ok(uni_tree_digest(added, NULL, threads, &two, &err), &err);
		assert_true(uni_digest_eq(&one, &two));
	}
	/* Each entry comes behind the one before. */
	const char *last = "";
	for (char *line = strtok(first, "\n"); line != NULL; line = strtok(NULL, "\n")) {
		const char *path = strrchr(line, ' ') + 1;
		assert_true(uni_tree_path_cmp(last, path) < 0 || uni_str_eq(path, "."));
		last = uni_str_eq(path, ".") ? "" : path;
	}
}

int unit_tree(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(order_of_paths),
		cmocka_unit_test(any_order),
		cmocka_unit_test(many_backwards),
		DIR_TEST(folder_is_normalised),
		DIR_TEST(modes_can_be_given),
		DIR_TEST(overlays),
		DIR_TEST(paths_are_checked),
		DIR_TEST(folder_refuses),
		DIR_TEST(folder_that_is_closed_is_named),
		DIR_TEST(depth_is_bounded),
		DIR_TEST(many_entries),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
