/*
 * squashfs's metadata: inodes, directories and tables lie in blocks of up to 8 KiB, packed one
 * behind the other. A small cache keeps those used last unpacked.
 */
#include "squashfs.h"

enum { SLOTS_MIN = 8, SLOTS_MAX = 64, BYTES_A_SLOT = 1 << 20, SLOT_ORDER = 1 };
_Static_assert((UK_PAGE_SIZE << SLOT_ORDER) == SQ_META_SIZE, "a slot holds a block");

struct slot {
	uint64_t block; /* its position; SQ_NONE64: nothing in it */
	uint64_t next;	/* behind it */
	uint32_t size;	/* unpacked */
	uint64_t used;	/* when last */
	struct uk_page *page;
};

struct sq_meta {
	struct uk_mutex lock;
	uint64_t clock;
	uint8_t packed[SQ_META_SIZE];
	unsigned count;
	struct slot slot[];
};

int sq_meta_new(struct sq *sq)
{
	unsigned count = (unsigned)UK_MAX(
		SLOTS_MIN, UK_MIN(uk_mem_total() / BYTES_A_SLOT, (uint64_t)SLOTS_MAX));
	struct sq_meta *meta = uk_alloc(sizeof(*meta) + count * sizeof(struct slot));

	if (meta == NULL)
		return -UK_ENOMEM;
	uk_mutex_init(&meta->lock);
	meta->count = count;
	for (unsigned i = 0; i < count; i++)
		meta->slot[i].block = SQ_NONE64;
	sq->meta = meta;
	return 0;
}

void sq_meta_free(struct sq *sq)
{
	if (sq->meta == NULL)
		return;
	for (unsigned i = 0; i < sq->meta->count; i++)
		if (sq->meta->slot[i].page != NULL)
			uk_page_put(sq->meta->slot[i].page);
	uk_free(sq->meta);
}

/* The block at `slot->block` into the slot's page. */
static int unpack(struct sq *sq, struct slot *slot)
{
	struct sq_meta *meta = sq->meta;
	uint16_t head;
	int64_t size;
	int error;

	if (slot->block > sq->disk.bytes_used - sizeof(head))
		return -UK_EIO;
	error = fs_volume_read(sq->volume, slot->block, &head, sizeof(head));
	if (error != 0)
		return error;
	size = head & (SQ_META_STORED - 1);
	slot->next = slot->block + sizeof(head) + (uint64_t)size;
	if (size == 0 || size > SQ_META_SIZE || slot->next > sq->disk.bytes_used)
		return -UK_EIO;
	if ((head & SQ_META_STORED) != 0) {
		slot->size = (uint32_t)size;
		return fs_volume_read(sq->volume, slot->block + sizeof(head),
				      uk_page_virt(slot->page), (size_t)size);
	}
	error = fs_volume_read(sq->volume, slot->block + sizeof(head), meta->packed, (size_t)size);
	if (error != 0)
		return error;
	uk_mutex_lock(&sq->work);
	size = fs_decode(sq->decoder, meta->packed, (size_t)size, uk_page_virt(slot->page),
			 SQ_META_SIZE);
	uk_mutex_unlock(&sq->work);
	if (size <= 0)
		return -UK_EIO;
	slot->size = (uint32_t)size;
	return 0;
}

/* The slot with a block in it, under the lock. */
static int slot_get(struct sq *sq, uint64_t block, struct slot **out)
{
	struct sq_meta *meta = sq->meta;
	struct slot *oldest = &meta->slot[0];
	int error;

	for (unsigned i = 0; i < meta->count; i++) {
		struct slot *slot = &meta->slot[i];

		if (slot->block == block) {
			slot->used = ++meta->clock;
			*out = slot;
			return 0;
		}
		if (slot->used < oldest->used)
			oldest = slot;
	}
	if (oldest->page == NULL)
		oldest->page = uk_page_alloc(SLOT_ORDER, false);
	if (oldest->page == NULL)
		return -UK_ENOMEM;
	oldest->block = block;
	error = unpack(sq, oldest);
	if (error != 0) {
		oldest->block = SQ_NONE64;
		return error;
	}
	oldest->used = ++meta->clock;
	*out = oldest;
	return 0;
}

int sq_meta_read(struct sq *sq, struct sq_place *place, void *data, size_t size)
{
	uint8_t *to = data;
	int error = 0;

	uk_mutex_lock(&sq->meta->lock);
	while (size != 0 && error == 0) {
		struct slot *slot;
		size_t part;

		error = slot_get(sq, place->block, &slot);
		if (error != 0)
			break;
		if (place->offset >= slot->size) {
			error = -UK_EIO;
			break;
		}
		part = UK_MIN(size, (size_t)(slot->size - place->offset));
		if (to != NULL) {
			memcpy(to, (uint8_t *)uk_page_virt(slot->page) + place->offset, part);
			to += part;
		}
		size -= part;
		place->offset += (uint32_t)part;
		if (place->offset == slot->size) {
			place->block = slot->next;
			place->offset = 0;
		}
	}
	uk_mutex_unlock(&sq->meta->lock);
	return error;
}

int sq_table_read(struct sq *sq, uint64_t table, uint64_t index, void *entry, size_t size)
{
	uint64_t per_block = SQ_META_SIZE / size, position;
	struct sq_place place;
	int error;

	if (__builtin_add_overflow(table, index / per_block * sizeof(position), &position))
		return -UK_EIO;
	error = fs_volume_read(sq->volume, position, &place.block, sizeof(place.block));
	if (error != 0)
		return error;
	place.offset = (uint32_t)(index % per_block * size);
	return sq_meta_read(sq, &place, entry, size);
}
