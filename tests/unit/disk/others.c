/*
 * What is no disk of ours: containers that must not pass for raw disks, partition tables of the old
 * kind, and file systems known by their marks.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <uni/base/file.h>
#include <uni/disk/disk.h>
#include <unistd.h>

enum { SECTORS = 4096 };

static uint8_t disk[SECTORS * UNI_DISK_SECTOR];

static int clear(void **state)
{
	(void)state;
	memset(disk, 0, sizeof(disk));
	return 0;
}

static int open_file(const char *start, size_t size, struct uni_err *err)
{
	UNI_AUTO(uni_disk_source) struct uni_disk_source *source = NULL;
	int fd UNI_AUTO_CLOSE = -1;

	assert_int_equal(uni_file_nameless(&fd, err), 0);
	assert_int_equal(ftruncate(fd, 1 << 20), 0);
	assert_int_equal(uni_pwrite_full(fd, start, size, 0, "image", err), 0);
	return uni_disk_open_fd(&source, fd, 1 << 20, "image", err);
}

static void containers_are_refused(void **state)
{
	static const struct {
		const char *start;
		const char *says;
	} cases[] = {
		{ "QED", "qemu-img convert -f qed" },
		{ "WithoutFreeSpace", "qemu-img convert -f parallels" },
		{ "WithouFreSpacExt", "qemu-img convert -f parallels" },
		{ "\xfd\x37zXZ", "xz -dk" },
		{ "BZh91AY", "bzip2 -dk" },
		{ "\x28\xb5\x2f\xfd", "zstd -dk" },
		{ "PK\3\4", "unzip" },
	};
	struct uni_err err = UNI_ERR_INIT;

	(void)state;
	for (size_t i = 0; i < UNI_COUNT(cases); i++) {
		/* The NUL behind belongs to some marks. */
		assert_int_equal(open_file(cases[i].start, strlen(cases[i].start) + 1, &err),
				 UNI_E_UNSUPPORTED);
		if (strstr(err.hint, cases[i].says) == NULL)
			fail_msg("\"%s\" does not say \"%s\"", err.hint, cases[i].says);
	}
	assert_int_equal(open_file("\xeb\x3c\x90mkfs", 7, &err), 0);
}

static void put_le32(uint8_t *to, uint32_t value)
{
	for (size_t i = 0; i < 4; i++)
		to[i] = (uint8_t)(value >> (i * 8));
}

static void put_entry(uint64_t sector, unsigned n, uint8_t type, uint32_t first, uint32_t count)
{
	uint8_t *at = disk + sector * UNI_DISK_SECTOR;

	at[510] = 0x55;
	at[511] = 0xaa;
	at += 446 + n * 16;
	at[4] = type;
	put_le32(at + 8, first);
	put_le32(at + 12, count);
}

static bool read_table(struct uni_disk_mbr *mbr)
{
	UNI_AUTO(uni_disk_source)
	struct uni_disk_source *source = uni_disk_source_from_memory(disk, sizeof(disk));
	struct uni_err err = UNI_ERR_INIT;
	bool found = true;

	assert_int_equal(uni_disk_read_mbr(mbr, source, &found, &err), 0);
	return found;
}

static void reads_all_partitions(void **state)
{
	struct uni_disk_mbr mbr;

	(void)state;
	put_entry(0, 0, 0x83, 64, 1000);
	put_entry(0, 1, 0x05, 2000, 2000);
	put_entry(0, 3, 0x07, 3000, 5000); /* beyond the end */
	disk[446] = 0x80;
	put_entry(2000, 0, 0x82, 8, 100);
	put_entry(2000, 1, 0x05, 500, 500);
	put_entry(2500, 0, 0x83, 8, 200);
	memcpy(disk + (size_t)64 * 512, "XFSB", 4);
	memcpy(disk + (size_t)2008 * 512 + 4086, "SWAPSPACE2", 10);
	assert_true(read_table(&mbr));
	assert_int_equal(mbr.count, 5);
	assert_true(mbr.entries[0].active);
	assert_string_equal(mbr.entries[0].holds, "XFS");
	assert_int_equal(mbr.entries[1].type, 0x05);
	assert_int_equal(mbr.entries[2].offset, 2008 * 512);
	assert_string_equal(mbr.entries[2].holds, "swap");
	assert_int_equal(mbr.entries[3].offset, 2508 * 512);
	assert_int_equal(mbr.entries[3].size, 200 * 512);
	assert_true(mbr.entries[4].beyond && mbr.entries[4].holds == NULL);
	assert_false(mbr.bios_code);
}

static void chains_end(void **state)
{
	struct uni_disk_mbr mbr;

	(void)state;
	put_entry(0, 0, 0x0f, 100, 1000);
	put_entry(100, 0, 0x83, 1, 1);
	put_entry(100, 1, 0x05, 50, 10);
	put_entry(150, 0, 0x83, 1, 1);
	put_entry(150, 1, 0x05, 50, 10); /* itself */
	assert_true(read_table(&mbr));
	assert_int_equal(mbr.count, UNI_DISK_MBR_MAX);
}

static void others_are_no_tables(void **state)
{
	struct uni_disk_mbr mbr;

	(void)state;
	assert_false(read_table(&mbr));
	put_entry(0, 0, 0xee, 1, SECTORS - 1); /* GPT's */
	assert_false(read_table(&mbr));
	put_entry(0, 0, 0x83, SECTORS, 1);
	assert_false(read_table(&mbr));
	put_entry(0, 0, 0x83, 1, 1);
	disk[446] = 0x6e; /* a boot sector's text */
	assert_false(read_table(&mbr));
	disk[446] = 0;
	assert_true(read_table(&mbr));
	disk[510] = 0;
	assert_false(read_table(&mbr));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(containers_are_refused, clear),
		cmocka_unit_test_setup(reads_all_partitions, clear),
		cmocka_unit_test_setup(chains_end, clear),
		cmocka_unit_test_setup(others_are_no_tables, clear),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
