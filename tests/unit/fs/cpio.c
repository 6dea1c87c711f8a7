/* The root archive: what our writer of cpio makes, read back; and damage. */
#include <string.h>
#include <sys/mman.h>
#include <uni/base/file.h>
#include <uni/io/cpio.h>
#include <unistd.h>

#include "tests.h"

static struct uni_err err;

static void put(struct uni_cpio_writer *cpio, enum uni_entry_type type, const char *path,
		const char *text)
{
	const struct uni_entry entry = { .type = type,
					 .path = path,
					 .target = type == UNI_ENTRY_SYMLINK ? text : NULL,
					 .mode = type == UNI_ENTRY_FILE ? 0644 : 0755,
					 .mtime = 9,
					 .size = type == UNI_ENTRY_FILE ? strlen(text) : 0 };

	assert_int_equal(uni_cpio_writer_entry(cpio, &entry, &err), 0);
	if (type == UNI_ENTRY_FILE)
		assert_int_equal(uni_cpio_writer_data(cpio, text, strlen(text), &err), 0);
}

static int make_archive(uint64_t *size)
{
	int fd = memfd_create("cpio", MFD_CLOEXEC);
	struct uni_sink *sink = uni_sink_to_fd(fd, "cpio");
	struct uni_cpio_writer *cpio = uni_cpio_writer_new(sink);

	put(cpio, UNI_ENTRY_DIR, ".", NULL);
	put(cpio, UNI_ENTRY_DIR, "etc", NULL);
	put(cpio, UNI_ENTRY_FILE, "etc/hosts", "127.0.0.1 localhost\n");
	put(cpio, UNI_ENTRY_DIR, "etc/ssl", NULL);
	put(cpio, UNI_ENTRY_SYMLINK, "etc/ssl/cert.pem", "../hosts");
	put(cpio, UNI_ENTRY_FILE, "etc!", "sorts between etc and what is in it");
	put(cpio, UNI_ENTRY_FILE, "etc/hosts", "again\n");
	assert_int_equal(uni_cpio_writer_end(cpio, &err), 0);
	uni_cpio_writer_free(cpio);
	assert_int_equal(uni_sink_finish(sink, &err), 0);
	*size = uni_sink_written(sink);
	uni_sink_free(sink);
	return fd;
}

void test_cpio(void **state)
{
	UNI_AUTO(uni_fs_reader) struct uni_fs_reader *reader = NULL;
	UNI_AUTO_BUF struct uni_buf data = UNI_BUF_INIT;
	struct uni_fs_reader *other = NULL;
	struct uni_fs_about about;
	struct uni_fs_stat st;
	uint64_t size;
	UNI_AUTO_CLOSE int fd = make_archive(&size);

	(void)state;
	assert_int_equal(uni_fs_open(&reader, fd, 0, size, "root", &err), 0);
	uni_fs_about(reader, &about);
	assert_string_equal(about.format, "cpio");
	assert_int_equal(about.inodes, 6);
	assert_int_equal(read_all(reader, "/etc/ssl/cert.pem", &data, &err), 0);
	assert_string_equal(data.data, "again\n");
	assert_int_equal(uni_fs_stat(reader, "/etc/hosts", &st, &err), 0);
	assert_int_equal(st.mtime, 9);
	assert_int_equal(st.mode, 0644);
	uni_buf_clear(&data);
	assert_int_equal(list_all(reader, "/etc", &data, &err), 0);
	assert_non_null(strstr(data.data, "f 644 /etc/hosts "));
	assert_non_null(strstr(data.data, "d 755 /etc/ssl "));
	assert_non_null(strstr(data.data, "l 755 /etc/ssl/cert.pem "));
	assert_null(strstr(data.data, "etc!"));
	assert_int_equal(uni_fs_open(&other, fd, 6, size - 6, "root", &err), UNI_E_UNSUPPORTED);
	assert_null(other);
}

void test_cpio_damaged(void **state)
{
	struct uni_fs_reader *reader = NULL;
	uint64_t size;
	UNI_AUTO_CLOSE int fd = make_archive(&size);
	uint64_t end = size - size % 4;

	(void)state;
	/* The padding behind the trailer may go. */
	while (end > 0 && uni_fs_open(&reader, fd, 0, end, "root", &err) == 0) {
		uni_fs_reader_free(reader);
		end--;
	}
	assert_true(size - end < 516);
	for (uint64_t cut = 0; cut < end; cut++)
		assert_true(uni_fs_open(&reader, fd, 0, cut, "root", &err) < 0);
	for (uint64_t at = 0; at < size; at++) {
		UNI_AUTO_BUF struct uni_buf list = UNI_BUF_INIT;
		uint8_t byte;

		assert_int_equal(uni_pread_full(fd, &byte, 1, at, "root", &err), 0);
		byte ^= 5;
		assert_int_equal(uni_pwrite_full(fd, &byte, 1, at, "root", &err), 0);
		if (uni_fs_open(&reader, fd, 0, size, "root", &err) == 0)
			(void)list_all(reader, "/", &list, &err);
		uni_fs_reader_free(reader);
		byte ^= 5;
		assert_int_equal(uni_pwrite_full(fd, &byte, 1, at, "root", &err), 0);
	}
}
