/*
 * Partition tables: what a good one gives, and that no damage to either copy goes unnoticed.
 */
#include "gpt.h"
#include "machine.h"
#include "tests.h"
#include <stdlib.h>
#include <uni/abi/gpt.h>

enum { SECTORS = 4096 };

static uint32_t crc32(const uint8_t *p, size_t size)
{
	uint32_t crc = UINT32_MAX;

	while (size-- != 0) {
		crc ^= *p++;
		for (int bit = 0; bit < 8; bit++)
			crc = (crc >> 1) ^ (0xedb88320u & (0u - (crc & 1u)));
	}
	return ~crc;
}

static void seal(uint8_t *disk, struct uni_gpt_header *h)
{
	h->entries_crc32 = crc32(disk + h->entries_lba * 512, h->entry_count * h->entry_size);
	h->header_crc32 = 0;
	memcpy(disk + h->my_lba * 512, h, sizeof(*h));
	h->header_crc32 = crc32(disk + h->my_lba * 512, h->header_size);
	memcpy(disk + h->my_lba * 512, h, sizeof(*h));
}

static void put_table(uint8_t *disk, uint64_t lba, uint64_t other, uint64_t array,
		      uint32_t entry_size)
{
	struct uni_gpt_header h = { .signature = UNI_GPT_SIGNATURE,
				    .revision = UNI_GPT_REVISION,
				    .header_size = 92,
				    .my_lba = lba,
				    .alternate_lba = other,
				    .first_usable_lba = 200,
				    .last_usable_lba = SECTORS - 200,
				    .entries_lba = array,
				    .entry_count = 128,
				    .entry_size = entry_size };
	const struct uni_gpt_entry e[] = {
		{ .type = { 1 }, .guid = { 10 }, .first_lba = 200, .last_lba = 200 },
		{ .type = { 0 }, .guid = { 20 }, .first_lba = 300, .last_lba = 400 },
		{ .type = { 3 }, .guid = { 30 }, .first_lba = 1000, .last_lba = SECTORS - 200 },
		{ .type = { 4 }, .guid = { 40 }, .first_lba = 1000, .last_lba = 999 },
		{ .type = { 5 }, .guid = { 50 }, .first_lba = 1000, .last_lba = SECTORS - 199 },
	};

	for (size_t i = 0; i < UK_COUNT(e); i++)
		memcpy(disk + array * 512 + i * entry_size, &e[i], sizeof(e[i]));
	seal(disk, &h);
}

static uint8_t *make(uint64_t array, uint32_t entry_size)
{
	uint8_t *disk = calloc(SECTORS, 512);

	assert_non_null(disk);
	disk[510] = 0x55;
	disk[511] = 0xaa;
	disk[446 + 4] = 0xee;
	put_table(disk, 1, SECTORS - 1, array, entry_size);
	put_table(disk, SECTORS - 1, 1, SECTORS - 1 - 128 * entry_size / 512, entry_size);
	return disk;
}

static void scan_finds(const uint8_t *disk, unsigned count)
{
	uk_gpt_scan(machine_disk(disk, (size_t)SECTORS * 512));
	assert_int_equal(machine_partitions, count);
	if (count == 0)
		return;
	assert_string_equal(machine_partition[0]->name, "vda1");
	assert_int_equal(machine_partition[0]->start, 200 * 512);
	assert_int_equal(machine_partition[0]->size, 512);
	assert_int_equal(machine_partition[0]->guid[0], 10);
	assert_string_equal(machine_partition[1]->name, "vda3");
	assert_int_equal(machine_partition[1]->size, (SECTORS - 200 - 1000 + 1) * 512);
	assert_int_equal(machine_partition[1]->type[0], 3);
}

static void test_good(void **state)
{
	static const struct {
		uint64_t array;
		uint32_t entry_size;
	} shapes[] = { { 2, 128 }, { 3, 128 }, { 60, 128 }, { 2, 256 } };

	(void)state;
	for (size_t i = 0; i < UK_COUNT(shapes); i++) {
		uint8_t *disk = make(shapes[i].array, shapes[i].entry_size);

		scan_finds(disk, 2);
		free(disk);
	}
}

static void test_damage(void **state)
{
	uint8_t *disk = make(2, 128);

	(void)state;
	for (size_t at = 512; at < 512 + 92; at++) {
		unsigned lines = machine_log_lines;

		disk[at] ^= 0x20;
		scan_finds(disk, 2); /* by the backup, which is said */
		assert_int_equal(machine_log_lines, lines + 3);
		disk[SECTORS * 512 - 1024 + at - 512] ^= 1; /* and now one of its entries */
		scan_finds(disk, 0);
		disk[SECTORS * 512 - 1024 + at - 512] ^= 1;
		disk[at] ^= 0x20;
	}
	free(disk);
}

/* Checksums are right; what they cover is not. */
static void test_nonsense(void **state)
{
	static const struct {
		size_t at;
		uint64_t value;
		size_t size;
	} wrong[] = {
		{ offsetof(struct uni_gpt_header, my_lba), 2, 8 },
		{ offsetof(struct uni_gpt_header, entries_lba), 1, 8 },
		{ offsetof(struct uni_gpt_header, entries_lba), SECTORS - 10, 8 },
		{ offsetof(struct uni_gpt_header, entries_lba), UINT64_MAX, 8 },
		{ offsetof(struct uni_gpt_header, entry_size), 64, 4 },
		{ offsetof(struct uni_gpt_header, entry_size), 192, 4 },
		{ offsetof(struct uni_gpt_header, entry_size), 1u << 31, 4 },
		{ offsetof(struct uni_gpt_header, last_usable_lba), SECTORS, 8 },
		{ offsetof(struct uni_gpt_header, first_usable_lba), SECTORS, 8 },
		{ offsetof(struct uni_gpt_header, header_size), 91, 4 },
	};

	(void)state;
	for (size_t i = 0; i < UK_COUNT(wrong); i++) {
		uint8_t *disk = make(2, 128);
		uint32_t crc;

		memcpy(disk + 512 + wrong[i].at, &wrong[i].value, wrong[i].size);
		memset(disk + 512 + 16, 0, 4);
		crc = crc32(disk + 512, 92);
		memcpy(disk + 512 + 16, &crc, 4);
		memset(disk + SECTORS * 512 - 512, 0, 512);
		scan_finds(disk, 0);
		free(disk);
	}
}

static void test_not_protected(void **state)
{
	uint8_t *disk = make(2, 128);

	(void)state;
	disk[446 + 4] = 0x83;
	scan_finds(disk, 0);
	for (size_t sectors = 0; sectors < 70; sectors++)
		uk_gpt_scan(machine_disk(disk, sectors * 512));
	free(disk);
}

int gpt_tests(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good),
		cmocka_unit_test(test_damage),
		cmocka_unit_test(test_nonsense),
		cmocka_unit_test(test_not_protected),
	};

	return cmocka_run_group_tests_name("gpt", tests, NULL, NULL);
}
