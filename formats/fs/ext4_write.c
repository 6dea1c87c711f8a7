/*
 * ext4 and ext2 volumes out of a tree. Ours rather than mke2fs's or libext2fs's: the bytes are then
 * those of this format version whatever library is installed, folders of any size are written once,
 * and nothing of the machine (its time, random seeds) enters.
 */
#include <fcntl.h>
#include <string.h>
#include <uni/base/file.h>
#include <uni/base/system.h>
#include <uni/tree/tree.h>
#include <unistd.h>

#include "ext4.h"
#include "formats.h"

/* Bytes about a piece of data between holes: parts of two blocks, and ext2's three of its map. */
enum { PIECE_MOST = 5 * EXT4_BLOCK };

static const char *const compression_names[] = { "none", NULL };

static int ext4_resolve(struct uni_fs_options *options, struct uni_err *err)
{
	if (options->compression != NULL && strcmp(options->compression, "none") != 0)
		return uni_err_set(err, UNI_E_INVAL, "ext4 has no compression \"%s\"",
				   options->compression);
	options->compression = compression_names[0];
	options->level = 0;
	if (options->block_size == 0)
		options->block_size = EXT4_BLOCK;
	if (options->block_size != EXT4_BLOCK)
		return uni_err_set(err, UNI_E_INVAL, "ext4 blocks of %u bytes: must be 4096",
				   options->block_size);
	if (options->size % EXT4_BLOCK != 0)
		return uni_err_set(err, UNI_E_INVAL,
				   "an ext4 of %llu bytes: must be whole blocks "
				   "of 4096",
				   (unsigned long long)options->size);
	if (options->size / EXT4_BLOCK > UINT32_MAX)
		return uni_err_set(err, UNI_E_LIMIT, "an ext4 of more than 16 TiB");
	if (options->epoch < 0 || options->epoch > UINT32_MAX)
		return uni_err_set(err, UNI_E_LIMIT, "ext4 cannot hold the time %lld",
				   (long long)options->epoch);
	if (options->writable && options->verity)
		return uni_err_set(err, UNI_E_INVAL, "a hash tree is for what nobody writes to");
	if (options->writable && (options->size == 0 || options->image == NULL))
		return uni_err_set(err, UNI_E_INVAL, "a writable ext4 needs its size");
	return 0;
}

struct writing {
	struct ext4 fs;
	const struct uni_tree *tree;
	uint32_t node;	 /* that the walk has come to */
	uint64_t offset; /* in its content */
	uint8_t *rest;	 /* of a block, until its end comes */
	size_t rest_size;
};

static int add_entry(void *user, const struct uni_tree_entry *entry, struct uni_err *err)
{
	struct writing *w = user;
	int rc = ext4_add(&w->fs, &entry->meta, err);

	return rc < 0 ? rc : 0;
}

static int put_rest(struct writing *w, struct uni_err *err)
{
	int rc = 0;

	if (w->rest_size != 0)
		rc = ext4_data(&w->fs, w->node, w->offset, w->rest, w->rest_size, err);
	w->offset += w->rest_size;
	w->rest_size = 0;
	return rc;
}

/* Pieces are whole blocks but for the last as a rule; where they are not, the rest waits. */
static int take_data(void *user, const void *data, size_t size, struct uni_err *err)
{
	struct writing *w = user;
	const uint8_t *bytes = data;
	size_t whole;
	int rc = 0;

	if (w->rest_size != 0) {
		size_t part = EXT4_BLOCK - w->rest_size < size ? EXT4_BLOCK - w->rest_size : size;

		memcpy(w->rest + w->rest_size, bytes, part);
		w->rest_size += part;
		bytes += part;
		size -= part;
		if (w->rest_size == EXT4_BLOCK)
			rc = put_rest(w, err);
	}
	whole = size / EXT4_BLOCK * EXT4_BLOCK;
	if (rc == 0 && whole != 0)
		rc = ext4_data(&w->fs, w->node, w->offset, bytes, whole, err);
	w->offset += whole;
	if (size != whole) {
		memcpy(w->rest, bytes + whole, size - whole);
		w->rest_size = size - whole;
	}
	return rc;
}

/* Zeros complete a block that was begun, and begin the last; those between are not there. */
static int take_hole(void *user, uint64_t size, struct uni_err *err)
{
	static const uint8_t zeros[EXT4_BLOCK];
	struct writing *w = user;
	uint64_t head = w->rest_size != 0 ? EXT4_BLOCK - w->rest_size : 0, tail;
	int rc;

	if (head > size)
		head = size;
	tail = (size - head) % EXT4_BLOCK;
	rc = take_data(w, zeros, (size_t)head, err);
	w->offset += size - head - tail;
	return rc == 0 ? take_data(w, zeros, (size_t)tail, err) : rc;
}

static int put_content(void *user, const struct uni_tree_entry *entry, struct uni_err *err)
{
	struct writing *w = user;
	int rc = 0;

	if (entry->meta.type == UNI_ENTRY_FILE) {
		w->offset = 0;
		w->rest_size = 0;
		rc = uni_tree_content_sparse(w->tree, entry, take_data, take_hole, w, err);
		if (rc == 0)
			rc = put_rest(w, err);
		if (rc == UNI_E_LIMIT)
			rc = uni_err_context(err, "%s", entry->meta.path);
	}
	w->node++;
	return rc;
}

/* The journal is a file that no folder has. */
static uint32_t add_journal(struct ext4 *fs)
{
	UNI_PUSH_ROOM(fs->nodes, fs->node_count, fs->node_room);
	fs->nodes[fs->node_count] = (struct ext4_node){
		.type = UNI_ENTRY_FILE,
		.mode = 0100600,
		.ino = UNI_EXT4_INO_JOURNAL,
		.links = 1,
		.mtime = fs->shape.epoch,
		.size = (uint64_t)fs->journal_blocks * EXT4_BLOCK,
	};
	return fs->node_count++;
}

static void take_identity(struct ext4 *fs, const struct uni_uuid *uuid)
{
	struct uni_hash hash;
	struct uni_digest digest;

	memcpy(fs->uuid, uuid->bytes, sizeof(fs->uuid));
	uni_hash_start(&hash);
	uni_hash_add_text(&hash, "uni ext4 hash seed");
	uni_hash_add(&hash, uuid->bytes, sizeof(uuid->bytes));
	digest = uni_hash_end(&hash);
	memcpy(fs->hash_seed, digest.bytes, sizeof(fs->hash_seed));
	fs->seed = ext4_sum(UINT32_MAX, fs->uuid, sizeof(fs->uuid));
}

int ext4_begin(struct ext4 *fs, struct uni_err *err)
{
	int rc = ext4_layout(fs, err);

	/* The whole size first: a hole costs nothing, and reading beyond what is written works. */
	if (rc == 0 && ftruncate(fs->fd, (off_t)(fs->blocks * EXT4_BLOCK)) != 0)
		rc = uni_err_errno(err, "volume");
	if (rc == 0 && fs->journal_blocks != 0)
		rc = ext4_journal(fs, add_journal(fs), err);
	return rc;
}

int ext4_end(struct ext4 *fs, const struct uni_uuid *uuid, struct uni_err *err)
{
	int rc = 0;

	take_identity(fs, uuid);
	for (uint32_t i = 0; i < fs->node_count && rc == 0; i++) {
		const struct ext4_node *n = &fs->nodes[i];

		if (n->type == UNI_ENTRY_DIR)
			rc = ext4_write_folder(fs, i, err);
		if (rc == 0 && n->type == UNI_ENTRY_SYMLINK)
			rc = ext4_write_link(fs, i, err);
		if (rc == 0 && n->xattr_size != 0)
			rc = ext4_write_xattrs(fs, i, err);
		if (rc == 0)
			rc = ext4_map(fs, i, err);
	}
	if (rc == 0 && fs->journal_blocks != 0)
		rc = ext4_write_journal(
			fs, fs->extents[fs->nodes[fs->node_count - 1].extents].start, err);
	if (rc == 0)
		rc = ext4_write_inodes(fs, err);
	if (rc == 0)
		rc = ext4_flush(fs, err);
	return rc != 0 ? rc : ext4_write_groups(fs, err);
}

static int write_tree(struct writing *w, const struct uni_fs_format *format,
		      const struct uni_fs_options *options, struct uni_fs_result *result,
		      struct uni_err *err)
{
	struct ext4 *fs = &w->fs;
	int rc = uni_tree_each(w->tree, add_entry, w, err);

	if (rc == 0)
		rc = ext4_begin(fs, err);
	if (rc == 0)
		rc = uni_tree_each(w->tree, put_content, w, err);
	if (rc == 0)
		rc = uni_tree_digest_read(w->tree, &result->tree, err);
	if (rc != 0)
		return rc;
	fs_identity(format, options, result);
	rc = ext4_end(fs, &result->uuid, err);
	return rc != 0 ? rc
		       : fs_finish(format, options, fs->fd, fs->blocks * EXT4_BLOCK, result, err);
}

static struct ext4_shape shape_of(const struct uni_fs_options *options, bool ext2)
{
	struct ext4_shape shape = {
		.size = options->size,
		.journal = options->writable,
		.ext2 = ext2,
		.owner = options->owner,
		.group = options->group,
		.epoch = options->epoch,
	};

	strncpy(shape.label, options->volume, 16);
	return shape;
}

/* A file as long as the blocks that it may take: its data, and for each piece of it those that say
 * where it lies. */
static int bound_entry(void *user, const struct uni_tree_entry *entry, struct uni_err *err)
{
	struct writing *w = user;
	struct uni_entry meta = entry->meta;
	struct uni_tree_data data;
	int rc = uni_tree_data(entry, &data, err);

	if (rc == 0 && data.bytes + data.pieces * PIECE_MOST < meta.size)
		meta.size = data.bytes + data.pieces * PIECE_MOST;
	if (rc == 0)
		rc = ext4_add(&w->fs, &meta, err);
	return rc < 0 ? rc : 0;
}

static int enough(bool ext2, const struct uni_tree *tree, const struct uni_fs_options *options,
		  uint64_t *size, struct uni_err *err)
{
	struct writing w = { .fs = { .shape = shape_of(options, ext2), .fd = -1 } };
	int rc = uni_tree_each(tree, bound_entry, &w, err);

	if (rc == 0)
		rc = ext4_enough(&w.fs, size, err);
	ext4_clear(&w.fs);
	return rc;
}

static int ext4_enough_of(const struct uni_tree *tree, const struct uni_fs_options *options,
			  uint64_t *size, struct uni_err *err)
{
	return enough(false, tree, options, size, err);
}

static int ext2_enough_of(const struct uni_tree *tree, const struct uni_fs_options *options,
			  uint64_t *size, struct uni_err *err)
{
	return enough(true, tree, options, size, err);
}

static int write_format(const struct uni_fs_format *format, const struct uni_tree *tree,
			const struct uni_fs_options *options, const char *path,
			struct uni_fs_result *result, struct uni_err *err)
{
	uint8_t rest[EXT4_BLOCK];
	struct writing w = {
		.tree = tree,
		.rest = rest,
		.fs = { .shape = shape_of(options, format == &fs_ext2) },
	};
	int rc;

	memset(result, 0, sizeof(*result));
	w.fs.fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (w.fs.fd < 0)
		return uni_err_errno(err, "volume");
	rc = write_tree(&w, format, options, result, err);
	uni_close_fd(&w.fs.fd);
	ext4_clear(&w.fs);
	return rc == 0 ? 0 : uni_fs_hint_size(format, tree, options, err);
}

static int ext4_write(const struct uni_tree *tree, const struct uni_fs_options *options,
		      const char *path, struct uni_fs_result *result, struct uni_err *err)
{
	return write_format(&fs_ext4, tree, options, path, result, err);
}

static int ext2_write(const struct uni_tree *tree, const struct uni_fs_options *options,
		      const char *path, struct uni_fs_result *result, struct uni_err *err)
{
	return write_format(&fs_ext2, tree, options, path, result, err);
}

const struct uni_fs_format fs_ext4 = {
	.name = "ext4",
	.version = 2,
	.compressions = compression_names,
	.packs = 1,
	.holes = true,
	.resolve = ext4_resolve,
	.enough = ext4_enough_of,
	.write = ext4_write,
};

const struct uni_fs_format fs_ext2 = {
	.name = "ext2",
	.version = 1,
	.compressions = compression_names,
	.packs = 1,
	.holes = true,
	.resolve = ext4_resolve,
	.enough = ext2_enough_of,
	.write = ext2_write,
};
