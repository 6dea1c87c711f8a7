/*
 * Squashfs for ordinary volumes, by our own writer: what it writes depends on the tree, the options
 * and uni alone.
 */
#include <string.h>
#include <uni/base/file.h>
#include <uni/io/hashtree.h>
#include <uni/tree/tree.h>
#include <unistd.h>

#include "formats.h"
#include "squash_make.h"

enum { BLOCK_DEFAULT = 128 << 10, BLOCK_MAX = 1 << 20 };

struct compression {
	const char *name;
	uint32_t level_default;
	uint32_t level_max;
};

/*
 * zstd at level 1 packs as fast as the rest of a build can feed it; higher levels cost more time
 * than they save in size.
 */
static const struct compression compressions[] = {
	{ "zstd", 1, 22 },
	{ "lz4", 1, 12 },
	{ "gzip", 6, 9 },
	{ "none", 0, 0 },
};

static const char *const compression_names[] = { "zstd", "lz4", "gzip", "none", NULL };

static const struct compression *find_compression(const char *name)
{
	for (size_t i = 0; i < UNI_COUNT(compressions); i++)
		if (strcmp(compressions[i].name, name) == 0)
			return &compressions[i];
	return NULL;
}

static int squash_resolve(struct uni_fs_options *options, struct uni_err *err)
{
	const struct compression *c;

	if (options->compression == NULL)
		options->compression = compressions[0].name;
	c = find_compression(options->compression);
	if (c == NULL)
		return uni_err_set(err, UNI_E_INVAL, "squashfs has no compression \"%s\"",
				   options->compression);
	if (options->level > c->level_max)
		return uni_err_set(err, UNI_E_INVAL, "%s has no level %u, the highest is %u",
				   c->name, options->level, c->level_max);
	if (options->level == 0)
		options->level = c->level_default;
	if (options->block_size == 0)
		options->block_size = BLOCK_DEFAULT;
	if (options->block_size < FS_BLOCK || options->block_size > BLOCK_MAX ||
	    (options->block_size & (options->block_size - 1)) != 0)
		return uni_err_set(err, UNI_E_INVAL,
				   "squashfs blocks of %u bytes: must be a power of two from 4096 "
				   "to 1048576",
				   options->block_size);
	if (options->epoch < 0 || options->epoch > UINT32_MAX)
		return uni_err_set(err, UNI_E_LIMIT, "squashfs cannot hold the time %lld",
				   (long long)options->epoch);
	return 0;
}

struct bound {
	uint64_t bytes;
	uint32_t block_size;
};

/* Inode and name at their longest; what packs to more than it is stands there as it is. */
static int bound_entry(void *user, const struct uni_tree_entry *entry, struct uni_err *err)
{
	struct bound *bound = user;

	(void)err;
	bound->bytes += 128 + 3 * strlen(entry->meta.path) + entry->meta.size / FS_BLOCK * FS_BLOCK;
	bound->bytes += FS_BLOCK + (entry->meta.size / bound->block_size + 1) * 4;
	return 0;
}

uint64_t squash_bound(const struct uni_tree *tree, uint32_t block_size)
{
	struct bound bound = { .bytes = 1u << 16, .block_size = block_size };
	struct uni_err never = UNI_ERR_INIT;

	(void)uni_tree_each(tree, bound_entry, &bound, &never);
	return (bound.bytes + FS_BLOCK - 1) / FS_BLOCK * FS_BLOCK;
}

static int squash_enough(const struct uni_tree *tree, const struct uni_fs_options *options,
			 uint64_t *size, struct uni_err *err)
{
	uint64_t image = squash_bound(tree, options->block_size), hashes = 0;
	int rc = uni_hashtree_size(image / FS_BLOCK, &hashes, err);

	*size = image + hashes;
	return rc;
}

static int squash_write(const struct uni_tree *tree, const struct uni_fs_options *options,
			const char *path, struct uni_fs_result *result, struct uni_err *err)
{
	const struct uni_squash_options how = { .compression = options->compression,
						.level = options->level,
						.block_size = options->block_size,
						.epoch = options->epoch,
						.threads = options->threads };
	UNI_AUTO_CLOSE int fd = -1;
	uint64_t size = 0;
	int rc = fs_create(path, &fd, err);

	memset(result, 0, sizeof(*result));
	if (rc == 0)
		rc = uni_squash_write(tree, &how, fd, &size, err);
	if (rc == 0)
		rc = uni_tree_digest_read(tree, &result->tree, err);
	return rc == 0 ? fs_finish(&fs_squashfs, options, fd, size, result, err) : rc;
}

const struct uni_fs_format fs_squashfs = {
	.name = "squashfs",
	.version = 3,
	.compressions = compression_names,
	.packs = SQUASH_PACKS,
	.holes = true,
	.resolve = squash_resolve,
	.enough = squash_enough,
	.write = squash_write,
};
