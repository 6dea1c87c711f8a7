/*
 * squashfs 4.0: opening an image, which must be sound as far as its superblock tells; everything
 * else is checked where it is read.
 */
#include "squashfs.h"

enum { VERSION = 4, NAME_MAX = 256 };

static bool super_is_sound(const struct sq_super *s, uint64_t size)
{
	if (s->magic != SQ_MAGIC || s->major != VERSION || s->minor != 0)
		return false;
	if (s->block_size < SQ_BLOCK_MIN || s->block_size > SQ_BLOCK_MAX || s->block_log > 20 ||
	    s->block_size != 1u << s->block_log)
		return false;
	if (s->bytes_used < sizeof(*s) || s->bytes_used > size || s->id_count == 0)
		return false;
	return s->inode_table < s->bytes_used && s->directory_table < s->bytes_used &&
	       s->id_table < s->bytes_used &&
	       (s->fragment_count == 0 || s->fragment_table < s->bytes_used) &&
	       (s->xattr_table == SQ_NONE64 || s->xattr_table < s->bytes_used);
}

static void sq_free(struct sq *sq)
{
	if (sq->fragments != NULL)
		uk_inode_put(sq->fragments);
	sq_meta_free(sq);
	fs_decoder_free(sq->decoder);
	uk_free(sq->packed);
	uk_free(sq->unpacked);
	fs_volume_close(sq->volume);
	uk_free(sq);
}

static int squashfs_statfs(struct uk_super *super, struct uk_linux_statfs *out)
{
	const struct sq *sq = super->data;

	out->type = SQ_MAGIC;
	out->bsize = out->frsize = sq->disk.block_size;
	out->blocks = (sq->disk.bytes_used + sq->disk.block_size - 1) >> sq->disk.block_log;
	out->files = sq->disk.inode_count;
	out->namelen = NAME_MAX;
	return 0;
}

static void squashfs_unmount(struct uk_super *super)
{
	uk_inode_put(super->root);
	sq_free(super->data);
	uk_free(super);
}

static const struct uk_super_ops super_ops = { .statfs = squashfs_statfs,
					       .unmount = squashfs_unmount };

static int rooms_new(struct sq *sq)
{
	if (!fs_volume_in_memory(sq->volume)) {
		sq->packed = uk_alloc_room(sq->disk.block_size + 2 * UK_PAGE_SIZE);
		if (sq->packed == NULL)
			return -UK_ENOMEM;
	}
	sq->unpacked = uk_alloc_room(sq->disk.block_size);
	return sq->unpacked != NULL ? 0 : -UK_ENOMEM;
}

static int prepare(struct sq *sq)
{
	int error = fs_volume_read(sq->volume, 0, &sq->disk, sizeof(sq->disk));

	if (error != 0)
		return error;
	if (!super_is_sound(&sq->disk, fs_volume_size(sq->volume)))
		return -UK_EINVAL;
	sq->block_order = sq->disk.block_log - UK_PAGE_SHIFT;
	error = fs_decoder_new((enum fs_codec)sq->disk.compressor, &sq->decoder);
	if (error == 0)
		error = rooms_new(sq);
	if (error == 0)
		error = sq_meta_new(sq);
	if (error == 0)
		error = sq_fragments_new(sq);
	return error != 0 ? error : sq_xattr_open(sq);
}

int fs_squashfs_mount(struct fs_volume *volume, struct uk_super **out)
{
	struct uk_super *super = uk_alloc(sizeof(*super));
	struct sq *sq = uk_alloc(sizeof(*sq));
	int error = -UK_ENOMEM;

	if (super == NULL || sq == NULL) {
		fs_volume_close(volume);
		uk_free(super);
		uk_free(sq);
		return error;
	}
	sq->volume = volume;
	sq->super = super;
	uk_mutex_init(&sq->work);
	super->ops = &super_ops;
	super->type = "squashfs";
	super->read_only = true;
	super->dev = uk_super_dev();
	super->size_max = INT64_MAX & ~UK_PAGE_MASK;
	super->data = sq;
	uk_mutex_init(&super->names);
	error = prepare(sq);
	if (error == 0)
		error = sq_inode_get(sq, sq->disk.root >> 16, (uint32_t)(sq->disk.root & 0xffff),
				     &super->root);
	if (error == 0 && !UK_S_IS(super->root->mode, DIR)) {
		uk_inode_put(super->root);
		error = -UK_EINVAL;
	}
	if (error != 0) {
		sq_free(sq);
		uk_free(super);
		return error;
	}
	*out = super;
	return 0;
}
