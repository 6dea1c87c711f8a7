/*
 * See identity.h.
 */
#include "identity.h"

#include <uni/base/file.h>

#include "codec.h"

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
