/*
 * Questions to name servers, and answers: good ones in every type, and cut ones.
 */
#include "unit.h"

#include <string.h>

static void question_is_written(void **state)
{
	static const uint8_t wanted[] = "\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00"
					"\3www\7example\0\x00\x1c\x00\x01";
	uint8_t query[TEST_DNS_QUERY_MAX];

	(void)state;
	assert_int_equal(test_dns_query("www.example", "AAAA", 0x1234, query), sizeof(wanted) - 1);
	assert_memory_equal(query, wanted, sizeof(wanted) - 1);
	assert_int_equal(test_dns_query("www.example.", "AAAA", 0x1234, query), sizeof(wanted) - 1);
	assert_memory_equal(query, wanted, sizeof(wanted) - 1);
}

#define HEAD(answers) "\x12\x34\x81\x80\x00\x01\x00" answers "\x00\x00\x00\x00"
#define QUESTION "\1a\0\x00\x01\x00\x01"
#define RECORD(type, size) "\xc0\x0c\x00" type "\x00\x01\x00\x00\x0e\x10\x00" size

static void check(const char *type, const void *packet, size_t size, const char *record)
{
	struct test_dns_answer answer = { .code = 99 };

	assert_true(test_dns_read(packet, size, 0x1234, type, &answer));
	assert_int_equal(answer.code, 0);
	assert_int_equal(answer.records.count, 1);
	assert_string_equal(answer.records.items[0], record);
	uni_strv_free(&answer.records);
	/* Cut anywhere, it is refused, and nothing behind it is read. */
	for (size_t cut = 0; cut < size; cut++) {
		UNI_AUTO_FREE void *part = uni_memdup(packet, cut != 0 ? cut : 1);

		assert_false(test_dns_read(part, cut, 0x1234, type, &answer));
		uni_strv_free(&answer.records);
	}
}

#define CHECK(type, packet, record) check(type, packet, sizeof(packet) - 1, record)

static void answers_are_read(void **state)
{
	(void)state;
	CHECK("A", HEAD("\1") QUESTION RECORD("\x01", "\4") "\xc0\x00\x02\x01", "192.0.2.1");
	CHECK("AAAA",
	      HEAD("\1") QUESTION RECORD("\x1c", "\x10") "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\1",
	      "2001:db8::1");
	CHECK("CNAME", HEAD("\1") QUESTION RECORD("\x05", "\4") "\1B\xc0\x0c", "b.a.");
	CHECK("NS", HEAD("\1") QUESTION RECORD("\x02", "\1") "\0", ".");
	CHECK("MX", HEAD("\1") QUESTION RECORD("\x0f", "\4") "\x00\x0a\xc0\x0c", "10 a.");
	CHECK("SRV", HEAD("\1") QUESTION RECORD("\x21", "\x8") "\0\1\0\2\0\x50\xc0\x0c",
	      "1 2 80 a.");
	CHECK("TXT", HEAD("\1") QUESTION RECORD("\x10", "\x8") "\2\"\x01\4a.b\\",
	      "\"\\\"\\001\" \"a.b\\\\\"");
	CHECK("SOA",
	      HEAD("\1") QUESTION RECORD("\x06", "\x1b") "\xc0\x0c\2h.\xc0\x0c"
							 "\0\0\0\1\0\0\0\2\0\0\0\3\0\0\0\4\0\0\0\5",
	      "a. h\\..a. 1 2 3 4 5");
}

static void refuse(const void *packet, size_t size)
{
	struct test_dns_answer answer = { .code = 0 };

	assert_false(test_dns_read(packet, size, 0x1234, "A", &answer));
	uni_strv_free(&answer.records);
}

#define REFUSE(packet) refuse(packet, sizeof(packet) - 1)

static void damaged_answers_are_refused(void **state)
{
	(void)state;
	/* Of another question; a question; two questions. */
	REFUSE("\x12\x35\x81\x80\0\1\0\0\0\0\0\0" QUESTION);
	REFUSE("\x12\x34\x01\x00\0\1\0\0\0\0\0\0" QUESTION);
	REFUSE("\x12\x34\x81\x80\0\2\0\0\0\0\0\0" QUESTION QUESTION);
	/* A name that is its own end; one of a reserved kind; an address of three bytes. */
	REFUSE(HEAD("\1") QUESTION "\xc0\x13\x00\x01\x00\x01\0\0\0\0\x00\x04"
				   "abcd");
	REFUSE(HEAD("\1") QUESTION "\x80\x00\x01\x00\x01\0\0\0\0\x00\x04"
				   "abcd");
	REFUSE(HEAD("\1") QUESTION RECORD("\x01", "\3") "abc");
	/* A name longer than its record. */
	REFUSE(HEAD("\1") QUESTION RECORD("\x05", "\2") "\1b\0");
}

static void other_records_and_codes(void **state)
{
	static const char packet[] =
		"\x12\x34\x81\x83\x00\x01\x00\x02\x00\x00\x00\x00" QUESTION RECORD(
			"\xff", "\3") "xyz" RECORD("\x05", "\2") "\xc0\x0c";
	struct test_dns_answer answer = { .code = 0 };

	(void)state;
	assert_true(test_dns_read(packet, sizeof(packet) - 1, 0x1234, "A", &answer));
	assert_int_equal(answer.code, 3);
	assert_int_equal(answer.records.count, 0);
	uni_strv_free(&answer.records);
}

int unit_dns(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(question_is_written),
		cmocka_unit_test(answers_are_read),
		cmocka_unit_test(damaged_answers_are_refused),
		cmocka_unit_test(other_records_and_codes),
	};

	return cmocka_run_group_tests_name("dns", tests, NULL, NULL);
}
