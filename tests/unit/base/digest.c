/*
 * SHA-256, digests as text, UUIDs, checksums.
 */
#include "unit.h"
#include <fcntl.h>
#include <string.h>
#include <uni/abi/crc32c.h>
#include <uni/base/checksum.h>
#include <uni/base/digest.h>
#include <unistd.h>

#define EMPTY "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

static void assert_digest(const void *data, size_t size, const char *wanted)
{
	char text[UNI_DIGEST_TEXT];
	struct uni_digest digest = uni_digest_of(data, size);
	uni_digest_text(&digest, text);
	assert_string_equal(text, wanted);
}

/* FIPS 180-4's examples. */
static void known_answers(void **state)
{
	(void)state;
	assert_digest("", 0, EMPTY);
	assert_digest("abc", 3,
		      "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
	assert_digest("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq", 56,
		      "sha256:248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
}

static void pieces_equal_the_whole(void **state)
{
	(void)state;
	static uint8_t data[1000];
	struct uni_digest whole[sizeof(data)];
	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (uint8_t)(i * 7);
	for (size_t i = 0; i < sizeof(data); i++)
		whole[i] = uni_digest_of(data, i);
	struct uni_hash hash;
	static uint8_t million[1000000];
	memset(million, 'a', sizeof(million));
	uni_hash_start(&hash);
	uni_hash_add(&hash, million, 100);
	uni_hash_add(&hash, million, sizeof(million) - 100);
	struct uni_digest digest = uni_hash_end(&hash);
	char text[UNI_DIGEST_TEXT];
	uni_digest_text(&digest, text);
	assert_string_equal(
		text, "sha256:cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
	for (size_t i = 0; i < sizeof(data); i++) {
		uni_hash_start(&hash);
		uni_hash_add(&hash, data, i / 3);
		uni_hash_add(&hash, data + i / 3, i - i / 3);
		digest = uni_hash_end(&hash);
		assert_true(uni_digest_eq(&digest, &whole[i]));
	}
}

static void fields_do_not_run_together(void **state)
{
	(void)state;
	static const char *const pairs[][2] = { { "ab", "c" }, { "a", "bc" },	{ "abc", "" },
						{ "", "abc" }, { NULL, "abc" }, { "abc", NULL } };
	struct uni_digest digests[UNI_COUNT(pairs)];
	for (size_t i = 0; i < UNI_COUNT(pairs); i++) {
		struct uni_hash hash;
		uni_hash_start(&hash);
		uni_hash_add_text(&hash, pairs[i][0]);
		uni_hash_add_text(&hash, pairs[i][1]);
		digests[i] = uni_hash_end(&hash);
		for (size_t j = 0; j < i; j++)
			assert_false(uni_digest_eq(&digests[i], &digests[j]));
	}
}

static void files_are_hashed(void **state)
{
	struct uni_err err = UNI_ERR_INIT;
	struct uni_digest digest;
	uint64_t size = 1;
	static char data[300000];
	memset(data, 'x', sizeof(data));
	assert_int_equal(uni_file_write(unit_path(state, "f"), data, sizeof(data), 0600, &err), 0);
	assert_int_equal(uni_digest_file(unit_path(state, "f"), &size, &digest, &err), 0);
	assert_int_equal(size, sizeof(data));
	struct uni_digest wanted = uni_digest_of(data, sizeof(data));
	assert_true(uni_digest_eq(&digest, &wanted));
	assert_int_equal(uni_digest_file(unit_path(state, "g"), &size, &digest, &err), UNI_E_NOENT);
	assert_int_equal(uni_digest_file(*state, NULL, &digest, &err), UNI_E_INVAL);
}

/* With a hole at the start, between and at the end, as the same bytes without. */
static void holes_are_zeros(void **state)
{
	enum { SIZE = 1 << 20, FIRST = 300001, SECOND = 700000, LENGTH = 12345 };
	static uint8_t data[SIZE];
	struct uni_err err = UNI_ERR_INIT;
	struct uni_digest digest, wanted;
	uint64_t size = 0;
	int fd = open(unit_path(state, "sparse"), O_RDWR | O_CREAT, 0600);

	assert_true(fd >= 0);
	memset(data + FIRST, 'x', LENGTH);
	memset(data + SECOND, 'y', LENGTH);
	assert_int_equal(ftruncate(fd, SIZE), 0);
	assert_int_equal(pwrite(fd, data + FIRST, LENGTH, FIRST), LENGTH);
	assert_int_equal(pwrite(fd, data + SECOND, LENGTH, SECOND), LENGTH);
	assert_int_equal(uni_digest_fd(fd, &size, &digest, "sparse", &err), 0);
	close(fd);
	wanted = uni_digest_of(data, SIZE);
	assert_int_equal(size, SIZE);
	assert_true(uni_digest_eq(&digest, &wanted));
}

static void digest_text_is_strict(void **state)
{
	(void)state;
	struct uni_digest digest;
	char text[] = EMPTY;
	char back[UNI_DIGEST_TEXT];
	assert_true(uni_digest_parse(EMPTY, &digest));
	uni_digest_text(&digest, back);
	assert_string_equal(back, EMPTY);
	assert_true(uni_digest_parse(&text[7], &digest));
	assert_false(uni_digest_parse(EMPTY "0", &digest));
	assert_false(uni_digest_parse("sha512:00", &digest));
	assert_false(uni_digest_parse("", &digest));
	text[7] = 'E';
	assert_false(uni_digest_parse(text, &digest));
}

static void uuids(void **state)
{
	(void)state;
	struct uni_digest digest = uni_digest_of("x", 1);
	struct uni_uuid one = uni_uuid_derive("disk", &digest);
	struct uni_uuid two = uni_uuid_derive("partition", &digest);
	struct uni_uuid back;
	char text[UNI_UUID_TEXT];
	assert_memory_not_equal(&one, &two, sizeof(one));
	assert_int_equal(one.bytes[6] >> 4, 8);
	assert_int_equal(one.bytes[8] >> 6, 2);
	uni_uuid_text(&one, text);
	assert_int_equal(strlen(text), UNI_UUID_TEXT - 1);
	assert_int_equal(text[14], '8');
	assert_true(uni_uuid_parse(text, &back));
	assert_memory_equal(&one, &back, sizeof(one));
	assert_true(uni_uuid_parse("00112233-4455-6677-8899-AABBCCDDEEFF", &back));
	struct uni_uuid swapped = uni_uuid_swap(&back);
	uni_uuid_text(&swapped, text);
	assert_string_equal(text, "33221100-5544-7766-8899-aabbccddeeff");
	assert_false(uni_uuid_parse("00112233-4455-6677-8899-AABBCCDDEEF", &back));
	assert_false(uni_uuid_parse("00112233-4455-6677-8899-AABBCCDDEEFFF", &back));
	assert_false(uni_uuid_parse("00112233-4455-6677-8899AABBCCDDEEFF-0", &back));
	assert_false(uni_uuid_parse("0011223344556677-8899-AABBCCDDEEFF000", &back));
	assert_false(uni_uuid_parse("", &back));
}

/* As the ABI's own, which kernels and loaders check with, wherever words begin and end. */
static void checksums(void **state)
{
	uint8_t data[64];

	(void)state;
	assert_int_equal(uni_checksum(0, "123456789", 9), 0xe3069283);
	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (uint8_t)(i * 37);
	for (size_t from = 0; from < 9; from++)
		for (size_t size = 0; from + size <= sizeof(data); size++)
			assert_int_equal(uni_checksum((uint32_t)size, data + from, size),
					 uni_crc32c((uint32_t)size, data + from, size));
}

int unit_digest(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(known_answers),
		cmocka_unit_test(pieces_equal_the_whole),
		cmocka_unit_test(fields_do_not_run_together),
		DIR_TEST(files_are_hashed),
		DIR_TEST(holes_are_zeros),
		cmocka_unit_test(digest_text_is_strict),
		cmocka_unit_test(uuids),
		cmocka_unit_test(checksums),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
