/*
 * QCOW2, version 3, clusters of 64 KiB. Data comes in order behind header and level 1 table, each
 * level 2 table behind the data that it maps, reference counts at the end. In memory are one level
 * 2 table, the level 1 table and a count for each cluster of the file.
 *
 * Compressed clusters are packed without gaps. One that does not become smaller stands by itself in
 * the next free cluster, and packing goes on in the one that was begun as long as there is room.
 */
#include <uni/base/file.h>

#include "bytes.h"
#include "pack.h"
#include "qcow2.h"

enum {
	CLUSTER_BITS = 16,
	CLUSTER = 1 << CLUSTER_BITS,
	L2_ENTRIES = CLUSTER / 8,
	COUNTS = CLUSTER / 2, /* in one block of reference counts */
	CHUNK = 1 << 20,
	ZLIB_LEVEL = 6,
	ZSTD_LEVEL = 3,
};

struct qcow2 {
	int fd;
	uint64_t size;
	uint8_t *l1;
	size_t l1_size; /* entries */
	uint8_t *l2;
	uint64_t l2_index; /* which of them `l2` is; UINT64_MAX: none */
	uint64_t end;	   /* of the clusters in use; bytes */
	uint64_t packed;   /* where the next compressed byte goes, on a boundary: nowhere yet */
	uint16_t *counts;  /* of each cluster before `end` */
	size_t counts_room;
};

static uint64_t allocate(struct qcow2 *q, uint64_t clusters, uint16_t count)
{
	uint64_t at = q->end;
	size_t index = (size_t)(at >> CLUSTER_BITS);

	for (uint64_t i = 0; i < clusters; i++, index++) {
		UNI_PUSH_ROOM(q->counts, index, q->counts_room);
		q->counts[index] = count;
	}
	q->end += clusters << CLUSTER_BITS;
	return at;
}

static int flush_l2(struct qcow2 *q, struct uni_err *err)
{
	uint64_t at;

	if (q->l2_index == UINT64_MAX)
		return 0;
	at = allocate(q, 1, 1);
	put_be64(q->l1 + q->l2_index * 8, at | QCOW2_COPIED);
	q->l2_index = UINT64_MAX;
	return disk_write(q->fd, q->l2, CLUSTER, at, err);
}

/* The entry of a cluster; the one before, if of another table, is written. */
static int l2_entry(struct qcow2 *q, uint64_t cluster, uint8_t **entry, struct uni_err *err)
{
	if (q->l2_index != cluster / L2_ENTRIES) {
		int rc = flush_l2(q, err);

		if (rc != 0)
			return rc;
		memset(q->l2, 0, CLUSTER);
		q->l2_index = cluster / L2_ENTRIES;
	}
	*entry = q->l2 + cluster % L2_ENTRIES * 8;
	return 0;
}

/* Clusters as they are, all in one table. */
static int put_plain(struct qcow2 *q, uint64_t cluster, const uint8_t *data, uint64_t count,
		     struct uni_err *err)
{
	uint8_t *entry;
	uint64_t at;
	int rc = l2_entry(q, cluster, &entry, err);

	if (rc != 0)
		return rc;
	at = allocate(q, count, 1);
	for (uint64_t i = 0; i < count; i++)
		put_be64(entry + i * 8, (at + (i << CLUSTER_BITS)) | QCOW2_COPIED);
	return disk_write(q->fd, data, (size_t)(count << CLUSTER_BITS), at, err);
}

/* Where `size` bytes of packed data go; counts are the caller's. */
static uint64_t place_packed(struct qcow2 *q, size_t size)
{
	uint64_t room = -q->packed & (CLUSTER - 1);

	if (room == 0) {
		q->packed = allocate(q, 1, 0);
	} else if (size > room) {
		bool last = q->packed + room == q->end;
		uint64_t next = allocate(q, 1, 0);

		if (!last)
			q->packed = next;
	}
	q->packed += size;
	return q->packed - size;
}

static int put_packed(void *user, const struct disk_packed *block, struct uni_err *err)
{
	struct qcow2 *q = user;
	uint8_t *entry;
	uint64_t at, sectors;
	int rc;

	if (!block->compressed)
		return put_plain(q, block->index, block->data, 1, err);
	rc = l2_entry(q, block->index, &entry, err);
	if (rc != 0)
		return rc;
	at = place_packed(q, block->size);
	sectors = ((at + block->size - 1) >> 9) - (at >> 9);
	put_be64(entry, QCOW2_COMPRESSED | sectors << qcow2_sectors_shift(CLUSTER_BITS) | at);
	for (uint64_t i = at >> CLUSTER_BITS; i <= (at + block->size - 1) >> CLUSTER_BITS; i++)
		q->counts[i]++;
	return disk_write(q->fd, block->data, block->size, at, err);
}

/* What is not zero of a chunk, in runs. */
static int put_chunk(struct qcow2 *q, uint64_t cluster, const uint8_t *data, size_t size,
		     struct uni_err *err)
{
	size_t count = size >> CLUSTER_BITS;
	int rc = 0;

	for (size_t i = 0, end; rc == 0 && i < count; i = end) {
		const uint8_t *start = data + (i << CLUSTER_BITS);

		end = i + 1;
		if (uni_all_zero(start, CLUSTER))
			continue;
		while (end < count && (cluster + end) % L2_ENTRIES != 0 &&
		       !uni_all_zero(data + (end << CLUSTER_BITS), CLUSTER))
			end++;
		rc = put_plain(q, cluster + i, start, end - i, err);
	}
	return rc;
}

static int put_all(struct qcow2 *q, struct uni_disk_source *source, struct uni_err *err)
{
	UNI_AUTO_FREE uint8_t *chunk = uni_alloc(CHUNK);
	struct disk_walk walk = { .source = source, .block = CLUSTER, .room = CHUNK };
	uint64_t offset;
	size_t size;
	int rc;

	while ((rc = disk_walk_next(&walk, chunk, &offset, &size, err)) > 0) {
		rc = put_chunk(q, offset >> CLUSTER_BITS, chunk, size, err);
		if (rc != 0)
			return rc;
	}
	return rc;
}

/* Blocks and table, counting themselves. */
static int put_counts(struct qcow2 *q, uint64_t *table_at, uint64_t *table_clusters,
		      struct uni_err *err)
{
	UNI_AUTO_FREE uint8_t *block = uni_alloc(CLUSTER);
	UNI_AUTO_FREE uint8_t *table = NULL;
	uint64_t used = q->end >> CLUSTER_BITS;
	uint64_t blocks = 0;
	uint64_t tables = 0;
	uint64_t at;
	int rc = 0;

	while (blocks * COUNTS < used + blocks + tables) {
		blocks++;
		tables = (blocks * 8 + CLUSTER - 1) >> CLUSTER_BITS;
	}
	at = allocate(q, blocks + tables, 1);
	used = q->end >> CLUSTER_BITS;
	table = uni_alloc((size_t)tables << CLUSTER_BITS);
	for (uint64_t i = 0; rc == 0 && i < blocks; i++) {
		memset(block, 0, CLUSTER);
		for (uint64_t j = 0; j < COUNTS && i * COUNTS + j < used; j++)
			put_be16(block + j * 2, q->counts[i * COUNTS + j]);
		put_be64(table + i * 8, at + (i << CLUSTER_BITS));
		rc = disk_write(q->fd, block, CLUSTER, at + (i << CLUSTER_BITS), err);
	}
	*table_at = at + (blocks << CLUSTER_BITS);
	*table_clusters = tables;
	return rc != 0 ? rc
		       : disk_write(q->fd, table, (size_t)tables << CLUSTER_BITS, *table_at, err);
}

static int put_header(struct qcow2 *q, bool zstd, uint64_t table_at, uint64_t table_clusters,
		      struct uni_err *err)
{
	/* Behind it the end of its extensions: eight zero bytes. */
	struct qcow2_header h = {
		.magic = htobe32(QCOW2_MAGIC),
		.version = htobe32(3),
		.cluster_bits = htobe32(CLUSTER_BITS),
		.size = htobe64(q->size),
		.l1_size = htobe32((uint32_t)q->l1_size),
		.l1_table_offset = htobe64(CLUSTER),
		.refcount_table_offset = htobe64(table_at),
		.refcount_table_clusters = htobe32((uint32_t)table_clusters),
		.incompatible_features = htobe64(zstd ? QCOW2_COMPRESSION : 0),
		.refcount_order = htobe32(4), /* 16 bits */
		.header_length = htobe32(sizeof(h)),
		.compression_type = zstd ? QCOW2_ZSTD : QCOW2_DEFLATE,
	};

	return disk_write(q->fd, &h, sizeof(h), 0, err);
}

static int write_all(struct qcow2 *q, struct uni_disk_source *source,
		     const struct uni_disk_options *options, struct uni_err *err)
{
	bool zstd = strcmp(options->compression, "zstd") == 0;
	struct disk_packing packing = {
		.source = source,
		.block = CLUSTER,
		.codec = zstd ? DISK_CODEC_ZSTD : DISK_CODEC_DEFLATE,
		.level = options->level != 0 ? options->level
			 : zstd		     ? ZSTD_LEVEL
					     : ZLIB_LEVEL,
		.threads = options->threads,
		.put = put_packed,
		.user = q,
	};
	uint64_t table_at = 0;
	uint64_t table_clusters = 0;
	int rc;

	(void)allocate(q, 1 + (q->l1_size * 8 + CLUSTER - 1) / CLUSTER, 1);
	if (strcmp(options->compression, "none") == 0)
		rc = put_all(q, source, err);
	else
		rc = disk_pack(&packing, err);
	if (rc == 0)
		rc = flush_l2(q, err);
	if (rc == 0)
		rc = put_counts(q, &table_at, &table_clusters, err);
	if (rc == 0)
		rc = disk_write(q->fd, q->l1, q->l1_size * 8, CLUSTER, err);
	if (rc == 0)
		rc = put_header(q, zstd, table_at, table_clusters, err);
	return rc;
}

static int qcow2_write(struct uni_disk_source *source, const struct uni_disk_options *options,
		       int fd, struct uni_err *err)
{
	uint64_t table = (uint64_t)L2_ENTRIES * CLUSTER;
	struct qcow2 q = {
		.fd = fd,
		.size = source->size,
		.l1_size = (size_t)((source->size + table - 1) / table),
		.l2_index = UINT64_MAX,
	};
	int rc;

	q.l1 = uni_alloc_array(q.l1_size, 8);
	q.l2 = uni_alloc(CLUSTER);
	rc = write_all(&q, source, options, err);
	free(q.l1);
	free(q.l2);
	free(q.counts);
	return rc;
}

const struct uni_disk_format uni_disk_qcow2 = {
	.name = "qcow2",
	.extension = "qcow2",
	.version = 2,
	.compressions = (const char *const[]){ "none", "zlib", "zstd", NULL },
	.write = qcow2_write,
};
