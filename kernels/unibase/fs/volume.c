/*
 * Volumes: what a read-only file system reads from. A block device or memory, and the hash tree
 * over it where there is one: nothing leaves this file that was not checked.
 *
 * Small reads go through a cache of the device's own pages, which also reads ahead by its unit;
 * large ones go past it into the reader's room.
 */
#include <uk/block.h>
#include <uni/abi/config.h>
#include <uni/abi/verity.h>

#include "fs.h"

enum { FILL_ORDER = 3, SECTOR = 512 };

struct fs_volume {
	struct uk_block_dev *dev;
	struct fs_verity *verity; /* NULL: unchecked */
	uint64_t size;		  /* of the data, bytes */
	struct uk_inode *raw;	  /* whose pages are the device's */
};

static int check(struct fs_volume *v, uint64_t offset, const uint8_t *data, size_t size)
{
	int error = 0;

	if (v->verity == NULL)
		return 0;
	for (size_t at = 0; at < size && error == 0; at += UNI_VERITY_BLOCK)
		error = fs_verity_check(v->verity, (offset + at) / UNI_VERITY_BLOCK, data + at);
	return error;
}

int fs_volume_frame(struct fs_volume *v, uint64_t offset, struct uk_page **out)
{
	const uint8_t *at = v->dev->memory;
	struct uk_page *page;
	int error;

	*out = NULL;
	if (at == NULL || ((uintptr_t)at + offset) % UK_PAGE_SIZE != 0 ||
	    offset % UK_PAGE_SIZE != 0 || offset > v->size || v->size - offset < UK_PAGE_SIZE)
		return 0;
	page = uk_page_of(uk_virt_to_phys(at + offset));
	if (page == NULL || (page->flags & UK_PAGE_RESERVED) == 0)
		return 0;
	error = check(v, offset, at + offset, UK_PAGE_SIZE);
	if (error != 0)
		return error;
	uk_page_get(page);
	*out = page;
	return 0;
}

/* -- pages of the device -- */

/* Reads `count` pages into frames that lie one behind the other; the device may end in the last. */
static int read_pages(struct fs_volume *v, uint64_t offset, struct uk_page *pages, unsigned count)
{
	size_t room = count * UK_PAGE_SIZE;
	size_t size = UK_MIN(room, v->size - offset);
	uint8_t *to = uk_page_virt(pages);
	int error = uk_block_read(v->dev, offset, to, UK_ALIGN_UP(size, (size_t)SECTOR));

	memset(to + size, 0, room - size);
	return error != 0 ? error : check(v, offset, to, size);
}

static int raw_fill_one(struct uk_inode *inode, uint64_t index)
{
	struct fs_volume *v = inode->data;
	struct uk_page *page;
	int error = fs_volume_frame(v, index << UK_PAGE_SHIFT, &page);

	if (error != 0)
		return error;
	if (page == NULL) {
		page = uk_page_alloc(0, false);
		if (page == NULL)
			return -UK_ENOMEM;
		error = read_pages(v, index << UK_PAGE_SHIFT, page, 1);
	}
	if (error == 0)
		error = uk_cache_add(inode, index, page);
	uk_page_put(page);
	return error == -UK_EEXIST ? 0 : error;
}

/* One transfer for the whole unit when memory for it is at hand in one piece, and all is well. */
static int raw_fill(struct uk_inode *inode, uint64_t index, uint64_t first, unsigned count)
{
	struct fs_volume *v = inode->data;
	struct uk_page *pages;

	if (v->dev->memory != NULL || v->size < (first + count) << UK_PAGE_SHIFT ||
	    count != 1u << inode->fill_order)
		return raw_fill_one(inode, index);
	pages = uk_page_alloc(inode->fill_order, false);
	if (pages == NULL)
		return raw_fill_one(inode, index);
	uk_page_split(pages);
	if (read_pages(v, first << UK_PAGE_SHIFT, pages, count) != 0) {
		for (unsigned i = 0; i < count; i++)
			uk_page_put(&pages[i]);
		return raw_fill_one(inode, index);
	}
	for (unsigned i = 0; i < count; i++) {
		(void)uk_cache_add(inode, first + i, &pages[i]);
		uk_page_put(&pages[i]);
	}
	return 0;
}

static const struct uk_inode_ops raw_ops = { .fill = raw_fill };

/* -- reading -- */

int fs_volume_read(struct fs_volume *v, uint64_t offset, void *data, size_t size)
{
	if (offset > v->size || size > v->size - offset)
		return -UK_EIO;
	return fs_cache_read(v->raw, offset, data, size);
}

int fs_volume_read_block(struct fs_volume *v, uint64_t offset, size_t size, void *room,
			 const uint8_t **at)
{
	uint64_t start = UK_ALIGN_DOWN(offset, UK_PAGE_SIZE), end;
	const uint8_t *data = room;
	int error;

	if (offset > v->size || size > v->size - offset)
		return -UK_EIO;
	end = UK_MIN(UK_ALIGN_UP(offset + size, UK_PAGE_SIZE), v->size);
	if (v->dev->memory != NULL) {
		data = (const uint8_t *)v->dev->memory + start;
	} else {
		error = uk_block_read(v->dev, start, room,
				      (size_t)UK_ALIGN_UP(end - start, (uint64_t)SECTOR));
		if (error != 0)
			return error;
	}
	*at = data + (offset - start);
	return check(v, start, data, (size_t)(end - start));
}

uint64_t fs_volume_size(const struct fs_volume *v)
{
	return v->size;
}

bool fs_volume_in_memory(const struct fs_volume *v)
{
	return v->dev->memory != NULL;
}

/* -- opening -- */

int fs_volume_open(struct uk_block_dev *dev, const struct uni_config_mount *mount, const char *name,
		   struct fs_volume **out)
{
	struct fs_volume *v = uk_alloc(sizeof(*v));
	int error = -UK_ENOMEM;

	if (v == NULL)
		return error;
	v->dev = dev;
	v->size = mount->size != 0 ? UK_MIN(mount->size, dev->size) : dev->size;
	if ((mount->flags & UNI_MOUNT_VERITY) != 0) {
		error = fs_verity_open(dev, mount, name, &v->verity);
		if (error != 0)
			goto fail;
		v->size = mount->data_blocks * UNI_VERITY_BLOCK;
	}
	v->raw = uk_inode_new(NULL, &raw_ops, UK_S_IFREG);
	if (v->raw == NULL) {
		error = -UK_ENOMEM;
		goto fail;
	}
	v->raw->fill_order = dev->memory == NULL ? FILL_ORDER : 0;
	v->raw->data = v;
	*out = v;
	return 0;
fail:
	fs_verity_close(v->verity);
	uk_free(v);
	return error;
}

void fs_volume_read_ahead(struct fs_volume *v, unsigned order)
{
	if (v->dev->memory == NULL)
		v->raw->fill_order = (uint8_t)order;
}

void fs_volume_close(struct fs_volume *v)
{
	if (v == NULL)
		return;
	uk_inode_put(v->raw);
	fs_verity_close(v->verity);
	uk_free(v);
}

static bool verity_is(struct uk_block_dev *dev, const struct uni_config_mount *mount,
		      struct uni_verity_superblock *room)
{
	uint8_t guid[16];

	if (fs_verity_super_read(dev, mount->hash_offset, room) != 0)
		return false;
	fs_gpt_order(room->uuid, guid);
	return memcmp(guid, mount->uuid, sizeof(guid)) == 0;
}

/* By partition GUID; else a whole device whose hash tree's superblock carries it. */
struct uk_block_dev *fs_volume_find(const struct uni_config_mount *mount)
{
	struct uk_block_dev *dev = uk_block_find(mount->uuid);
	struct uni_verity_superblock *super;

	if (dev != NULL || (mount->flags & UNI_MOUNT_VERITY) == 0)
		return dev;
	super = uk_alloc(sizeof(*super));
	if (super == NULL)
		return NULL;
	do
		dev = uk_block_next(dev);
	while (dev != NULL && !verity_is(dev, mount, super));
	uk_free(super);
	return dev;
}
