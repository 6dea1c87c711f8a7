/*
 * Tar: what we write is judged by GNU tar, what GNU tar writes is read back, and damage is found.
 */
#include "source_of.h"
#include "unit.h"
#include <stdio.h>
#include <string.h>
#include <uni/base/process.h>
#include <uni/io/tar.h>

#define LIMIT (64u << 20)

static char path_99[100], path_100[101], path_split[230], path_long[400], target_long[300];

static void make_names(void)
{
	memset(path_99, 'n', 99);
	memset(path_100, 'o', 100);
	memset(path_split, 'p', 229);
	path_split[140] = '/';
	path_split[30] = '/';
	memset(path_long, 'q', 399);
	path_long[200] = '/';
	memset(target_long, 't', 299);
}

static const struct uni_xattr xattrs[] = {
	{ "user.empty", "", 0 },
	{ "user.mime", "a\nb\0c", 5 },
};

static const struct uni_entry entries[] = {
	{ .type = UNI_ENTRY_DIR, .path = ".", .mode = 0755 },
	{ .type = UNI_ENTRY_DIR, .path = "d", .mode = 0755, .mtime = 1 },
	{ .type = UNI_ENTRY_FILE, .path = "d/f", .mode = 0644, .size = 5, .mtime = 86400 },
	{ .type = UNI_ENTRY_FILE, .path = "d/block", .mode = 04755, .size = 512 },
	{ .type = UNI_ENTRY_FILE, .path = "d/\xc3\xa4 b", .mode = 0600, .size = 0 },
	{ .type = UNI_ENTRY_HARDLINK, .path = "d/h", .target = "d/f", .mode = 0644 },
	{ .type = UNI_ENTRY_SYMLINK, .path = "d/s", .target = "../x", .mode = 0777 },
	{ .type = UNI_ENTRY_SYMLINK, .path = "long", .target = target_long, .mode = 0777 },
	{ .type = UNI_ENTRY_FIFO, .path = "fifo", .mode = 0600 },
	{ .type = UNI_ENTRY_CHAR, .path = "null", .mode = 0666, .major = 1, .minor = 3 },
	{ .type = UNI_ENTRY_FILE, .path = path_99, .mode = 0644, .size = 1 },
	{ .type = UNI_ENTRY_FILE, .path = path_100, .mode = 0644, .size = 1 },
	{ .type = UNI_ENTRY_DIR, .path = path_99, .mode = 0755 },
	{ .type = UNI_ENTRY_FILE, .path = path_split, .mode = 0644, .size = 1 },
	{ .type = UNI_ENTRY_DIR, .path = path_long, .mode = 0755 },
	{ .type = UNI_ENTRY_FILE, .path = "ids", .mode = 0644, .uid = 4000000000, .gid = 2097151 },
	{ .type = UNI_ENTRY_FILE, .path = "old", .mode = 0644, .mtime = -5 },
	{ .type = UNI_ENTRY_FILE, .path = "future", .mode = 0644, .mtime = INT64_C(99999999999) },
	{ .type = UNI_ENTRY_FILE, .path = "x", .mode = 0644, .xattrs = xattrs, .xattr_count = 2 },
};

static void put_all(struct uni_buf *out)
{
	struct uni_err err = UNI_ERR_INIT;
	struct uni_sink *sink UNI_AUTO(uni_sink) = uni_sink_to_buf(out, LIMIT);
	struct uni_tar_writer *tar UNI_AUTO(uni_tar_writer) = uni_tar_writer_new(sink);
	make_names();
	for (size_t i = 0; i < UNI_COUNT(entries); i++) {
		assert_int_equal(uni_tar_writer_entry(tar, &entries[i], &err), 0);
		for (uint64_t at = 0; at < entries[i].size; at++)
			assert_int_equal(uni_tar_writer_data(tar, "x", 1, &err), 0);
	}
	assert_int_equal(uni_tar_writer_end(tar, &err), 0);
	assert_int_equal(uni_sink_finish(sink, &err), 0);
}

static void assert_entry(const struct uni_entry *a, const struct uni_entry *b)
{
	assert_int_equal(a->type, b->type);
	assert_string_equal(a->path, b->path);
	assert_int_equal(a->target != NULL, b->target != NULL);
	if (a->target != NULL)
		assert_string_equal(a->target, b->target);
	assert_int_equal(a->mode, b->mode);
	assert_int_equal(a->uid, b->uid);
	assert_int_equal(a->gid, b->gid);
	assert_true(a->mtime == b->mtime && a->size == b->size);
	assert_int_equal(a->major, b->major);
	assert_int_equal(a->minor, b->minor);
	assert_int_equal(a->xattr_count, b->xattr_count);
	for (size_t i = 0; i < a->xattr_count; i++) {
		assert_string_equal(a->xattrs[i].name, b->xattrs[i].name);
		assert_int_equal(a->xattrs[i].size, b->xattrs[i].size);
		assert_memory_equal(a->xattrs[i].value, b->xattrs[i].value, a->xattrs[i].size);
	}
}

/* Reads to the end; counts entries and the bytes of their data. */
static int read_all(const void *data, size_t size, const struct uni_tar_limits *limits,
		    size_t *count, uint64_t *bytes, struct uni_err *err)
{
	struct uni_source *source UNI_AUTO(uni_source) = source_of(data, size);
	struct uni_tar_reader *tar UNI_AUTO(uni_tar_reader) =
		uni_tar_reader_new(source, limits, "t");
	const struct uni_entry *entry;
	int rc;
	*count = 0;
	*bytes = 0;
	while ((rc = uni_tar_reader_next(tar, &entry, err)) == 1) {
		char part[1000];
		size_t got;
		++*count;
		do {
			rc = uni_tar_reader_data(tar, part, sizeof(part), &got, err);
			if (rc != 0)
				return rc;
			*bytes += got;
		} while (got != 0);
	}
	return rc;
}

static int read_count(const struct uni_buf *archive, size_t *count, struct uni_err *err)
{
	static const struct uni_tar_limits limits = UNI_TAR_LIMITS_INIT;
	uint64_t bytes;
	return read_all(archive->data, archive->size, &limits, count, &bytes, err);
}

static void round_trip(void **state)
{
	(void)state;
	struct uni_err err = UNI_ERR_INIT;
	struct uni_buf archive UNI_AUTO_BUF = UNI_BUF_INIT;
	static const struct uni_tar_limits limits = UNI_TAR_LIMITS_INIT;
	const struct uni_entry *entry;
	put_all(&archive);
	assert_int_equal(archive.size % 512, 0);
	struct uni_source *source UNI_AUTO(uni_source) = source_of(archive.data, archive.size);
	struct uni_tar_reader *tar UNI_AUTO(uni_tar_reader) =
		uni_tar_reader_new(source, &limits, "t");
	for (size_t i = 0; i < UNI_COUNT(entries); i++) {
		assert_int_equal(uni_tar_reader_next(tar, &entry, &err), 1);
		assert_entry(entry, &entries[i]);
	}
	assert_int_equal(uni_tar_reader_next(tar, &entry, &err), 0);
	assert_int_equal(uni_tar_reader_next(tar, &entry, &err), 0);
}

/* The bytes themselves, since packages are made of them. */
static void golden(void **state)
{
	(void)state;
	struct uni_buf archive UNI_AUTO_BUF = UNI_BUF_INIT;
	char text[UNI_DIGEST_TEXT];
	put_all(&archive);
	struct uni_digest digest = uni_digest_of(archive.data, archive.size);
	uni_digest_text(&digest, text);
	assert_string_equal(
		text, "sha256:aa1a5f3e79f5d9d35a22bd2828f860fbd71ee1c8a998a6802bf304042ac2f10b");
}

static void gnu_tar_reads_it(void **state)
{
	struct uni_err err = UNI_ERR_INIT;
	struct uni_buf archive UNI_AUTO_BUF = UNI_BUF_INIT;
	struct uni_buf list UNI_AUTO_BUF = UNI_BUF_INIT;
	struct uni_buf errors UNI_AUTO_BUF = UNI_BUF_INIT;
	put_all(&archive);
	assert_int_equal(
		uni_file_write(unit_path(state, "t.tar"), archive.data, archive.size, 0600, &err),
		0);
	static const char *const argv[] = { "tar",   "--numeric-owner", "--full-time", "--xattrs",
					    "-tvvf", "t.tar",		NULL };
	assert_int_equal(uni_process_run(argv, *state, &list, &errors, LIMIT, &err), 0);
	assert_string_equal(uni_buf_text(&errors), "");
	static const char *const wanted[] = {
		"drwxr-xr-x  0/0               0 1970-01-01 00:00:00 ./\n",
		"-rw-r--r--  0/0               5 1970-01-02 00:00:00 d/f\n",
		"-rwsr-xr-x  0/0             512 1970-01-01 00:00:00 d/block\n",
		"hrw-r--r--  0/0               0 1970-01-01 00:00:00 d/h link to d/f\n",
		"d/s -> ../x\n",
		"crw-rw-rw-  0/0             1,3 1970-01-01 00:00:00 null\n",
		"prw-------",
		"4000000000/2097151",
		"1969-12-31 23:59:55 old\n",
		"5138-11-16 09:46:39 future\n",
		"  x: 0 user.empty\n  x: 5 user.mime\n",
		path_split,
		path_long,
		target_long,
	};
	for (size_t i = 0; i < UNI_COUNT(wanted); i++)
		if (strstr(list.data, wanted[i]) == NULL)
			fail_msg("no \"%s\" in\n%s", wanted[i], list.data);
	/* Only what needs one has an extended header. */
	size_t headers = 0;
	for (size_t at = 0; at < archive.size; at += 512)
		headers += strcmp(archive.data + at, "././@PaxHeader") == 0;
	assert_int_equal(headers, 6);
}

static void writer_refuses(void **state)
{
	(void)state;
	struct uni_err err = UNI_ERR_INIT;
	static const struct uni_xattr bad = { "user.a=b", "", 0 };
	static const struct uni_entry wrong[] = {
		{ .type = UNI_ENTRY_FILE, .path = "" },
		{ .type = UNI_ENTRY_SYMLINK, .path = "a" },
		{ .type = UNI_ENTRY_SYMLINK, .path = "a", .target = "" },
		{ .type = UNI_ENTRY_FILE, .path = "a", .target = "b" },
		{ .type = UNI_ENTRY_DIR, .path = "a", .size = 1 },
		{ .type = UNI_ENTRY_FILE, .path = "a", .xattrs = &bad, .xattr_count = 1 },
	};
	struct uni_sink *sink UNI_AUTO(uni_sink) = uni_sink_to_nothing();
	struct uni_tar_writer *tar UNI_AUTO(uni_tar_writer) = uni_tar_writer_new(sink);
	for (size_t i = 0; i < UNI_COUNT(wrong); i++)
		assert_int_equal(uni_tar_writer_entry(tar, &wrong[i], &err), UNI_E_INVAL);
	assert_int_equal(uni_sink_written(sink), 0);
	static const struct uni_entry file = { .type = UNI_ENTRY_FILE, .path = "a", .size = 2 };
	assert_int_equal(uni_tar_writer_entry(tar, &file, &err), 0);
	assert_int_equal(uni_tar_writer_data(tar, "abc", 3, &err), UNI_E_INVAL);
	assert_int_equal(uni_tar_writer_data(tar, "a", 1, &err), 0);
	assert_int_equal(uni_tar_writer_entry(tar, &file, &err), UNI_E_INVAL);
	assert_int_equal(uni_tar_writer_end(tar, &err), UNI_E_INVAL);
}

static void reads_gnu_tar(void **state)
{
	struct uni_err err = UNI_ERR_INIT;
	static const char *const formats[] = { "v7", "oldgnu", "gnu", "ustar", "posix" };
	make_names();
	assert_int_equal(uni_dir_make(unit_path(state, "in/d"), 0755, &err), 0);
	assert_int_equal(uni_file_write(unit_path(state, "in/d/f"), "hello", 5, 0644, &err), 0);
	for (size_t i = 0; i < UNI_COUNT(formats); i++) {
		bool has_long = uni_str_eq(formats[i], "gnu") || uni_str_eq(formats[i], "posix");
		char *format UNI_AUTO_FREE = uni_asprintf("--format=%s", formats[i]);
		char *name UNI_AUTO_FREE = uni_asprintf("in/%.180s", target_long);
		struct uni_buf archive UNI_AUTO_BUF = UNI_BUF_INIT;
		size_t count;
		if (has_long)
			assert_int_equal(uni_file_write(unit_path(state, name), "x", 1, 0644, &err),
					 0);
		const char *const argv[] = { "tar", format, "-cC", "in", ".", NULL };
		assert_int_equal(uni_process_run(argv, *state, &archive, NULL, LIMIT, &err), 0);
		if (has_long)
			assert_int_equal(uni_dir_remove(unit_path(state, name), &err), 0);
		if (read_count(&archive, &count, &err) != 0)
			fail_msg("%s: %s", formats[i], err.text);
		assert_int_equal(count, has_long ? 4 : 3);
	}
}

/* One entry by hand, for what no writer makes. */
static void raw_entry(struct uni_buf *out, const char *name, char type, const char *size)
{
	char header[512] = { 0 };
	unsigned sum = 0;
	strncpy(header, name, 100);
	memcpy(header + 100, "0000644", 7);
	memcpy(header + 108, "0000000", 7);
	memcpy(header + 116, "0000000", 7);
	memcpy(header + 124, size, strlen(size));
	memcpy(header + 136, "00000000000", 11);
	header[156] = type;
	memcpy(header + 257, "ustar\00000", 8);
	memset(header + 148, ' ', 8);
	for (size_t i = 0; i < sizeof(header); i++)
		sum += (unsigned char)header[i];
	snprintf(header + 148, 8, "%06o", sum);
	uni_buf_add(out, header, sizeof(header));
}

static int read_raw(const char *name, char type, const char *size, const char *data)
{
	struct uni_err err = UNI_ERR_INIT;
	struct uni_buf archive UNI_AUTO_BUF = UNI_BUF_INIT;
	size_t count;
	raw_entry(&archive, name, type, size);
	if (data != NULL) {
		uni_buf_puts(&archive, data);
		uni_buf_pad(&archive, (archive.size + 511) / 512 * 512);
		raw_entry(&archive, "behind", '0', "00000000000");
	}
	uni_buf_pad(&archive, archive.size + 1024);
	return read_count(&archive, &count, &err);
}

static void reader_refuses(void **state)
{
	(void)state;
	assert_int_equal(read_raw("fine", '0', "00000000000", NULL), 0);
	assert_int_equal(read_raw("./fine/./x", '0', "0", NULL), 0);
	assert_int_equal(read_raw("/fine", '0', "", NULL), 0);
	assert_int_equal(read_raw("../out", '0', "0", NULL), UNI_E_INVAL);
	assert_int_equal(read_raw("a/../../out", '5', "0", NULL), UNI_E_INVAL);
	assert_int_equal(read_raw("", '0', "0", NULL), UNI_E_INVAL);
	assert_int_equal(read_raw("link", '2', "0", NULL), UNI_E_INVAL);
	assert_int_equal(read_raw("f", 'S', "0", NULL), UNI_E_UNSUPPORTED);
	assert_int_equal(read_raw("f", '0', "8", NULL), UNI_E_CORRUPT);
	assert_int_equal(read_raw("f", '0', "00000002001", NULL), UNI_E_CORRUPT);
	assert_int_equal(
		read_raw("f", '0', "\x80\x7f\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", NULL),
		UNI_E_CORRUPT);
	assert_int_equal(
		read_raw("f", '0', "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", NULL),
		UNI_E_CORRUPT);
	assert_int_equal(read_raw("x", 'x', "77777777777", NULL), UNI_E_LIMIT);
	assert_int_equal(read_raw("x", 'x', "00000000013", "11 path=ab\n"), 0);
	assert_int_equal(read_raw("x", 'x', "00000000013", "11 path=..\n"), UNI_E_INVAL);
	assert_int_equal(read_raw("x", 'x', "00000000013", "12 path=ab\n"), UNI_E_CORRUPT);
	assert_int_equal(read_raw("x", 'x', "00000000013", "10 path=ab\n"), UNI_E_CORRUPT);
	assert_int_equal(read_raw("x", 'x', "00000000013", "99999999999"), UNI_E_CORRUPT);
	assert_int_equal(read_raw("x", 'x', "00000000013", "11 size=-1\n"), UNI_E_CORRUPT);
	assert_int_equal(read_raw("x", 'x', "00000000013", "11 uid=1x1\n"), UNI_E_CORRUPT);
	assert_int_equal(read_raw("x", 'x', "00000000013", "11 =ab=cd\n\n"), UNI_E_CORRUPT);
	assert_int_equal(read_raw("x", 'x', "00000000030", "24 GNU.sparse.major=1.1\n"),
			 UNI_E_UNSUPPORTED);
}

static void damage_is_found(void **state)
{
	(void)state;
	struct uni_err err = UNI_ERR_INIT;
	struct uni_buf archive UNI_AUTO_BUF = UNI_BUF_INIT;
	static const struct uni_tar_limits limits = UNI_TAR_LIMITS_INIT;
	size_t count;
	uint64_t bytes;
	put_all(&archive);
	for (size_t cut = archive.size - 1024; cut > 512; cut -= 512 + 3)
		assert_int_equal(read_all(archive.data, cut, &limits, &count, &bytes, &err),
				 UNI_E_CORRUPT);
	archive.data[0] ^= 1;
	assert_int_equal(read_count(&archive, &count, &err), UNI_E_CORRUPT);
	assert_true(uni_str_starts(err.text, "t: "));
}

static void limits_hold(void **state)
{
	(void)state;
	struct uni_err err = UNI_ERR_INIT;
	struct uni_buf archive UNI_AUTO_BUF = UNI_BUF_INIT;
	struct uni_tar_limits limits = UNI_TAR_LIMITS_INIT;
	size_t count;
	uint64_t bytes;
	put_all(&archive);
	limits.entries = UNI_COUNT(entries);
	limits.size = 520;
	limits.path_size = 400;
	assert_int_equal(read_all(archive.data, archive.size, &limits, &count, &bytes, &err), 0);
	assert_int_equal(count, UNI_COUNT(entries));
	assert_int_equal(bytes, 520);
	limits.entries--;
	assert_int_equal(read_all(archive.data, archive.size, &limits, &count, &bytes, &err),
			 UNI_E_LIMIT);
	limits.entries++;
	limits.size--;
	assert_int_equal(read_all(archive.data, archive.size, &limits, &count, &bytes, &err),
			 UNI_E_LIMIT);
	limits.size++;
	limits.path_size = 399;
	assert_int_equal(read_all(archive.data, archive.size, &limits, &count, &bytes, &err),
			 UNI_E_LIMIT);
}

int unit_tar(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(round_trip),	   cmocka_unit_test(golden),
		DIR_TEST(gnu_tar_reads_it),	   cmocka_unit_test(writer_refuses),
		DIR_TEST(reads_gnu_tar),	   cmocka_unit_test(reader_refuses),
		cmocka_unit_test(damage_is_found), cmocka_unit_test(limits_hold),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
