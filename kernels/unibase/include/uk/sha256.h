/*
 * SHA-256 (FIPS 180-4). lib/sha256.c. Plain C on general registers: kernel code may not touch the
 * vector ones.
 */
#ifndef UK_SHA256_H
#define UK_SHA256_H

#include <uk/types.h>

#define UK_SHA256_SIZE 32
#define UK_SHA256_BLOCK 64

struct uk_sha256 {
	uint32_t state[8];
	uint64_t size; /* bytes so far */
	uint8_t block[UK_SHA256_BLOCK];
};

void uk_sha256_start(struct uk_sha256 *hash);
void uk_sha256_add(struct uk_sha256 *hash, const void *data, size_t size);
void uk_sha256_end(struct uk_sha256 *hash, uint8_t digest[UK_SHA256_SIZE]);

#endif
