/*
 * The BIOS loader's decisions: checksums, LZ4 in place, the partition table, the box, and where a
 * kernel goes in memory.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>
#include <lz4.h>
#include <uni/abi/crc32c.h>

#include "boot.h"
#include "disk.h"
#include "unpack.h"

static void test_crc(void **state)
{
	uint8_t data[100], copy[100];

	(void)state;
	crc_start(CRC32_POLY);
	assert_int_equal(crc_copy(0, NULL, "123456789", 9), 0xcbf43926);
	crc_start(CRC32C_POLY);
	assert_int_equal(crc_copy(0, NULL, "123456789", 9), 0xe3069283);
	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (uint8_t)(i * 37);
	for (size_t cut = 0; cut <= sizeof(data); cut++) {
		uint32_t crc = crc_copy(0, copy, data, cut);

		crc = crc_copy(crc, copy + cut, data + cut, sizeof(data) - cut);
		assert_int_equal(crc, uni_crc32c(0, data, sizeof(data)));
		assert_memory_equal(copy, data, sizeof(data));
	}
}

/* Sizes and contents from nothing that repeats to nothing else. */
static void make_content(uint8_t *data, size_t size, unsigned kind)
{
	uint32_t x = 12345 + kind;

	for (size_t i = 0; i < size; i++) {
		x = x * 1664525 + 1013904223;
		data[i] = kind == 0   ? 0
			  : kind == 1 ? (uint8_t)(x >> 24)
			  : kind == 2 ? (uint8_t)(i % 7)
				      : (uint8_t)((x >> 24 & 0xc0) != 0 ? i / 100 : x >> 16);
	}
}

/* Every value comes back from every place, whether it leads into the text or not. */
static void test_calls(void **state)
{
	static const uint32_t around[] = { 0, 1000, 2000, 0x7fffffff, 0x80000000 };
	const uint32_t size = 1000;
	uint8_t text[4096], again[sizeof(text)];

	(void)state;
	for (uint32_t at = 0; at < size; at += 37)
		for (size_t i = 0; i < sizeof(around) / sizeof(around[0]); i++)
			for (uint32_t d = around[i] - 1100; d != around[i] + 1100; d++)
				assert_int_equal(unpack_call_distance(
							 unpack_call_place(d, at, size), at, size),
						 d);
	/* Two calls of one place hold the same. */
	assert_int_equal(unpack_call_place(100, 20, size), unpack_call_place(20, 100, size));
	for (uint32_t length = 0; length < sizeof(text); length += 13) {
		make_content(text, length, 1);
		for (uint32_t i = 0; i < length; i += 3)
			text[i] = UNPACK_CALL;
		memcpy(again, text, length);
		unpack_convert(again, length, unpack_call_place);
		unpack_convert(again, length, unpack_call_distance);
		assert_memory_equal(again, text, length);
	}
}

static void test_lz4_in_place(void **state)
{
	static const size_t sizes[] = { 1, 4, 12, 13, 100, 4095, 65536, 300001 };

	(void)state;
	for (size_t s = 0; s < sizeof(sizes) / sizeof(sizes[0]); s++) {
		for (unsigned kind = 0; kind < 4; kind++) {
			size_t size = sizes[s], bound = (size_t)LZ4_compressBound((int)size);
			uint8_t *data = malloc(size), *packed = malloc(bound), *memory;
			size_t stored, room;

			assert_non_null(data);
			assert_non_null(packed);
			make_content(data, size, kind);
			stored = (size_t)LZ4_compress_default((char *)data, (char *)packed,
							      (int)size, (int)bound);
			assert_true(stored > 0);
			room = size + unpack_margin(stored);
			memory = calloc(1, room);
			assert_non_null(memory);
			memcpy(memory + room - stored, packed, stored);
			assert_null(lz4_unpack(memory, size, room, stored));
			assert_memory_equal(memory, data, size);

			/* A size that is not the block's is noticed. */
			memcpy(memory + room - stored, packed, stored);
			assert_non_null(lz4_unpack(memory, size - 1, room, stored));
			free(memory);
			free(packed);
			free(data);
		}
	}
}

static void test_lz4_damaged(void **state)
{
	static const struct {
		uint8_t bytes[8];
		size_t size;
	} bad[] = {
		{ { 0x10, 'a', 0, 0 }, 4 },	/* offset 0 */
		{ { 0x10, 'a', 2, 0 }, 4 },	/* before the start */
		{ { 0x10, 'a', 1 }, 3 },	/* half an offset */
		{ { 0xf0 }, 1 },		/* length without end */
		{ { 0xf0, 255, 255, 255 }, 4 }, /* the same, longer */
		{ { 0x50, 'a', 'b' }, 3 },	/* literals cut */
		{ { 0x1f, 'a', 1, 0, 255 }, 5 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		uint8_t *memory = calloc(1, 200);

		assert_non_null(memory);
		memcpy(memory + 200 - bad[i].size, bad[i].bytes, bad[i].size);
		assert_non_null(lz4_unpack(memory, 168, 200, bad[i].size));
		free(memory);
	}
}

enum { SECTORS = 2048, FIRST = 100, LAST = 199 };

static void put_table(uint8_t *disk, uint64_t lba, uint64_t other, uint64_t array)
{
	struct uni_gpt_header h = { .signature = UNI_GPT_SIGNATURE,
				    .revision = UNI_GPT_REVISION,
				    .header_size = 92,
				    .my_lba = lba,
				    .alternate_lba = other,
				    .first_usable_lba = 34,
				    .last_usable_lba = SECTORS - 34,
				    .entries_lba = array,
				    .entry_count = 128,
				    .entry_size = 128 };
	struct uni_gpt_entry e = { .first_lba = FIRST, .last_lba = LAST };

	uni_gpt_guid(UNI_GPT_KERNEL, e.type);
	memset(disk + array * 512, 0, 32 * 512);
	memcpy(disk + array * 512 + 3 * 128, &e, sizeof(e));
	h.entries_crc32 = crc_copy(0, NULL, disk + array * 512, 128 * 128);
	h.header_crc32 = crc_copy(0, NULL, &h, 92);
	memcpy(disk + lba * 512, &h, sizeof(h));
}

static uint8_t *new_disk(void)
{
	uint8_t *disk = calloc(SECTORS, 512);

	assert_non_null(disk);
	crc_start(CRC32_POLY);
	put_table(disk, 1, SECTORS - 1, 2);
	put_table(disk, SECTORS - 1, 1, SECTORS - 33);
	test_disk_set(disk, SECTORS * 512);
	return disk;
}

static const char *find(uint64_t *first, uint64_t *count)
{
	uint8_t type[16];

	uni_gpt_guid(UNI_GPT_KERNEL, type);
	*first = *count = 0;
	return gpt_find(SECTORS, type, first, count);
}

static void test_gpt_copies(void **state)
{
	uint64_t first, count;
	uint8_t *disk = new_disk();

	(void)state;
	assert_null(find(&first, &count));
	assert_int_equal(first, FIRST);
	assert_int_equal(count, LAST - FIRST + 1);
	for (size_t at = 512; at < 512 + 92; at++) { /* every byte of the primary header */
		disk[at] ^= 1;
		assert_null(find(&first, &count));
		assert_int_equal(first, FIRST);
		disk[at] ^= 1;
	}
	disk[512] ^= 1;
	disk[(SECTORS - 33) * 512 + 9] ^= 1; /* and the backup's entries */
	assert_non_null(find(&first, &count));
	free(disk);
}

static void test_gpt_entries(void **state)
{
	uint64_t first, count;
	uint8_t *disk = new_disk();
	struct uni_gpt_entry e;
	struct uni_gpt_header h;
	uint8_t *at = disk + 2 * 512 + 3 * 128;

	(void)state;
	memcpy(&e, at, sizeof(e));
	e.last_lba = SECTORS;
	memcpy(at, &e, sizeof(e));
	memcpy(&h, disk + 512, sizeof(h));
	h.entries_crc32 = crc_copy(0, NULL, disk + 2 * 512, 128 * 128);
	h.header_crc32 = 0;
	h.header_crc32 = crc_copy(0, NULL, &h, 92);
	memcpy(disk + 512, &h, sizeof(h));
	assert_string_equal(find(&first, &count),
			    "the kernel's partition does not lie inside the disk");
	free(disk);
}

#define RAM(start, end)                                                                            \
	{                                                                                          \
		.addr = (start), .size = (end) - (start), .type = 1                                \
	}
#define HOLE(start, end)                                                                           \
	{                                                                                          \
		.addr = (start), .size = (end) - (start), .type = 2                                \
	}

static struct uni_box_header some_box(void)
{
	struct uni_box_header h = { .magic = UNI_BOX_MAGIC,
				    .version = UNI_BOX_VERSION,
				    .codec = UNI_BOX_LZ4,
				    .stored_size = 300000,
				    .size = 1000000,
				    .load_paddr = 0x208000,
				    .bss_paddr = 0x200000,
				    .bss_size = 0x8000,
				    .entry_paddr = 0x209000 };

	crc_start(CRC32C_POLY);
	h.header_crc32c = crc_copy(0, NULL, &h, sizeof(h));
	return h;
}

static void test_box_check(void **state)
{
	struct uni_box_header h = some_box();

	(void)state;
	assert_null(box_check(&h, 587));     /* 512 + 300000 bytes */
	assert_non_null(box_check(&h, 586)); /* a byte less */
	for (size_t i = 0; i < sizeof(h); i++) {
		((uint8_t *)&h)[i] ^= 0x40;
		assert_non_null(box_check(&h, 587));
		((uint8_t *)&h)[i] ^= 0x40;
	}
}

static void place_at(const struct uni_hvm_memmap_entry *map, unsigned count, uint32_t image)
{
	struct uni_box_header h = some_box();
	struct box_place p;

	assert_null(box_place(&h, map, count, &p));
	assert_int_equal(p.image, image);
	assert_int_equal(p.bss, image - 0x8000);
	assert_int_equal(p.entry, image + 0x1000);
	assert_true(p.room >= h.size + unpack_margin(h.stored_size));
	assert_int_equal(p.stored + h.stored_size, p.image + p.room);
}

static void test_box_place(void **state)
{
	const struct uni_hvm_memmap_entry plain[] = { RAM(0, 0x9fc00), RAM(0x100000, 0x800000) };
	const struct uni_hvm_memmap_entry taken[] = { RAM(0x100000, 0x2000000),
						      HOLE(0x280000, 0x281000) };
	const struct uni_hvm_memmap_entry high[] = { RAM(0, 0x9fc00), RAM(0x100000, 0x200000),
						     RAM(0x30000000, 0x32000000) };
	const struct uni_hvm_memmap_entry tail[] = { RAM(0x100000, 0x200000),
						     RAM(0x1e01000, 0x2600000) };
	const struct uni_hvm_memmap_entry small[] = { RAM(0, 0x9fc00), RAM(0x100000, 0x2f0000) };
	const struct uni_hvm_memmap_entry above[] = { RAM(1ull << 32, 1ull << 33) };
	const struct uni_hvm_memmap_entry wild[] = {
		RAM(0x100000, 0x800000), { .addr = UINT64_MAX - 5, .size = 10, .type = 2 }
	};
	struct uni_box_header h = some_box();
	struct box_place p;

	(void)state;
	place_at(plain, 2, 0x208000);
	place_at(high, 3, 0x30008000);
	place_at(tail, 2, 0x2008000);
	assert_non_null(box_place(&h, small, 2, &p));
	assert_non_null(box_place(&h, above, 1, &p));
	assert_non_null(box_place(&h, wild, 2, &p));
	assert_non_null(box_place(&h, plain, 0, &p));
	/* A hole in the one area: given up, though there would be room behind it. */
	assert_non_null(box_place(&h, taken, 2, &p));
	h.codec = UNI_BOX_STORED;
	h.stored_size = h.size;
	assert_null(box_place(&h, plain, 2, &p));
	assert_int_equal(p.stored, p.image);
	assert_int_equal(p.room, h.size);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_crc),	     cmocka_unit_test(test_calls),
		cmocka_unit_test(test_lz4_in_place), cmocka_unit_test(test_lz4_damaged),
		cmocka_unit_test(test_gpt_copies),   cmocka_unit_test(test_gpt_entries),
		cmocka_unit_test(test_box_check),    cmocka_unit_test(test_box_place),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
