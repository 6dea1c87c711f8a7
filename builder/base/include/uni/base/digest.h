/*
 * SHA-256 (FIPS 180-4) by OpenSSL. Text form everywhere: "sha256:" and 64
 * lower-case hex.
 */
#ifndef UNI_BASE_DIGEST_H
#define UNI_BASE_DIGEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uni/base/err.h>

#define UNI_DIGEST_TEXT 76 /* "map-sha256:" + 64 + NUL (uni/base/mapdigest.h) */

struct uni_digest {
	uint8_t bytes[32];
};

struct uni_hash {
	uint64_t state[16]; /* opaque: OpenSSL's SHA256_CTX */
};

void uni_hash_start(struct uni_hash *hash);
void uni_hash_add(struct uni_hash *hash, const void *data, size_t size);
/* Adds length and bytes, so that adjoining fields cannot run into each other. */
void uni_hash_add_field(struct uni_hash *hash, const void *data, size_t size);
void uni_hash_add_text(struct uni_hash *hash,
		       const char *text); /* as a field; NULL is a field of its own kind */
void uni_hash_add_u64(struct uni_hash *hash, uint64_t value); /* 8 bytes, little endian */
struct uni_digest uni_hash_end(struct uni_hash *hash);

struct uni_digest uni_digest_of(const void *data, size_t size);
/* HMAC-SHA-256 (RFC 2104). */
struct uni_digest uni_hmac(const void *key, size_t key_size, const void *data, size_t size);
int uni_digest_fd(int fd, uint64_t *size, struct uni_digest *digest, const char *name,
		  struct uni_err *err); /* from its start */
int uni_digest_file(const char *path, uint64_t *size, struct uni_digest *digest,
		    struct uni_err *err);
bool uni_digest_eq(const struct uni_digest *a, const struct uni_digest *b);
int uni_digest_cmp(const struct uni_digest *a, const struct uni_digest *b);
void uni_digest_text(const struct uni_digest *digest, char out[UNI_DIGEST_TEXT]);
bool uni_digest_parse(const char *text, struct uni_digest *digest); /* with or without "sha256:" */

/* RFC 9562 version 8 UUID made of the first 16 bytes of SHA-256(domain field, digest), for GUIDs
 * and volume ids. */
struct uni_uuid {
	uint8_t bytes[16]; /* in text order (big endian fields) */
};
#define UNI_UUID_TEXT 37
struct uni_uuid uni_uuid_derive(const char *domain, const struct uni_digest *digest);
void uni_uuid_text(const struct uni_uuid *uuid, char out[UNI_UUID_TEXT]); /* lower case */
bool uni_uuid_parse(const char *text, struct uni_uuid *uuid);
/* As GPT and EFI store it: first three fields little endian. Its own inverse. */
struct uni_uuid uni_uuid_swap(const struct uni_uuid *uuid);

#endif
