/*
 * Digests of sparse content by the map of its blocks.
 */
#include <string.h>
#include <uni/base/mapdigest.h>
#include <uni/base/text.h>

void uni_map_hash_start(struct uni_map_hash *map, uint64_t size)
{
	uni_hash_start(&map->hash);
	uni_hash_add_text(&map->hash, "uni map 1");
	uni_hash_add_u64(&map->hash, size);
}

void uni_map_hash_block(struct uni_map_hash *map, uint64_t number, const struct uni_digest *digest)
{
	uni_hash_add_u64(&map->hash, number);
	uni_hash_add(&map->hash, digest->bytes, sizeof(digest->bytes));
}

struct uni_digest uni_map_hash_end(struct uni_map_hash *map)
{
	return uni_hash_end(&map->hash);
}

void uni_map_digest_text(const struct uni_digest *digest, char out[UNI_DIGEST_TEXT])
{
	static const char prefix[] = "map-sha256:";

	memcpy(out, prefix, sizeof(prefix) - 1);
	uni_hex(digest->bytes, sizeof(digest->bytes), out + sizeof(prefix) - 1);
}
