/*
 * SMBIOS as firmware leaves it, and cut or bent in every place.
 */
#include "drivers.h"
#include "tests.h"

/* Type 0 with a string, type 11 with three, another of type 11, the end. */
static const uint8_t table[] = "\x00\x05\x00\x00\x01"
			       "bios\0\0"
			       "\x11\x05\x01\x00\x00\0\0"
			       "\x0b\x05\x02\x00\x03"
			       "org.uni.config:0102\0else\0org.uni.config:\0\0"
			       "\x0b\x05\x03\x00\x01"
			       "org.uni.config:0a\0\0"
			       "\x7f\x04\x04\x00\0\0"
			       "\x0b\x05\x05\x00\x01"
			       "org.uni.config:ff\0";

static void test_strings(void **state)
{
	uint8_t out[4] = { 0 };

	(void)state;
	assert_int_equal(uk_smbios_strings(table, sizeof(table), "org.uni.config", out, 4), 3);
	assert_memory_equal(out, "\x01\x02\x0a", 3);
	assert_int_equal(uk_smbios_strings(table, sizeof(table), "org.uni.config", out, 2),
			 -UK_EOVERFLOW);
	assert_int_equal(uk_smbios_strings(table, sizeof(table), "org.uni", out, 4), -UK_ENOENT);
	assert_int_equal(uk_smbios_strings(table, 0, "org.uni.config", out, 4), -UK_ENOENT);
}

/* A table that ends anywhere has what is whole, and nothing is read behind it. */
static void test_cut(void **state)
{
	uint8_t out[4], copy[sizeof(table)];

	(void)state;
	for (size_t size = 0; size <= sizeof(table); size++) {
		uint8_t *end = copy + sizeof(copy) - size;
		int64_t got;

		memcpy(end, table, size);
		got = uk_smbios_strings(end, size, "org.uni.config", out, sizeof(out));
		assert_true(got == -UK_ENOENT || got == 2 || got == 3);
	}
}

static void test_entry(void **state)
{
	static const uint8_t e2[] = "_SM_\x96\x1f\x02\x08\x40\x00\x00\x00\x00\x00\x00\x00"
				    "_DMI_\x30\x34\x12\x78\x56\x34\x12\x05\x00\x28";
	static const uint8_t e3[] = "_SM3_\x12\x18\x03\x00\x00\x01\x00\x34\x12\x00\x00"
				    "\x78\x56\x34\x12\x00\x00\x00";
	uint8_t bytes[32];
	uk_paddr_t at = 0;
	size_t size = 0;

	(void)state;
	for (int three = 0; three < 2; three++) {
		size_t length = three ? 24 : 31;
		uint8_t sum = 0;

		memcpy(bytes, three ? e3 : e2, length);
		bytes[three ? 5 : 4] = 0;
		for (size_t i = 0; i < length; i++)
			sum = (uint8_t)(sum + bytes[i]);
		bytes[three ? 5 : 4] = (uint8_t)-sum;
		assert_true(uk_smbios_entry(bytes, sizeof(bytes), &at, &size));
		assert_int_equal(at, 0x12345678);
		assert_int_equal(size, 0x1234);
		for (size_t left = 0; left < length; left++)
			assert_false(uk_smbios_entry(bytes, left, &at, &size));
		for (size_t i = 0; i < length; i++) {
			bytes[i] ^= 0x40;
			assert_false(uk_smbios_entry(bytes, sizeof(bytes), &at, &size));
			bytes[i] ^= 0x40;
		}
	}
}

int smbios_tests(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_strings),
		cmocka_unit_test(test_cut),
		cmocka_unit_test(test_entry),
	};

	return cmocka_run_group_tests_name("smbios", tests, NULL, NULL);
}
