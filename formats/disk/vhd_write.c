/*
 * VHD, fixed and dynamic. A fixed one is the raw disk with a footer; Azure takes only those, and
 * only of whole MiB. In a dynamic one blocks of 2 MiB follow each other, each with its bitmap in
 * the sector in front, placed so that the data starts on 4 KiB; what is zero in a block stays a
 * hole.
 */
#include <uni/base/digest.h>
#include <uni/base/file.h>

#include "identity.h"
#include "internal.h"
#include "vhd.h"

enum { BLOCK = 2 << 20, CHUNK = 2 << 20, TABLE_AT = 1536, ALIGN = 4096 };

/* The specification's appendix: "CHS Calculation". */
static void set_geometry(struct vhd_footer *footer, uint64_t size)
{
	uint64_t most = (uint64_t)65535 * 16 * 255;
	uint64_t total = size / 512 < most ? size / 512 : most;
	uint64_t sectors, heads, cylinders;

	if (total >= (uint64_t)65535 * 16 * 63) {
		sectors = 255;
		heads = 16;
		cylinders = total / sectors;
	} else {
		sectors = 17;
		cylinders = total / sectors;
		heads = (cylinders + 1023) / 1024;
		if (heads < 4)
			heads = 4;
		if (cylinders >= heads * 1024 || heads > 16) {
			sectors = 31;
			heads = 16;
			cylinders = total / sectors;
		}
		if (cylinders >= heads * 1024) {
			sectors = 63;
			heads = 16;
			cylinders = total / sectors;
		}
	}
	put_be16(footer->cylinders, (uint16_t)(cylinders / heads));
	footer->heads = (uint8_t)heads;
	footer->sectors = (uint8_t)sectors;
}

static void make_footer(struct vhd_footer *footer, uint64_t size, uint32_t type,
			const struct uni_digest *identity)
{
	struct uni_uuid uuid = uni_uuid_derive("uni vhd", identity);

	memset(footer, 0, sizeof(*footer));
	memcpy(footer->cookie, VHD_COOKIE, sizeof(footer->cookie));
	put_be32(footer->features, 2); /* reserved, always set */
	put_be32(footer->version, VHD_VERSION);
	put_be64(footer->data_offset, type == VHD_FIXED ? VHD_NO_OFFSET : sizeof(*footer));
	/* Readers take the size from the geometry, which is rounded, unless they know the creator:
	 * this one says that current_size counts. */
	memcpy(footer->creator, "win ", sizeof(footer->creator));
	put_be32(footer->creator_version, 0x000a0000);
	memcpy(footer->creator_host, "Wi2k", sizeof(footer->creator_host));
	put_be64(footer->original_size, size);
	put_be64(footer->current_size, size);
	set_geometry(footer, size);
	put_be32(footer->type, type);
	memcpy(footer->uuid, uuid.bytes, sizeof(footer->uuid));
	put_be32(footer->checksum, vhd_checksum(footer, sizeof(*footer), footer->checksum));
}

static int write_fixed(struct uni_disk_source *source, int fd, struct uni_err *err)
{
	UNI_AUTO_FREE uint8_t *chunk = uni_alloc(CHUNK);
	struct disk_walk walk = { .source = source, .block = DISK_IDENTITY_BLOCK, .room = CHUNK };
	struct disk_identity identity;
	struct uni_digest digest;
	struct vhd_footer footer;
	uint64_t offset;
	size_t size;
	int rc = disk_identity_start(&identity, source->size, err);

	while (rc == 0 && (rc = disk_walk_next(&walk, chunk, &offset, &size, err)) > 0) {
		disk_identity_add(&identity, offset, chunk, size);
		rc = disk_write_sparse(fd, chunk, size, offset, err);
	}
	if (rc != 0)
		return rc;
	digest = disk_identity_end(&identity);
	make_footer(&footer, source->size, VHD_FIXED, &digest);
	return disk_write(fd, &footer, sizeof(footer), source->size, err);
}

struct dynamic {
	int fd;
	uint64_t size;
	uint32_t entries;
	uint64_t table_size; /* bytes, in whole sectors */
	uint8_t *table;
	uint64_t end;
	struct disk_identity identity;
};

static int put_block(void *user, uint64_t index, const uint8_t *data, struct uni_err *err)
{
	struct dynamic *d = user;
	uint8_t bitmap[BLOCK / 512 / 8];
	uint64_t at = (d->end + sizeof(bitmap) + ALIGN - 1) / ALIGN * ALIGN;
	int rc;

	if ((at - sizeof(bitmap)) / 512 >= VHD_NO_BLOCK)
		return uni_err_set(err, UNI_E_LIMIT, "more data than a VHD can hold");
	memset(bitmap, 0xff, sizeof(bitmap));
	put_be32(d->table + index * 4, (uint32_t)((at - sizeof(bitmap)) / 512));
	d->end = at + BLOCK;
	rc = disk_write(d->fd, bitmap, sizeof(bitmap), at - sizeof(bitmap), err);
	return rc != 0 ? rc : disk_write_sparse(d->fd, data, BLOCK, at, err);
}

static int put_ends(struct dynamic *d, struct uni_err *err)
{
	struct uni_digest digest = disk_identity_end(&d->identity);
	struct vhd_footer footer;
	struct vhd_dynamic header;
	int rc;

	make_footer(&footer, d->size, VHD_DYNAMIC, &digest);
	memset(&header, 0, sizeof(header));
	memcpy(header.cookie, VHD_DYNAMIC_COOKIE, sizeof(header.cookie));
	put_be64(header.data_offset, VHD_NO_OFFSET);
	put_be64(header.table_offset, TABLE_AT);
	put_be32(header.version, VHD_VERSION);
	put_be32(header.entries, d->entries);
	put_be32(header.block_size, BLOCK);
	put_be32(header.checksum, vhd_checksum(&header, sizeof(header), header.checksum));
	rc = disk_write(d->fd, &footer, sizeof(footer), d->end, err);
	if (rc == 0)
		rc = disk_write(d->fd, d->table, (size_t)d->table_size, TABLE_AT, err);
	if (rc == 0)
		rc = disk_write(d->fd, &header, sizeof(header), sizeof(footer), err);
	if (rc == 0)
		rc = disk_write(d->fd, &footer, sizeof(footer), 0, err);
	return rc;
}

static int write_dynamic(struct uni_disk_source *source, int fd, struct uni_err *err)
{
	struct dynamic d = { .fd = fd, .size = source->size };
	const struct disk_blocks blocks = { .source = source,
					    .size = BLOCK,
					    .identity = &d.identity,
					    .put = put_block,
					    .user = &d };
	int rc;

	d.entries = (uint32_t)((d.size + BLOCK - 1) / BLOCK);
	d.table_size = ((uint64_t)d.entries * 4 + 511) / 512 * 512;
	d.end = TABLE_AT + d.table_size;
	d.table = uni_alloc((size_t)d.table_size);
	memset(d.table, 0xff, (size_t)d.table_size);
	rc = disk_identity_start(&d.identity, d.size, err);
	if (rc == 0)
		rc = disk_blocks_each(&blocks, err);
	if (rc == 0)
		rc = put_ends(&d, err);
	free(d.table);
	return rc;
}

static int vhd_write(struct uni_disk_source *source, const struct uni_disk_options *options, int fd,
		     struct uni_err *err)
{
	if (strcmp(options->variant, "dynamic") == 0)
		return write_dynamic(source, fd, err);
	return write_fixed(source, fd, err);
}

static uint64_t vhd_grain(const struct uni_disk_options *options)
{
	return strcmp(options->variant, "fixed") == 0 ? 1 << 20 : UNI_DISK_SECTOR;
}

const struct uni_disk_format uni_disk_vhd = {
	.name = "vhd",
	.extension = "vhd",
	.version = 1,
	.limit = UINT64_C(2040) << 30,
	.variants = (const char *const[]){ "fixed", "dynamic", NULL },
	.grain = vhd_grain,
	.write = vhd_write,
};
