/*
 * What sparse content is known by where hashing its zeros would cost more than all else that is
 * done to it: SHA-256 over its size and, in order, the number and SHA-256 of every block of 512 KiB
 * that is not zero, the last one padded with zeros. "map-sha256:" in text. The same blocks are
 * those of the EBS direct API.
 */
#ifndef UNI_BASE_MAPDIGEST_H
#define UNI_BASE_MAPDIGEST_H

#include <uni/base/digest.h>

#define UNI_MAP_BLOCK 524288u

struct uni_map_hash {
	struct uni_hash hash;
};

void uni_map_hash_start(struct uni_map_hash *map, uint64_t size); /* bytes of the content */
/* A block that is not zero; numbers ascend. */
void uni_map_hash_block(struct uni_map_hash *map, uint64_t number, const struct uni_digest *digest);
struct uni_digest uni_map_hash_end(struct uni_map_hash *map);

void uni_map_digest_text(const struct uni_digest *digest, char out[UNI_DIGEST_TEXT]);

/*
 * What a file is known by: its SHA-256, or, where more than UNI_MAP_HOLE bytes of it are in blocks
 * of zeros, the digest of its map. The content alone decides, not what is a hole on some disk.
 */
#define UNI_MAP_HOLE (UINT64_C(1) << 30)
/* Whether its holes alone make it one that is known by its map; reads nothing. */
int uni_content_is_mapped(int fd, uint64_t size, bool *mapped, struct uni_err *err);
int uni_content_digest_fd(int fd, uint64_t *size, struct uni_digest *digest, bool *mapped,
			  const char *name, struct uni_err *err);
int uni_content_digest_file(const char *path, uint64_t *size, struct uni_digest *digest,
			    bool *mapped, struct uni_err *err);
/* "sha256:" or "map-sha256:" and 64 digits. */
void uni_content_digest_text(const struct uni_digest *digest, bool mapped,
			     char out[UNI_DIGEST_TEXT]);
bool uni_content_digest_parse(const char *text, struct uni_digest *digest, bool *mapped);

#endif
