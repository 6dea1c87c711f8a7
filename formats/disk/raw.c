/*
 * The raw form: the disk's bytes as a machine sees them. One pass from front to back hashes each
 * content for the disk and, unless its digest is known, for its partition, and writes only what is
 * not zero, so that holes stay holes.
 */
#include <string.h>
#include <uni/base/file.h>
#include <uni/base/mapdigest.h>
#include <uni/base/mem.h>
#include <uni/base/pool.h>
#include <uni/base/system.h>

#include "gpt.h"
#include "internal.h"

enum { CHUNK = 256 << 10, BLOCK = 4096, LARGE = 512 << 10 };

struct raw_writer {
	int fd;
	bool hashes; /* the disk, too: a large one may be known by its map instead */
	uint64_t at; /* all before it is written and hashed */
	struct uni_hash disk;
	uint8_t *chunk; /* CHUNK bytes */
};

static const uint8_t zeros[64 << 10];

static void take(struct raw_writer *w, const void *data, size_t size, struct uni_hash *partition)
{
	if (w->hashes)
		uni_hash_add(&w->disk, data, size);
	if (partition != NULL)
		uni_hash_add(partition, data, size);
	w->at += size;
}

static int put(struct raw_writer *w, const void *data, size_t size, struct uni_hash *partition,
	       struct uni_err *err)
{
	int rc = disk_write_sparse(w->fd, data, size, w->at, err);

	if (rc == 0)
		take(w, data, size, partition);
	return rc;
}

/* Nothing is written: the file is a hole there. */
static int put_zeros(struct raw_writer *w, uint64_t until, struct uni_hash *partition,
		     struct uni_err *err)
{
	if (!w->hashes && partition == NULL && w->at < until)
		w->at = until;
	while (w->at < until) {
		uint64_t left = until - w->at;
		size_t size = left < sizeof(zeros) ? (size_t)left : sizeof(zeros);

		take(w, zeros, size, partition);
		if (w->at % (64u << 20) == 0) {
			int rc = uni_check_cancel(err);

			if (rc != 0)
				return rc;
		}
	}
	return 0;
}

/* A content in pieces; its holes are not read. */
static int hash_content(struct raw_writer *w, struct uni_disk_source *content,
			struct uni_hash *partition, bool write, struct uni_err *err)
{
	uint64_t start = w->at;
	uint64_t from = 0;
	uint64_t length = 0;
	int rc;

	while ((rc = uni_disk_source_next(content, &from, &length, err)) > 0) {
		rc = put_zeros(w, start + from, partition, err);
		while (rc == 0 && length != 0) {
			size_t size = length < CHUNK ? (size_t)length : CHUNK;

			rc = uni_disk_source_read(content, w->chunk, size, from, err);
			if (rc == 0 && write)
				rc = disk_write_sparse(w->fd, w->chunk, size, w->at, err);
			if (rc == 0)
				take(w, w->chunk, size, partition);
			if (rc == 0)
				rc = uni_check_cancel(err);
			from += size;
			length -= size;
		}
		if (rc != 0)
			return rc;
	}
	return rc != 0 ? rc : put_zeros(w, start + content->size, partition, err);
}

/* A large file: one thread hashes it while another lets the kernel copy it. */
struct large {
	struct raw_writer *w;
	const struct uni_disk_content *from;
	struct uni_disk_source *content;
	struct uni_hash *partition;
	uint64_t at;
};

static int put_large_half(void *user, size_t index, struct uni_err *err)
{
	const struct large *l = user;

	if (index == 0)
		return hash_content(l->w, l->content, l->partition, false, err);
	return uni_copy_range(l->from->fd, l->from->offset, l->w->fd, l->at, l->from->size, err);
}

static int put_partition(struct raw_writer *w, const struct uni_disk_partition *p,
			 struct uni_disk_placed *placed, struct uni_err *err)
{
	const struct uni_disk_content *from = &p->content;
	UNI_AUTO(uni_disk_source) struct uni_disk_source *content = layout_content(p, err);
	struct uni_hash hash;
	struct large large = { .w = w, .from = from, .content = content, .at = placed->offset };
	int rc = content != NULL ? put_zeros(w, placed->offset, NULL, err) : err->code;

	if (content == NULL)
		return rc;
	uni_hash_start(&hash);
	large.partition = from->known == NULL ? &hash : NULL;
	if (rc == 0 && from->size >= LARGE && from->data == NULL && from->source == NULL)
		rc = uni_pool_run(2, 2, put_large_half, &large, err);
	else if (rc == 0)
		rc = hash_content(w, content, large.partition, true, err);
	if (rc == 0)
		rc = put_zeros(w, placed->offset + placed->size, NULL, err);
	if (rc != 0)
		return uni_err_context(err, "partition \"%s\"", p->name != NULL ? p->name : "");
	placed->digest = from->known != NULL ? *from->known : uni_hash_end(&hash);
	return 0;
}

/* A header fills a sector. */
static int put_header(struct raw_writer *w, const struct uni_gpt_header *header,
		      struct uni_err *err)
{
	uint8_t sector[UNI_DISK_SECTOR] = { 0 };

	memcpy(sector, header, sizeof(*header));
	return put(w, sector, sizeof(sector), NULL, err);
}

static int write_all(struct raw_writer *w, const struct uni_disk_layout *layout,
		     const struct gpt_table *table, struct uni_disk_result *result,
		     struct uni_err *err)
{
	uint8_t mbr[UNI_DISK_SECTOR];
	int rc = gpt_build_mbr(layout, result, mbr, err);

	if (rc == 0)
		rc = disk_set_size(w->fd, result->size, err);
	if (rc == 0)
		rc = put(w, mbr, sizeof(mbr), NULL, err);
	if (rc == 0)
		rc = put_header(w, &table->primary, err);
	if (rc == 0)
		rc = put(w, table->entries, sizeof(table->entries), NULL, err);
	for (size_t i = 0; rc == 0 && i < layout->count; i++)
		rc = put_partition(w, &layout->partitions[i], &result->placed[i], err);
	if (rc == 0)
		rc = put_zeros(w, table->backup.entries_lba * UNI_DISK_SECTOR, NULL, err);
	if (rc == 0)
		rc = put(w, table->entries, sizeof(table->entries), NULL, err);
	if (rc == 0)
		rc = put_header(w, &table->backup, err);
	return rc;
}

static int raw_write_layout(const struct uni_disk_layout *layout, int fd,
			    struct uni_disk_result *result, struct uni_err *err)
{
	struct gpt_table table;
	struct raw_writer w = { .fd = fd, .hashes = result->size <= UNI_MAP_HOLE };
	UNI_AUTO_FREE uint8_t *chunk = NULL;
	int rc = gpt_build(layout, result, &table, err);

	if (rc != 0)
		return rc;
	chunk = uni_alloc(CHUNK);
	w.chunk = chunk;
	uni_hash_start(&w.disk);
	rc = write_all(&w, layout, &table, result, err);
	if (rc != 0)
		return rc;
	result->digest = uni_hash_end(&w.disk);
	result->has_digest = w.hashes;
	return 0;
}

static int raw_write(struct uni_disk_source *source, const struct uni_disk_options *options, int fd,
		     struct uni_err *err)
{
	(void)options;
	return uni_disk_source_unpack(source, fd, err);
}

int uni_disk_source_unpack_part(struct uni_disk_source *source, uint64_t offset, uint64_t size,
				int fd, struct uni_err *err)
{
	UNI_AUTO_FREE uint8_t *chunk = uni_alloc(CHUNK);
	struct disk_walk walk = {
		.source = source, .block = BLOCK, .room = CHUNK, .at = offset, .data_end = offset
	};
	uint64_t end = offset + size;
	uint64_t at;
	size_t step;
	int rc;

	while ((rc = disk_walk_next(&walk, chunk, &at, &step, err)) > 0 && at < end) {
		if (end - at < step)
			step = (size_t)(end - at);
		rc = disk_write_sparse(fd, chunk, step, at, err);
		if (rc != 0)
			return rc;
	}
	return rc < 0 ? rc : 0;
}

int uni_disk_source_unpack(struct uni_disk_source *source, int fd, struct uni_err *err)
{
	int rc = disk_set_size(fd, source->size, err);

	return rc != 0 ? rc : uni_disk_source_unpack_part(source, 0, source->size, fd, err);
}

const struct uni_disk_format uni_disk_raw = {
	.name = "raw",
	.extension = "raw",
	.version = 1,
	.write = raw_write,
	.write_layout = raw_write_layout,
};
