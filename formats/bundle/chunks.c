/*
 * The index of a volume in chunks: made of a file, searched, written and read.
 */
#include <endian.h>
#include <stdlib.h>
#include <string.h>
#include <uni/base/file.h>
#include <uni/base/pool.h>
#include <uni/base/search.h>
#include <uni/base/system.h>
#include <uni/bundle/chunks.h>
#include <uni/disk/source.h>
#include <uni/io/sink.h>

#define MAGIC "unichnk1"
enum { MAGIC_SIZE = 8, SPAN = 64 /* chunks that are one thread's at a time */ };

struct __attribute__((packed)) wire_header {
	char magic[MAGIC_SIZE];
	uint32_t chunk_size, parts;
	uint64_t size, count;
};

struct __attribute__((packed)) wire_chunk {
	uint64_t number;
	uint8_t digest[32];
	uint64_t offset;
	uint32_t stored, part;
};

_Static_assert(sizeof(struct wire_header) == 32, "header");
_Static_assert(sizeof(struct wire_chunk) == 56, "chunk");

void uni_chunks_free(struct uni_chunks *chunks)
{
	free(chunks->items);
	*chunks = (struct uni_chunks){ 0 };
}

static uint64_t number_of(uint64_t size)
{
	return (size + UNI_CHUNK_SIZE - 1) / UNI_CHUNK_SIZE;
}

size_t uni_chunk_length(const struct uni_chunks *chunks, uint64_t number)
{
	uint64_t left = chunks->size - number * UNI_CHUNK_SIZE;

	return left < UNI_CHUNK_SIZE ? (size_t)left : UNI_CHUNK_SIZE;
}

/* --- out of a file --- */

/* A span's chunks, where it has any: so a hole takes no memory. */
struct span {
	struct uni_chunk *items;
	size_t count;
};

struct hashing {
	const struct uni_chunks *chunks;
	int fd;
	const char *name;
	struct span *spans;
};

static int hash_span(void *user, size_t index, struct uni_err *err)
{
	const struct hashing *h = user;
	struct span *span = &h->spans[index];
	UNI_AUTO_FREE uint8_t *data = NULL;
	uint64_t number = (uint64_t)index * SPAN, end = number_of(h->chunks->size);
	uint64_t at = number * UNI_CHUNK_SIZE, length = 0;
	int rc;

	if (end > number + SPAN)
		end = number + SPAN;
	rc = uni_data_next(h->fd, h->chunks->size, &at, &length, err);
	if (rc <= 0 || at / UNI_CHUNK_SIZE >= end)
		return rc < 0 ? rc : 0;
	data = uni_alloc(UNI_CHUNK_SIZE);
	span->items = uni_alloc_array(SPAN, sizeof(*span->items));
	for (number = at / UNI_CHUNK_SIZE; number < end; number++) {
		size_t size = uni_chunk_length(h->chunks, number);

		rc = uni_pread_full(h->fd, data, size, number * UNI_CHUNK_SIZE, h->name, err);
		if (rc != 0)
			return rc;
		if (!uni_all_zero(data, size))
			span->items[span->count++] =
				(struct uni_chunk){ .number = number,
						    .digest = uni_digest_of(data, size) };
	}
	return 0;
}

static void take_span(struct uni_chunks *chunks, struct span *span)
{
	for (size_t i = 0; i < span->count; i++) {
		UNI_PUSH_ROOM(chunks->items, chunks->count, chunks->room);
		chunks->items[chunks->count++] = span->items[i];
	}
	free(span->items);
}

int uni_chunks_of_file(struct uni_chunks *chunks, int fd, uint64_t size, const char *name,
		       struct uni_err *err)
{
	size_t count = (size_t)((number_of(size) + SPAN - 1) / SPAN);
	UNI_AUTO_FREE struct span *spans = NULL;
	struct hashing hashing = { .chunks = chunks, .fd = fd, .name = name };
	int rc;

	if (size > UNI_DISK_SIZE_MAX)
		return uni_err_set(err, UNI_E_LIMIT, "%s is too large", name);
	*chunks = (struct uni_chunks){ .size = size };
	hashing.spans = spans = uni_alloc_array(count + 1, sizeof(*spans));
	rc = uni_pool_run(count, 0, hash_span, &hashing, err);
	for (size_t i = 0; i < count; i++)
		take_span(chunks, &spans[i]);
	return rc;
}

/* --- search --- */

static int by_digest(const void *a, const void *b, void *user)
{
	const size_t *x = a, *y = b;
	const struct uni_chunk *items = ((const struct uni_chunks *)user)->items;
	int order = uni_digest_cmp(&items[*x].digest, &items[*y].digest);

	return order != 0 ? order : (*x > *y) - (*x < *y);
}

size_t *uni_chunks_by_digest(const struct uni_chunks *chunks)
{
	size_t *order = uni_alloc_array(chunks->count + 1, sizeof(*order));

	for (size_t i = 0; i < chunks->count; i++)
		order[i] = i;
	qsort_r(order, chunks->count, sizeof(*order), by_digest, (void *)(uintptr_t)chunks);
	return order;
}

const struct uni_chunk *uni_chunks_find(const struct uni_chunks *chunks, const size_t *by_digest_,
					const struct uni_digest *digest)
{
	size_t at;

	UNI_LOWER_BOUND(at, 0, chunks->count,
			uni_digest_cmp(&chunks->items[by_digest_[at]].digest, digest) < 0);
	if (at == chunks->count || !uni_digest_eq(&chunks->items[by_digest_[at]].digest, digest))
		return NULL;
	return &chunks->items[by_digest_[at]];
}

/* --- bytes --- */

void uni_chunks_write(const struct uni_chunks *chunks, struct uni_buf *out)
{
	struct wire_header header = { .chunk_size = htole32(UNI_CHUNK_SIZE),
				      .parts = htole32(chunks->parts),
				      .size = htole64(chunks->size),
				      .count = htole64(chunks->count) };

	memcpy(header.magic, MAGIC, MAGIC_SIZE);
	uni_buf_add(out, &header, sizeof(header));
	for (size_t i = 0; i < chunks->count; i++) {
		const struct uni_chunk *chunk = &chunks->items[i];
		struct wire_chunk wire = { .number = htole64(chunk->number),
					   .offset = htole64(chunk->offset),
					   .stored = htole32(chunk->stored),
					   .part = htole32(chunk->part) };

		memcpy(wire.digest, chunk->digest.bytes, sizeof(wire.digest));
		uni_buf_add(out, &wire, sizeof(wire));
	}
}

static int refuse(const char *what, struct uni_err *err)
{
	return uni_err_set(err, UNI_E_CORRUPT, "the volume's index: %s", what);
}

static int take_chunk(struct uni_chunks *chunks, const struct wire_chunk *wire, uint64_t least,
		      struct uni_err *err)
{
	struct uni_chunk *chunk = &chunks->items[chunks->count++];

	*chunk = (struct uni_chunk){ .number = le64toh(wire->number),
				     .offset = le64toh(wire->offset),
				     .stored = le32toh(wire->stored),
				     .part = le32toh(wire->part) };
	memcpy(chunk->digest.bytes, wire->digest, sizeof(wire->digest));
	if (chunk->number < least || chunk->number >= number_of(chunks->size))
		return refuse("a chunk has no place in the volume", err);
	if (chunk->part >= chunks->parts)
		return refuse("a chunk is in a part that is not there", err);
	if (chunk->stored == 0 || chunk->stored > uni_zstd_bound(UNI_CHUNK_SIZE))
		return refuse("a chunk cannot be of that size", err);
	return 0;
}

int uni_chunks_read(struct uni_chunks *chunks, const void *data, size_t size, struct uni_err *err)
{
	const uint8_t *bytes = data;
	struct wire_header header;
	uint64_t count;
	int rc = 0;

	*chunks = (struct uni_chunks){ 0 };
	if (size < sizeof(header))
		return refuse("it is too short", err);
	memcpy(&header, bytes, sizeof(header));
	count = le64toh(header.count);
	if (memcmp(header.magic, MAGIC, MAGIC_SIZE) != 0 ||
	    le32toh(header.chunk_size) != UNI_CHUNK_SIZE)
		return refuse("it is of another kind", err);
	if (le64toh(header.size) > UNI_DISK_SIZE_MAX || le32toh(header.parts) > UNI_CHUNK_PARTS_MAX)
		return refuse("it is beyond bounds", err);
	if (count != (size - sizeof(header)) / sizeof(struct wire_chunk) ||
	    (size - sizeof(header)) % sizeof(struct wire_chunk) != 0)
		return refuse("its length is wrong", err);
	chunks->size = le64toh(header.size);
	chunks->parts = le32toh(header.parts);
	chunks->room = (size_t)count;
	chunks->items = uni_alloc_array((size_t)count + 1, sizeof(*chunks->items));
	for (size_t i = 0; rc == 0 && i < count; i++) {
		struct wire_chunk wire;

		memcpy(&wire, bytes + sizeof(header) + i * sizeof(wire), sizeof(wire));
		rc = take_chunk(chunks, &wire, i != 0 ? chunks->items[i - 1].number + 1 : 0, err);
	}
	return rc;
}
