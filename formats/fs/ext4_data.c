/*
 * Content on its way to the disk: blocks are staged and written in long runs, since nearly every
 * block lies behind the one before it.
 */
#include <arpa/inet.h>
#include <string.h>
#include <uni/base/file.h>

#include "ext4.h"

enum { STAGE = 256 };

int ext4_flush(struct ext4 *fs, struct uni_err *err)
{
	uint64_t at = fs->staged_at * EXT4_BLOCK;
	size_t size = (size_t)fs->staged_count * EXT4_BLOCK;
	int rc = 0;

	if (size != 0)
		rc = uni_pwrite_full(fs->fd, fs->staged, size, at, "volume", err);
	if (rc == 0)
		uni_write_behind(fs->fd, at, at + size);
	fs->staged_count = 0;
	return rc;
}

/* Room for `count` blocks at `block`; less than wanted where the stage ends. */
static int stage(struct ext4 *fs, uint64_t block, uint32_t *count, uint8_t **room,
		 struct uni_err *err)
{
	int rc = 0;

	if (fs->staged == NULL)
		fs->staged = uni_alloc_array(STAGE, EXT4_BLOCK);
	if (fs->staged_count == STAGE || fs->staged_at + fs->staged_count != block)
		rc = ext4_flush(fs, err);
	if (rc != 0)
		return rc;
	if (fs->staged_count == 0)
		fs->staged_at = block;
	if (*count > STAGE - fs->staged_count)
		*count = STAGE - fs->staged_count;
	*room = fs->staged + (size_t)fs->staged_count * EXT4_BLOCK;
	fs->staged_count += *count;
	return 0;
}

int ext4_put(struct ext4 *fs, uint64_t block, const void *data, struct uni_err *err)
{
	uint32_t count = 1;
	uint8_t *room;
	int rc = stage(fs, block, &count, &room, err);

	if (rc == 0)
		memcpy(room, data, EXT4_BLOCK);
	return rc;
}

/* Blocks [at, at + count) of the node lie from `start` on. */
static void add_extent(struct ext4 *fs, struct ext4_node *node, uint32_t at, uint64_t start,
		       uint32_t count)
{
	struct ext4_extent *last;

	if (node->extent_count == 0)
		node->extents = fs->extent_count;
	last = node->extent_count != 0 ? &fs->extents[fs->extent_count - 1] : NULL;
	node->blocks += count;
	if (last != NULL && last->at + last->count == at && last->start + last->count == start &&
	    last->count + count <= UNI_EXT4_EXTENT_MAX) {
		last->count += count;
		return;
	}
	UNI_PUSH_ROOM(fs->extents, fs->extent_count, fs->extent_room);
	fs->extents[fs->extent_count++] = (struct ext4_extent){ at, count, start };
	node->extent_count++;
}

int ext4_append(struct ext4 *fs, uint32_t node, uint32_t at, uint64_t *block, struct uni_err *err)
{
	uint32_t count;
	int rc = ext4_allocate(fs, 1, block, &count, err);

	if (rc == 0)
		add_extent(fs, &fs->nodes[node], at, *block, 1);
	return rc;
}

/* `size` bytes that hold something in every block. */
static int put_run(struct ext4 *fs, uint32_t node, uint32_t at, const uint8_t *data, size_t size,
		   struct uni_err *err)
{
	while (size != 0) {
		uint32_t count = (uint32_t)((size + EXT4_BLOCK - 1) / EXT4_BLOCK);
		size_t part;
		uint64_t start;
		uint8_t *room;
		int rc;

		count = count > STAGE ? STAGE : count;
		rc = ext4_allocate(fs, count, &start, &count, err);
		if (rc != 0)
			return rc;
		add_extent(fs, &fs->nodes[node], at, start, count);
		while (count != 0) {
			uint32_t some = count;

			rc = stage(fs, start, &some, &room, err);
			if (rc != 0)
				return rc;
			part = (size_t)some * EXT4_BLOCK < size ? (size_t)some * EXT4_BLOCK : size;
			memcpy(room, data, part);
			memset(room + part, 0, (size_t)some * EXT4_BLOCK - part);
			data += part;
			size -= part;
			at += some;
			start += some;
			count -= some;
		}
	}
	return 0;
}

int ext4_data(struct ext4 *fs, uint32_t node, uint64_t offset, const void *data, size_t size,
	      struct uni_err *err)
{
	const uint8_t *bytes = data;

	while (size != 0) {
		size_t run = 0;
		int rc = 0;

		while (run < size) {
			size_t part = size - run < EXT4_BLOCK ? size - run : EXT4_BLOCK;

			if (uni_all_zero(bytes + run, part))
				break;
			run += part;
		}
		if (run != 0)
			rc = put_run(fs, node, (uint32_t)(offset / EXT4_BLOCK), bytes, run, err);
		else
			run = size < EXT4_BLOCK ? size : EXT4_BLOCK;
		if (rc != 0)
			return rc;
		bytes += run;
		offset += run;
		size -= run;
	}
	return 0;
}

int ext4_journal(struct ext4 *fs, uint32_t node, struct uni_err *err)
{
	for (uint32_t at = 0; at < fs->journal_blocks;) {
		uint64_t start;
		uint32_t count;
		int rc = ext4_allocate(fs, fs->journal_blocks - at, &start, &count, err);

		if (rc != 0)
			return rc;
		add_extent(fs, &fs->nodes[node], at, start, count);
		at += count;
	}
	return 0;
}

int ext4_write_journal(struct ext4 *fs, uint64_t block, struct uni_err *err)
{
	struct uni_jbd2_super super = {
		.header = { .magic = htonl(UNI_JBD2_MAGIC), .type = htonl(UNI_JBD2_SUPER_V2) },
		.block_size = htonl(EXT4_BLOCK),
		.blocks = htonl(fs->journal_blocks),
		.first = htonl(1),
		.sequence = htonl(1),
		.users = htonl(1),
	};

	memcpy(super.uuid, fs->uuid, sizeof(super.uuid));
	return uni_pwrite_full(fs->fd, &super, sizeof(super), block * EXT4_BLOCK, "volume", err);
}
