/*
 * What is read from AML, by bytes as QEMU writes them, and the command line's devices.
 */
#include "drivers.h"
#include "tests.h"

/* Scope (_SB) { Device (VR23) { _HID "LNRO0005", _UID 23, _CCA 1, _CRS { memory, interrupt } } },
 * then Device (PCI0) with a device inside that has resources of its own, then \_S5. */
static const uint8_t table[] =
	"\x10\x4b\x0f\x5f\x53\x42\x5f"
	"\x5b\x82\x42\x04VR23\x08_HID\x0dLNRO0005\x00\x08_UID\x0a\x17\x08_CCA\x01"
	"\x08_CRS\x11\x1a\x0a\x17\x86\x09\x00\x01\x00\x2e\xb0\xfe\x00\x02\x00\x00"
	"\x89\x06\x00\x01\x01\x2f\x00\x00\x00\x79\x00"
	"\x5b\x82\x46\x07PCI0\x08_HID\x0c\x41\xd0\x0a\x08"
	"\x5b\x82\x2bGSI0\x08_HID\x0dPNP0C0F\x00\x08_CRS\x11\x0e\x0a\x0b\x89\x06\x00\x09\x01\x10"
	"\x00\x00\x00\x79\x00\x08_UID\x00"
	"\x14\x0c_CBA\x00\xa4\x0c\x00\x00\x00\xe0"
	"\x08_"
	"CRS\x11\x1f\x0a\x1c\x87\x17\x00\x00\x0c\x01\x00\x00\x00\x00\x00\x00\x00\xc0\xff\xff\xff"
	"\xdf\x00\x00\x00\x00\x00\x00\x00\x20\x79\x00"
	"\x5b\x80"
	"EREG\x00\x0c\x00\x00\xa0\xfe\x0a\x04"
	"\x10\x10\x5c\x00\x08_S5_\x12\x08\x04\x0a\x05\x0a\x06\x00\x00";

#define TABLE_SIZE (sizeof(table) - 1)

static void test_devices(void **state)
{
	struct uk_aml_device d;
	size_t at = 0;

	(void)state;
	assert_true(uk_aml_device(table, TABLE_SIZE, &at, "LNRO0005", &d));
	assert_int_equal(d.base, 0xfeb02e00);
	assert_int_equal(d.length, 0x200);
	assert_int_equal(d.interrupt, 0x2f);
	assert_true(d.level);
	assert_false(d.active_low);
	assert_int_equal(d.region, 0);
	assert_false(uk_aml_device(table, TABLE_SIZE, &at, "LNRO0005", &d));

	at = 0;
	assert_true(uk_aml_device(table, TABLE_SIZE, &at, "PNP0A08", &d));
	assert_int_equal(d.base, 0xc0000000);
	assert_int_equal(d.length, 0x20000000);
	assert_int_equal(d.interrupt, UINT32_MAX);

	at = 0;
	assert_true(uk_aml_device(table, TABLE_SIZE, &at, "PNP0C0F", &d));
	assert_int_equal(d.interrupt, 0x10);
	assert_int_equal(d.length, 0);
	assert_true(d.level);
	assert_false(d.active_low);
}

static void test_names(void **state)
{
	uint8_t a, b;
	uint64_t v;

	(void)state;
	assert_true(uk_aml_s5(table, TABLE_SIZE, &a, &b));
	assert_int_equal(a, 5);
	assert_int_equal(b, 6);
	assert_true(uk_aml_method(table, TABLE_SIZE, "_CBA", &v));
	assert_int_equal(v, 0xe0000000);
	assert_false(uk_aml_method(table, TABLE_SIZE, "_CBX", &v));
}

/* Cut anywhere: an answer that was there before the cut, or none. */
static void test_cut(void **state)
{
	(void)state;
	for (size_t size = 0; size < TABLE_SIZE; size++) {
		struct uk_aml_device d;
		size_t at = 0;
		uint8_t a, b;
		uint64_t v;

		if (uk_aml_device(table, size, &at, "LNRO0005", &d))
			assert_int_equal(d.base, 0xfeb02e00);
		(void)uk_aml_method(table, size, "_CBA", &v);
		/* \_S5 is last: its second element ends two bytes before the table. */
		assert_false(uk_aml_s5(table, size, &a, &b));
	}
}

static void test_options(void **state)
{
	static const struct {
		const char *line;
		uint64_t length, base;
		uint32_t interrupt;
	} good[] = {
		{ "a=b virtio_mmio.device=512@0xfeb00e00:12", 512, 0xfeb00e00, 12 },
		{ "virtio_mmio.device=4K@0xd0000000:5:0", 4096, 0xd0000000, 5 },
		{ "virtio_mmio.device=1M@1024:0x17", 1 << 20, 1024, 23 },
		{ "virtio_mmio.device= virtio_mmio.device=x virtio_mmio.device=1@2:3", 1, 2, 3 },
	};
	static const char *const bad[] = {
		"",
		"virtio_mmio.device=",
		"virtio_mmio.device=512",
		"virtio_mmio.device=512@",
		"virtio_mmio.device=512@0x",
		"virtio_mmio.device=512@0x100",
		"virtio_mmio.device=512@0x100:",
		"virtio_mmio.device=512@0x100:1024",
		"virtio_mmio.device=99999999999999999999@1:2",
		"virtio_mmio.device",
	};
	const char *two = "virtio_mmio.device=1@2:3 virtio_mmio.device=4@5:6";
	struct uk_aml_device d;

	(void)state;
	for (size_t i = 0; i < UK_COUNT(good); i++) {
		const char *line = good[i].line;

		assert_true(uk_virtio_mmio_option(&line, &d));
		assert_int_equal(d.length, good[i].length);
		assert_int_equal(d.base, good[i].base);
		assert_int_equal(d.interrupt, good[i].interrupt);
		assert_false(uk_virtio_mmio_option(&line, &d));
	}
	for (size_t i = 0; i < UK_COUNT(bad); i++) {
		const char *line = bad[i];

		assert_false(uk_virtio_mmio_option(&line, &d));
	}
	assert_true(uk_virtio_mmio_option(&two, &d));
	assert_true(uk_virtio_mmio_option(&two, &d));
	assert_int_equal(d.interrupt, 6);
}

int aml_tests(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_devices),
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_cut),
		cmocka_unit_test(test_options),
	};

	return cmocka_run_group_tests_name("aml", tests, NULL, NULL);
}
