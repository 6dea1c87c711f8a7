/*
 * Packages in the store: installed, found by range, read, extracted, removed.
 */
#include "unit.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void install_version(void **state, struct uni_store *store, const char *version,
			    const char *arch)
{
	struct uni_err err = UNI_ERR_INIT;
	char *path UNI_AUTO_FREE = NULL;
	char *toml UNI_AUTO_FREE = uni_asprintf(
		"[package]\nname = \"thing\"\nversion = \"%s\"\narch = \"%s\"\nkind = \"program\"\n"
		"description = \"Says version\"\nmember = \"bin/thing\"\n"
		"[[files]]\nsource = \"thing\"\nto = \"bin/\"\n",
		version, arch);
	struct uni_installed *installed UNI_AUTO(uni_installed) = NULL;

	unit_write(state, "src/package.toml", toml, 0644);
	unit_write(state, "src/thing", version, 0755);
	path = unit_pack(state, "out", NULL);
	assert_int_equal(uni_package_install(store, path, &installed, &err), 0);
	assert_string_equal(installed->package->version, version);
}

static void expect(struct uni_store *store, const char *range, const char *version)
{
	struct uni_installed *installed UNI_AUTO(uni_installed) = NULL;
	struct uni_err err = UNI_ERR_INIT;
	int rc = uni_package_find(store, "thing", range, "x86_64", &installed, &err);

	if (version == NULL) {
		assert_int_equal(rc, UNI_E_NOENT);
		assert_int_not_equal(err.hint[0], '\0');
		return;
	}
	assert_int_equal(rc, 0);
	assert_string_equal(installed->package->version, version);
}

static void found_by_range(void **state)
{
	struct uni_store *store UNI_AUTO(uni_store) = unit_open(state);

	expect(store, NULL, NULL);
	install_version(state, store, "1.9.0", "x86_64");
	install_version(state, store, "1.10.0", "any");
	install_version(state, store, "2.0.0", "aarch64");
	install_version(state, store, "1.11.0-rc.1", "x86_64");
	expect(store, "^1", "1.10.0");
	expect(store, "=1.9.0", "1.9.0");
	expect(store, ">=2", NULL);
	expect(store, "1.11.0-rc.1", "1.11.0-rc.1");
}

static int collect(void *user, const struct uni_installed *installed, struct uni_err *err)
{
	(void)err;
	uni_buf_printf(user, "%s/%s ", installed->package->version, installed->package->arch);
	return 0;
}

static void listed_and_removed(void **state)
{
	struct uni_store *store UNI_AUTO(uni_store) = unit_open(state);
	struct uni_installed *installed UNI_AUTO(uni_installed) = NULL;
	struct uni_buf list UNI_AUTO_BUF = UNI_BUF_INIT;
	struct uni_err err = UNI_ERR_INIT;

	install_version(state, store, "1.9.0", "x86_64");
	install_version(state, store, "1.10.0", "x86_64");
	install_version(state, store, "1.10.0", "any");
	install_version(state, store, "1.9.0", "x86_64");
	assert_int_equal(uni_package_list(store, collect, &list, &err), 0);
	assert_string_equal(list.data, "1.10.0/x86_64 1.10.0/any 1.9.0/x86_64 ");
	assert_int_equal(uni_package_find(store, "thing", "1.9", "x86_64", &installed, &err), 0);
	assert_int_equal(uni_package_remove(store, installed->package, &err), 0);
	expect(store, "1.9", NULL);
	expect(store, NULL, "1.10.0");
}

static void files_come_out(void **state)
{
	struct uni_store *store UNI_AUTO(uni_store) = unit_open(state);
	struct uni_installed *installed UNI_AUTO(uni_installed) = NULL;
	struct uni_store_gc_options all = { .limit = 0 };
	struct uni_store_gc_report report;
	struct uni_err err = UNI_ERR_INIT;
	struct uni_digest digest;
	struct uni_store_entry *entry;
	char text[8] = "";
	int fd UNI_AUTO_CLOSE = -1;

	install_version(state, store, "1.9.0", "x86_64");
	assert_int_equal(uni_store_gc(store, &all, &report, &err), 0);
	assert_int_equal(uni_package_find(store, "thing", NULL, "x86_64", &installed, &err), 0);
	digest = uni_package_digest(installed->package);
	assert_true(uni_digest_eq(&digest, &installed->digest));
	assert_string_equal(installed->package->member, "bin/thing");
	assert_string_equal(installed->package->description, "Says version");
	entry = uni_store_record_find(&installed->record, "bin/thing");
	assert_non_null(entry);
	assert_int_equal(uni_store_blob_open(store, entry, &fd, &err), 0);
	assert_int_equal(read(fd, text, sizeof(text)), 5);
	assert_string_equal(text, "1.9.0");
	assert_int_equal(uni_package_find_file(installed->package, "bin/thing")->mode, 0755);
	assert_null(uni_store_record_find(&installed->record, "bin/other"));
}

int unit_store(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(found_by_range, unit_setup, unit_teardown),
		cmocka_unit_test_setup_teardown(listed_and_removed, unit_setup, unit_teardown),
		cmocka_unit_test_setup_teardown(files_come_out, unit_setup, unit_teardown),
	};

	return cmocka_run_group_tests_name("package: store", tests, NULL, NULL);
}
