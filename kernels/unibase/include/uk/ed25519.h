/*
 * Ed25519 signatures (RFC 8032, section 5.1), checked. lib/ed25519.c, lib/sha512.c.
 */
#ifndef UK_ED25519_H
#define UK_ED25519_H

#include <uk/types.h>

/* Public data only: the time it takes depends on them. */
bool uk_ed25519_verify(const uint8_t key[32], const void *message, size_t size,
		       const uint8_t signature[64]);

/* SHA-512 (FIPS 180-4) of up to three pieces, one behind the other. */
struct uk_piece {
	const void *data;
	size_t size;
};
void uk_sha512(const struct uk_piece *pieces, unsigned count, uint8_t digest[64]);

#endif
