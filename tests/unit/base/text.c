/*
 * Errors, buffers, text and paths.
 */
#include "unit.h"
#include <errno.h>
#include <string.h>
#include <uni/base/path.h>

/* RFC 4648, section 10. */
static void base64(void **state)
{
	static const char *const encoded[] = { "",	   "Zg==",     "Zm8=",	  "Zm9v",
					       "Zm9vYg==", "Zm9vYmE=", "Zm9vYmFy" };
	char out[UNI_BASE64_ROOM(6)];

	(void)state;
	for (size_t i = 0; i < UNI_COUNT(encoded); i++) {
		uni_base64("foobar", i, out);
		assert_string_equal(out, encoded[i]);
	}
}

static void err_set_and_context(void **state)
{
	(void)state;
	struct uni_err err = UNI_ERR_INIT;
	assert_int_equal(uni_err_set(&err, UNI_E_LIMIT, "file %s has %d bytes", "a", 5),
			 UNI_E_LIMIT);
	assert_int_equal(uni_err_hint(&err, "make it %s", "smaller"), UNI_E_LIMIT);
	assert_int_equal(uni_err_context(&err, "volume \"%s\"", "v"), UNI_E_LIMIT);
	assert_string_equal(err.text, "volume \"v\": file a has 5 bytes");
	assert_string_equal(err.hint, "make it smaller");
	/* Its own text as argument. */
	uni_err_set(&err, UNI_E_IO, "again: %s", err.text);
	assert_string_equal(err.text, "again: volume \"v\": file a has 5 bytes");
	assert_string_equal(err.hint, "");
}

static void err_errno_maps(void **state)
{
	(void)state;
	struct uni_err err = UNI_ERR_INIT;
	static const struct {
		int number;
		int code;
	} cases[] = {
		{ ENOENT, UNI_E_NOENT },   { ENOSPC, UNI_E_NOSPACE },
		{ EDQUOT, UNI_E_NOSPACE }, { EACCES, UNI_E_DENIED },
		{ EROFS, UNI_E_DENIED },   { EEXIST, UNI_E_EXIST },
		{ ENOMEM, UNI_E_NOMEM },   { EIO, UNI_E_IO },
		{ EBUSY, UNI_E_BUSY },	   { ENOTSUP, UNI_E_UNSUPPORTED },
	};
	for (size_t i = 0; i < UNI_COUNT(cases); i++) {
		errno = cases[i].number;
		assert_int_equal(uni_err_errno(&err, "x"), cases[i].code);
	}
	errno = ENOENT;
	uni_err_errno(&err, "open %s", "f");
	assert_string_equal(err.text, "open f: No such file or directory");
}

static void err_is_cut_between_characters(void **state)
{
	(void)state;
	struct uni_err err = UNI_ERR_INIT;
	struct uni_buf text UNI_AUTO_BUF = UNI_BUF_INIT;
	for (int shift = 0; shift < 3; shift++) {
		uni_buf_clear(&text);
		for (int i = 0; i < shift; i++)
			uni_buf_putc(&text, 'x');
		for (int i = 0; i < 2000; i++)
			uni_buf_puts(&text, "\xe2\x82\xac");
		uni_err_set(&err, UNI_E_IO, "%s", text.data);
		assert_true(strlen(err.text) < sizeof(err.text));
		assert_true(uni_str_ends(err.text, "\xac..."));
		assert_true(uni_utf8_valid(err.text, strlen(err.text)));
		uni_err_context(&err, "front");
		assert_true(uni_str_starts(err.text, "front: "));
		assert_true(uni_str_ends(err.text, "..."));
	}
}

static void buf_grows(void **state)
{
	(void)state;
	struct uni_buf buf UNI_AUTO_BUF = UNI_BUF_INIT;
	assert_string_equal(uni_buf_text(&buf), "");
	uni_buf_add(&buf, "", 0);
	assert_non_null(buf.data);
	uni_buf_puts(&buf, "one");
	uni_buf_putc(&buf, ' ');
	uni_buf_printf(&buf, "%0200d", 7);
	assert_int_equal(buf.size, 204);
	assert_int_equal(buf.data[203], '7');
	uni_buf_pad(&buf, 4096);
	assert_int_equal(buf.size, 4096);
	assert_true(uni_all_zero(buf.data + 204, 4096 - 204 + 1));
	uni_buf_pad(&buf, 10);
	assert_int_equal(buf.size, 4096);
	char *taken UNI_AUTO_FREE = uni_buf_take(&buf);
	assert_int_equal(taken[203], '7');
	assert_null(buf.data);
	char *empty UNI_AUTO_FREE = uni_buf_take(&buf);
	assert_string_equal(empty, "");
}

static void strv_is_an_argv(void **state)
{
	(void)state;
	struct uni_strv v UNI_AUTO_STRV = { .items = NULL };
	for (int i = 99; i >= 0; i--)
		uni_strv_addf(&v, "%02d", i);
	uni_strv_add(&v, "\xff");
	assert_null(v.items[v.count]);
	uni_strv_sort(&v);
	assert_string_equal(v.items[0], "00");
	assert_string_equal(v.items[100], "\xff");
	assert_true(uni_strv_has(&v, "42"));
	assert_false(uni_strv_has(&v, "100"));
}

static void numbers(void **state)
{
	(void)state;
	static const char *const bad[] = {
		"",
		"-1",
		"+1",
		" 1",
		"1 ",
		"0x",
		"1x",
		"18446744073709551616",
		"0x10000000000000000",
		"1.0",
		"1e3",
	};
	uint64_t value = 77;
	for (size_t i = 0; i < UNI_COUNT(bad); i++)
		assert_false(uni_str_u64(bad[i], &value));
	assert_int_equal(value, 77);
	assert_true(uni_str_u64("18446744073709551615", &value));
	assert_true(value == UINT64_MAX);
	assert_true(uni_str_u64("0xFf", &value));
	assert_int_equal(value, 255);
	assert_true(uni_str_u64("007", &value));
	assert_int_equal(value, 7);
}

static void sizes(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		uint64_t value;
	} good[] = {
		{ "64", 64 },
		{ "64B", 64 },
		{ "512K", 512 << 10 },
		{ "16M", 16 << 20 },
		{ "1GiB", 1 << 30 },
		{ "2T", UINT64_C(2) << 40 },
		{ "3KB", 3 << 10 },
		{ "0", 0 },
		{ "1P", UINT64_C(1) << 50 },
		{ "15E", UINT64_C(15) << 60 },
	};
	static const char *const bad[] = { "",	  "K",	 "1k",	"1Ki", "-1M", "1 M",
					   "16E", "1MM", "1iB", "1BB", "1.5M" };
	uint64_t value;
	for (size_t i = 0; i < UNI_COUNT(good); i++) {
		assert_true(uni_str_size(good[i].text, &value));
		assert_true(value == good[i].value);
	}
	for (size_t i = 0; i < UNI_COUNT(bad); i++)
		assert_false(uni_str_size(bad[i], &value));
	assert_string_equal(uni_size_text(0), "0 B");
	assert_string_equal(uni_size_text(999), "999 B");
	assert_string_equal(uni_size_text(1000), "1.0 kB");
	assert_string_equal(uni_size_text(3449999), "3.4 MB");
	assert_string_equal(uni_size_text(999949), "999.9 kB");
	assert_string_equal(uni_size_text(999950), "1.0 MB");
	assert_string_equal(uni_size_text(1999999), "2.0 MB");
	assert_string_equal(uni_size_text(UINT64_MAX), "18.4 EB");
}

static void utf8(void **state)
{
	(void)state;
	static const char *const good[] = { "",
					    "abc",
					    "\xc3\xa4",
					    "\xed\x9f\xbf",
					    "\xee\x80\x80",
					    "\xf0\x90\x80\x80",
					    "\xf4\x8f\xbf\xbf" };
	static const char *const bad[] = { "\x80",
					   "\xc0\x80",
					   "\xc1\xbf",
					   "\xe0\x9f\xbf",
					   "\xed\xa0\x80",
					   "\xf0\x8f\xbf\xbf",
					   "\xf4\x90\x80\x80",
					   "\xf5\x80\x80\x80",
					   "\xc3",
					   "a\xe2\x82",
					   "\xff",
					   "\xc3(" };
	for (size_t i = 0; i < UNI_COUNT(good); i++)
		assert_true(uni_utf8_valid(good[i], strlen(good[i])));
	for (size_t i = 0; i < UNI_COUNT(bad); i++)
		assert_false(uni_utf8_valid(bad[i], strlen(bad[i])));
}

static void hex(void **state)
{
	(void)state;
	char text[7];
	uint8_t bytes[3];
	uni_hex("\x00\xab\xff", 3, text);
	assert_string_equal(text, "00abff");
	assert_true(uni_unhex("00ABff", bytes, 3));
	assert_memory_equal(bytes, "\x00\xab\xff", 3);
	assert_false(uni_unhex("00abf", bytes, 3));
	assert_false(uni_unhex("00abff0", bytes, 3));
	assert_false(uni_unhex("00abfg", bytes, 3));
}

static void nearest(void **state)
{
	(void)state;
	static const char *const known[] = { "source", "sources", "mount", "name", "compression" };
	size_t count = UNI_COUNT(known);
	assert_string_equal(uni_str_nearest("sorce", known, count), "source");
	assert_string_equal(uni_str_nearest("compresion", known, count), "compression");
	assert_string_equal(uni_str_nearest("moutn", known, count), "mount");
	assert_string_equal(uni_str_nearest("nmae", known, count), "name");
	assert_null(uni_str_nearest("zebra", known, count));
	assert_null(uni_str_nearest("", known, count));
	assert_null(uni_str_nearest("x", known, 0));
}

static void paths(void **state)
{
	(void)state;
	static const char *const normal[][2] = {
		{ "", "." },
		{ ".", "." },
		{ "/", "/" },
		{ "//", "/" },
		{ "a//b/./c/", "a/b/c" },
		{ "a/..", "." },
		{ "a/../..", ".." },
		{ "../../a", "../../a" },
		{ "/..", "/" },
		{ "/../a", "/a" },
		{ "a/b/../../../c", "../c" },
		{ "/a/b/../c", "/a/c" },
		{ "..a/...", "..a/..." },
		{ "../a/..", ".." },
		{ "./..", ".." },
	};
	for (size_t i = 0; i < UNI_COUNT(normal); i++) {
		char *path UNI_AUTO_FREE = uni_path_normal(normal[i][0]);
		assert_string_equal(path, normal[i][1]);
	}
	static const char *const dirs[][3] = {
		{ "a", ".", "a" },	{ "/a", "/", "a" }, { "a/b", "a", "b" },
		{ "/a//b", "/a", "b" }, { "a/", "a", "" },  { "//a", "/", "a" },
	};
	for (size_t i = 0; i < UNI_COUNT(dirs); i++) {
		char *dir UNI_AUTO_FREE = uni_path_dir(dirs[i][0]);
		assert_string_equal(dir, dirs[i][1]);
		assert_string_equal(uni_path_base(dirs[i][0]), dirs[i][2]);
	}
	char *joined UNI_AUTO_FREE = uni_path_join("a/", "b");
	char *absolute UNI_AUTO_FREE = uni_path_join("a", "/b");
	char *here UNI_AUTO_FREE = uni_path_absolute("x/..");
	assert_string_equal(joined, "a/b");
	assert_string_equal(absolute, "/b");
	assert_int_equal(here[0], '/');
}

static void path_inside(void **state)
{
	(void)state;
	assert_true(uni_path_inside("/a/b", "/a"));
	assert_true(uni_path_inside("/a", "/a"));
	assert_true(uni_path_inside("/a", "/"));
	assert_false(uni_path_inside("/ab", "/a"));
	assert_false(uni_path_inside("/", "/a"));
	assert_true(uni_path_inside("a", "."));
	assert_true(uni_path_inside("..a", "."));
	assert_false(uni_path_inside("../a", "."));
	assert_false(uni_path_inside("..", "."));
}

int unit_text(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(base64),	  cmocka_unit_test(err_set_and_context),
		cmocka_unit_test(err_errno_maps), cmocka_unit_test(err_is_cut_between_characters),
		cmocka_unit_test(buf_grows),	  cmocka_unit_test(strv_is_an_argv),
		cmocka_unit_test(numbers),	  cmocka_unit_test(sizes),
		cmocka_unit_test(utf8),		  cmocka_unit_test(hex),
		cmocka_unit_test(nearest),	  cmocka_unit_test(paths),
		cmocka_unit_test(path_inside),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
