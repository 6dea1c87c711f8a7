/*
 * One reader for all images with tables. An entry is believed only when what it maps lies inside
 * the file; and all that is mapped together may not be more than the file has, so that a small file
 * whose entries all name one block cannot become an endless disk.
 */
#include "mapped.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <uni/base/file.h>

enum { RUN_MOST = 16 << 20 };

int disk_corrupt(const struct disk_image *image, struct uni_err *err, const char *fmt, ...)
{
	char text[256];
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	return uni_err_set(err, UNI_E_CORRUPT, "%s: %s", image->name, text);
}

int disk_unsupported(const struct disk_image *image, struct uni_err *err, const char *fmt, ...)
{
	char text[256];
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	uni_err_set(err, UNI_E_UNSUPPORTED, "%s: %s", image->name, text);
	return uni_err_hint(err, "where qemu-img reads it, it makes one that is read here: "
				 "qemu-img convert -O qcow2 IN OUT");
}

int disk_image_read(const struct disk_image *image, void *data, size_t size, uint64_t at,
		    const char *what, struct uni_err *err)
{
	if (at > image->length || size > image->length - at)
		return disk_corrupt(image, err, "%s lies behind its end; it may be truncated",
				    what);
	return uni_pread_full(image->fd, data, size, image->start + at, image->name, err);
}

static struct disk_image image_of(const struct disk_mapped *mapped)
{
	return (struct disk_image){ .fd = mapped->fd,
				    .start = mapped->start,
				    .length = mapped->length,
				    .name = mapped->name };
}

const uint8_t *disk_mapped_table(struct disk_mapped *mapped, uint64_t at, size_t size,
				 const char *what, struct uni_err *err)
{
	struct disk_image image = image_of(mapped);

	if (mapped->table != NULL && mapped->table_at == at && mapped->table_size == size)
		return mapped->table;
	free(mapped->table);
	mapped->table_at = at;
	mapped->table_size = size;
	mapped->table = uni_try_alloc(size, DISK_TABLE_MOST, what, err);
	if (mapped->table == NULL)
		return NULL;
	if (disk_image_read(&image, mapped->table, size, at, what, err) != 0) {
		free(mapped->table);
		mapped->table = NULL;
	}
	return mapped->table;
}

/* Bytes of the disk in a block: the last may be shorter. */
static uint64_t block_bytes(const struct disk_mapped *m, uint64_t index)
{
	uint64_t left = m->base.size - index * m->block;

	return left < m->block ? left : m->block;
}

enum { PARTS = 32 };

/* Bytes of the image that a plain block wants: none behind its last part that is there. */
static uint64_t plain_bytes(const struct disk_mapped *m, uint64_t index,
			    const struct disk_extent *extent)
{
	uint64_t size = block_bytes(m, index), end;

	if (extent->parts == 0)
		return size;
	end = (uint64_t)(PARTS - __builtin_clz(extent->parts)) * (m->block / PARTS);
	return end < size ? end : size;
}

/* An entry whose range was checked. */
static int lookup(struct disk_mapped *m, uint64_t index, struct disk_extent *extent,
		  struct uni_err *err)
{
	struct disk_image image = image_of(m);
	uint64_t size;
	int rc;

	*extent = (struct disk_extent){ .kind = DISK_EXTENT_HOLE, .count = 1 };
	rc = m->ops->map(m, index, extent, err);
	if (rc != 0 || extent->kind == DISK_EXTENT_HOLE)
		return rc;
	size = extent->kind == DISK_EXTENT_PLAIN ? plain_bytes(m, index, extent) : extent->size;
	if (extent->at > m->length || size > m->length - extent->at)
		return disk_corrupt(&image, err,
				    "block %llu lies behind its end; it may be truncated",
				    (unsigned long long)index);
	if (index < m->counted)
		return 0;
	m->claimed += extent->kind == DISK_EXTENT_PLAIN ? size : extent->claim;
	m->counted = index + 1;
	if (m->claimed > m->length)
		return disk_corrupt(&image, err, "its tables map more data than it has");
	return 0;
}

/* The data of the first block at or behind `*offset`; holes in the file are holes. 1, 0, error. */
static int first_data(struct disk_mapped *m, uint64_t *offset, uint64_t *length,
		      struct uni_err *err)
{
	uint64_t blocks = (m->base.size + m->block - 1) / m->block;
	struct disk_extent extent;

	for (uint64_t index = *offset / m->block; index < blocks;) {
		uint64_t start = index * m->block;
		uint64_t inside = *offset > start ? *offset - start : 0;
		uint64_t size = block_bytes(m, index);
		uint64_t at;
		int rc = lookup(m, index, &extent, err);

		if (rc != 0)
			return rc;
		if (extent.kind == DISK_EXTENT_HOLE) {
			index += extent.count != 0 && extent.count < blocks - index
					 ? extent.count
					 : (extent.count == 0 ? 1 : blocks - index);
			continue;
		}
		*length = size - inside;
		at = m->start + extent.at + inside;
		if (extent.kind == DISK_EXTENT_PLAIN) {
			size = plain_bytes(m, index, &extent);
			rc = inside >= size ? 0
					    : uni_data_next(m->fd, m->start + extent.at + size, &at,
							    length, err);
			if (rc < 0)
				return rc;
			inside = at - m->start - extent.at;
		}
		if (rc > 0 || extent.kind == DISK_EXTENT_PACKED) {
			*offset = start + inside;
			return 1;
		}
		index++;
	}
	return 0;
}

static int mapped_next(struct uni_disk_source *source, uint64_t *offset, uint64_t *length,
		       struct uni_err *err)
{
	struct disk_mapped *m = (struct disk_mapped *)source;
	struct disk_extent extent;
	int rc = first_data(m, offset, length, err);

	if (rc <= 0)
		return rc;
	/* Blocks behind it that have data too, so that callers read more at once. */
	while (*length < RUN_MOST && (*offset + *length) % m->block == 0 &&
	       *offset + *length < source->size) {
		uint64_t index = (*offset + *length) / m->block;

		rc = lookup(m, index, &extent, err);
		if (rc != 0)
			return rc;
		if (extent.kind == DISK_EXTENT_HOLE)
			break;
		*length += block_bytes(m, index);
	}
	return 1;
}

/* The block's bytes into m->unpacked. */
static int unpack(struct disk_mapped *m, uint64_t index, const struct disk_extent *extent,
		  struct uni_err *err)
{
	struct disk_image image = image_of(m);
	size_t head = m->ops->packed_header;
	int rc;

	if (m->unpacked != NULL && m->unpacked_index == index)
		return 0;
	if (m->unpacked == NULL)
		m->unpacked = uni_alloc(m->block);
	m->unpacked_index = UINT64_MAX;
	if (extent->size <= head || m->decompressor == NULL)
		return disk_corrupt(&image, err, "block %llu has no data",
				    (unsigned long long)index);
	if (extent->size > m->packed_room) {
		free(m->packed);
		m->packed_room = 0;
		m->packed = uni_try_alloc(extent->size, 2 * (uint64_t)DISK_TABLE_MOST,
					  "a compressed block", err);
		if (m->packed == NULL)
			return uni_err_context(err, "%s", m->name);
		m->packed_room = (size_t)extent->size;
	}
	rc = disk_image_read(&image, m->packed, (size_t)extent->size, extent->at, "a block", err);
	if (rc == 0)
		rc = disk_decompress(m->decompressor, m->packed + head, (size_t)extent->size - head,
				     m->unpacked, m->block, err);
	if (rc != 0)
		return uni_err_context(err, "%s: block %llu", m->name, (unsigned long long)index);
	m->unpacked_index = index;
	return 0;
}

static int read_plain(const struct disk_mapped *m, const struct disk_extent *extent, size_t inside,
		      uint8_t *data, size_t size, struct uni_err *err)
{
	uint64_t from = m->start + extent->at;
	size_t part = m->block / PARTS, step;
	int rc = 0;

	if (extent->parts == 0)
		return uni_pread_full(m->fd, data, size, from + inside, m->name, err);
	for (; rc == 0 && size != 0; data += step, inside += step, size -= step) {
		step = part - inside % part < size ? part - inside % part : size;
		if ((extent->parts >> (inside / part) & 1) != 0)
			rc = uni_pread_full(m->fd, data, step, from + inside, m->name, err);
		else
			memset(data, 0, step);
	}
	return rc;
}

static int read_block(struct disk_mapped *m, uint64_t index, size_t inside, uint8_t *data,
		      size_t size, struct uni_err *err)
{
	struct disk_extent extent;
	int rc = lookup(m, index, &extent, err);

	if (rc != 0)
		return rc;
	switch (extent.kind) {
	case DISK_EXTENT_HOLE:
		memset(data, 0, size);
		break;
	case DISK_EXTENT_PLAIN:
		return read_plain(m, &extent, inside, data, size, err);
	case DISK_EXTENT_PACKED:
		rc = unpack(m, index, &extent, err);
		if (rc == 0)
			memcpy(data, m->unpacked + inside, size);
		break;
	}
	return rc;
}

static int mapped_read(struct uni_disk_source *source, void *data, size_t size, uint64_t offset,
		       struct uni_err *err)
{
	struct disk_mapped *m = (struct disk_mapped *)source;
	uint8_t *out = data;

	while (size != 0) {
		size_t inside = (size_t)(offset % m->block);
		size_t step = m->block - inside < size ? m->block - inside : size;
		int rc = read_block(m, offset / m->block, inside, out, step, err);

		if (rc != 0)
			return rc;
		out += step;
		offset += step;
		size -= step;
	}
	return 0;
}

static void mapped_free(struct uni_disk_source *source)
{
	struct disk_mapped *m = (struct disk_mapped *)source;

	if (m->ops->free != NULL)
		m->ops->free(m);
	disk_decompressor_free(m->decompressor);
	free(m->name);
	free(m->table);
	free(m->packed);
	free(m->unpacked);
}

static const struct uni_disk_source_ops mapped_ops = {
	.next = mapped_next,
	.read = mapped_read,
	.free = mapped_free,
};

void *disk_mapped_new(size_t size, const struct disk_mapped_ops *ops, const char *form,
		      uint64_t bytes, size_t block, const struct disk_image *image)
{
	struct disk_mapped *mapped = disk_source_new(size, &mapped_ops, form, bytes);

	mapped->ops = ops;
	mapped->fd = image->fd;
	mapped->start = image->start;
	mapped->length = image->length;
	mapped->name = uni_strdup(image->name);
	mapped->block = block;
	return mapped;
}
