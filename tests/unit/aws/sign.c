/*
 * The signer against the worked example of AWS's documentation, and what only our callers do.
 */
#include "unit.h"
#include <string.h>
#include <uni/aws/sign.h>

#define EMPTY "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
#define EXAMPLE_TIME 1440938160 /* 2015-08-30T12:36:00Z */

static const struct uni_aws_keys keys = { "AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
					  NULL };

/* RFC 4231, cases 1, 2 and 6 (a key longer than a block). */
static void hmac_known_answers(void **state)
{
	static const struct {
		const char *key;
		size_t key_size;
		const char *data, *wanted;
	} cases[] = {
		{ "\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b"
		  "\x0b",
		  20, "Hi There",
		  "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7" },
		{ "Jefe", 4, "what do ya want for nothing?",
		  "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843" },
		{ NULL, 131, "Test Using Larger Than Block-Size Key - Hash Key First",
		  "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54" },
	};
	char long_key[131], hex[65];

	(void)state;
	memset(long_key, 0xaa, sizeof(long_key));
	for (size_t i = 0; i < UNI_COUNT(cases); i++) {
		const char *key = cases[i].key != NULL ? cases[i].key : long_key;
		struct uni_digest d =
			uni_hmac(key, cases[i].key_size, cases[i].data, strlen(cases[i].data));

		uni_hex(d.bytes, sizeof(d.bytes), hex);
		assert_string_equal(hex, cases[i].wanted);
	}
}

static void documented_example(void **state)
{
	static const struct uni_aws_header headers[] = {
		{ "Host", "iam.amazonaws.com" },
		{ "Content-Type", "application/x-www-form-urlencoded; charset=utf-8" },
	};
	const struct uni_aws_request request = {
		"GET", "/", "Action=ListUsers&Version=2010-05-08", headers, 2, EMPTY
	};
	const struct uni_aws_scope scope = { "us-east-1", "iam", EXAMPLE_TIME, false, false };
	struct uni_aws_signed s UNI_AUTO_AWS_SIGNED = { 0 };

	(void)state;
	uni_aws_sign(&s, &request, &scope, &keys);
	assert_string_equal(s.date, "20150830T123600Z");
	assert_string_equal(s.signature,
			    "5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7");
	assert_string_equal(
		uni_buf_text(&s.result),
		"AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/iam/aws4_request, "
		"SignedHeaders=content-type;host;x-amz-date, "
		"Signature=5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7");
}

/* A block's upload: its body is not signed, its checksum headers are, in the order of their names.
 */
static void unsigned_payload(void **state)
{
	static const struct uni_aws_header headers[] = {
		{ "x-amz-Data-Length", "524288" },
		{ "x-amz-content-sha256", UNI_AWS_UNSIGNED_PAYLOAD },
		{ "Host", "ebs.eu-west-1.amazonaws.com" },
		{ "x-amz-Checksum", "AAAA" },
		{ "x-amz-Checksum-Algorithm", "SHA256" },
	};
	const struct uni_aws_request request = { "PUT", "/snapshots/snap-1/blocks/7", NULL, headers,
						 5,	UNI_AWS_UNSIGNED_PAYLOAD };
	const struct uni_aws_scope scope = { "eu-west-1", "ebs", EXAMPLE_TIME, false, false };
	struct uni_aws_signed s UNI_AUTO_AWS_SIGNED = { 0 };

	(void)state;
	uni_aws_sign(&s, &request, &scope, &keys);
	assert_string_equal(
		uni_buf_text(&s.canonical),
		"PUT\n/snapshots/snap-1/blocks/7\n\n"
		"host:ebs.eu-west-1.amazonaws.com\nx-amz-checksum:AAAA\n"
		"x-amz-checksum-algorithm:SHA256\nx-amz-content-sha256:UNSIGNED-PAYLOAD\n"
		"x-amz-data-length:524288\nx-amz-date:20150830T123600Z\n\n"
		"host;x-amz-checksum;x-amz-checksum-algorithm;x-amz-content-sha256;"
		"x-amz-data-length;x-amz-date\nUNSIGNED-PAYLOAD");
}

/* A percent sign that begins no code stands for itself. */
static void broken_codes(void **state)
{
	static const struct uni_aws_header headers[] = { { "host", "h" } };
	const struct uni_aws_request request = {
		"GET", "/", "b=%41%4&a=%zz&%&c", headers, 1, EMPTY
	};
	const struct uni_aws_scope scope = { "r", "s", EXAMPLE_TIME, false, false };
	struct uni_aws_signed s UNI_AUTO_AWS_SIGNED = { 0 };

	(void)state;
	uni_aws_sign(&s, &request, &scope, &keys);
	assert_non_null(strstr(uni_buf_text(&s.canonical), "GET\n/\n%25=&a=%25zz&b=A%254&c=\n"));
}

int sign_tests(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(hmac_known_answers),
		cmocka_unit_test(documented_example),
		cmocka_unit_test(unsigned_payload),
		cmocka_unit_test(broken_codes),
	};
	return cmocka_run_group_tests_name("sign", tests, NULL, NULL);
}
