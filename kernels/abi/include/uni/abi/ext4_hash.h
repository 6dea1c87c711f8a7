/*
 * The hash by which indexed folders of ext4 are ordered: half MD4, and TEA, over a name and the
 * volume's seed. Shared by the tool that writes folders and the kernel that looks into them.
 * Facts from "ext4 Data Structures and Algorithms", "Hash Tree Directories"; RFC 1320 for MD4.
 */
#ifndef UNI_ABI_EXT4_HASH_H
#define UNI_ABI_EXT4_HASH_H

#include <stdbool.h>
#include <uni/abi/ext4.h>

struct uni_ext4_hash {
	uint32_t major; /* bit 0 clear */
	uint32_t minor;
};

static inline uint32_t uni_ext4_rotl(uint32_t value, unsigned bits)
{
	return value << bits | value >> (32 - bits);
}

/* One of MD4's first three rounds, over eight words in `order`, with four shifts. */
static inline void uni_ext4_md4_round(uint32_t state[4], const uint32_t in[8], unsigned round)
{
	static const uint8_t order[3][8] = { { 0, 1, 2, 3, 4, 5, 6, 7 },
					     { 1, 3, 5, 7, 0, 2, 4, 6 },
					     { 3, 7, 2, 6, 1, 5, 0, 4 } };
	static const uint8_t shifts[3][4] = { { 3, 7, 11, 19 }, { 3, 5, 9, 13 }, { 3, 9, 11, 15 } };
	static const uint32_t constants[3] = { 0, 0x5a827999u, 0x6ed9eba1u };

	for (unsigned i = 0; i < 8; i++) {
		uint32_t *a = &state[(4 - i % 4) % 4];
		uint32_t b = state[(5 - i % 4) % 4], c = state[(6 - i % 4) % 4];
		uint32_t d = state[(7 - i % 4) % 4];
		uint32_t f = round == 0	  ? (d ^ (b & (c ^ d)))
			     : round == 1 ? ((b & c) + ((b ^ c) & d))
					  : (b ^ c ^ d);

		*a = uni_ext4_rotl(*a + f + in[order[round][i]] + constants[round],
				   shifts[round][i % 4]);
	}
}

static inline void uni_ext4_half_md4(uint32_t buf[4], const uint32_t in[8])
{
	uint32_t state[4] = { buf[0], buf[1], buf[2], buf[3] };

	for (unsigned round = 0; round < 3; round++)
		uni_ext4_md4_round(state, in, round);
	for (unsigned i = 0; i < 4; i++)
		buf[i] += state[i];
}

static inline void uni_ext4_tea(uint32_t buf[4], const uint32_t in[4])
{
	uint32_t sum = 0, b0 = buf[0], b1 = buf[1];

	for (unsigned i = 0; i < 16; i++) {
		sum += 0x9e3779b9u;
		b0 += ((b1 << 4) + in[0]) ^ (b1 + sum) ^ ((b1 >> 5) + in[1]);
		b1 += ((b0 << 4) + in[2]) ^ (b0 + sum) ^ ((b0 >> 5) + in[3]);
	}
	buf[0] += b0;
	buf[1] += b1;
}

/* Words of a name's next bytes, padded with its length. */
static inline void uni_ext4_hash_words(const char *name, size_t size, uint32_t *words,
				       unsigned count, bool unsigned_chars)
{
	uint32_t pad = (uint32_t)size | (uint32_t)size << 8, word;
	size_t used = size < count * 4 ? size : count * 4;
	unsigned at = 0;

	pad |= pad << 16;
	word = pad;
	for (size_t i = 0; i < used; i++) {
		uint32_t c = unsigned_chars ? (uint32_t)(uint8_t)name[i]
					    : (uint32_t)(int32_t)(int8_t)name[i];

		word = c + (word << 8);
		if (i % 4 == 3) {
			words[at++] = word;
			word = pad;
		}
	}
	if (at < count)
		words[at++] = word;
	while (at < count)
		words[at++] = pad;
}

/* False for a version that is none of the two. */
static inline bool uni_ext4_hash_name(const char *name, size_t size, unsigned version,
				      bool unsigned_chars, const uint32_t seed[4],
				      struct uni_ext4_hash *hash)
{
	uint32_t buf[4] = { 0x67452301u, 0xefcdab89u, 0x98badcfeu, 0x10325476u };
	uint32_t in[8];
	unsigned words = version == UNI_EXT4_HASH_TEA ? 4 : 8;

	if (version != UNI_EXT4_HASH_TEA && version != UNI_EXT4_HASH_HALF_MD4)
		return false;
	if ((seed[0] | seed[1] | seed[2] | seed[3]) != 0)
		for (unsigned i = 0; i < 4; i++)
			buf[i] = seed[i];
	for (size_t at = 0; at < size; at += (size_t)words * 4) {
		uni_ext4_hash_words(name + at, size - at, in, words, unsigned_chars);
		if (version == UNI_EXT4_HASH_TEA)
			uni_ext4_tea(buf, in);
		else
			uni_ext4_half_md4(buf, in);
	}
	hash->major = version == UNI_EXT4_HASH_TEA ? buf[0] : buf[1];
	hash->minor = version == UNI_EXT4_HASH_TEA ? buf[1] : buf[2];
	hash->major &= ~1u;
	/* The highest stands for the end when a folder is read. */
	if (hash->major == 0xfffffffeu)
		hash->major = 0xfffffffcu;
	return true;
}

#endif
