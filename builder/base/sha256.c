/*
 * SHA-256 (FIPS 180-4, section 6.2) in plain C, on libcrypto's state. Loading libcrypto takes about
 * a millisecond, more than hashing the few hundred kilobytes that most commands need; and where it
 * is missing, hashing is only slower.
 */
#define OPENSSL_SUPPRESS_DEPRECATED
#include "internal.h"
#include <endian.h>
#include <openssl/sha.h>
#include <string.h>

static const uint32_t round_constants[64] = {
	0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4,
	0xab1c5ed5, 0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe,
	0x9bdc06a7, 0xc19bf174, 0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f,
	0x4a7484aa, 0x5cb0a9dc, 0x76f988da, 0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7,
	0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967, 0x27b70a85, 0x2e1b2138, 0x4d2c6dfc,
	0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85, 0xa2bfe8a1, 0xa81a664b,
	0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070, 0x19a4c116,
	0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
	0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7,
	0xc67178f2,
};

static uint32_t rotate(uint32_t x, unsigned by)
{
	return x >> by | x << (32 - by);
}

static void expand(uint32_t w[64], const uint8_t *block)
{
	for (size_t i = 0; i < 16; i++) {
		uint32_t word;
		memcpy(&word, block + 4 * i, sizeof(word));
		w[i] = be32toh(word);
	}
	for (size_t i = 16; i < 64; i++) {
		uint32_t s0 = rotate(w[i - 15], 7) ^ rotate(w[i - 15], 18) ^ w[i - 15] >> 3;
		uint32_t s1 = rotate(w[i - 2], 17) ^ rotate(w[i - 2], 19) ^ w[i - 2] >> 10;
		w[i] = w[i - 16] + s0 + w[i - 7] + s1;
	}
}

static void compress(uint32_t state[8], const uint8_t *block)
{
	uint32_t w[64];
	uint32_t v[8];
	expand(w, block);
	memcpy(v, state, sizeof(v));
	for (size_t i = 0; i < 64; i++) {
		uint32_t a = v[0];
		uint32_t e = v[4];
		uint32_t t1 = v[7] + (rotate(e, 6) ^ rotate(e, 11) ^ rotate(e, 25)) +
			      ((e & v[5]) ^ (~e & v[6])) + round_constants[i] + w[i];
		uint32_t t2 = (rotate(a, 2) ^ rotate(a, 13) ^ rotate(a, 22)) +
			      ((a & v[1]) ^ (a & v[2]) ^ (v[1] & v[2]));
		memmove(v + 1, v, 7 * sizeof(v[0]));
		v[4] += t1;
		v[0] = t1 + t2;
	}
	for (size_t i = 0; i < 8; i++)
		state[i] += v[i];
}

void uni_sha256_init(void *ctx)
{
	SHA256_CTX start = {
		.h = { 0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c,
		       0x1f83d9ab, 0x5be0cd19 },
		.md_len = SHA256_DIGEST_LENGTH,
	};
	memcpy(ctx, &start, sizeof(start));
}

void uni_sha256_update(void *opaque, const void *data, size_t size)
{
	SHA256_CTX *ctx = opaque;
	const uint8_t *at = data;
	uint64_t bits = (((uint64_t)ctx->Nh << 32) | ctx->Nl) + ((uint64_t)size << 3);
	ctx->Nl = (uint32_t)bits;
	ctx->Nh = (uint32_t)(bits >> 32);
	while (size > 0) {
		if (ctx->num == 0 && size >= SHA256_CBLOCK) {
			compress(ctx->h, at);
			at += SHA256_CBLOCK;
			size -= SHA256_CBLOCK;
			continue;
		}
		size_t room = SHA256_CBLOCK - ctx->num;
		size_t step = size < room ? size : room;
		memcpy((uint8_t *)ctx->data + ctx->num, at, step);
		ctx->num += (unsigned)step;
		at += step;
		size -= step;
		if (ctx->num == SHA256_CBLOCK) {
			compress(ctx->h, (const uint8_t *)ctx->data);
			ctx->num = 0;
		}
	}
}

void uni_sha256_final(uint8_t out[32], void *opaque)
{
	static const uint8_t padding[SHA256_CBLOCK] = { 0x80 };
	SHA256_CTX *ctx = opaque;
	uint64_t bits = htobe64(((uint64_t)ctx->Nh << 32) | ctx->Nl);
	size_t tail = ctx->num < 56 ? 56 - ctx->num : 120 - ctx->num;
	uni_sha256_update(ctx, padding, tail);
	uni_sha256_update(ctx, &bits, sizeof(bits));
	for (size_t i = 0; i < 8; i++) {
		uint32_t word = htobe32(ctx->h[i]);
		memcpy(out + 4 * i, &word, sizeof(word));
	}
}
