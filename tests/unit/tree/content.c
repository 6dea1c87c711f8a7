/*
 * Content: the tar stream, digests, and files that change while they are read.
 */
#include "unit.h"
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <uni/base/mapdigest.h>
#include <unistd.h>

#define LIMIT (64u << 20)

static const struct uni_tree_rules rules = { .mtime = 7 };

static struct uni_tree *tree_of(void **state)
{
	struct uni_err err = UNI_ERR_INIT;
	struct uni_tree *tree = uni_tree_new(&rules);
	unit_ok(uni_tree_add_folder(tree, ".", unit_path(state, "in"), &rules, &err), &err);
	return tree;
}

static int tar_of(const struct uni_tree *tree, struct uni_buf *out, struct uni_digest *digest,
		  struct uni_err *err)
{
	struct uni_sink *sink UNI_AUTO(uni_sink) = uni_sink_to_buf(out, LIMIT);
	int rc = uni_tree_write_tar(tree, sink, digest, err);
	return rc != 0 ? rc : uni_sink_finish(sink, err);
}

static void tar_and_digest_agree(void **state)
{
	struct uni_err err = UNI_ERR_INIT;
	struct uni_digest by_tar, by_reading;
	struct uni_buf one UNI_AUTO_BUF = UNI_BUF_INIT;
	struct uni_buf two UNI_AUTO_BUF = UNI_BUF_INIT;
	struct uni_buf big UNI_AUTO_BUF = UNI_BUF_INIT;
	for (unsigned i = 0; i < 50000; i++)
		uni_buf_printf(&big, "%u\n", i);
	unit_write(state, "in/d/f", "content", 0644);
	unit_write(state, "in/empty", "", 0755);
	unit_write(state, "in/d/big", big.data, 0644);
	struct uni_tree *first UNI_AUTO(uni_tree) = tree_of(state);
	struct uni_tree *second UNI_AUTO(uni_tree) = tree_of(state);
	unit_ok(tar_of(first, &one, &by_tar, &err), &err);
	unit_ok(uni_tree_digest(second, NULL, 0, &by_reading, &err), &err);
	assert_true(uni_digest_eq(&by_tar, &by_reading));
	unit_ok(tar_of(second, &two, &by_reading, &err), &err);
	assert_true(uni_digest_eq(&by_tar, &by_reading));
	assert_int_equal(one.size, two.size);
	assert_memory_equal(one.data, two.data, one.size);
	/* . d big f empty, and the end */
	assert_int_equal(one.size, 512 * (5 + (big.size + 511) / 512 + 1 + 2));
	struct uni_tree_entry entry;
	assert_int_equal(uni_tree_find(first, "d/f", &entry), 1);
	struct uni_digest wanted = uni_digest_of("content", 7);
	assert_true(uni_digest_eq(entry.digest, &wanted));
}

/* Whatever is part of the tree moves the digest; what is not does not. */
static void digest_covers_everything(void **state)
{
	struct uni_err err = UNI_ERR_INIT;
	static const struct uni_tree_rules later = { .mtime = 8 };
	static const struct uni_tree_rules run = { .mtime = 7, .file_mode = 0755 };
	struct uni_digest digests[8];
	for (unsigned i = 0; i < UNI_COUNT(digests); i++) {
		struct uni_tree *tree UNI_AUTO(uni_tree) = uni_tree_new(&rules);
		unit_ok(uni_tree_add_data(tree, i == 1 ? "g" : "f", i == 2 ? "y" : "x",
					  i == 3 ? 0 : 1,
					  i == 4   ? &later
					  : i == 5 ? &run
						   : &rules,
					  &err),
			&err);
		unit_ok(uni_tree_add_symlink(tree, "l", i == 6 ? "u" : "t", &rules, &err), &err);
		if (i == 7)
			unit_ok(uni_tree_add_dir(tree, "d", &rules, &err), &err);
		unit_ok(uni_tree_digest(tree, NULL, 1, &digests[i], &err), &err);
		for (unsigned j = 0; j < i; j++)
			assert_false(uni_digest_eq(&digests[i], &digests[j]));
	}
	unit_write(state, "x", "x", 0600);
	struct uni_tree *tree UNI_AUTO(uni_tree) = uni_tree_new(&rules);
	struct uni_digest other;
	unit_ok(uni_tree_add_symlink(tree, "l", "t", &rules, &err), &err);
	unit_ok(uni_tree_add_file(tree, "f", unit_path(state, "x"), NULL, &rules, &err), &err);
	unit_ok(uni_tree_digest(tree, NULL, 1, &other, &err), &err);
	assert_true(uni_digest_eq(&other, &digests[0]));
}

static void assert_changed(void **state, const struct uni_tree *tree, const char *name)
{
	struct uni_err err = UNI_ERR_INIT;
	struct uni_buf out UNI_AUTO_BUF = UNI_BUF_INIT;
	struct uni_digest digest;
	assert_int_equal(tar_of(tree, &out, &digest, &err), UNI_E_CHANGED);
	char *wanted UNI_AUTO_FREE =
		uni_asprintf("%s/%s changed while it was read", (const char *)*state, name);
	assert_string_equal(err.text, wanted);
}

static void change_is_found(void **state)
{
	for (int i = 0; i < 6; i++) {
		unit_write(state, "in/d/f", "old", 0644);
		struct uni_tree *tree UNI_AUTO(uni_tree) = tree_of(state);
		const char *path = unit_path(state, "in/d/f");
		int fd;
		switch (i) {
		case 0: /* the same size, another file */
			unit_write(state, "in/d/f", "new", 0644);
			break;
		case 1: /* the same file, longer */
			fd = open(path, O_WRONLY | O_APPEND | O_CLOEXEC);
			assert_int_equal(write(fd, "x", 1), 1);
			close(fd);
			break;
		case 2: /* shorter */
			assert_int_equal(truncate(path, 1), 0);
			break;
		case 3: /* gone */
			assert_int_equal(unlink(path), 0);
			break;
		case 4: /* a link to its like */
			unit_write(state, "other", "old", 0644);
			assert_int_equal(unlink(path), 0);
			assert_int_equal(symlink("../../other", path), 0);
			break;
		default: /* its folder became a link */
			assert_int_equal(rename(unit_path(state, "in/d"), unit_path(state, "e")),
					 0);
			unit_write(state, "out/f", "old", 0644);
			assert_int_equal(symlink("../out", unit_path(state, "in/d")), 0);
			break;
		}
		assert_changed(state, tree, "in/d/f");
	}
}

struct meddler {
	const char *path;
	bool done;
};

/* Changes the file when its first bytes have been given. */
static int meddle(void *user, const void *data, size_t size, struct uni_err *err)
{
	(void)data;
	(void)size;
	(void)err;
	struct meddler *meddler = user;
	if (!meddler->done) {
		int fd = open(meddler->path, O_WRONLY | O_CLOEXEC);
		assert_int_equal(pwrite(fd, "y", 1, 150000), 1);
		close(fd);
	}
	meddler->done = true;
	return 0;
}

static void change_in_the_middle_is_found(void **state)
{
	struct uni_err err = UNI_ERR_INIT;
	struct uni_buf big UNI_AUTO_BUF = UNI_BUF_INIT;
	struct uni_tree_entry entry;
	while (big.size < 300000)
		uni_buf_puts(&big, "xxxxxxxxxx");
	unit_write(state, "in/big", big.data, 0644);
	usleep(20000); /* longer than the clock of file times takes to move on */
	struct uni_tree *tree UNI_AUTO(uni_tree) = tree_of(state);
	struct meddler meddler = { .path = unit_path(state, "in/big") };
	assert_int_equal(uni_tree_find(tree, "big", &entry), 1);
	assert_int_equal(uni_tree_content(tree, &entry, meddle, &meddler, &err), UNI_E_CHANGED);
	assert_int_equal(uni_tree_find(tree, "big", &entry), 1);
	assert_null(entry.digest);
}

static int refuse(void *user, const void *data, size_t size, struct uni_err *err)
{
	(void)user;
	(void)data;
	(void)size;
	return uni_err_set(err, UNI_E_NOSPACE, "no");
}

static void receiver_may_refuse(void **state)
{
	struct uni_err err = UNI_ERR_INIT;
	struct uni_tree_entry entry;
	unit_write(state, "in/f", "x", 0644);
	struct uni_tree *tree UNI_AUTO(uni_tree) = tree_of(state);
	assert_int_equal(uni_tree_find(tree, "f", &entry), 1);
	assert_int_equal(uni_tree_content(tree, &entry, refuse, NULL, &err), UNI_E_NOSPACE);
	assert_string_equal(err.text, "no");
	assert_int_equal(uni_tree_find(tree, ".", &entry), 1);
	assert_int_equal(uni_tree_content(tree, &entry, refuse, NULL, &err), UNI_E_INVAL);
}

enum { GAP = 3 << 20, TAIL = 5 << 20, PART = 100001 };

struct gathered {
	struct uni_buf bytes;
	uint64_t holes;
};

static int gather(void *user, const void *data, size_t size, struct uni_err *err)
{
	struct gathered *g = user;
	(void)err;
	uni_buf_add(&g->bytes, data, size);
	return 0;
}

static int gather_hole(void *user, uint64_t size, struct uni_err *err)
{
	static const char zeros[4096];
	struct gathered *g = user;
	g->holes += size;
	for (uint64_t left = size; left != 0;) {
		size_t part = left < sizeof(zeros) ? (size_t)left : sizeof(zeros);
		(void)gather(g, zeros, part, err);
		left -= part;
	}
	return 0;
}

/* A hole, a part with something in it, a hole. */
static void write_sparse(const char *path, uint64_t size)
{
	char part[PART];
	int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
	memset(part, 'x', sizeof(part));
	assert_int_equal(pwrite(fd, part, sizeof(part), GAP + 7), sizeof(part));
	assert_int_equal(ftruncate(fd, (off_t)size), 0);
	close(fd);
}

/* Where a file has holes shows to who asks for them, and in nothing else. */
static void holes_are_zeros(void **state)
{
	struct uni_err err = UNI_ERR_INIT;
	struct gathered told = { .bytes = UNI_BUF_INIT }, plain = { .bytes = UNI_BUF_INIT };
	struct uni_tree_entry entry;
	struct uni_tree_data data;
	bool exceeds;
	unit_write(state, "in/other", "", 0644);
	write_sparse(unit_path(state, "in/sparse"), TAIL);
	struct uni_tree *tree UNI_AUTO(uni_tree) = tree_of(state);
	struct uni_tree *again UNI_AUTO(uni_tree) = tree_of(state);
	assert_int_equal(uni_tree_find(again, "sparse", &entry), 1);
	unit_ok(uni_tree_content(again, &entry, gather, &plain, &err), &err);
	assert_int_equal(uni_tree_find(tree, "sparse", &entry), 1);
	unit_ok(uni_tree_data(&entry, &data, &err), &err);
	unit_ok(uni_tree_content_sparse(tree, &entry, gather, gather_hole, &told, &err), &err);
	assert_int_equal(told.bytes.size, TAIL);
	assert_memory_equal(told.bytes.data, plain.bytes.data, TAIL);
	assert_int_equal(told.bytes.data[GAP + 6], 0);
	assert_int_equal(told.bytes.data[GAP + 7 + PART - 1], 'x');
	struct uni_digest wanted = uni_digest_of(plain.bytes.data, plain.bytes.size);
	assert_int_equal(uni_tree_find(tree, "sparse", &entry), 1);
	assert_true(uni_digest_eq(entry.digest, &wanted));
	assert_int_equal(data.bytes + told.holes, TAIL);
	assert_true(data.bytes >= PART);
	unit_ok(uni_tree_data_exceeds(tree, data.bytes, &exceeds, &err), &err);
	assert_false(exceeds);
	unit_ok(uni_tree_data_exceeds(tree, data.bytes - 1, &exceeds, &err), &err);
	assert_true(exceeds);
	uni_buf_free(&told.bytes);
	uni_buf_free(&plain.bytes);
}

static int count_hole(void *user, uint64_t size, struct uni_err *err)
{
	(void)err;
	*(uint64_t *)user += size;
	return 0;
}

static int count_data(void *user, const void *data, size_t size, struct uni_err *err)
{
	(void)data;
	return count_hole(user, size, err);
}

/* Terabytes of holes: no byte of them is looked at, and what is known is the digest of the map. */
static void huge_is_mapped(void **state)
{
	struct uni_err err = UNI_ERR_INIT;
	const uint64_t huge = UINT64_C(3) << 40;
	struct uni_tree_entry entry;
	struct uni_digest by_file, by_tree;
	uint64_t size = 0;
	bool mapped;
	unit_write(state, "in/other", "", 0644);
	write_sparse(unit_path(state, "in/huge"), huge);
	struct uni_tree *tree UNI_AUTO(uni_tree) = tree_of(state);
	assert_int_equal(uni_tree_find(tree, "huge", &entry), 1);
	unit_ok(uni_tree_content_sparse(tree, &entry, count_data, count_hole, &size, &err), &err);
	assert_int_equal(size, huge);
	assert_int_equal(uni_tree_find(tree, "huge", &entry), 1);
	unit_ok(uni_content_digest_file(unit_path(state, "in/huge"), NULL, &by_file, &mapped, &err),
		&err);
	assert_true(mapped && uni_digest_eq(entry.digest, &by_file));
	struct uni_tree *hashed UNI_AUTO(uni_tree) = tree_of(state);
	unit_ok(uni_tree_digest(hashed, NULL, 1, &by_tree, &err), &err);
	assert_int_equal(uni_tree_find(hashed, "huge", &entry), 1);
	assert_true(uni_digest_eq(entry.digest, &by_file));
}

int unit_content(void)
{
	const struct CMUnitTest tests[] = {
		DIR_TEST(tar_and_digest_agree), DIR_TEST(digest_covers_everything),
		DIR_TEST(change_is_found),	DIR_TEST(change_in_the_middle_is_found),
		DIR_TEST(receiver_may_refuse),	DIR_TEST(holes_are_zeros),
		DIR_TEST(huge_is_mapped),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
