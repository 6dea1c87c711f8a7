/*
 * The check of the seal, apart from its user because unibase's headers are not the loader's.
 */
#include "efi_seal.h"

#include <uk/sha256.h>

bool efi_seal_matches(const void *box)
{
	struct uk_sha256 hash;
	uint8_t digest[UK_SHA256_SIZE];
	bool same = true;

	uk_sha256_start(&hash);
	uk_sha256_add(&hash, box, (size_t)efi_seal.size);
	uk_sha256_end(&hash, digest);
	for (unsigned i = 0; i < UK_SHA256_SIZE; i++)
		same &= digest[i] == efi_seal.sha256[i];
	return same;
}
