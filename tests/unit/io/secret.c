/*
 * Secrets in content: what is one, what only looks like one, and that pieces do not matter.
 */
#include "unit.h"
#include <string.h>
#include <uni/io/secret.h>

#define DIGITS "MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQC7"
#define KEY(kind) "-----BEGIN " kind "-----\n" DIGITS "\n-----END " kind "-----\n"

static enum uni_secret scan(const void *data, size_t size, size_t piece)
{
	const char *at = data;
	struct uni_secret_scan scan;

	uni_secret_scan_start(&scan);
	while (size != 0) {
		size_t part = size < piece ? size : piece;

		uni_secret_scan_add(&scan, at, part);
		at += part;
		size -= part;
	}
	return uni_secret_scan_end(&scan);
}

static const struct {
	const char *text;
	enum uni_secret is;
} texts[] = {
	{ KEY("PRIVATE KEY"), UNI_SECRET_PEM },
	{ KEY("RSA PRIVATE KEY"), UNI_SECRET_PEM },
	{ KEY("OPENSSH PRIVATE KEY"), UNI_SECRET_PEM },
	{ KEY("PGP PRIVATE KEY BLOCK"), UNI_SECRET_PEM },
	{ "-----BEGIN EC PRIVATE KEY-----\r\nProc-Type: 4,ENCRYPTED\r\nDEK-Info: "
	  "AES-256-CBC,00\r\n\r\n" DIGITS,
	  UNI_SECRET_PEM },
	{ "---- BEGIN SSH2 ENCRYPTED PRIVATE KEY ----\nComment: \"me\"\n" DIGITS, UNI_SECRET_PEM },
	{ "{\"private_key\": \"-----BEGIN PRIVATE KEY-----\\n" DIGITS "\\n\"}", UNI_SECRET_PEM },
	{ "k =\n\t\"-----BEGIN PRIVATE KEY-----\\n\"\n\t\"" DIGITS "\\n\";", UNI_SECRET_PEM },
	{ "tls:\n  key: |\n    -----BEGIN PRIVATE KEY-----\n    " DIGITS "\n", UNI_SECRET_PEM },
	{ "AGE-SECRET-KEY-1QQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQ\n",
	  UNI_SECRET_AGE },
	{ "[default]\naws_secret_access_key = abcdefghijklmnopqrstuvwxyz0123456789ABCD\n",
	  UNI_SECRET_AWS },
	{ "PuTTY-User-Key-File-3: ssh-ed25519\nEncryption: none\n", UNI_SECRET_PUTTY },

	{ "", UNI_SECRET_NONE },
	{ KEY("CERTIFICATE"), UNI_SECRET_NONE },
	{ KEY("PUBLIC KEY"), UNI_SECRET_NONE },
	{ "-----BEGIN PRIVATE KEY-----\n...\n-----END PRIVATE KEY-----\n", UNI_SECRET_NONE },
	{ "-----BEGIN PRIVATE KEY-----\0-----END PRIVATE KEY-----", UNI_SECRET_NONE },
	{ "-----BEGIN PRIVATE KEY-----\nMIIEvQIBADAN\n", UNI_SECRET_NONE },
	{ "A PRIVATE KEY-----\n" DIGITS, UNI_SECRET_NONE },
	{ "PRIVATE KEY", UNI_SECRET_NONE },
	{ "aws_secret_access_key = YOUR-KEY\n", UNI_SECRET_NONE },
	{ "aws_secret_access_key = wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY\n", UNI_SECRET_NONE },
	{ "AGE-SECRET-KEY-1...", UNI_SECRET_NONE },
};

static void texts_are_told_apart(void **state)
{
	(void)state;
	for (size_t i = 0; i < UNI_COUNT(texts); i++)
		for (size_t piece = 1; piece <= 200; piece += 3)
			if (scan(texts[i].text, strlen(texts[i].text), piece) != texts[i].is)
				fail_msg("%s: in pieces of %zu", texts[i].text, piece);
}

/* Deep in a file, over the end of a piece by any number of bytes. */
static void pieces_do_not_matter(void **state)
{
	static const char key[] = KEY("ENCRYPTED PRIVATE KEY");
	enum { SIZE = 300000, PIECE = 65536 };
	char *text = calloc(1, SIZE);

	(void)state;
	for (size_t at = 2 * PIECE - sizeof(key); at < 2 * PIECE + 2; at++) {
		memset(text, '\n', SIZE);
		memcpy(text + at, key, sizeof(key) - 1);
		assert_int_equal(scan(text, SIZE, PIECE), UNI_SECRET_PEM);
	}
	memset(text, '\n', SIZE);
	assert_int_equal(scan(text, SIZE, PIECE), UNI_SECRET_NONE);
	free(text);
}

/* Lengths that lead out of the file, and all of its beginnings. */
static void broken_der_is_none(void **state)
{
	static const uint8_t key[] = { 0x30, 0x2e, 2,	 1,    0, 0x30, 5, 6,
				       3,    0x2b, 0x65, 0x70, 4, 0x22, 4, 0x20 };
	uint8_t file[0x30] = { 0 };

	(void)state;
	memcpy(file, key, sizeof(key));
	assert_int_equal(scan(file, sizeof(file), 7), UNI_SECRET_DER);
	for (size_t size = 0; size < sizeof(file); size++)
		assert_int_equal(scan(file, size, sizeof(file)), UNI_SECRET_NONE);
	for (unsigned length = 0x80; length < 0x100; length++) {
		file[1] = (uint8_t)length;
		assert_int_equal(scan(file, sizeof(file), sizeof(file)), UNI_SECRET_NONE);
	}
}

int unit_secret(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(texts_are_told_apart),
		cmocka_unit_test(pieces_do_not_matter),
		cmocka_unit_test(broken_der_is_none),
	};

	return cmocka_run_group_tests_name("secret", tests, NULL, NULL);
}
