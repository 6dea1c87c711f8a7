/*
 * The lower half of reading squashfs: metadata blocks, tables of them, data blocks. Every block is
 * bounded by the image and by what it may unpack to.
 */
#include <string.h>

#include "squash.h"

static int load_meta(struct squash *s, struct squash_meta *meta, uint64_t block,
		     struct uni_err *err)
{
	uint8_t packed[SQUASH_META_SIZE];
	uint8_t word[2];
	size_t size;
	size_t got = 0;
	int rc = reader_pread(&s->reader, block, word, sizeof(word), err);

	if (rc != 0)
		return rc;
	size = (size_t)(word[0] | word[1] << 8) & ~(size_t)SQUASH_META_STORED;
	if (size == 0 || size > SQUASH_META_SIZE)
		return reader_corrupt(&s->reader, "size of a metadata block", err);
	rc = reader_pread(&s->reader, block + 2, packed, size, err);
	if (rc != 0)
		return rc;
	meta->block = 0;
	if ((word[1] & SQUASH_META_STORED >> 8) != 0) {
		memcpy(meta->data, packed, size);
		got = size;
	} else {
		rc = s->codec->unpack(packed, size, meta->data, sizeof(meta->data), &got, err);
		if (rc != 0)
			return uni_err_context(err, "%s: metadata", s->reader.name);
	}
	if (got == 0)
		return reader_corrupt(&s->reader, "an empty metadata block", err);
	meta->size = got;
	meta->next = block + 2 + size;
	meta->block = block;
	return 0;
}

static int get_meta(struct squash *s, uint64_t block, const struct squash_meta **out,
		    struct uni_err *err)
{
	struct squash_meta *meta = &s->meta[block / 1024 % SQUASH_META_SLOTS];
	int rc;

	if (block < sizeof(s->super) || block >= s->super.bytes_used)
		return reader_corrupt(&s->reader, "place of a metadata block", err);
	rc = meta->block == block ? 0 : load_meta(s, meta, block, err);
	*out = meta;
	return rc;
}

int squash_meta_read(struct squash *s, struct squash_place *place, void *data, size_t size,
		     struct uni_err *err)
{
	uint8_t *out = data;

	while (size != 0) {
		const struct squash_meta *meta = NULL;
		size_t part;
		int rc = get_meta(s, place->block, &meta, err);

		if (rc != 0)
			return rc;
		if (place->offset > meta->size)
			return reader_corrupt(&s->reader, "place inside a metadata block", err);
		part = meta->size - place->offset < size ? meta->size - place->offset : size;
		memcpy(out, meta->data + place->offset, part);
		out += part;
		size -= part;
		place->offset += (uint32_t)part;
		if (place->offset == meta->size) {
			place->block = meta->next;
			place->offset = 0;
		}
	}
	return 0;
}

int squash_table_read(struct squash *s, uint64_t table, uint32_t index, void *data, size_t size,
		      struct uni_err *err)
{
	uint64_t at = (uint64_t)index * size;
	struct squash_place place = { .offset = (uint32_t)(at % SQUASH_META_SIZE) };
	uint64_t pointer = table + at / SQUASH_META_SIZE * sizeof(place.block);
	uint8_t raw[8];
	int rc;

	if (table >= s->super.bytes_used)
		return reader_corrupt(&s->reader, "place of a table", err);
	if (s->pointer_at != pointer) {
		rc = reader_pread(&s->reader, pointer, raw, sizeof(raw), err);
		if (rc != 0)
			return rc;
		memcpy(&s->pointer, raw, sizeof(s->pointer));
		s->pointer_at = pointer;
	}
	place.block = s->pointer;
	return squash_meta_read(s, &place, data, size, err);
}

int squash_block_read(struct squash *s, uint64_t at, uint32_t word, uint8_t *out, size_t *got,
		      struct uni_err *err)
{
	size_t size = word & (SQUASH_DATA_STORED - 1);
	bool stored = (word & SQUASH_DATA_STORED) != 0;
	int rc;

	if (size == 0 || size > s->super.block_size || (word >> 25) != 0)
		return reader_corrupt(&s->reader, "size of a data block", err);
	rc = reader_pread(&s->reader, at, stored ? out : s->packed, size, err);
	if (rc != 0)
		return rc;
	*got = size;
	if (!stored)
		rc = s->codec->unpack(s->packed, size, out, s->super.block_size, got, err);
	return rc != 0 ? uni_err_context(err, "%s", s->reader.name) : 0;
}
