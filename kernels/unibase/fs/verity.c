/*
 * dm-verity's hash tree (uni/abi/verity.h): a data block is good when its hash stands in a hash
 * block that is good itself, up to the root hash in the boot configuration. Hash blocks are checked
 * when they come into the page cache, as pages of an inode of their own, and are not looked at
 * again while they stay there.
 */
#include <uk/block.h>
#include <uk/log.h>
#include <uk/sha256.h>
#include <uni/abi/config.h>
#include <uni/abi/verity.h>

#include "fs.h"

enum { PER_BLOCK_SHIFT = 7, HEAD_MAX = 8 };
_Static_assert(1u << PER_BLOCK_SHIFT == UNI_VERITY_PER_BLOCK, "digests in a hash block");
_Static_assert(UNI_VERITY_BLOCK == UK_PAGE_SIZE, "a block is a page");

struct fs_verity {
	struct uk_block_dev *dev;
	uint64_t tree_start; /* bytes on the device */
	uint64_t data_blocks;
	unsigned levels;
	uint64_t level_start[UNI_VERITY_LEVELS_MAX]; /* in hash blocks; level 0 has data's hashes */
	uint64_t level_size[UNI_VERITY_LEVELS_MAX];
	uint8_t root[UNI_VERITY_DIGEST];
	struct uk_sha256 salted; /* the state behind the salt: every hash starts there */
	struct uk_inode *tree;	 /* whose pages are the hash blocks */
	uint8_t *head;		 /* while it is opened: the device's from the superblock on */
	size_t head_blocks;
	char name[32];
};

static void hash_block(const struct fs_verity *v, const void *data,
		       uint8_t digest[UNI_VERITY_DIGEST])
{
	struct uk_sha256 hash = v->salted;

	uk_sha256_add(&hash, data, UNI_VERITY_BLOCK);
	uk_sha256_end(&hash, digest);
}

/* Checks a block against entry `entry` of level `level`, or the root above the last level. */
static int check_against(struct fs_verity *v, unsigned level, uint64_t entry, const void *data,
			 bool *matches)
{
	uint8_t digest[UNI_VERITY_DIGEST];
	struct uk_page *page;
	int error;

	hash_block(v, data, digest);
	if (level == v->levels) {
		*matches = memcmp(digest, v->root, sizeof(digest)) == 0;
		return 0;
	}
	error = uk_cache_get(v->tree, v->level_start[level] + (entry >> PER_BLOCK_SHIFT), &page);
	if (error != 0)
		return error;
	*matches = memcmp(digest,
			  (const uint8_t *)uk_page_virt(page) +
				  (entry & (UNI_VERITY_PER_BLOCK - 1)) * UNI_VERITY_DIGEST,
			  sizeof(digest)) == 0;
	uk_page_put(page);
	return 0;
}

int fs_verity_check(struct fs_verity *v, uint64_t block, const void *data)
{
	bool matches = false;
	int error;

	if (block >= v->data_blocks)
		return -UK_EIO;
	error = check_against(v, 0, block, data, &matches);
	if (error == 0 && !matches) {
		uk_log(UK_LOG_ERROR, "volume %s: block %llu is damaged: it does not have its hash",
		       v->name, (unsigned long long)block);
		error = -UK_EIO;
	}
	return error;
}

static int read_block(struct fs_verity *v, uint64_t index, void *to)
{
	if (v->head == NULL || index + 1 >= v->head_blocks)
		return uk_block_read(v->dev, v->tree_start + index * UNI_VERITY_BLOCK, to,
				     UNI_VERITY_BLOCK);
	memcpy(to, v->head + (index + 1) * UNI_VERITY_BLOCK, UNI_VERITY_BLOCK);
	return 0;
}

/* A hash block from the device; its own hash stands one level up. */
static int tree_fill(struct uk_inode *inode, uint64_t index, uint64_t first, unsigned count)
{
	struct fs_verity *v = inode->data;
	struct uk_page *page = uk_page_alloc(0, false);
	bool matches = false;
	unsigned level = 0;
	int error;

	(void)first;
	(void)count;
	if (page == NULL)
		return -UK_ENOMEM;
	while (index < v->level_start[level])
		level++;
	error = read_block(v, index, uk_page_virt(page));
	if (error == 0)
		error = check_against(v, level + 1, index - v->level_start[level],
				      uk_page_virt(page), &matches);
	if (error == 0 && !matches) {
		uk_log(UK_LOG_ERROR, "volume %s: hash block %llu is damaged", v->name,
		       (unsigned long long)index);
		error = -UK_EIO;
	}
	if (error == 0)
		error = uk_cache_add(inode, index, page);
	uk_page_put(page);
	return error == -UK_EEXIST ? 0 : error;
}

static const struct uk_inode_ops tree_ops = { .fill = tree_fill };

/* The shape of the tree: the top level first on the device. False: no such tree exists. */
static bool lay_out(struct fs_verity *v)
{
	uint64_t size = v->data_blocks, start = 0;

	if (size == 0 || size > INT64_MAX / UNI_VERITY_BLOCK)
		return false;
	while (size > 1) {
		if (v->levels == UNI_VERITY_LEVELS_MAX)
			return false;
		size = (size + UNI_VERITY_PER_BLOCK - 1) >> PER_BLOCK_SHIFT;
		v->level_size[v->levels++] = size;
	}
	for (unsigned level = v->levels; level-- > 0; start += v->level_size[level])
		v->level_start[level] = start;
	return true;
}

bool fs_verity_super_is_sound(const struct uni_verity_superblock *s)
{
	return memcmp(s->magic, UNI_VERITY_MAGIC, sizeof(s->magic)) == 0 && s->version == 1 &&
	       s->hash_type == 1 && strncmp(s->algorithm, "sha256", sizeof(s->algorithm)) == 0 &&
	       s->data_block_size == UNI_VERITY_BLOCK && s->hash_block_size == UNI_VERITY_BLOCK &&
	       s->salt_size <= sizeof(s->salt);
}

int fs_verity_super_read(struct uk_block_dev *dev, uint64_t offset,
			 struct uni_verity_superblock *out)
{
	int error;

	if (offset % UNI_VERITY_BLOCK != 0 || offset > dev->size ||
	    dev->size - offset < UNI_VERITY_BLOCK)
		return -UK_EINVAL;
	error = uk_block_read(dev, offset, out, sizeof(*out));
	if (error != 0)
		return error;
	return fs_verity_super_is_sound(out) ? 0 : -UK_EINVAL;
}

/* Whether device and configuration speak of the same tree, and it lies on the device. */
static bool agrees(const struct fs_verity *v, const struct uni_config_mount *mount,
		   const struct uni_verity_superblock *s)
{
	uint64_t tree = 0;

	for (unsigned level = 0; level < v->levels; level++)
		tree += v->level_size[level];
	return s->data_blocks == mount->data_blocks && s->salt_size == mount->salt_size &&
	       memcmp(s->salt, mount->salt, mount->salt_size) == 0 &&
	       v->data_blocks * UNI_VERITY_BLOCK <= mount->hash_offset &&
	       tree <= (v->dev->size - mount->hash_offset) / UNI_VERITY_BLOCK - 1;
}

/*
 * The superblock, and in the same transfer what every reader needs next: the levels above the
 * lowest, and the first block of that. A transfer takes longer than all that is done with it.
 */
static int read_head(struct fs_verity *v, uint64_t offset)
{
	uint64_t left = offset < v->dev->size ? (v->dev->size - offset) / UNI_VERITY_BLOCK : 0;

	v->head_blocks = UK_MIN(v->levels != 0 ? v->level_start[0] + 2 : 1, left);
	v->head_blocks = UK_MIN(v->head_blocks, (size_t)HEAD_MAX);
	if (v->head_blocks == 0 || offset % UNI_VERITY_BLOCK != 0)
		return -UK_EINVAL;
	v->head = uk_alloc_room(v->head_blocks * UNI_VERITY_BLOCK);
	if (v->head == NULL)
		return -UK_ENOMEM;
	return uk_block_read(v->dev, offset, v->head, v->head_blocks * UNI_VERITY_BLOCK);
}

/* What is damaged among it is met again by whoever needs it. */
static void keep_head(struct fs_verity *v)
{
	for (uint64_t i = 0; i + 1 < v->head_blocks; i++) {
		struct uk_page *page;

		if (uk_cache_get(v->tree, i, &page) == 0)
			uk_page_put(page);
	}
}

static void drop_head(struct fs_verity *v)
{
	uk_free(v->head);
	v->head = NULL;
}

static int open_tree(struct fs_verity *v, const struct uni_config_mount *mount)
{
	const struct uni_verity_superblock *super;
	int error;

	if (mount->salt_size > sizeof(mount->salt) || !lay_out(v))
		return -UK_EINVAL;
	error = read_head(v, mount->hash_offset);
	if (error != 0)
		return error;
	super = (const void *)v->head;
	if (!fs_verity_super_is_sound(super) || !agrees(v, mount, super))
		return -UK_EINVAL;
	uk_sha256_start(&v->salted);
	uk_sha256_add(&v->salted, mount->salt, mount->salt_size);
	v->tree = uk_inode_new(NULL, &tree_ops, UK_S_IFREG);
	if (v->tree == NULL)
		return -UK_ENOMEM;
	v->tree->data = v;
	keep_head(v);
	return 0;
}

int fs_verity_open(struct uk_block_dev *dev, const struct uni_config_mount *mount, const char *name,
		   struct fs_verity **out)
{
	struct fs_verity *v = uk_alloc(sizeof(*v));
	int error;

	if (v == NULL)
		return -UK_ENOMEM;
	v->dev = dev;
	v->data_blocks = mount->data_blocks;
	v->tree_start = mount->hash_offset + UNI_VERITY_BLOCK;
	memcpy(v->root, mount->root_hash, sizeof(v->root));
	uk_strlcpy(v->name, name, sizeof(v->name));
	error = open_tree(v, mount);
	drop_head(v);
	if (error != 0) {
		uk_free(v);
		return error;
	}
	*out = v;
	return 0;
}

void fs_verity_close(struct fs_verity *v)
{
	if (v == NULL)
		return;
	uk_inode_put(v->tree);
	uk_free(v);
}
