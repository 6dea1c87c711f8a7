/* The kernel's Ed25519: RFC 8032's vectors, every bit of them changed, encodings that are not the
 * one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
/* cmocka wants these above it */
#include <cmocka.h>
#include <uk/ed25519.h>

/* RFC 8032, section 7.1: key, message, signature. */
static const struct {
	const char *key, *message, *signature;
} vectors[] = {
	{ "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a", "",
	  "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e3970"
	  "1cf9b46bd25bf5f0595bbe24655141438e7a100b" },
	{ "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c", "72",
	  "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613"
	  "d0f11d8c387b2eaeb4302aeeb00d291612bb0c00" },
	{ "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025", "af82",
	  "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760"
	  "984dc6594a7c15e9716ed28dc027beceea1ec40a" },
	{ "ec172b93ad5e563bf4932c70e1245034c35467ef2efd4d64ebf819683467e2bf",
	  "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a2192992a274fc1a836ba3c23"
	  "a3feebbd454d4423643ce80e2a9ac94fa54ca49f",
	  "dc2a4459e7369633a52b1bf277839a00201009a3efbf3ecb69bea2186c26b58909351fc9ac90b3ecfdfbc7c6"
	  "6431e0303dca179c138ac17ad9bef1177331a704" },
};

static size_t unhex(const char *hex, uint8_t *out)
{
	size_t size = strlen(hex) / 2;

	for (size_t i = 0; i < 2 * size; i++) {
		unsigned digit = (unsigned)(hex[i] <= '9' ? hex[i] - '0' : hex[i] - 'a' + 10);

		out[i / 2] = (uint8_t)(i % 2 == 0 ? digit << 4 : out[i / 2] | digit);
	}
	return size;
}

struct signed_text {
	uint8_t key[32], message[64], signature[64];
	size_t size;
};

static struct signed_text vector(size_t i)
{
	struct signed_text t;

	unhex(vectors[i].key, t.key);
	unhex(vectors[i].signature, t.signature);
	t.size = unhex(vectors[i].message, t.message);
	return t;
}

static bool verify(const struct signed_text *t)
{
	return uk_ed25519_verify(t->key, t->message, t->size, t->signature);
}

static void test_vectors(void **state)
{
	(void)state;
	for (size_t i = 0; i < UK_COUNT(vectors); i++) {
		struct signed_text t = vector(i);

		assert_true(verify(&t));
	}
}

static void test_changed(void **state)
{
	(void)state;
	for (size_t i = 0; i < UK_COUNT(vectors); i++) {
		struct signed_text t = vector(i);

		for (unsigned bit = 0; bit < 512; bit += 5) {
			t.signature[bit / 8] ^= (uint8_t)(1 << bit % 8);
			assert_false(verify(&t));
			t.signature[bit / 8] ^= (uint8_t)(1 << bit % 8);
		}
		for (unsigned bit = 0; bit < 256; bit += 7) {
			t.key[bit / 8] ^= (uint8_t)(1 << bit % 8);
			assert_false(verify(&t));
			t.key[bit / 8] ^= (uint8_t)(1 << bit % 8);
		}
		for (unsigned bit = 0; bit < 8 * t.size; bit++) {
			t.message[bit / 8] ^= (uint8_t)(1 << bit % 8);
			assert_false(verify(&t));
			t.message[bit / 8] ^= (uint8_t)(1 << bit % 8);
		}
		assert_true(verify(&t));
	}
}

/* A signature's number plus the order is the same number, and no signature (5.1.7). */
static void test_malleable(void **state)
{
	static const uint8_t order[32] = { 0xed, 0xd3, 0xf5, 0x5c, 0x1a,       0x63,
					   0x12, 0x58, 0xd6, 0x9c, 0xf7,       0xa2,
					   0xde, 0xf9, 0xde, 0x14, [31] = 0x10 };
	struct signed_text t = vector(1);
	unsigned carry = 0;

	(void)state;
	for (unsigned i = 0; i < 32; i++) {
		carry += t.signature[32 + i] + (unsigned)order[i];
		t.signature[32 + i] = (uint8_t)carry;
		carry >>= 8;
	}
	assert_false(verify(&t));
}

/* Keys that are no point, or no number below p, or a zero with a sign. */
static void test_keys(void **state)
{
	struct signed_text t = vector(1);

	(void)state;
	memset(t.key, 0xff, sizeof(t.key));
	assert_false(verify(&t));
	memset(t.key, 0, sizeof(t.key));
	t.key[0] = 2; /* y = 2 is on no point */
	assert_false(verify(&t));
	t.key[0] = 1;
	t.key[31] = 0x80;
	assert_false(verify(&t));
	t.key[0] = 0xee; /* p + 1 */
	memset(t.key + 1, 0xff, 30);
	t.key[31] = 0x7f;
	assert_false(verify(&t));
}

static void test_sha512(void **state)
{
	static const uint8_t abc[4] = { 0xdd, 0xaf, 0x35, 0xa1 };
	uint8_t text[300], one[64], two[64];
	const struct uk_piece whole = { "abc", 3 };

	(void)state;
	uk_sha512(&whole, 1, one);
	assert_memory_equal(one, abc, sizeof(abc)); /* FIPS 180-4's example */
	memset(text, 'x', sizeof(text));
	for (size_t size = 0; size <= sizeof(text); size++) {
		const struct uk_piece all = { text, size };
		const struct uk_piece parts[3] = { { text, size / 3 },
						   { text, size / 2 },
						   { text, size - size / 3 - size / 2 } };

		uk_sha512(&all, 1, one);
		uk_sha512(parts, 3, two);
		assert_memory_equal(one, two, sizeof(one));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_vectors),	  cmocka_unit_test(test_changed),
		cmocka_unit_test(test_malleable), cmocka_unit_test(test_keys),
		cmocka_unit_test(test_sha512),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
