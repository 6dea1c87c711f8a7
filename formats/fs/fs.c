/*
 * The registry of file systems, and what follows every one of them: identity and hash tree.
 */
#include <fcntl.h>
#include <string.h>
#include <uni/io/hashtree.h>
#include <uni/tree/tree.h>
#include <unistd.h>

#include "formats.h"

const struct uni_fs_format *const uni_fs_formats[] = { &fs_squashfs, &fs_fat,  &fs_live,
						       &fs_ext4,     &fs_ext2, NULL };

const struct uni_fs_format *uni_fs_find(const char *name)
{
	for (size_t i = 0; uni_fs_formats[i] != NULL; i++)
		if (strcmp(uni_fs_formats[i]->name, name) == 0)
			return uni_fs_formats[i];
	return NULL;
}

int uni_fs_hint_size(const struct uni_fs_format *format, const struct uni_tree *tree,
		     const struct uni_fs_options *options, struct uni_err *err)
{
	struct uni_err ignored = UNI_ERR_INIT;
	uint64_t size = 0;

	if (err->code != UNI_E_LIMIT || err->hint[0] != '\0' || options->size == 0 ||
	    format->enough == NULL || format->enough(tree, options, &size, &ignored) != 0 ||
	    size <= options->size)
		return err->code;
	return fs_hint_enough(size, err);
}

int fs_hint_enough(uint64_t size, struct uni_err *err)
{
	return uni_err_hint(err, "a size of %lluM is sure to do",
			    (unsigned long long)(size + (1u << 20) - 1) >> 20);
}

int uni_fs_fits(const struct uni_fs_format *format, const struct uni_tree *tree,
		const struct uni_fs_options *options, struct uni_err *err)
{
	uint64_t content = uni_tree_bytes(tree), most;
	bool exceeds = true;
	int rc = 0;

	if (options->size == 0 || content / format->packs <= options->size)
		return 0;
	most = options->size <= UINT64_MAX / format->packs - 1
		       ? (options->size + 1) * format->packs - 1
		       : UINT64_MAX;
	if (format->holes)
		rc = uni_tree_data_exceeds(tree, most, &exceeds, err);
	if (rc != 0 || !exceeds)
		return rc;
	uni_err_set(err, UNI_E_LIMIT, "files of %s do not fit into %s", uni_size_text(content),
		    uni_size_text(options->size));
	return uni_fs_hint_size(format, tree, options, err);
}

int fs_create(const char *path, int *fd, struct uni_err *err)
{
	*fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	return *fd < 0 ? uni_err_errno(err, "volume") : 0;
}

struct uni_uuid fs_named_uuid(const char *domain, const char *image, const char *volume)
{
	struct uni_hash hash;
	struct uni_digest digest;

	uni_hash_start(&hash);
	uni_hash_add_text(&hash, image);
	uni_hash_add_text(&hash, volume);
	digest = uni_hash_end(&hash);
	return uni_uuid_derive(domain, &digest);
}

struct uni_uuid uni_fs_writable_uuid(const char *image, const char *volume)
{
	return fs_named_uuid("uni writable volume", image, volume);
}

void fs_identity(const struct uni_fs_format *format, const struct uni_fs_options *options,
		 struct uni_fs_result *result)
{
	struct uni_hash hash;
	struct uni_digest digest;

	if (options->writable) {
		result->uuid = uni_fs_writable_uuid(options->image, options->volume);
		return;
	}
	uni_hash_start(&hash);
	uni_hash_add_text(&hash, format->name);
	uni_hash_add_u64(&hash, format->version);
	uni_hash_add_text(&hash, options->volume);
	uni_hash_add_text(&hash, options->compression);
	uni_hash_add_u64(&hash, options->level);
	uni_hash_add_u64(&hash, options->block_size);
	uni_hash_add_u64(&hash, (uint64_t)options->epoch);
	uni_hash_add_u64(&hash, options->verity);
	if (options->size != 0)
		uni_hash_add_u64(&hash, options->size);
	uni_hash_add(&hash, result->tree.bytes, sizeof(result->tree.bytes));
	digest = uni_hash_end(&hash);
	result->uuid = uni_uuid_derive("uni volume", &digest);
	if (!options->verity)
		return;
	uni_hash_start(&hash);
	uni_hash_add_text(&hash, "uni volume salt");
	uni_hash_add(&hash, digest.bytes, sizeof(digest.bytes));
	digest = uni_hash_end(&hash);
	memcpy(result->salt, digest.bytes, sizeof(result->salt));
	result->salt_size = sizeof(result->salt);
}

static void fill_hashtree(const struct uni_fs_result *result, int fd, struct uni_hashtree *tree)
{
	memset(tree, 0, sizeof(*tree));
	tree->data_fd = fd;
	tree->data_blocks = result->data_blocks;
	tree->hash_fd = fd;
	tree->hash_offset = result->hash_offset;
	memcpy(tree->salt, result->salt, result->salt_size);
	tree->salt_size = result->salt_size;
	tree->uuid = result->uuid;
	tree->name = "volume";
}

static int add_hashtree(const struct uni_fs_options *options, int fd, struct uni_fs_result *result,
			struct uni_err *err)
{
	struct uni_hashtree tree;
	struct uni_hash whole;
	uint64_t size = 0;
	int rc = uni_hashtree_size(result->data_blocks, &size, err);

	if (rc != 0)
		return rc;
	result->hash_offset = result->fs_size;
	result->size = result->fs_size + size;
	fill_hashtree(result, fd, &tree);
	tree.threads = options->threads;
	uni_hash_start(&whole);
	rc = uni_hashtree_make(&tree, result->root_hash, &whole, err);
	if (rc == 0)
		result->digest = uni_hash_end(&whole);
	return rc;
}

int fs_finish(const struct uni_fs_format *format, const struct uni_fs_options *options, int fd,
	      uint64_t fs_size, struct uni_fs_result *result, struct uni_err *err)
{
	result->fs_size = (fs_size + FS_BLOCK - 1) / FS_BLOCK * FS_BLOCK;
	result->data_blocks = result->fs_size / FS_BLOCK;
	result->size = result->fs_size;
	fs_identity(format, options, result);
	if (result->fs_size != fs_size && ftruncate(fd, (off_t)result->fs_size) != 0)
		return uni_err_errno(err, "volume");
	if (options->verity)
		return add_hashtree(options, fd, result, err);
	if (options->undigested)
		return 0;
	return uni_digest_fd(fd, &result->size, &result->digest, "volume", err);
}
