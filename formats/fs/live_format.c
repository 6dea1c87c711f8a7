/*
 * A live volume as a build makes it: generation 1, of the recipe's epoch. What comes after that is
 * not a build's.
 */
#include <string.h>
#include <uni/base/file.h>
#include <uni/fs/live.h>
#include <uni/tree/tree.h>
#include <unistd.h>

#include "formats.h"
#include "live.h"

static int live_resolve(struct uni_fs_options *options, struct uni_err *err)
{
	int rc = options->size != 0 ? live_size_check(options->size, err) : 0;

	options->verity = false;
	return rc == 0 ? fs_squashfs.resolve(options, err) : rc;
}

static int live_enough(const struct uni_tree *tree, const struct uni_fs_options *options,
		       uint64_t *size, struct uni_err *err)
{
	*size = uni_live_size_for(squash_bound(tree, options->block_size));
	return live_size_check(*size, err);
}

/* Its codecs are linked in. */
static int live_format_write(const struct uni_tree *tree, const struct uni_fs_options *options,
			     const char *path, struct uni_fs_result *result, struct uni_err *err)
{
	const struct uni_live_options how = { .compression = options->compression,
					      .level = options->level,
					      .block_size = options->block_size,
					      .time = options->epoch,
					      .threads = options->threads };
	const struct uni_live_shape shape = { options->volume, &result->uuid, options->size };
	struct uni_live_made made;
	struct stat st;
	int rc;

	memset(result, 0, sizeof(*result));
	result->uuid = uni_live_uuid(options->image, options->volume);
	/* The name is ours to make anew. */
	if (unlink(path) != 0 && uni_file_exists(path))
		return uni_err_errno(err, "%s", path);
	rc = uni_live_create(path, &shape, tree, &how, &made, err);
	if (rc == 0)
		rc = uni_tree_digest_read(tree, &result->tree, err);
	if (rc == 0 && stat(path, &st) != 0)
		rc = uni_err_errno(err, "%s", path);
	if (rc != 0)
		return rc;
	result->size = (uint64_t)st.st_size;
	if (!options->undigested)
		rc = uni_digest_file(path, NULL, &result->digest, err);
	result->fs_size = made.fs_size;
	result->data_blocks = result->size / FS_BLOCK;
	return rc;
}

static const char *const live_compressions[] = { "zstd", "lz4", "gzip", "none", NULL };

const struct uni_fs_format fs_live = {
	.name = "live",
	.version = 2,
	.compressions = live_compressions,
	.packs = SQUASH_PACKS / 2, /* two slots */
	.holes = true,
	.resolve = live_resolve,
	.enough = live_enough,
	.write = live_format_write,
};
