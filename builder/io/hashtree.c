/*
 * dm-verity hash trees. Each level is made from the one below it, which already lies in the file,
 * so memory stays small; the pieces of a level are hashed in parallel, each writing its own place.
 */
#include <endian.h>
#include <string.h>
#include <uni/base/file.h>
#include <uni/base/pool.h>
#include <uni/base/system.h>
#include <uni/io/hashtree.h>

#define BLOCK ((uint64_t)UNI_VERITY_BLOCK)
#define PIECE UNI_VERITY_PER_BLOCK /* blocks that fill one hash block */
#define PIECES 2u		   /* in one item of work: 1 MiB of data */

int uni_hashtree_shape_of(uint64_t data_blocks, uint64_t hash_offset,
			  struct uni_hashtree_shape *shape, struct uni_err *err)
{
	*shape = (struct uni_hashtree_shape){ .levels = 0 };
	if (data_blocks == 0)
		return uni_err_set(err, UNI_E_INVAL, "a hash tree needs at least one block");
	if (data_blocks > INT64_MAX / BLOCK / 2 || hash_offset > INT64_MAX / 2 ||
	    hash_offset % BLOCK != 0)
		return uni_err_set(err, UNI_E_LIMIT, "a hash tree too large or out of place");
	uint64_t total = 1;
	for (uint64_t blocks = data_blocks; blocks > 1;) {
		blocks = (blocks + PIECE - 1) / PIECE;
		total += blocks;
		shape->level[shape->levels++].blocks = blocks;
	}
	shape->size = total * BLOCK;
	/* The highest level comes first. */
	uint64_t at = hash_offset + BLOCK;
	for (unsigned i = shape->levels; i-- > 0;) {
		shape->level[i].offset = at;
		at += shape->level[i].blocks * BLOCK;
	}
	return 0;
}

int uni_hashtree_size(uint64_t data_blocks, uint64_t *size, struct uni_err *err)
{
	struct uni_hashtree_shape shape;
	int rc = uni_hashtree_shape_of(data_blocks, 0, &shape, err);
	*size = shape.size;
	return rc;
}

void uni_hashtree_superblock(const struct uni_hashtree *tree, uint8_t block[UNI_VERITY_BLOCK])
{
	struct uni_verity_superblock super = {
		.magic = UNI_VERITY_MAGIC,
		.version = htole32(1),
		.hash_type = htole32(1),
		.algorithm = "sha256",
		.data_block_size = htole32(UNI_VERITY_BLOCK),
		.hash_block_size = htole32(UNI_VERITY_BLOCK),
		.data_blocks = htole64(tree->data_blocks),
		.salt_size = htole16((uint16_t)tree->salt_size),
	};
	memcpy(super.uuid, tree->uuid.bytes, sizeof(super.uuid));
	memcpy(super.salt, tree->salt, tree->salt_size);
	memset(block, 0, UNI_VERITY_BLOCK);
	memcpy(block, &super, sizeof(super));
}

/* One level's work: hashing `count` blocks at `from` into hash blocks at `to`. */
struct pass {
	const struct uni_hashtree *tree;
	struct uni_hash salted; /* the start that all digests share */
	int from_fd;
	uint64_t from, count, to;
	unsigned level; /* of `to` */
	bool verify;
	struct uni_hash *whole; /* NULL, or fed with all data, as item 0 */
};

static void hash_block(const struct pass *pass, const uint8_t *block, uint8_t *out)
{
	struct uni_hash hash = pass->salted;
	uni_hash_add(&hash, block, UNI_VERITY_BLOCK);
	struct uni_digest digest = uni_hash_end(&hash);
	memcpy(out, digest.bytes, sizeof(digest.bytes));
}

static int wrong_block(const struct pass *pass, uint64_t block, struct uni_err *err)
{
	if (pass->level == 0)
		return uni_err_set(err, UNI_E_CORRUPT,
				   "%s: data block %llu is not what its hash says",
				   pass->tree->name, (unsigned long long)block);
	return uni_err_set(err, UNI_E_CORRUPT,
			   "%s: block %llu of hash level %u is not what its hash says",
			   pass->tree->name, (unsigned long long)block, pass->level - 1);
}

static int compare(const struct pass *pass, uint64_t first, const uint8_t *made, uint64_t blocks,
		   struct uni_err *err)
{
	uint8_t stored[PIECES * UNI_VERITY_BLOCK];
	size_t size = (size_t)((blocks + PIECE - 1) / PIECE * BLOCK);
	int rc = uni_pread_full(pass->tree->hash_fd, stored, size, pass->to + first / PIECE * BLOCK,
				pass->tree->name, err);
	if (rc != 0)
		return rc;
	for (uint64_t i = 0; i < blocks; i++)
		if (memcmp(stored + i * UNI_VERITY_DIGEST, made + i * UNI_VERITY_DIGEST,
			   UNI_VERITY_DIGEST) != 0)
			return wrong_block(pass, first + i, err);
	if (memcmp(stored, made, size) != 0)
		return uni_err_set(err, UNI_E_CORRUPT, "%s: padding of hash level %u is not zero",
				   pass->tree->name, pass->level);
	return 0;
}

static int hash_item(const struct pass *pass, size_t item, struct uni_err *err)
{
	uint64_t first = (uint64_t)item * PIECES * PIECE;
	uint64_t left = pass->count - first;
	uint64_t blocks = left < PIECES * PIECE ? left : PIECES * PIECE;
	uint8_t made[PIECES * UNI_VERITY_BLOCK] = { 0 };
	uint8_t *data UNI_AUTO_FREE =
		uni_try_alloc(blocks * BLOCK, PIECES * PIECE * BLOCK, pass->tree->name, err);
	if (data == NULL)
		return err->code;
	int rc = uni_pread_full(pass->from_fd, data, (size_t)(blocks * BLOCK),
				pass->from + first * BLOCK, pass->tree->name, err);
	if (rc != 0)
		return rc;
	for (uint64_t i = 0; i < blocks; i++)
		hash_block(pass, data + i * BLOCK, made + i * UNI_VERITY_DIGEST);
	if (pass->verify)
		return compare(pass, first, made, blocks, err);
	return uni_pwrite_full(pass->tree->hash_fd, made,
			       (size_t)((blocks + PIECE - 1) / PIECE * BLOCK),
			       pass->to + first / PIECE * BLOCK, pass->tree->name, err);
}

static int hash_whole(int fd, uint64_t offset, uint64_t size, struct uni_hash *whole,
		      const char *name, struct uni_err *err)
{
	size_t room = 1u << 18;
	void *data UNI_AUTO_FREE = uni_alloc(room);
	while (size > 0) {
		size_t step = size < room ? (size_t)size : room;
		int rc = uni_check_cancel(err);
		if (rc == 0)
			rc = uni_pread_full(fd, data, step, offset, name, err);
		if (rc != 0)
			return rc;
		uni_hash_add(whole, data, step);
		offset += step;
		size -= step;
	}
	return 0;
}

/* A digest of everything cannot be split; it is one item, the first, beside all others. */
static int work(void *user, size_t index, struct uni_err *err)
{
	const struct pass *pass = user;
	if (pass->whole == NULL)
		return hash_item(pass, index, err);
	if (index == 0)
		return hash_whole(pass->from_fd, pass->from, pass->count * BLOCK, pass->whole,
				  pass->tree->name, err);
	return hash_item(pass, index - 1, err);
}

static int pass_run(struct pass *pass, struct uni_err *err)
{
	size_t items = (size_t)((pass->count + PIECES * PIECE - 1) / (PIECES * PIECE));
	return uni_pool_run(items + (pass->whole != NULL), pass->tree->threads, work, pass, err);
}

static struct pass pass_of(const struct uni_hashtree *tree, const struct uni_hashtree_shape *shape,
			   unsigned level)
{
	struct pass pass = {
		.tree = tree,
		.from_fd = level == 0 ? tree->data_fd : tree->hash_fd,
		.from = level == 0 ? tree->data_offset : shape->level[level - 1].offset,
		.count = level == 0 ? tree->data_blocks : shape->level[level - 1].blocks,
		.to = shape->level[level].offset,
		.level = level,
	};
	uni_hash_start(&pass.salted);
	uni_hash_add(&pass.salted, tree->salt, tree->salt_size);
	return pass;
}

/* The digest of the one block at the top. */
static int root_of(const struct uni_hashtree *tree, const struct uni_hashtree_shape *shape,
		   uint8_t *root, struct uni_err *err)
{
	uint8_t block[UNI_VERITY_BLOCK];
	struct pass pass = pass_of(tree, shape, 0);
	int fd = shape->levels == 0 ? tree->data_fd : tree->hash_fd;
	uint64_t offset =
		shape->levels == 0 ? tree->data_offset : shape->level[shape->levels - 1].offset;
	int rc = uni_pread_full(fd, block, sizeof(block), offset, tree->name, err);
	if (rc == 0)
		hash_block(&pass, block, root);
	return rc;
}

static int check(const struct uni_hashtree *tree, struct uni_hashtree_shape *shape,
		 struct uni_err *err)
{
	if (tree->salt_size > UNI_HASHTREE_SALT_MAX)
		return uni_err_set(err, UNI_E_LIMIT, "%s: salt of %u bytes", tree->name,
				   tree->salt_size);
	return uni_hashtree_shape_of(tree->data_blocks, tree->hash_offset, shape, err);
}

int uni_hashtree_make(const struct uni_hashtree *tree, uint8_t root[UNI_VERITY_DIGEST],
		      struct uni_hash *whole, struct uni_err *err)
{
	struct uni_hashtree_shape shape;
	uint8_t super[UNI_VERITY_BLOCK];
	int rc = check(tree, &shape, err);
	if (rc != 0)
		return rc;
	uni_hashtree_superblock(tree, super);
	rc = uni_pwrite_full(tree->hash_fd, super, sizeof(super), tree->hash_offset, tree->name,
			     err);
	for (unsigned i = 0; rc == 0 && i < shape.levels; i++) {
		struct pass pass = pass_of(tree, &shape, i);
		pass.whole = i == 0 ? whole : NULL;
		rc = pass_run(&pass, err);
	}
	if (rc == 0 && whole != NULL && shape.levels == 0)
		rc = hash_whole(tree->data_fd, tree->data_offset, BLOCK, whole, tree->name, err);
	if (rc == 0 && whole != NULL)
		rc = hash_whole(tree->hash_fd, tree->hash_offset, shape.size, whole, tree->name,
				err);
	return rc != 0 ? rc : root_of(tree, &shape, root, err);
}

int uni_hashtree_verify(const struct uni_hashtree *tree, const uint8_t root[UNI_VERITY_DIGEST],
			struct uni_err *err)
{
	struct uni_hashtree_shape shape;
	uint8_t wanted[UNI_VERITY_BLOCK];
	uint8_t super[UNI_VERITY_BLOCK];
	uint8_t found[UNI_VERITY_DIGEST];
	int rc = check(tree, &shape, err);
	if (rc == 0)
		rc = uni_pread_full(tree->hash_fd, super, sizeof(super), tree->hash_offset,
				    tree->name, err);
	if (rc == 0)
		rc = root_of(tree, &shape, found, err);
	if (rc != 0)
		return rc;
	uni_hashtree_superblock(tree, wanted);
	if (memcmp(super, wanted, sizeof(super)) != 0)
		return uni_err_set(err, UNI_E_CORRUPT,
				   "%s: the hash tree's superblock is not as expected", tree->name);
	if (memcmp(root, found, sizeof(found)) != 0)
		return uni_err_set(err, UNI_E_CORRUPT, "%s: the root hash differs", tree->name);
	/* From the top: what a wrong hash says about the blocks below it means nothing. */
	for (unsigned i = shape.levels; rc == 0 && i-- > 0;) {
		struct pass pass = pass_of(tree, &shape, i);
		pass.verify = true;
		rc = pass_run(&pass, err);
	}
	return rc;
}
