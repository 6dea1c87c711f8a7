/*
 * See identity.h.
 */
#include "identity.h"

#include <string.h>
#include <uni/base/file.h>

#include "codec.h"
#include "internal.h"

int disk_identity_start(struct disk_identity *identity, uint64_t disk_size, struct uni_err *err)
{
	uni_hash_start(&identity->hash);
	uni_hash_add_text(&identity->hash, "uni disk content 1");
	uni_hash_add_u64(&identity->hash, disk_size);
	return disk_crc32_load(err);
}

void disk_identity_block(struct disk_identity *identity, uint64_t index, uint32_t crc)
{
	uni_hash_add_u64(&identity->hash, index);
	uni_hash_add_u64(&identity->hash, crc);
}

void disk_identity_add(struct disk_identity *identity, uint64_t offset, const void *data,
		       size_t size)
{
	static const uint8_t zeros[DISK_IDENTITY_BLOCK];
	const uint8_t *bytes = data;

	for (size_t at = 0; at < size; at += DISK_IDENTITY_BLOCK) {
		size_t left = size - at;
		uint32_t crc;

		if (left > DISK_IDENTITY_BLOCK)
			left = DISK_IDENTITY_BLOCK;
		if (uni_all_zero(bytes + at, left))
			continue;
		crc = disk_crc32(0, bytes + at, left);
		crc = disk_crc32(crc, zeros, DISK_IDENTITY_BLOCK - left);
		disk_identity_block(identity, (offset + at) / DISK_IDENTITY_BLOCK, crc);
	}
}

struct uni_digest disk_identity_end(struct disk_identity *identity)
{
	return uni_hash_end(&identity->hash);
}

void disk_identity_uuid(uint8_t out[16], const char *domain, const struct uni_digest *identity)
{
	struct uni_uuid uuid = uni_uuid_derive(domain, identity);

	uuid = uni_uuid_swap(&uuid);
	memcpy(out, uuid.bytes, sizeof(uuid.bytes));
}

int disk_blocks_each(const struct disk_blocks *blocks, struct uni_err *err)
{
	UNI_AUTO_FREE uint8_t *data = uni_alloc(blocks->size);
	struct disk_walk walk = { .source = blocks->source,
				  .block = blocks->size,
				  .room = blocks->size };
	uint64_t offset;
	size_t size;
	int rc;

	while ((rc = disk_walk_next(&walk, data, &offset, &size, err)) > 0) {
		if (uni_all_zero(data, size))
			continue;
		disk_identity_add(blocks->identity, offset, data, size);
		rc = blocks->put(blocks->user, offset / blocks->size, data, err);
		if (rc != 0)
			return rc;
	}
	return rc;
}
