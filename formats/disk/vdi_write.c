/*
 * VDI, dynamic: blocks of 1 MiB in order behind the map. What is zero in a block stays a hole.
 */
#include <uni/base/digest.h>
#include <uni/base/file.h>

#include "identity.h"
#include "internal.h"
#include "vdi.h"

enum { BLOCK = 1 << 20, MAP_AT = 512 };

struct vdi {
	int fd;
	uint64_t size;
	uint32_t blocks;
	uint32_t allocated;
	uint64_t data_at;
	uint8_t *map;
	struct disk_identity identity;
};

static int put_block(void *user, uint64_t index, const uint8_t *data, struct uni_err *err)
{
	struct vdi *v = user;
	uint64_t at = v->data_at + (uint64_t)v->allocated * BLOCK;

	put_le32(v->map + index * 4, v->allocated++);
	return disk_write_sparse(v->fd, data, BLOCK, at, err);
}

static int put_header(struct vdi *v, struct uni_err *err)
{
	static const char text[] = "<<< Oracle VM VirtualBox Disk Image >>>\n";
	struct uni_digest identity = disk_identity_end(&v->identity);
	struct vdi_header h;

	memset(&h, 0, sizeof(h));
	memcpy(h.text, text, sizeof(text));
	put_le32(h.signature, VDI_SIGNATURE);
	put_le32(h.version, VDI_VERSION);
	put_le32(h.header_size, VDI_HEADER_SIZE);
	put_le32(h.type, VDI_DYNAMIC);
	put_le32(h.map_offset, MAP_AT);
	put_le32(h.data_offset, (uint32_t)v->data_at);
	put_le32(h.sector_size, UNI_DISK_SECTOR);
	put_le64(h.disk_size, v->size);
	put_le32(h.block_size, BLOCK);
	put_le32(h.blocks, v->blocks);
	put_le32(h.blocks_allocated, v->allocated);
	disk_identity_uuid(h.uuid, "uni vdi", &identity);
	disk_identity_uuid(h.modification, "uni vdi modification", &identity);
	return disk_write(v->fd, &h, sizeof(h), 0, err);
}

static int write_all(struct vdi *v, struct uni_disk_source *source, struct uni_err *err)
{
	const struct disk_blocks blocks = { .source = source,
					    .size = BLOCK,
					    .identity = &v->identity,
					    .put = put_block,
					    .user = v };
	int rc = disk_identity_start(&v->identity, v->size, err);

	if (rc == 0)
		rc = disk_blocks_each(&blocks, err);
	if (rc == 0)
		rc = disk_write(v->fd, v->map, (size_t)v->blocks * 4, MAP_AT, err);
	/* The last block may end in a hole. */
	if (rc == 0)
		rc = disk_set_size(v->fd, v->data_at + (uint64_t)v->allocated * BLOCK, err);
	return rc != 0 ? rc : put_header(v, err);
}

static int vdi_write(struct uni_disk_source *source, const struct uni_disk_options *options, int fd,
		     struct uni_err *err)
{
	struct vdi v = { .fd = fd, .size = source->size };
	int rc;

	(void)options;
	v.blocks = (uint32_t)((v.size + BLOCK - 1) / BLOCK);
	v.data_at = ((uint64_t)v.blocks * 4 + MAP_AT + BLOCK - 1) / BLOCK * BLOCK;
	v.map = uni_alloc((size_t)v.blocks * 4);
	memset(v.map, 0xff, (size_t)v.blocks * 4);
	rc = write_all(&v, source, err);
	free(v.map);
	return rc;
}

const struct uni_disk_format uni_disk_vdi = {
	.name = "vdi",
	.extension = "vdi",
	.version = 1,
	.limit = UINT64_C(8) << 40, /* its map is kept in memory */
	.write = vdi_write,
};
