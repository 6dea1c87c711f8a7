/*
 * VMDK, monolithicSparse and streamOptimized, with the descriptor inside. The first has all its
 * grain tables, twice, in front of the data; where nothing is mapped they are holes. The second is
 * compressed, with each grain table behind the grains that it maps, and the directory at the end.
 */
#include <uni/base/file.h>
#include <uni/base/text.h>

#include "identity.h"
#include "pack.h"
#include "vmdk.h"

enum {
	SECTOR = 512,
	DESCRIPTOR_AT = 1,
	DESCRIPTOR_SECTORS = 20,
	GRAIN_SECTORS = VMDK_GRAIN / SECTOR,
	TABLE_SECTORS = VMDK_TABLE / SECTOR,
	CHUNK = 1 << 20,
	LEVEL = 6,
};
_Static_assert((int)VMDK_GRAIN == (int)DISK_IDENTITY_BLOCK,
	       "a grain's CRC is part of the identity");

struct vmdk {
	int fd;
	bool stream;
	uint64_t size;
	uint64_t tables; /* count */
	uint64_t directory_sectors;
	uint64_t rgd, gd; /* sectors; of `gd` only in the sparse form */
	uint64_t end;	  /* sector */
	uint8_t *directory;
	uint8_t table[VMDK_TABLE];
	uint64_t table_index; /* UINT64_MAX: none */
	struct disk_identity identity;
};

static int put_sectors(struct vmdk *v, const void *data, size_t size, uint64_t sector,
		       struct uni_err *err)
{
	return disk_write(v->fd, data, size, sector * SECTOR, err);
}

static uint64_t sectors_of(uint64_t bytes)
{
	return (bytes + SECTOR - 1) / SECTOR;
}

/* Metadata of a stream is announced by a sector that says what follows. */
static int put_marked(struct vmdk *v, enum vmdk_marker type, const void *data, uint64_t sectors,
		      struct uni_err *err)
{
	uint8_t marker[SECTOR] = { 0 };
	int rc;

	put_le64(marker, sectors);
	put_le32(marker + 12, type);
	rc = put_sectors(v, marker, sizeof(marker), v->end, err);
	if (rc == 0 && sectors != 0)
		rc = put_sectors(v, data, (size_t)sectors * SECTOR, v->end + 1, err);
	v->end += 1 + sectors;
	return rc;
}

static int flush_table(struct vmdk *v, struct uni_err *err)
{
	uint64_t index = v->table_index;
	uint64_t at = index * TABLE_SECTORS + v->directory_sectors;
	int rc;

	v->table_index = UINT64_MAX;
	if (index == UINT64_MAX)
		return 0;
	if (v->stream) {
		put_le32(v->directory + index * 4, (uint32_t)v->end + 1);
		return put_marked(v, VMDK_MARK_TABLE, v->table, TABLE_SECTORS, err);
	}
	rc = put_sectors(v, v->table, sizeof(v->table), v->rgd + at, err);
	return rc != 0 ? rc : put_sectors(v, v->table, sizeof(v->table), v->gd + at, err);
}

/* Sets the entry of a grain that will start at `end`. */
static int map_grain(struct vmdk *v, uint64_t grain, struct uni_err *err)
{
	if (v->table_index != grain / VMDK_GTES) {
		int rc = flush_table(v, err);

		if (rc != 0)
			return rc;
		memset(v->table, 0, sizeof(v->table));
		v->table_index = grain / VMDK_GTES;
	}
	/* Entries have 32 bits; a margin for the tables at the end. */
	if (v->end > UINT32_MAX - (1u << 20))
		return uni_err_set(err, UNI_E_LIMIT, "more data than a VMDK can hold");
	put_le32(v->table + grain % VMDK_GTES * 4, (uint32_t)v->end);
	return 0;
}

static int put_grains(struct vmdk *v, uint64_t grain, const uint8_t *data, uint64_t count,
		      struct uni_err *err)
{
	uint64_t start = v->end;

	for (uint64_t i = 0; i < count; i++) {
		int rc = map_grain(v, grain + i, err);

		if (rc != 0)
			return rc;
		v->end += GRAIN_SECTORS;
	}
	return put_sectors(v, data, (size_t)count * VMDK_GRAIN, start, err);
}

static int put_sparse(struct vmdk *v, struct uni_disk_source *source, struct uni_err *err)
{
	UNI_AUTO_FREE uint8_t *chunk = uni_alloc(CHUNK);
	struct disk_walk walk = { .source = source, .block = VMDK_GRAIN, .room = CHUNK };
	uint64_t offset;
	size_t size;
	int rc;

	while ((rc = disk_walk_next(&walk, chunk, &offset, &size, err)) > 0) {
		size_t count = size / VMDK_GRAIN;

		disk_identity_add(&v->identity, offset, chunk, size);
		for (size_t i = 0, end; rc >= 0 && i < count; i = end) {
			end = i + 1;
			if (uni_all_zero(chunk + i * VMDK_GRAIN, VMDK_GRAIN))
				continue;
			while (end < count && !uni_all_zero(chunk + end * VMDK_GRAIN, VMDK_GRAIN))
				end++;
			rc = put_grains(v, offset / VMDK_GRAIN + i, chunk + i * VMDK_GRAIN, end - i,
					err);
		}
		if (rc < 0)
			return rc;
	}
	return rc;
}

static int put_packed(void *user, const struct disk_packed *block, struct uni_err *err)
{
	struct vmdk *v = user;
	uint8_t buffer[VMDK_GRAIN + 4 * SECTOR];
	uint64_t sectors = sectors_of(VMDK_MARKER + block->size);
	int rc = map_grain(v, block->index, err);

	if (rc != 0)
		return rc;
	disk_identity_block(&v->identity, block->index, block->crc);
	put_le64(buffer, block->index * GRAIN_SECTORS);
	put_le32(buffer + 8, (uint32_t)block->size);
	memcpy(buffer + VMDK_MARKER, block->data, block->size);
	memset(buffer + VMDK_MARKER + block->size, 0, sectors * SECTOR - VMDK_MARKER - block->size);
	rc = put_sectors(v, buffer, (size_t)sectors * SECTOR, v->end, err);
	v->end += sectors;
	return rc;
}

static void make_header(const struct vmdk *v, uint64_t gd, struct vmdk_header *h)
{
	uint32_t flags = v->stream ? VMDK_NEWLINES | VMDK_COMPRESSED | VMDK_MARKERS
				   : VMDK_NEWLINES | VMDK_REDUNDANT;

	memset(h, 0, sizeof(*h));
	put_le32(h->magic, VMDK_MAGIC);
	put_le32(h->version, v->stream ? 3 : 1);
	put_le32(h->flags, flags);
	put_le64(h->capacity, v->size / SECTOR);
	put_le64(h->grain_size, GRAIN_SECTORS);
	put_le64(h->descriptor_offset, DESCRIPTOR_AT);
	put_le64(h->descriptor_size, DESCRIPTOR_SECTORS);
	put_le32(h->gtes, VMDK_GTES);
	put_le64(h->rgd_offset, v->rgd);
	put_le64(h->gd_offset, gd);
	put_le64(h->overhead, v->stream ? GRAIN_SECTORS
					: (v->gd + v->directory_sectors +
					   v->tables * TABLE_SECTORS + GRAIN_SECTORS - 1) /
						  GRAIN_SECTORS * GRAIN_SECTORS);
	memcpy(h->newlines, "\n \r\n", sizeof(h->newlines));
	put_le16(h->compress_algorithm, v->stream ? VMDK_DEFLATE : 0);
}

/* Adapter and geometry are hints for whoever makes a machine around the disk. */
static int put_descriptor(struct vmdk *v, struct uni_err *err)
{
	UNI_AUTO_BUF struct uni_buf text = UNI_BUF_INIT;
	struct uni_digest digest = disk_identity_end(&v->identity);
	unsigned heads = v->stream ? 255 : 16;
	uint64_t cylinders = v->size / SECTOR / 63 / heads;
	char id[33];
	uint8_t *content = digest.bytes;

	/* All ones means "no parent", and one less is reserved. */
	if (memcmp(content + 12, "\xff\xff\xff", 3) == 0)
		content[12] = 0;
	uni_hex(content, 16, id);
	if (!v->stream && cylinders > 16383)
		cylinders = 16383;
	uni_buf_printf(&text,
		       "# Disk DescriptorFile\n"
		       "version=1\n"
		       "CID=%s\n"
		       "parentCID=" VMDK_NO_PARENT "\n"
		       "createType=\"%s\"\n"
		       "\n"
		       "# Extent description\n"
		       "RW %llu SPARSE \"disk.vmdk\"\n"
		       "\n"
		       "# The Disk Data Base\n"
		       "#DDB\n"
		       "\n"
		       "ddb.adapterType = \"%s\"\n"
		       "ddb.geometry.cylinders = \"%llu\"\n"
		       "ddb.geometry.heads = \"%u\"\n"
		       "ddb.geometry.sectors = \"63\"\n"
		       "ddb.longContentID = \"%s\"\n"
		       "ddb.virtualHWVersion = \"4\"\n",
		       id + 24, v->stream ? "streamOptimized" : "monolithicSparse",
		       (unsigned long long)(v->size / SECTOR), v->stream ? "lsilogic" : "ide",
		       (unsigned long long)(cylinders != 0 ? cylinders : 1), heads, id);
	uni_buf_pad(&text, (size_t)DESCRIPTOR_SECTORS * SECTOR);
	return put_sectors(v, text.data, text.size, DESCRIPTOR_AT, err);
}

/* Every grain table has its place; those that map nothing are never written. */
static int put_directories(struct vmdk *v, struct uni_err *err)
{
	UNI_AUTO_FREE uint8_t *directory = uni_alloc((size_t)v->directory_sectors * SECTOR);
	int rc = 0;

	for (unsigned copy = 0; rc == 0 && copy < 2; copy++) {
		uint64_t at = copy == 0 ? v->rgd : v->gd;

		for (uint64_t i = 0; i < v->tables; i++)
			put_le32(directory + i * 4,
				 (uint32_t)(at + v->directory_sectors + i * TABLE_SECTORS));
		rc = put_sectors(v, directory, (size_t)v->directory_sectors * SECTOR, at, err);
	}
	return rc;
}

static int write_sparse(struct vmdk *v, struct uni_disk_source *source, struct uni_err *err)
{
	struct vmdk_header header;
	uint64_t copy = v->directory_sectors + v->tables * TABLE_SECTORS;
	int rc;

	v->rgd = DESCRIPTOR_AT + DESCRIPTOR_SECTORS;
	v->gd = v->rgd + copy;
	make_header(v, v->gd, &header);
	v->end = get_le64(header.overhead);
	rc = put_sparse(v, source, err);
	if (rc == 0)
		rc = flush_table(v, err);
	if (rc == 0)
		rc = put_directories(v, err);
	if (rc == 0)
		rc = put_descriptor(v, err);
	return rc != 0 ? rc : put_sectors(v, &header, sizeof(header), 0, err);
}

static int write_stream(struct vmdk *v, struct uni_disk_source *source,
			const struct uni_disk_options *options, struct uni_err *err)
{
	const struct disk_packing packing = {
		.source = source,
		.block = VMDK_GRAIN,
		.codec = DISK_CODEC_ZLIB,
		.level = LEVEL,
		.threads = options->threads,
		.want_crc = true,
		.always = true,
		.put = put_packed,
		.user = v,
	};
	struct vmdk_header header, footer;
	int rc;

	make_header(v, VMDK_AT_END, &header);
	v->end = GRAIN_SECTORS;
	v->directory = uni_alloc((size_t)v->directory_sectors * SECTOR);
	rc = disk_pack(&packing, err);
	if (rc == 0)
		rc = flush_table(v, err);
	make_header(v, v->end + 1, &footer);
	if (rc == 0)
		rc = put_marked(v, VMDK_MARK_DIRECTORY, v->directory, v->directory_sectors, err);
	if (rc == 0)
		rc = put_marked(v, VMDK_MARK_FOOTER, &footer, 1, err);
	if (rc == 0)
		rc = put_marked(v, VMDK_MARK_END, NULL, 0, err);
	if (rc == 0)
		rc = put_descriptor(v, err);
	free(v->directory);
	return rc != 0 ? rc : put_sectors(v, &header, sizeof(header), 0, err);
}

static int vmdk_write(struct uni_disk_source *source, const struct uni_disk_options *options,
		      int fd, struct uni_err *err)
{
	uint64_t table = (uint64_t)VMDK_GTES * VMDK_GRAIN;
	struct vmdk v = {
		.fd = fd,
		.stream = strcmp(options->variant, "streamOptimized") == 0,
		.size = source->size,
		.tables = (source->size + table - 1) / table,
		.table_index = UINT64_MAX,
	};
	int rc = disk_identity_start(&v.identity, v.size, err);

	if (rc != 0)
		return rc;
	v.directory_sectors = sectors_of(v.tables * 4);
	return v.stream ? write_stream(&v, source, options, err) : write_sparse(&v, source, err);
}

const struct uni_disk_format uni_disk_vmdk = {
	.name = "vmdk",
	.extension = "vmdk",
	.version = 2,
	.limit = UINT64_C(2) << 40,
	.variants = (const char *const[]){ "monolithicSparse", "streamOptimized", NULL },
	.write = vmdk_write,
};
