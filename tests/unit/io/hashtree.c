/*
 * dm-verity hash trees, judged by veritysetup, and damage found by our own check.
 */
#include "unit.h"
#include <fcntl.h>
#include <string.h>
#include <uni/base/process.h>
#include <uni/io/hashtree.h>
#include <unistd.h>

#define BLOCK 4096u

/* A file of `blocks` blocks, each with its own content. */
static int make_data(void **state, uint64_t blocks)
{
	struct uni_err err = UNI_ERR_INIT;
	uint8_t block[BLOCK];
	int fd = open(unit_path(state, "data"), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	for (uint64_t i = 0; i < blocks; i++) {
		memset(block, (int)(i % 251), sizeof(block));
		memcpy(block, &i, sizeof(i));
		assert_int_equal(uni_write_full(fd, block, sizeof(block), "data", &err), 0);
	}
	return fd;
}

static struct uni_hashtree tree_of(int fd, uint64_t blocks)
{
	struct uni_hashtree tree = {
		.data_fd = fd,
		.data_blocks = blocks,
		.hash_fd = fd,
		.hash_offset = blocks * BLOCK,
		.salt_size = 32,
		.name = "volume",
	};
	for (unsigned i = 0; i < 32; i++)
		tree.salt[i] = (uint8_t)(i + 1);
	memset(tree.uuid.bytes, 0x5a, sizeof(tree.uuid.bytes));
	return tree;
}

static int veritysetup(void **state, const struct uni_hashtree *tree, const uint8_t *root,
		       struct uni_err *err)
{
	char root_text[65];
	uni_hex(root, 32, root_text);
	char *offset UNI_AUTO_FREE =
		uni_asprintf("--hash-offset=%llu", (unsigned long long)tree->hash_offset);
	const char *const argv[] = {
		"/usr/sbin/veritysetup", "verify", "data", "data", root_text, offset, NULL
	};
	return uni_process_run(argv, *state, NULL, NULL, 0, err);
}

static void veritysetup_accepts(void **state)
{
	static const uint64_t sizes[] = { 1, 2, 127, 128, 129, 300, 128 * 128, 128 * 128 + 1 };
	for (size_t i = 0; i < UNI_COUNT(sizes); i++) {
		struct uni_err err = UNI_ERR_INIT;
		int fd UNI_AUTO_CLOSE = make_data(state, sizes[i]);
		struct uni_hashtree tree = tree_of(fd, sizes[i]);
		struct uni_hash whole;
		struct uni_digest digest, wanted;
		uint8_t root[UNI_VERITY_DIGEST];
		uint8_t other[UNI_VERITY_DIGEST];
		uint64_t size;
		uni_hash_start(&whole);
		assert_int_equal(uni_hashtree_make(&tree, root, &whole, &err), 0);
		digest = uni_hash_end(&whole);
		assert_int_equal(uni_digest_fd(fd, &size, &wanted, "data", &err), 0);
		assert_true(uni_digest_eq(&digest, &wanted));
		uint64_t hashes;
		assert_int_equal(uni_hashtree_size(sizes[i], &hashes, &err), 0);
		assert_int_equal(size, sizes[i] * BLOCK + hashes);
		if (veritysetup(state, &tree, root, &err) != 0)
			fail_msg("%llu blocks: %s", (unsigned long long)sizes[i], err.text);
		assert_int_equal(uni_hashtree_verify(&tree, root, &err), 0);
		/* The same on one thread and on many. */
		for (unsigned threads = 1; threads < 6; threads += 2) {
			tree.threads = threads;
			assert_int_equal(uni_hashtree_make(&tree, other, NULL, &err), 0);
			assert_memory_equal(root, other, sizeof(root));
			assert_int_equal(uni_digest_fd(fd, NULL, &digest, "data", &err), 0);
			assert_true(uni_digest_eq(&digest, &wanted));
		}
	}
}

static void flip(int fd, uint64_t offset)
{
	struct uni_err err = UNI_ERR_INIT;
	uint8_t byte;
	assert_int_equal(uni_pread_full(fd, &byte, 1, offset, "data", &err), 0);
	byte ^= 0x10;
	assert_int_equal(uni_pwrite_full(fd, &byte, 1, offset, "data", &err), 0);
}

static void damage_is_named(void **state)
{
	static const struct {
		uint64_t offset; /* of 300 blocks: data, superblock, top, three blocks of digests */
		const char *text;
	} cases[] = {
		{ 0, "volume: data block 0 is not what its hash says" },
		{ 299 * BLOCK + 4095, "volume: data block 299 is not what its hash says" },
		{ 300 * BLOCK + 16, "volume: the hash tree's superblock is not as expected" },
		{ 300 * BLOCK + 4000, "volume: the hash tree's superblock is not as expected" },
		{ 301 * BLOCK, "volume: the root hash differs" },
		{ 303 * BLOCK + 5, "volume: block 1 of hash level 0 is not what its hash says" },
	};
	struct uni_err err = UNI_ERR_INIT;
	uint8_t root[UNI_VERITY_DIGEST];
	int fd UNI_AUTO_CLOSE = make_data(state, 300);
	struct uni_hashtree tree = tree_of(fd, 300);
	assert_int_equal(uni_hashtree_make(&tree, root, NULL, &err), 0);
	for (size_t i = 0; i < UNI_COUNT(cases); i++) {
		flip(fd, cases[i].offset);
		assert_int_equal(uni_hashtree_verify(&tree, root, &err), UNI_E_CORRUPT);
		assert_string_equal(err.text, cases[i].text);
		flip(fd, cases[i].offset);
	}
	assert_int_equal(uni_hashtree_verify(&tree, root, &err), 0);
	assert_int_equal(ftruncate(fd, 303 * BLOCK), 0);
	assert_int_equal(uni_hashtree_verify(&tree, root, &err), UNI_E_CORRUPT);
}

static void shapes_are_checked(void **state)
{
	struct uni_err err = UNI_ERR_INIT;
	uint8_t root[UNI_VERITY_DIGEST];
	uint64_t size;
	assert_int_equal(uni_hashtree_size(0, &size, &err), UNI_E_INVAL);
	assert_int_equal(uni_hashtree_size(UINT64_MAX, &size, &err), UNI_E_LIMIT);
	assert_int_equal(uni_hashtree_size(1, &size, &err), 0);
	assert_int_equal(size, BLOCK);
	assert_int_equal(uni_hashtree_size(129, &size, &err), 0);
	assert_int_equal(size, 4 * BLOCK);
	int fd UNI_AUTO_CLOSE = make_data(state, 2);
	struct uni_hashtree tree = tree_of(fd, 2);
	tree.salt_size = 257;
	assert_int_equal(uni_hashtree_make(&tree, root, NULL, &err), UNI_E_LIMIT);
	tree.salt_size = 0;
	tree.hash_offset = 100;
	assert_int_equal(uni_hashtree_make(&tree, root, NULL, &err), UNI_E_LIMIT);
	/* Data and hashes in files of their own, without salt. */
	tree.hash_offset = 0;
	int hashes UNI_AUTO_CLOSE =
		open(unit_path(state, "hashes"), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	tree.hash_fd = hashes;
	assert_int_equal(uni_hashtree_make(&tree, root, NULL, &err), 0);
	char root_text[65];
	uni_hex(root, 32, root_text);
	const char *const argv[] = {
		"/usr/sbin/veritysetup", "verify", "data", "hashes", root_text, NULL
	};
	assert_int_equal(uni_process_run(argv, *state, NULL, NULL, 0, &err), 0);
}

int unit_hashtree(void)
{
	const struct CMUnitTest tests[] = {
		DIR_TEST(veritysetup_accepts),
		DIR_TEST(damage_is_named),
		DIR_TEST(shapes_are_checked),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
