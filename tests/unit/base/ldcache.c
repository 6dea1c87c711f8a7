/* ldconfig's list of libraries: this machine's own, and lists that are none. */
#include <uni/base/file.h>
#include <uni/base/ldcache.h>

#include <string.h>
#include <unistd.h>

#include "unit.h"

enum { HEADER = 48, ENTRY = 24, X86_64 = 0x0303, X32 = 0x0803 };

static void put_u32(struct uni_buf *out, size_t offset, uint32_t value)
{
	memcpy(out->data + offset, &value, sizeof(value));
}

/* A list of `count` entries without strings. */
static void start(struct uni_buf *out, uint32_t count)
{
	uni_buf_clear(out);
	uni_buf_puts(out, "glibc-ld.so.cache1.1");
	uni_buf_pad(out, HEADER + (size_t)count * ENTRY);
	put_u32(out, 20, count);
}

static void set(struct uni_buf *out, size_t index, uint32_t flags, const char *name,
		const char *path)
{
	size_t at = HEADER + index * ENTRY;

	put_u32(out, at, flags);
	put_u32(out, at + 4, (uint32_t)out->size);
	uni_buf_add(out, name, strlen(name) + 1);
	put_u32(out, at + 8, (uint32_t)out->size);
	uni_buf_add(out, path, strlen(path) + 1);
}

static void test_entries(void **state)
{
	struct uni_ldcache_entry entry;
	struct uni_buf file = UNI_BUF_INIT;
	size_t at = 0;

	(void)state;
	start(&file, 5);
	set(&file, 0, X32, "liba.so.1", "/libx32/liba.so.1");
	set(&file, 1, X86_64, "libab.so.1", "/lib/libab.so.1");
	set(&file, 2, X86_64, "liba.so.1", "/lib/v3/liba.so.1");
	file.data[HEADER + 2 * ENTRY + 16] = 1; /* its capabilities */
	set(&file, 3, X86_64, "liba.so.1", "/lib/liba.so.1");
	set(&file, 4, X86_64, "liba.so.1", "");
	put_u32(&file, HEADER + 4 * ENTRY + 8, (uint32_t)file.size);

	assert_true(uni_ldcache_next(&file, "liba.so.1", &at, &entry));
	assert_string_equal(entry.path, "/lib/v3/liba.so.1");
	assert_true(entry.for_some);
	assert_true(uni_ldcache_next(&file, "liba.so.1", &at, &entry));
	assert_string_equal(entry.path, "/lib/liba.so.1");
	assert_false(entry.for_some);
	assert_true(uni_ldcache_next(&file, "liba.so.1", &at, &entry));
	assert_null(entry.path);
	assert_false(uni_ldcache_next(&file, "liba.so.1", &at, &entry));
	at = 0;
	assert_false(uni_ldcache_next(&file, "liba.so", &at, &entry));
	uni_buf_free(&file);
}

/* However short it is cut, nothing behind its end is read: each length is an allocation. */
static void test_cut(void **state)
{
	struct uni_ldcache_entry entry;
	struct uni_buf file = UNI_BUF_INIT;

	(void)state;
	start(&file, 1);
	set(&file, 0, X86_64, "liba.so.1", "/lib/liba.so.1");
	for (size_t size = 0; size <= file.size; size++) {
		struct uni_buf cut = { .data = uni_memdup(file.data, size), .size = size };
		size_t at = 0;
		bool found = uni_ldcache_next(&cut, "liba.so.1", &at, &entry);

		assert_int_equal(found, size >= HEADER + ENTRY + sizeof("liba.so.1"));
		if (found)
			assert_int_equal(entry.path != NULL, size == file.size);
		uni_buf_free(&cut);
	}
	uni_buf_free(&file);
}

static void assert_nothing_in(const struct uni_buf *file)
{
	struct uni_ldcache_entry entry;
	size_t at = 0;

	assert_false(uni_ldcache_next(file, "liba.so.1", &at, &entry));
}

static void test_no_list(void **state)
{
	struct uni_buf file = UNI_BUF_INIT;

	(void)state;
	assert_nothing_in(&file);
	start(&file, 1);
	set(&file, 0, X86_64, "liba.so.1", "/lib/liba.so.1");
	put_u32(&file, 20, UINT32_MAX);
	assert_nothing_in(&file);
	put_u32(&file, 20, 1);
	put_u32(&file, HEADER + 4, UINT32_MAX);
	assert_nothing_in(&file);
	file.data[0] = 'G';
	assert_nothing_in(&file);
	uni_buf_free(&file);
}

static void test_own(void **state)
{
	struct uni_ldcache_entry entry;
	struct uni_buf file = UNI_BUF_INIT;
	struct uni_err err = UNI_ERR_INIT;
	size_t at = 0;

	(void)state;
	if (access(UNI_LDCACHE_PATH, R_OK) != 0) {
		print_message("there is no " UNI_LDCACHE_PATH " on this machine\n");
		skip();
	}
	assert_int_equal(uni_file_read(UNI_LDCACHE_PATH, UNI_LDCACHE_MAX, &file, &err), 0);
	assert_true(uni_ldcache_next(&file, "libc.so.6", &at, &entry));
	assert_int_equal(access(entry.path, R_OK), 0);
	uni_buf_free(&file);
}

int unit_ldcache(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_entries),
		cmocka_unit_test(test_cut),
		cmocka_unit_test(test_no_list),
		cmocka_unit_test(test_own),
	};

	return cmocka_run_group_tests_name("ldcache", tests, NULL, NULL);
}
