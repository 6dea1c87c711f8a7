/*
 * Keys at rest, signatures, envelopes.
 */
#include "unit.h"

/* RFC 8032, section 7.1, TEST 2. */
static void test_vector(void **state)
{
	(void)state;
	struct uni_public_key key;
	uint8_t signature[UNI_SIGNATURE_SIZE];
	assert_true(uni_unhex("3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
			      key.bytes, sizeof(key.bytes)));
	assert_true(uni_unhex("92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
			      "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
			      signature, sizeof(signature)));
	assert_true(uni_signature_valid(&key, "r", 1, signature));
	assert_false(uni_signature_valid(&key, "s", 1, signature));
	signature[3] ^= 1;
	assert_false(uni_signature_valid(&key, "r", 1, signature));
}

static void test_at_rest(void **state)
{
	struct uni_err err = UNI_ERR_INIT;
	struct uni_signer *signer UNI_AUTO(uni_signer) = NULL;
	struct uni_signer *again UNI_AUTO(uni_signer) = NULL;
	struct uni_signer *plain UNI_AUTO(uni_signer) = NULL;
	const char *path = unit_path(state, "key.pem"), *open = unit_path(state, "open.pem");
	uint8_t signature[UNI_SIGNATURE_SIZE];
	struct stat st;
	assert_int_equal(uni_signer_new(&signer, &err), 0);
	assert_int_equal(uni_signer_save(signer, path, "the passphrase", &err), 0);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	assert_int_equal(uni_signer_save(signer, path, "another", &err), UNI_E_EXIST);
	assert_int_equal(uni_signer_load(&again, path, NULL, &err), UNI_E_AUTH);
	assert_int_equal(uni_signer_load(&again, path, "wrong", &err), UNI_E_AUTH);
	assert_int_equal(uni_signer_load(&again, path, "the passphrase", &err), 0);
	assert_true(uni_public_key_eq(uni_signer_public(signer), uni_signer_public(again)));
	assert_int_equal(uni_signer_sign(again, "text", 4, signature, &err), 0);
	assert_true(uni_signature_valid(uni_signer_public(signer), "text", 4, signature));
	assert_int_equal(uni_signer_save(signer, open, NULL, &err), 0);
	assert_int_equal(uni_signer_load(&plain, open, NULL, &err), 0);
	struct uni_buf text UNI_AUTO_BUF = UNI_BUF_INIT;
	assert_int_equal(uni_file_read(path, 4096, &text, &err), 0);
	assert_non_null(strstr(text.data, "BEGIN ENCRYPTED PRIVATE KEY"));
	assert_int_equal(uni_file_write(path, "nothing", 7, 0600, &err), 0);
	struct uni_signer *none = NULL;
	assert_int_equal(uni_signer_load(&none, path, NULL, &err), UNI_E_PARSE);
}

static void test_folder(void **state)
{
	struct uni_err err = UNI_ERR_INIT;
	const char *dir = unit_path(state, "keys");
	struct uni_signer *signer UNI_AUTO(uni_signer) = NULL;
	struct uni_signer *loaded UNI_AUTO(uni_signer) = NULL;
	struct uni_signer *outer UNI_AUTO(uni_signer) = NULL;
	struct uni_signer *liar UNI_AUTO(uni_signer) = NULL;
	struct uni_public_key key;
	struct uni_strv names UNI_AUTO_STRV = { .items = NULL };
	uint8_t signature[UNI_SIGNATURE_SIZE];
	char *raw UNI_AUTO_FREE = uni_path_join(dir, "sig");
	assert_int_equal(uni_signer_new(&signer, &err), 0);
	assert_int_equal(uni_keys_add(dir, "mine", signer, NULL, &err), 0);
	assert_int_equal(uni_keys_add(dir, "mine", signer, NULL, &err), UNI_E_EXIST);
	assert_int_equal(uni_keys_add(dir, "../up", signer, NULL, &err), UNI_E_INVAL);
	assert_int_equal(uni_keys_load(dir, "other", NULL, &loaded, &err), UNI_E_NOENT);
	assert_int_equal(uni_keys_load(dir, "mine", NULL, &loaded, &err), 0);
	assert_int_equal(uni_keys_public(dir, "mine", &key, &err), 0);
	assert_true(uni_public_key_eq(&key, uni_signer_public(signer)));
	/* A program that answers with what was signed for it before. */
	assert_int_equal(uni_signer_sign(signer, "text", 4, signature, &err), 0);
	assert_int_equal(uni_file_write(raw, signature, sizeof(signature), 0600, &err), 0);
	const char *const argv[] = { "cat", raw, NULL };
	assert_int_equal(uni_keys_add_command(dir, "token", &key, argv, &err), 0);
	assert_int_equal(uni_keys_load(dir, "token", NULL, &outer, &err), 0);
	memset(signature, 0, sizeof(signature));
	assert_int_equal(uni_signer_sign(outer, "text", 4, signature, &err), 0);
	assert_true(uni_signature_valid(&key, "text", 4, signature));
	assert_int_equal(uni_signer_sign(outer, "other", 5, signature, &err), UNI_E_AUTH);
	const char *const echo[] = { "echo", "no signature", NULL };
	liar = uni_signer_command(&key, echo);
	assert_int_equal(uni_signer_sign(liar, "text", 4, signature, &err), UNI_E_INVAL);
	assert_int_equal(uni_keys_list(dir, &names, &err), 0);
	assert_int_equal(names.count, 2);
	assert_string_equal(names.items[0], "mine");
}

static struct uni_pem key_of(const struct uni_signer *signer, const char *name,
			     struct uni_buf *text)
{
	uni_public_key_pem(uni_signer_public(signer), text);
	return (struct uni_pem){ name, text->data, text->size };
}

static int opened(const struct uni_buf *envelope, const char *type, const struct uni_pem *key,
		  struct uni_buf *payload)
{
	struct uni_json *json UNI_AUTO(uni_json) = NULL;
	struct uni_err err = UNI_ERR_INIT;

	assert_int_equal(uni_json_parse(&json, "envelope", envelope->data, envelope->size, &err),
			 0);
	uni_buf_clear(payload);
	return uni_dsse_open(json, type, key, payload, &err);
}

static void test_envelope(void **state)
{
	(void)state;
	struct uni_err err = UNI_ERR_INIT;
	struct uni_signer *one UNI_AUTO(uni_signer) = NULL;
	struct uni_signer *two UNI_AUTO(uni_signer) = NULL;
	struct uni_buf pae UNI_AUTO_BUF = UNI_BUF_INIT, envelope UNI_AUTO_BUF = UNI_BUF_INIT;
	struct uni_buf payload UNI_AUTO_BUF = UNI_BUF_INIT;
	/* The example of the protocol's description. */
	uni_dsse_pae("http://example.com/HelloWorld", "hello world", 11, &pae);
	assert_string_equal(pae.data, "DSSEv1 29 http://example.com/HelloWorld 11 hello world");
	assert_int_equal(uni_signer_new(&one, &err), 0);
	assert_int_equal(uni_signer_new(&two, &err), 0);
	const struct uni_signer *signers[] = { one, one };
	struct uni_buf first UNI_AUTO_BUF = UNI_BUF_INIT, second UNI_AUTO_BUF = UNI_BUF_INIT;
	struct uni_pem keys[] = { key_of(one, "one", &first), key_of(two, "two", &second) };
	assert_int_equal(uni_dsse_sign("a/b", "text", 4, signers, 1, &envelope, &err), 0);
	assert_int_equal(opened(&envelope, "a/b", &keys[0], &payload), 0);
	assert_string_equal(payload.data, "text");
	assert_int_equal(opened(&envelope, "a/b", &keys[1], &payload), UNI_E_AUTH);
	assert_int_equal(opened(&envelope, "a/c", &keys[0], &payload), UNI_E_AUTH);
	char *at = strstr(envelope.data, "dGV4dA=="); /* "text" */
	assert_non_null(at);
	memcpy(at, "dGV4dQ==", 8);
	assert_int_equal(opened(&envelope, "a/b", &keys[0], &payload), UNI_E_AUTH);
	memcpy(at, "????????", 8);
	assert_int_equal(opened(&envelope, "a/b", &keys[0], &payload), UNI_E_PARSE);
	assert_int_equal(payload.size, 0);
	/* Both have signed. */
	uni_buf_clear(&envelope);
	signers[1] = two;
	assert_int_equal(uni_dsse_sign("a/b", "text", 4, signers, 2, &envelope, &err), 0);
	assert_int_equal(opened(&envelope, "a/b", &keys[1], &payload), 0);
}

int unit_keys(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_vector),
		DIR_TEST(test_at_rest),
		DIR_TEST(test_folder),
		cmocka_unit_test(test_envelope),
	};
	return cmocka_run_group_tests_name("keys", tests, NULL, NULL);
}
