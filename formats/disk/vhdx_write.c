/*
 * VHDX, dynamic, blocks of 2 MiB in order behind log, metadata and allocation table. The log is
 * empty. The table is written in pieces, and where it maps nothing it is a hole, for no block is
 * state 0.
 */
#include <uni/base/file.h>

#include "identity.h"
#include "internal.h"
#include "vhdx.h"

enum {
	BLOCK = 2 << 20,
	LOG_AT = 1 << 20,
	LOG_SIZE = 1 << 20,
	METADATA_AT = 2 << 20,
	METADATA_SIZE = 1 << 20,
	BAT_AT = 3 << 20,
	PIECE = 64 << 10, /* of the table */
	SECTOR_PHYSICAL = 4096,
};

struct vhdx {
	int fd;
	uint64_t size;
	uint64_t bat_size;
	uint64_t end;
	uint8_t *piece;
	uint64_t piece_at; /* in the table; UINT64_MAX: none */
	struct disk_identity identity;
};

static int flush_piece(struct vhdx *v, struct uni_err *err)
{
	if (v->piece_at == UINT64_MAX)
		return 0;
	return disk_write(v->fd, v->piece, PIECE, BAT_AT + v->piece_at, err);
}

static int map_block(struct vhdx *v, uint64_t index, struct uni_err *err)
{
	uint64_t ratio = vhdx_chunk_ratio(BLOCK, UNI_DISK_SECTOR);
	uint64_t entry = (index + index / ratio) * 8;
	int rc = 0;

	if (v->piece_at != entry / PIECE * PIECE) {
		rc = flush_piece(v, err);
		memset(v->piece, 0, PIECE);
		v->piece_at = entry / PIECE * PIECE;
	}
	put_le64(v->piece + entry % PIECE, v->end | VHDX_FULLY_PRESENT);
	return rc;
}

static int put_block(void *user, uint64_t index, const uint8_t *data, struct uni_err *err)
{
	struct vhdx *v = user;
	int rc = map_block(v, index, err);

	if (rc == 0)
		rc = disk_write_sparse(v->fd, data, BLOCK, v->end, err);
	v->end += BLOCK;
	return rc;
}

static int put_headers(struct vhdx *v, const struct uni_digest *identity, struct uni_err *err)
{
	struct vhdx_header h;
	int rc = 0;

	for (unsigned i = 1; rc == 0 && i <= 2; i++) {
		memset(&h, 0, sizeof(h));
		memcpy(h.signature, "head", sizeof(h.signature));
		put_le64(h.sequence, i);
		disk_identity_uuid(h.file_write, "uni vhdx file", identity);
		disk_identity_uuid(h.data_write, "uni vhdx data", identity);
		put_le16(h.version, 1);
		put_le32(h.log_length, LOG_SIZE);
		put_le64(h.log_offset, LOG_AT);
		put_le32(h.checksum, vhdx_checksum(&h, sizeof(h)));
		rc = disk_write(v->fd, &h, sizeof(h), (uint64_t)VHDX_HEADER_AT * i, err);
	}
	return rc;
}

static void set_region(struct vhdx_region *region, const char *guid, uint64_t offset,
		       uint64_t length)
{
	vhdx_guid(region->guid, guid);
	put_le64(region->offset, offset);
	put_le32(region->length, (uint32_t)length);
	put_le32(region->required, 1);
}

static int put_regions(struct vhdx *v, struct uni_err *err)
{
	UNI_AUTO_FREE struct vhdx_regions *r = uni_alloc(sizeof(*r));
	int rc;

	memcpy(r->signature, "regi", sizeof(r->signature));
	put_le32(r->count, 2);
	set_region(&r->regions[0], VHDX_REGION_BAT, BAT_AT, v->bat_size);
	set_region(&r->regions[1], VHDX_REGION_METADATA, METADATA_AT, METADATA_SIZE);
	put_le32(r->checksum, vhdx_checksum(r, sizeof(*r)));
	rc = disk_write(v->fd, r, sizeof(*r), VHDX_REGIONS_AT, err);
	return rc != 0 ? rc : disk_write(v->fd, r, sizeof(*r), VHDX_REGIONS_AT + sizeof(*r), err);
}

/* Items follow the table, each on eight bytes. */
static void add_item(uint8_t *region, size_t *end, const char *guid, const void *data,
		     uint32_t size, uint32_t flags)
{
	struct vhdx_metadata *table = (struct vhdx_metadata *)region;
	uint16_t count = get_le16(table->count);
	struct vhdx_item *item = &table->items[count];

	vhdx_guid(item->guid, guid);
	put_le32(item->offset, (uint32_t)*end);
	put_le32(item->length, size);
	put_le32(item->flags, flags);
	put_le16(table->count, (uint16_t)(count + 1));
	memcpy(region + *end, data, size);
	*end += (size + 7u) & ~7u;
}

static int put_metadata(struct vhdx *v, const struct uni_digest *identity, struct uni_err *err)
{
	const uint32_t disk = VHDX_ITEM_REQUIRED | VHDX_ITEM_VIRTUAL;
	UNI_AUTO_FREE uint8_t *region = uni_alloc(VHDX_METADATA_TABLE + 4096);
	size_t end = VHDX_METADATA_TABLE;
	uint8_t value[16];

	memcpy(region, "metadata", 8);
	put_le32(value, BLOCK);
	put_le32(value + 4, 0);
	add_item(region, &end, VHDX_ITEM_PARAMETERS, value, 8, VHDX_ITEM_REQUIRED);
	put_le64(value, v->size);
	add_item(region, &end, VHDX_ITEM_SIZE, value, 8, disk);
	disk_identity_uuid(value, "uni vhdx disk", identity);
	add_item(region, &end, VHDX_ITEM_PAGE83, value, 16, disk);
	put_le32(value, UNI_DISK_SECTOR);
	add_item(region, &end, VHDX_ITEM_LOGICAL, value, 4, disk);
	put_le32(value, SECTOR_PHYSICAL);
	add_item(region, &end, VHDX_ITEM_PHYSICAL, value, 4, disk);
	return disk_write(v->fd, region, end, METADATA_AT, err);
}

static int put_identifier(struct vhdx *v, struct uni_err *err)
{
	/* The creator's name, in UTF-16. */
	static const uint8_t identifier[] = "vhdxfileu\0n\0i";

	return disk_write(v->fd, identifier, sizeof(identifier), 0, err);
}

static int write_all(struct vhdx *v, struct uni_disk_source *source, struct uni_err *err)
{
	const struct disk_blocks blocks = { .source = source,
					    .size = BLOCK,
					    .identity = &v->identity,
					    .put = put_block,
					    .user = v };
	struct uni_digest identity;
	int rc = disk_identity_start(&v->identity, v->size, err);

	if (rc == 0)
		rc = disk_blocks_each(&blocks, err);
	if (rc == 0)
		rc = flush_piece(v, err);
	/* The last block may end in a hole. */
	if (rc == 0)
		rc = disk_set_size(v->fd, v->end, err);
	if (rc != 0)
		return rc;
	identity = disk_identity_end(&v->identity);
	rc = put_metadata(v, &identity, err);
	if (rc == 0)
		rc = put_regions(v, err);
	if (rc == 0)
		rc = put_headers(v, &identity, err);
	return rc != 0 ? rc : put_identifier(v, err);
}

static int vhdx_write(struct uni_disk_source *source, const struct uni_disk_options *options,
		      int fd, struct uni_err *err)
{
	struct vhdx v = { .fd = fd, .size = source->size, .piece_at = UINT64_MAX };
	uint64_t blocks = (v.size + BLOCK - 1) / BLOCK;
	uint64_t entries = blocks + (blocks - 1) / vhdx_chunk_ratio(BLOCK, UNI_DISK_SECTOR);
	int rc;

	(void)options;
	v.bat_size = (entries * 8 + VHDX_MIB - 1) / VHDX_MIB * VHDX_MIB;
	v.end = BAT_AT + v.bat_size;
	v.piece = uni_alloc(PIECE);
	rc = write_all(&v, source, err);
	free(v.piece);
	return rc;
}

const struct uni_disk_format uni_disk_vhdx = {
	.name = "vhdx",
	.extension = "vhdx",
	.version = 1,
	.limit = UINT64_C(64) << 40,
	.write = vhdx_write,
};
