/*
 * A disk put together from ranges of others: a layout from its tables and contents, a grown disk
 * from the old one and new tables.
 */
#include <stddef.h>
#include <string.h>
#include <uni/base/search.h>

#include "internal.h"

struct range {
	uint64_t offset;
	uint64_t size;
	struct uni_disk_source *from;
	uint64_t from_offset;
	bool owned;
	void *bytes; /* of a source made here of a copy, or NULL */
};

struct disk_composed {
	struct uni_disk_source base;
	struct range *ranges;
	size_t count, room;
};

/* The first range that ends behind `offset`; count when there is none. */
static size_t find(const struct disk_composed *composed, uint64_t offset)
{
	const struct range *ranges = composed->ranges;
	size_t at;

	UNI_LOWER_BOUND(at, 0, composed->count, ranges[at].offset + ranges[at].size <= offset);
	return at;
}

static int composed_next(struct uni_disk_source *source, uint64_t *offset, uint64_t *length,
			 struct uni_err *err)
{
	struct disk_composed *composed = (struct disk_composed *)source;

	for (size_t i = find(composed, *offset); i < composed->count; i++) {
		const struct range *r = &composed->ranges[i];
		uint64_t inside = *offset > r->offset ? *offset - r->offset : 0;
		uint64_t at = r->from_offset + inside;
		int rc = uni_disk_source_next(r->from, &at, length, err);

		if (rc < 0)
			return rc;
		if (rc == 0 || at - r->from_offset >= r->size)
			continue;
		inside = at - r->from_offset;
		*offset = r->offset + inside;
		if (*length > r->size - inside)
			*length = r->size - inside;
		return 1;
	}
	return 0;
}

static int composed_read(struct uni_disk_source *source, void *data, size_t size, uint64_t offset,
			 struct uni_err *err)
{
	struct disk_composed *composed = (struct disk_composed *)source;
	uint8_t *out = data;
	uint64_t end = offset + size;

	for (size_t i = find(composed, offset); offset < end; i++) {
		const struct range *r = &composed->ranges[i];
		uint64_t start = i < composed->count && r->offset < end ? r->offset : end;
		size_t step;
		int rc;

		if (start > offset) {
			step = (size_t)(start - offset);
			memset(out, 0, step);
			out += step;
			offset += step;
		}
		if (offset == end)
			break;
		step = r->offset + r->size < end ? (size_t)(r->offset + r->size - offset)
						 : (size_t)(end - offset);
		rc = uni_disk_source_read(r->from, out, step, r->from_offset + (offset - r->offset),
					  err);
		if (rc != 0)
			return rc;
		out += step;
		offset += step;
	}
	return 0;
}

static void composed_free(struct uni_disk_source *source)
{
	struct disk_composed *composed = (struct disk_composed *)source;

	for (size_t i = 0; i < composed->count; i++) {
		if (composed->ranges[i].owned)
			uni_disk_source_free(composed->ranges[i].from);
		free(composed->ranges[i].bytes);
	}
	free(composed->ranges);
}

static const struct uni_disk_source_ops composed_ops = {
	.next = composed_next,
	.read = composed_read,
	.free = composed_free,
};

struct disk_composed *disk_composed_new(const char *form, uint64_t size)
{
	return disk_source_new(sizeof(struct disk_composed), &composed_ops, form, size);
}

void disk_composed_add(struct disk_composed *composed, uint64_t offset, uint64_t size,
		       struct uni_disk_source *from, uint64_t from_offset, bool owned)
{
	UNI_PUSH_ROOM(composed->ranges, composed->count, composed->room);
	composed->ranges[composed->count++] = (struct range){
		.offset = offset,
		.size = size,
		.from = from,
		.from_offset = from_offset,
		.owned = owned,
	};
}

void disk_composed_add_bytes(struct disk_composed *composed, uint64_t offset, const void *data,
			     size_t size)
{
	void *copy = uni_memdup(data, size);

	disk_composed_add(composed, offset, size, uni_disk_source_from_memory(copy, size), 0, true);
	composed->ranges[composed->count - 1].bytes = copy;
}

struct uni_disk_source *disk_composed_source(struct disk_composed *composed)
{
	return &composed->base;
}
