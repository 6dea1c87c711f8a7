/*
 * Keys in PEM, with published vectors.
 */
#include "unit.h"
#include <string.h>
#include <uni/trust/pem.h>

/* RFC 6979, appendix A.2.5: P-256, SHA-256, the message "sample"; the signature in DER. */
static const char p256[] = "-----BEGIN PUBLIC KEY-----\n"
			   "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEYP7UuiVanTHJYet0xjVtaMBJuJI7\n"
			   "Yfps5mliLmDyn7Z5A/4QCLi8maQa6elWKLxk8vGyDC1+n1F3o8KU1EYimQ==\n"
			   "-----END PUBLIC KEY-----\n";
static const char p256_signature[] =
	"3046022100efd48b2aacb6a8fd1140dd9cd45e81d69d2c877b56aaf991c34d0ea84eaf37"
	"16022100f7cb1c942d657c41d436c7a1b6e29f65f3e900dbb9aff4064dc4ab2f843acda8";

static const char p384[] = "-----BEGIN PUBLIC KEY-----\n"
			   "MHYwEAYHKoZIzj0CAQYFK4EEACIDYgAEMepC7nQw3WVZ+JdEG3k5JAxkSnWnPt7J\n"
			   "tq0S7v1z8CairH9BWN1Q/EPbk0HdQHS6lywComFNftEXqhZY6IyBExeGNUUO6Gu0\n"
			   "pvQifkH3niCN0HhPcuwaSdhTEDA3JKIM\n"
			   "-----END PUBLIC KEY-----\n";

static struct uni_pem pem_of(const char *text)
{
	return (struct uni_pem){ .name = "key.pub", .text = text, .size = strlen(text) };
}

static void test_p256(void **state)
{
	const struct uni_pem pem = pem_of(p256);
	uint8_t signature[(sizeof(p256_signature) - 1) / 2];
	struct uni_err err = UNI_ERR_INIT;
	bool valid;

	(void)state;
	assert_true(uni_unhex(p256_signature, signature, sizeof(signature)));
	assert_int_equal(
		uni_pem_verify(&pem, "sample", 6, signature, sizeof(signature), &valid, &err), 0);
	assert_true(valid);
	assert_int_equal(
		uni_pem_verify(&pem, "samplf", 6, signature, sizeof(signature), &valid, &err), 0);
	assert_false(valid);
	assert_int_equal(uni_pem_verify(&pem, "sample", 6, signature, 9, &valid, &err), 0);
	assert_false(valid);
}

/* RFC 8032, section 7.1, TEST 2, by way of our own writing of the key. */
static void test_ed25519(void **state)
{
	struct uni_buf text UNI_AUTO_BUF = UNI_BUF_INIT;
	struct uni_public_key key;
	uint8_t signature[UNI_SIGNATURE_SIZE];
	struct uni_err err = UNI_ERR_INIT;
	struct uni_pem pem;
	bool valid;

	(void)state;
	assert_true(uni_unhex("3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
			      key.bytes, sizeof(key.bytes)));
	assert_true(uni_unhex("92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
			      "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
			      signature, sizeof(signature)));
	uni_public_key_pem(&key, &text);
	pem = pem_of(text.data);
	assert_int_equal(uni_pem_verify(&pem, "r", 1, signature, sizeof(signature), &valid, &err),
			 0);
	assert_true(valid);
	signature[3] ^= 1;
	assert_int_equal(uni_pem_verify(&pem, "r", 1, signature, sizeof(signature), &valid, &err),
			 0);
	assert_false(valid);
}

static void test_refused(void **state)
{
	struct uni_buf signature UNI_AUTO_BUF = UNI_BUF_INIT;
	struct uni_pem pem = pem_of(p384);
	struct uni_err err = UNI_ERR_INIT;
	bool valid = true;

	(void)state;
	assert_int_equal(uni_pem_verify(&pem, "x", 1, "y", 1, &valid, &err), UNI_E_UNSUPPORTED);
	assert_false(valid);
	pem = pem_of("no key");
	assert_int_equal(uni_pem_verify(&pem, "x", 1, "y", 1, &valid, &err), UNI_E_PARSE);
	assert_int_equal(uni_pem_sign(&pem, NULL, "x", 1, &signature, &err), UNI_E_PARSE);
	pem = pem_of(p256);
	assert_int_equal(uni_pem_sign(&pem, NULL, "x", 1, &signature, &err), UNI_E_PARSE);
	pem.size = 1u << 20;
	assert_int_equal(uni_pem_verify(&pem, "x", 1, "y", 1, &valid, &err), UNI_E_LIMIT);
}

int unit_pem(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_p256),
		cmocka_unit_test(test_ed25519),
		cmocka_unit_test(test_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
