/*
 * Reading QCOW2, versions 2 and 3. Images that stand on others, are encrypted or keep data in
 * another file are refused; snapshots are passed over, reference counts not looked at.
 */
#include "bytes.h"
#include "mapped.h"
#include "qcow2.h"

enum { RATIO_MOST = 4096 }; /* of what a codec makes of a cluster to what it takes */

struct qcow2_image {
	struct disk_mapped mapped;
	unsigned cluster_bits;
	uint64_t l1_offset;
	uint64_t l1_size; /* entries that the disk needs */
	bool zero_flag;	  /* version 3 */
	bool subclusters; /* entries are twice as long */
	uint8_t *l1;
};

static bool probe(const struct disk_image *image)
{
	struct uni_err ignored = UNI_ERR_INIT;
	uint8_t magic[4];

	return disk_image_read(image, magic, sizeof(magic), 0, "", &ignored) == 0 &&
	       get_be32(magic) == QCOW2_MAGIC;
}

/* A run of entries that map nothing is passed over at once: a hole may be terabytes. */
static uint64_t holes(const uint8_t *table, size_t entry, uint64_t from, uint64_t count)
{
	uint64_t n = 0;

	while (from + n < count && get_be64(table + (from + n) * entry) == 0)
		n++;
	return n;
}

static void map_compressed(const struct qcow2_image *q, uint64_t entry, struct disk_extent *extent)
{
	const struct disk_mapped *mapped = &q->mapped;
	unsigned shift = qcow2_sectors_shift(q->cluster_bits);
	uint64_t sectors = (entry & (QCOW2_COMPRESSED - 1)) >> shift;

	extent->kind = DISK_EXTENT_PACKED;
	extent->at = entry & ((UINT64_C(1) << shift) - 1);
	extent->size = (sectors + 1) * 512 - extent->at % 512;
	/* Neighbours share sectors. */
	extent->claim = sectors != 0 ? sectors * 512 - extent->at % 512 : 0;
	if (extent->claim < mapped->block / RATIO_MOST)
		extent->claim = mapped->block / RATIO_MOST;
	/* The last sector need not be there to its end. */
	if (extent->at < mapped->length && extent->size > mapped->length - extent->at &&
	    extent->size - (mapped->length - extent->at) < 512)
		extent->size = mapped->length - extent->at;
}

/* Subclusters that are there by `bits`, none of which may be said to be zeros as well. */
static int map_subclusters(const struct qcow2_image *q, uint64_t entry, uint64_t bits,
			   struct disk_extent *extent, struct uni_err *err)
{
	const struct disk_image image = { .name = q->mapped.name };
	uint32_t there = (uint32_t)bits;

	if ((there & (uint32_t)(bits >> 32)) != 0)
		return disk_corrupt(&image, err, "a subcluster is both data and zeros");
	if (there == 0)
		return 0;
	if ((entry & QCOW2_OFFSET) == 0)
		return disk_corrupt(&image, err, "a subcluster is nowhere");
	extent->kind = DISK_EXTENT_PLAIN;
	extent->at = entry & QCOW2_OFFSET;
	extent->parts = there;
	return 0;
}

static int map(struct disk_mapped *mapped, uint64_t index, struct disk_extent *extent,
	       struct uni_err *err)
{
	const struct qcow2_image *q = (struct qcow2_image *)mapped;
	size_t entry_size = q->subclusters ? 16 : 8;
	uint64_t in_table = (UINT64_C(1) << q->cluster_bits) / entry_size;
	uint64_t l1_index = index / in_table;
	uint64_t at = get_be64(q->l1 + l1_index * 8) & QCOW2_OFFSET;
	const uint8_t *table;
	uint64_t entry;

	if (at == 0) {
		uint64_t tables = holes(q->l1, 8, l1_index, q->l1_size);

		extent->count = (l1_index + (tables != 0 ? tables : 1)) * in_table - index;
		return 0;
	}
	table = disk_mapped_table(mapped, at, (size_t)1 << q->cluster_bits, "a table", err);
	if (table == NULL)
		return err->code;
	entry = get_be64(table + index % in_table * entry_size);
	if ((entry & QCOW2_COMPRESSED) != 0) {
		map_compressed(q, entry, extent);
		return 0;
	}
	if (q->subclusters && entry != 0)
		return map_subclusters(q, entry, get_be64(table + index % in_table * 16 + 8),
				       extent, err);
	if ((q->zero_flag && (entry & QCOW2_ZERO) != 0) || (entry & QCOW2_OFFSET) == 0) {
		uint64_t n = holes(table, entry_size, index % in_table, in_table);

		extent->count = n != 0 ? n : 1;
		return 0;
	}
	extent->kind = DISK_EXTENT_PLAIN;
	extent->at = entry & QCOW2_OFFSET;
	return 0;
}

static void qcow2_free(struct disk_mapped *mapped)
{
	free(((struct qcow2_image *)mapped)->l1);
}

static const struct disk_mapped_ops qcow2_ops = { .map = map, .free = qcow2_free };

static void to_host(struct qcow2_header *h)
{
	h->version = be32toh(h->version);
	h->backing_file_offset = be64toh(h->backing_file_offset);
	h->cluster_bits = be32toh(h->cluster_bits);
	h->size = be64toh(h->size);
	h->crypt_method = be32toh(h->crypt_method);
	h->l1_size = be32toh(h->l1_size);
	h->l1_table_offset = be64toh(h->l1_table_offset);
	h->incompatible_features = be64toh(h->incompatible_features);
	h->header_length = be32toh(h->header_length);
}

/* Fields that the version has, all others zero; in the machine's byte order. */
static int read_header(const struct disk_image *image, struct qcow2_header *h, struct uni_err *err)
{
	int rc;

	memset(h, 0, sizeof(*h));
	rc = disk_image_read(image, h, QCOW2_HEADER_V2, 0, "its header", err);
	if (rc != 0)
		return rc;
	if (be32toh(h->version) == 3) {
		rc = disk_image_read(image, h, QCOW2_HEADER_V3, 0, "its header", err);
		if (rc == 0 && be32toh(h->header_length) > QCOW2_HEADER_V3)
			rc = disk_image_read(image, h, sizeof(*h), 0, "its header", err);
		if (rc != 0)
			return rc;
	}
	to_host(h);
	return 0;
}

static int check_features(const struct disk_image *image, const struct qcow2_header *h,
			  struct uni_err *err)
{
	uint64_t unknown = h->incompatible_features &
			   ~(uint64_t)(QCOW2_DIRTY | QCOW2_CORRUPT | QCOW2_EXTERNAL |
				       QCOW2_COMPRESSION | QCOW2_EXTENDED_L2);

	if (h->version != 2 && h->version != 3)
		return disk_unsupported(image, err, "is of QCOW version %u", h->version);
	if (h->backing_file_offset != 0) {
		disk_unsupported(image, err, "stands on another image");
		return uni_err_hint(err, "join the two first: qemu-img convert -O qcow2 IN OUT");
	}
	if (h->crypt_method != 0)
		return disk_unsupported(image, err, "is encrypted");
	if ((h->incompatible_features & QCOW2_EXTERNAL) != 0)
		return disk_unsupported(image, err, "keeps its data in another file");
	if ((h->incompatible_features & QCOW2_CORRUPT) != 0)
		return disk_corrupt(image, err, "is marked as damaged");
	if (unknown != 0)
		return disk_unsupported(image, err, "needs unknown features 0x%llx",
					(unsigned long long)unknown);
	if (h->compression_type > QCOW2_ZSTD)
		return disk_unsupported(image, err, "has compression of unknown type %u",
					h->compression_type);
	return 0;
}

static int check_sizes(const struct disk_image *image, const struct qcow2_header *h,
		       uint64_t *tables, struct uni_err *err)
{
	bool subclusters = (h->incompatible_features & QCOW2_EXTENDED_L2) != 0;
	uint64_t table;

	if (h->cluster_bits < (subclusters ? 14 : 9) || h->cluster_bits > 21)
		return disk_corrupt(image, err, "has clusters of 2^%u bytes", h->cluster_bits);
	if (h->size > UNI_DISK_SIZE_MAX)
		return uni_err_set(err, UNI_E_LIMIT, "%s: is too large for a disk", image->name);
	table = UINT64_C(1) << (2 * h->cluster_bits - (subclusters ? 4 : 3));
	*tables = (h->size + table - 1) / table;
	if (*tables > h->l1_size || *tables * 8 > QCOW2_L1_MOST)
		return disk_corrupt(image, err, "has a level 1 table that does not fit its size");
	if (h->l1_table_offset % 512 != 0)
		return disk_corrupt(image, err, "has a level 1 table at no sector");
	return 0;
}

static int qcow2_open(struct uni_disk_source **source, const struct disk_image *image,
		      struct uni_err *err)
{
	UNI_AUTO(uni_disk_source) struct uni_disk_source *made = NULL;
	struct qcow2_header h;
	struct qcow2_image *q;
	uint64_t tables = 0;
	int rc = read_header(image, &h, err);

	if (rc == 0)
		rc = check_features(image, &h, err);
	if (rc == 0)
		rc = check_sizes(image, &h, &tables, err);
	if (rc != 0)
		return rc;
	q = disk_mapped_new(sizeof(*q), &qcow2_ops, "qcow2", h.size, (size_t)1 << h.cluster_bits,
			    image);
	made = &q->mapped.base;
	q->cluster_bits = h.cluster_bits;
	q->zero_flag = h.version >= 3;
	q->subclusters = (h.incompatible_features & QCOW2_EXTENDED_L2) != 0;
	q->l1_size = tables;
	q->l1 = uni_try_alloc(tables * 8, QCOW2_L1_MOST, "level 1 table", err);
	if (q->l1 == NULL)
		return err->code;
	rc = disk_image_read(image, q->l1, (size_t)tables * 8, h.l1_table_offset,
			     "its level 1 table", err);
	if (rc == 0)
		rc = disk_decompressor_new(&q->mapped.decompressor,
					   h.compression_type == QCOW2_ZSTD ? DISK_CODEC_ZSTD
									    : DISK_CODEC_DEFLATE,
					   err);
	if (rc != 0)
		return rc;
	*source = made;
	made = NULL;
	return 0;
}

const struct disk_reader disk_read_qcow2 = {
	.form = "qcow2",
	.probe = probe,
	.open = qcow2_open,
};
