/*
 * Lock files: one spelling, read again as they were, damage refused, drift told.
 */
#include "unit.h"

#include <string.h>
#include <uni/base/file.h>
#include <uni/recipes/lock.h>

static void put_package(struct uni_lock *lock, const char *name, const char *version,
			const char *index, uint64_t size)
{
	char *path UNI_AUTO_FREE = uni_asprintf("%s/%s-%s.tar.zst", name, name, version);
	char *name_copy UNI_AUTO_FREE = uni_strdup(name);
	char *version_copy UNI_AUTO_FREE = uni_strdup(version);
	char *index_copy UNI_AUTO_FREE = index != NULL ? uni_strdup(index) : NULL;
	struct uni_lock_package package = { .name = name_copy,
					    .version = version_copy,
					    .index = index_copy,
					    .path = index != NULL ? path : NULL,
					    .size = size };

	memset(package.digest.bytes, (int)size, sizeof(package.digest.bytes));
	uni_lock_put_package(lock, "x86_64", &package);
}

static void put_tool(struct uni_lock *lock, const char *name, int byte)
{
	char *copy UNI_AUTO_FREE = uni_strdup(name);
	struct uni_lock_named tool = { .name = copy };

	memset(tool.digest.bytes, byte, sizeof(tool.digest.bytes));
	uni_lock_put_tool(lock, "x86_64", &tool);
}

static struct uni_lock *make_lock(void)
{
	struct uni_lock *lock = uni_lock_new();

	put_tool(lock, "mksquashfs", 0xab);
	put_package(lock, "unibase", "0.1.0", NULL, 7);
	put_package(lock, "sqlite", "3.40.0", "main", 1);
	put_package(lock, "sqlite", "3.40.1", "main", 16);
	put_tool(lock, "ld", 0xcd);
	return lock;
}

static const char spelling[] =
	"# Written by uni; `uni update` writes it anew. Keep it beside its recipe.\n"
	"version = 1\n"
	"\n"
	"[[x86_64.package]]\n"
	"name = \"sqlite\"\n"
	"version = \"3.40.1\"\n"
	"index = \"main\"\n"
	"path = \"sqlite/sqlite-3.40.1.tar.zst\"\n"
	"sha256 = \"1010101010101010101010101010101010101010101010101010101010101010\"\n"
	"size = 16\n"
	"\n"
	"[[x86_64.package]]\n"
	"name = \"unibase\"\n"
	"version = \"0.1.0\"\n"
	"sha256 = \"0707070707070707070707070707070707070707070707070707070707070707\"\n"
	"size = 7\n"
	"\n"
	"[[x86_64.tool]]\n"
	"name = \"ld\"\n"
	"sha256 = \"cdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcd\"\n"
	"\n"
	"[[x86_64.tool]]\n"
	"name = \"mksquashfs\"\n"
	"sha256 = \"abababababababababababababababababababababababababababababababab\"\n";

static void one_spelling(void **state)
{
	struct uni_lock *lock UNI_AUTO(uni_lock) = make_lock();
	struct uni_buf text UNI_AUTO_BUF = UNI_BUF_INIT;

	(void)state;
	uni_lock_text(lock, &text);
	assert_string_equal(uni_buf_text(&text), spelling);
}

static void saved_and_loaded(void **state)
{
	struct uni_lock *lock UNI_AUTO(uni_lock) = make_lock();
	struct uni_lock *again UNI_AUTO(uni_lock) = NULL;
	struct uni_diags diags UNI_AUTO_DIAGS = UNI_DIAGS_INIT;
	struct uni_buf text UNI_AUTO_BUF = UNI_BUF_INIT;
	struct uni_err err = UNI_ERR_INIT;

	(void)state;
	unit_enter_tree();
	assert_int_equal(uni_lock_load(&again, "uni.lock", &diags, &err), UNI_E_NOENT);
	assert_int_equal(uni_lock_save(lock, "uni.lock", &err), 0);
	assert_int_equal(uni_lock_load(&again, "uni.lock", &diags, &err), 0);
	unit_leave_tree();
	uni_lock_text(again, &text);
	assert_string_equal(uni_buf_text(&text), spelling);
	assert_null(uni_lock_arch(again, "aarch64"));
	assert_int_equal(uni_lock_package(uni_lock_arch(again, "x86_64"), "sqlite")->size, 16);
	assert_null(uni_lock_package(uni_lock_arch(again, "x86_64"), "zlib"));
	assert_null(uni_lock_tool(NULL, "ld"));
	uni_lock_drop(again, "x86_64");
	assert_int_equal(again->arch_count, 0);
}

static void drift_is_told(void **state)
{
	struct uni_lock *locked UNI_AUTO(uni_lock) = make_lock();
	struct uni_lock *wanted UNI_AUTO(uni_lock) = make_lock();
	struct uni_strv drift UNI_AUTO_STRV = { .items = NULL };
	const struct uni_lock_arch *a = uni_lock_arch(locked, "x86_64");

	(void)state;
	assert_int_equal(uni_lock_drift(a, uni_lock_arch(wanted, "x86_64"), &drift), 0);
	put_package(wanted, "sqlite", "3.41.0", "main", 16);
	put_package(wanted, "unibase", "0.1.0", NULL, 8);
	put_package(wanted, "zlib", "1.3.0", "main", 2);
	put_package(locked, "abc", "1.0.0", "main", 2);
	put_tool(wanted, "ld", 1);
	put_tool(locked, "as", 1);
	put_tool(wanted, "cc", 1);
	a = uni_lock_arch(locked, "x86_64");
	assert_int_equal(uni_lock_drift(a, uni_lock_arch(wanted, "x86_64"), &drift), 7);
	assert_string_equal(drift.items[0],
			    "package \"abc\" 1.0.0 is locked, but not wanted any more");
	assert_string_equal(drift.items[1],
			    "package \"sqlite\" is locked at 3.40.1, wanted is 3.41.0");
	assert_string_equal(drift.items[2],
			    "package \"unibase\" 0.1.0 has other content than the locked one");
	assert_string_equal(drift.items[3], "package \"zlib\" 1.3.0 is not in the lock");
	assert_string_equal(drift.items[4], "tool \"as\" is locked, but not used any more");
	assert_string_equal(drift.items[5], "tool \"cc\" is not in the lock");
	assert_string_equal(drift.items[6], "tool \"ld\" here is not the locked one");
	assert_int_equal(uni_lock_drift(NULL, NULL, &drift), 0);
	assert_int_equal(uni_lock_drift(NULL, a, &drift), 6);
}

static void another_place_is_drift(void **state)
{
	struct uni_lock *locked UNI_AUTO(uni_lock) = make_lock();
	struct uni_lock *wanted UNI_AUTO(uni_lock) = make_lock();
	struct uni_strv drift UNI_AUTO_STRV = { .items = NULL };

	(void)state;
	put_package(wanted, "sqlite", "3.40.1", "other", 16);
	assert_int_equal(uni_lock_drift(uni_lock_arch(locked, "x86_64"),
					uni_lock_arch(wanted, "x86_64"), &drift),
			 1);
	assert_string_equal(
		drift.items[0],
		"package \"sqlite\" 3.40.1 comes from another place than the locked one");
}

static void refused(const char *text, const char *want)
{
	struct uni_diags diags UNI_AUTO_DIAGS = UNI_DIAGS_INIT;
	struct uni_buf findings UNI_AUTO_BUF = UNI_BUF_INIT;
	struct uni_err err = UNI_ERR_INIT;
	struct uni_lock *lock;

	assert_int_not_equal(uni_lock_parse(&lock, "uni.lock", text, strlen(text), &diags, &err),
			     0);
	assert_null(lock);
	unit_findings(&diags, &findings);
	assert_string_equal(uni_buf_text(&findings), want);
}

static void damage_is_refused(void **state)
{
	(void)state;
	refused("", "uni.lock:1:1: this is no lock file: it has no version\n");
	refused("version = 2\nsomething = 1\n",
		"uni.lock:1:11: lock files of version 2 need a later version of uni than this "
		"one, " UNI_VERSION "\n");
	refused("version = 1\nother = 1\n", "uni.lock:2:1: \"other\" is neither \"version\" nor "
					    "the table of an architecture\n");
	refused("version = 1\n[[x86_64.package]]\nname = \"A\"\nversion = \"1\"\nindex = \"main\"\n"
		"sha256 = \"AB\"\nsize = -1\nextra = 1\n",
		"uni.lock:2:10: package: path is missing\n"
		"uni.lock:3:8: package: name \"A\" is not a package's name\n"
		"uni.lock:4:11: package: version \"1\" is not a version\n"
		"uni.lock:6:10: package: sha256 is not 64 hexadecimal digits in lower case\n"
		"uni.lock:7:8: package: size is not a number of bytes\n"
		"uni.lock:8:1: package: unknown key \"extra\"\n");
	refused("version = 1\n[x86_64]\ntool = [1]\npackage = 2\nlibrary = 3\n",
		"uni.lock:3:9: x86_64: tool is not an array of tables\n"
		"uni.lock:4:11: x86_64: package is not an array of tables\n"
		"uni.lock:5:1: x86_64: unknown key \"library\"\n");
}

static void paths_stay_inside(void **state)
{
	static const char *const bad[] = { "/a",   "../a",    "a/../../b", "file:///a",
					   "a//b", "https:x", ".",	   "..",
					   "a/",   "./a",     "a\\nb" };

	(void)state;
	for (size_t i = 0; i < UNI_COUNT(bad); i++) {
		char *text UNI_AUTO_FREE = uni_asprintf(
			"version = 1\n[[x86_64.package]]\nname = \"a\"\nversion = \"1.0.0\"\n"
			"index = \"main\"\npath = \"%s\"\nsize = 1\nsha256 = "
			"\"1010101010101010101010101010101010101010101010101010101010101010\"\n",
			bad[i]);

		refused(text, "uni.lock:6:8: package: path is not a path inside of an index\n");
	}
}

static void twice_is_refused(void **state)
{
	static const char tool[] =
		"[[x86_64.tool]]\nname = \"ld\"\n"
		"sha256 = \"1010101010101010101010101010101010101010101010101010101010101010\"\n";
	char *text UNI_AUTO_FREE = uni_asprintf("version = 1\n%s%s", tool, tool);

	(void)state;
	refused(text, "uni.lock:5:10: tool \"ld\" is given twice\n");
}

int unit_lock(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_spelling),	     cmocka_unit_test(saved_and_loaded),
		cmocka_unit_test(drift_is_told),     cmocka_unit_test(another_place_is_drift),
		cmocka_unit_test(damage_is_refused), cmocka_unit_test(paths_stay_inside),
		cmocka_unit_test(twice_is_refused),
	};

	return cmocka_run_group_tests_name("lock", tests, NULL, NULL);
}
