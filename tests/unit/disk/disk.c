/* Disks: where partitions lie, what is written, what is read back, what damage is found. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants the four above */
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <uni/abi/boot.h>
#include <uni/base/file.h>
#include <uni/disk/disk.h>
#include <unistd.h>

static struct uni_err err;

static struct uni_uuid uuid(const char *text)
{
	struct uni_uuid u;

	assert_true(uni_uuid_parse(text, &u));
	return u;
}

static int new_file(void)
{
	int fd = memfd_create("disk", MFD_CLOEXEC);

	assert_true(fd >= 0);
	return fd;
}

static uint8_t stage1[UNI_STAGE1_SIZE];
static uint8_t stage2[1000];
static uint8_t volume[3 * 4096];

/* Boot loader, and a volume from a file that begins with a hole. */
static void make_layout(struct uni_disk_layout *layout, struct uni_disk_partition *parts, int fd)
{
	memset(stage1, 0x90, sizeof(stage1));
	memset(stage2, 0x22, sizeof(stage2));
	memset(volume, 0, sizeof(volume));
	memset(volume + 4096, 0x33, 100);
	assert_int_equal(ftruncate(fd, 512 + (off_t)sizeof(volume)), 0);
	assert_int_equal(uni_pwrite_full(fd, volume + 4096, 4096, 512 + 4096, "volume", &err), 0);
	memset(parts, 0, 2 * sizeof(*parts));
	parts[0].type = uuid(UNI_GPT_BIOS_BOOT);
	parts[0].guid = uuid("11111111-2222-4333-8444-555555555555");
	parts[0].name = "boot";
	parts[0].content.data = stage2;
	parts[0].content.size = sizeof(stage2);
	parts[1].type = uuid(UNI_GPT_VOLUME);
	parts[1].guid = uuid("11111111-2222-4333-8444-666666666666");
	parts[1].name = "d\xc3\xa4ta \xf0\x9f\x93\x80";
	parts[1].content.fd = fd;
	parts[1].content.offset = 512;
	parts[1].content.size = sizeof(volume);
	memset(layout, 0, sizeof(*layout));
	layout->guid = uuid("99999999-2222-4333-8444-555555555555");
	layout->stage1 = stage1;
	layout->stage1_size = sizeof(stage1);
	layout->partitions = parts;
	layout->count = 2;
}

static int write_disk(struct uni_disk_result *result)
{
	struct uni_disk_layout layout;
	struct uni_disk_partition parts[2];
	int content = new_file();
	int fd = new_file();

	make_layout(&layout, parts, content);
	assert_int_equal(uni_disk_write(uni_disk_find("raw"), NULL, &layout, fd, result, &err), 0);
	close(content);
	return fd;
}

static void test_write_and_read(void **state)
{
	struct uni_disk_result result;
	struct uni_disk *disk = NULL;
	int fd = write_disk(&result);
	uint8_t bytes[4096];
	struct stat st;
	struct uni_uuid guid;
	struct uni_digest digest;
	uint64_t size;

	(void)state;
	assert_int_equal(result.size, UNI_DISK_LEAST);
	assert_int_equal(fstat(fd, &st), 0);
	assert_int_equal(st.st_size, UNI_DISK_LEAST);
	assert_true(st.st_blocks * 512 < 64 * 1024); /* the rest is a hole */
	assert_int_equal(uni_digest_fd(fd, &size, &digest, "disk", &err), 0);
	assert_true(uni_digest_eq(&digest, &result.digest));
	assert_int_equal(result.placed[0].offset, 40 * 512);
	assert_int_equal(result.placed[1].offset, 48 * 512);
	digest = uni_digest_of(volume, sizeof(volume));
	assert_true(uni_digest_eq(&digest, &result.placed[1].digest));

	assert_int_equal(uni_disk_read(&disk, fd, result.size, "disk", &err), 0);
	assert_true(disk->primary_sound && disk->backup_sound && disk->bios_code);
	assert_int_equal(disk->count, 2);
	assert_string_equal(disk->entries[1].name, "d\xc3\xa4ta \xf0\x9f\x93\x80");
	assert_int_equal(disk->entries[1].offset, result.placed[1].offset);
	assert_int_equal(disk->entries[1].size, sizeof(volume));
	guid = uuid("11111111-2222-4333-8444-666666666666");
	assert_memory_equal(&disk->entries[1].guid, &guid, sizeof(guid));
	uni_disk_free(disk);

	assert_int_equal(uni_pread_full(fd, bytes, 512, 0, "disk", &err), 0);
	assert_int_equal(bytes[0], 0x90);
	assert_int_equal(bytes[UNI_STAGE1_COUNT_OFFSET], 2); /* 1000 bytes */
	assert_int_equal(bytes[UNI_STAGE1_COUNT_OFFSET + 1], 0);
	assert_int_equal(bytes[UNI_STAGE1_LBA_OFFSET], 40);
	assert_int_equal(bytes[510], 0x55);
	assert_int_equal(uni_pread_full(fd, bytes, 4096, 48 * 512 + 4096, "disk", &err), 0);
	assert_int_equal(bytes[0], 0x33);
	close(fd);
}

static void flip(int fd, uint64_t offset)
{
	uint8_t b;

	assert_int_equal(uni_pread_full(fd, &b, 1, offset, "disk", &err), 0);
	b ^= 1;
	assert_int_equal(uni_pwrite_full(fd, &b, 1, offset, "disk", &err), 0);
}

static void test_damage(void **state)
{
	struct uni_disk_result result;
	struct uni_disk *disk = NULL;
	int fd = write_disk(&result);

	(void)state;
	flip(fd, 512 + 60);
	assert_int_equal(uni_disk_read(&disk, fd, result.size, "disk", &err), 0);
	assert_false(disk->primary_sound);
	assert_true(disk->backup_sound);
	assert_int_equal(disk->count, 2);
	uni_disk_free(disk);
	flip(fd, result.size - 33 * 512); /* the backup's entries */
	assert_int_equal(uni_disk_read(&disk, fd, result.size, "disk", &err), UNI_E_CORRUPT);
	assert_null(disk);
	flip(fd, 512 + 60);
	assert_int_equal(uni_disk_read(&disk, fd, result.size, "disk", &err), 0);
	assert_true(disk->primary_sound);
	assert_false(disk->backup_sound);
	uni_disk_free(disk);
	close(fd);
}

static void test_truncated(void **state)
{
	struct uni_disk_result result;
	struct uni_disk *disk = NULL;
	int fd = write_disk(&result);

	(void)state;
	assert_int_equal(uni_disk_read(&disk, fd, 100000, "disk", &err), UNI_E_CORRUPT);
	assert_non_null(strstr(err.text, "truncated"));
	assert_int_equal(uni_disk_read(&disk, fd, 300, "disk", &err), UNI_E_UNSUPPORTED);
	close(fd);
	fd = new_file();
	assert_int_equal(ftruncate(fd, 1 << 20), 0);
	assert_int_equal(uni_disk_read(&disk, fd, 1 << 20, "disk", &err), UNI_E_UNSUPPORTED);
	close(fd);
}

static void test_sizes(void **state)
{
	struct uni_disk_layout layout;
	struct uni_disk_partition parts[2];
	struct uni_disk_result result;
	int fd = new_file();

	(void)state;
	make_layout(&layout, parts, fd);
	layout.size = 10000001;
	assert_int_equal(uni_disk_place(&layout, &result, &err), 0);
	assert_int_equal(result.size, 10002432);
	parts[1].size = 4096;
	assert_int_equal(uni_disk_place(&layout, &result, &err), UNI_E_LIMIT);
	assert_non_null(strstr(err.text, "12288"));
	parts[1].size = 8 << 20;
	layout.size = 0;
	assert_int_equal(uni_disk_place(&layout, &result, &err), 0);
	assert_int_equal(result.size % 4096, 0);
	assert_int_equal(result.placed[1].size, 8 << 20);
	assert_true(result.size >= (8 << 20) + 48 * 512 + 33 * 512);
	parts[1].size = UINT64_MAX - 100;
	assert_int_equal(uni_disk_place(&layout, &result, &err), UNI_E_LIMIT);
	parts[1].size = 0;
	parts[1].content.size = 0;
	assert_int_equal(uni_disk_place(&layout, &result, &err), UNI_E_INVAL);
	close(fd);
}

static void test_refused(void **state)
{
	struct uni_disk_layout layout;
	struct uni_disk_partition parts[2];
	struct uni_disk_result result;
	const struct uni_disk_format *raw = uni_disk_find("raw");
	int content = new_file();
	int fd = new_file();

	(void)state;
	make_layout(&layout, parts, content);
	parts[1].guid = parts[0].guid;
	assert_int_equal(uni_disk_write(raw, NULL, &layout, fd, &result, &err), UNI_E_INVAL);
	make_layout(&layout, parts, content);
	parts[1].name = "0123456789012345678901234567890123456";
	assert_int_equal(uni_disk_write(raw, NULL, &layout, fd, &result, &err), UNI_E_LIMIT);
	make_layout(&layout, parts, content);
	parts[0].type = parts[1].type;
	assert_int_equal(uni_disk_write(raw, NULL, &layout, fd, &result, &err), UNI_E_INVAL);
	make_layout(&layout, parts, content);
	parts[1].content.size += 4096; /* the file is shorter */
	assert_int_equal(uni_disk_write(raw, NULL, &layout, fd, &result, &err), UNI_E_CHANGED);
	assert_null(uni_disk_find("floppy"));
	close(content);
	close(fd);
}

/* Past the size above which content is copied by the kernel while it is hashed. */
static void test_large(void **state)
{
	enum { SIZE = 6 << 20 };
	struct uni_disk_layout layout;
	struct uni_disk_partition parts[2];
	struct uni_disk_result result;
	struct uni_disk_result again;
	struct uni_digest digest;
	uint64_t size;
	uint8_t byte;
	UNI_AUTO_CLOSE int content = new_file();
	UNI_AUTO_CLOSE int one = new_file();
	UNI_AUTO_CLOSE int two = new_file();

	(void)state;
	make_layout(&layout, parts, content);
	assert_int_equal(ftruncate(content, SIZE), 0);
	for (uint64_t at = 0; at < SIZE; at += 777777) {
		byte = (uint8_t)(at / 1000 + 1);
		assert_int_equal(uni_pwrite_full(content, &byte, 1, at, "content", &err), 0);
	}
	parts[1].content.offset = 0;
	parts[1].content.size = SIZE;
	assert_int_equal(uni_digest_fd(content, &size, &digest, "content", &err), 0);
	assert_int_equal(uni_disk_write(uni_disk_find("raw"), NULL, &layout, one, &result, &err),
			 0);
	assert_true(uni_digest_eq(&result.placed[1].digest, &digest));
	parts[1].content.known = &digest;
	assert_int_equal(uni_disk_write(uni_disk_find("raw"), NULL, &layout, two, &again, &err), 0);
	assert_true(uni_digest_eq(&again.placed[1].digest, &digest));
	assert_true(uni_digest_eq(&again.digest, &result.digest));
	assert_int_equal(uni_digest_fd(one, &size, &digest, "disk", &err), 0);
	assert_true(uni_digest_eq(&again.digest, &digest));
	assert_int_equal(uni_digest_fd(two, &size, &digest, "disk", &err), 0);
	assert_true(uni_digest_eq(&again.digest, &digest));
}

/* These bytes may change only together with the format's version: keys of caches hold that. */
static void test_golden(void **state)
{
	struct uni_disk_result result;
	char text[UNI_DIGEST_TEXT];

	(void)state;
	close(write_disk(&result));
	uni_digest_text(&result.digest, text);
	assert_int_equal(uni_disk_find("raw")->version, 1);
	assert_string_equal(
		text, "sha256:a94fa5da8f680a1a6ac5d63d2d1dc66721d21dda037d2fd51b5e3647d1af7d55");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_write_and_read), cmocka_unit_test(test_damage),
		cmocka_unit_test(test_truncated),      cmocka_unit_test(test_sizes),
		cmocka_unit_test(test_refused),	       cmocka_unit_test(test_large),
		cmocka_unit_test(test_golden),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
