/*
 * The form: package.toml in, one and the same archive out, and tar can read it.
 */
#include "unit.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <uni/base/process.h>
#include <unistd.h>

static const char toml[] = "[package]\n"
			   "name = \"thing\"\n"
			   "version = \"1.2.3\"\n"
			   "kind = \"objects\"\n"
			   "description = \"A \\\"thing\\\"\"\n"
			   "licence = \"MIT\"\n"
			   "requires = [\"other@^1\", \"another\"]\n"
			   "[[files]]\n"
			   "source = \"lib/**/*.a\"\n"
			   "to = \"sysroot/\"\n"
			   "[[files]]\n"
			   "source = \"bin/tool\"\n"
			   "[[files]]\n"
			   "source = \"notes\"\n"
			   "to = \"doc/notes.txt\"\n"
			   "mode = \"0755\"\n";

static void make_source(void **state)
{
	unit_write(state, "src/package.toml", toml, 0644);
	unit_write(state, "src/lib/a.a", "archive a", 0600);
	unit_write(state, "src/lib/deep/er/b.a", "archive b", 0666);
	unit_write(state, "src/lib/a.txt", "not meant", 0644);
	unit_write(state, "src/lib/.hidden.a", "not meant", 0644);
	unit_write(state, "src/bin/tool", "#!tool", 0744);
	unit_write(state, "src/notes", "", 0644);
}

static void packs_what_was_asked_for(void **state)
{
	static const char expected[] =
		"-rw-r--r-- 0/0 - package.json\n-rw-r--r-- 0/0 - package.spdx.json\n"
		"-rw-r--r-- 0/0 - package.intoto.json\n"
		"-rwxr-xr-x 0/0 6 bin/tool\n-rwxr-xr-x 0/0 0 doc/notes.txt\n"
		"-rw-r--r-- 0/0 9 sysroot/a.a\n-rw-r--r-- 0/0 9 sysroot/deep/er/b.a\n";
	struct uni_digest digest;
	struct uni_buf out UNI_AUTO_BUF = UNI_BUF_INIT;
	struct uni_buf table UNI_AUTO_BUF = UNI_BUF_INIT;
	struct uni_err err = UNI_ERR_INIT;
	char *path UNI_AUTO_FREE = NULL;

	make_source(state);
	path = unit_pack(state, "out", &digest);
	assert_string_equal(uni_path_base(path), "thing-1.2.3-x86_64.unipkg");
	const char *const list[] = { "tar",	    "--zstd", "-tvf", path, "--numeric-owner",
				     "--full-time", NULL };

	assert_int_equal(uni_process_run(list, NULL, &out, NULL, 65536, &err), 0);
	/* Mode, owner, size (but of what describes it) and name of each; dates out. */
	char *save = NULL;

	for (char *line = strtok_r(out.data, "\n", &save); line != NULL;
	     line = strtok_r(NULL, "\n", &save)) {
		char mode[16], owner[16], size[16], date[16], hour[16], name[64];

		assert_int_equal(sscanf(line, "%15s %15s %15s %15s %15s %63s", mode, owner, size,
					date, hour, name),
				 6);
		assert_string_equal(date, "1970-01-01");
		uni_buf_printf(&table, "%s %s %s %s\n", mode, owner,
			       uni_str_starts(name, "package.") ? "-" : size, name);
	}
	assert_string_equal(table.data, expected);
}

static void description_is_canonical(void **state)
{
	struct uni_digest digest, of_file;
	struct uni_buf json UNI_AUTO_BUF = UNI_BUF_INIT;
	struct uni_buf again UNI_AUTO_BUF = UNI_BUF_INIT;
	struct uni_package *package UNI_AUTO(uni_package) = NULL;
	struct uni_err err = UNI_ERR_INIT;
	char *path UNI_AUTO_FREE = NULL;

	make_source(state);
	path = unit_pack(state, "out", &digest);
	const char *const cat[] = { "tar", "--zstd", "-xOf", path, "package.json", NULL };

	assert_int_equal(uni_process_run(cat, NULL, &json, NULL, 65536, &err), 0);
	of_file = uni_digest_of(json.data, json.size);
	assert_true(uni_digest_eq(&digest, &of_file));
	assert_int_equal(uni_package_parse(&package, json.data, json.size, &err), 0);
	assert_string_equal(package->description, "A \"thing\"");
	assert_string_equal(package->requires.items[0], "another");
	assert_int_equal(package->file_count, 4);
	assert_null(package->member);
	uni_package_json(package, &again);
	assert_string_equal(again.data, json.data);
}

static void same_bytes_anywhere(void **state)
{
	char *first UNI_AUTO_FREE = NULL, *second UNI_AUTO_FREE = NULL;
	struct uni_digest digest, a, b;
	struct uni_err err = UNI_ERR_INIT;
	uint64_t size;
	mode_t old;

	make_source(state);
	first = unit_pack(state, "out", &digest);
	assert_int_equal(rename(unit_path(state, "src"), unit_path(state, "moved")), 0);
	assert_int_equal(rename(unit_path(state, "moved"), unit_path(state, "src")), 0);
	assert_int_equal(utimensat(AT_FDCWD, unit_path(state, "src/lib/a.a"),
				   (struct timespec[2]){ { 5, 0 }, { 5, 0 } }, 0),
			 0);
	assert_int_equal(chmod(unit_path(state, "src/lib/a.a"), 0640), 0);
	old = umask(077);
	second = unit_pack(state, "out2", &digest);
	umask(old);
	assert_int_equal(uni_digest_file(first, &size, &a, &err), 0);
	assert_int_equal(uni_digest_file(second, &size, &b, &err), 0);
	assert_true(uni_digest_eq(&a, &b));
	unit_write(state, "src/notes", "x", 0644);
	free(second);
	second = unit_pack(state, "out2", &digest);
	assert_int_equal(uni_digest_file(second, &size, &b, &err), 0);
	assert_false(uni_digest_eq(&a, &b));
}

static void all_errors_at_once(void **state)
{
	static const char bad[] = "[package]\n"
				  "name = \"thing\"\n"
				  "verson = \"1.2.3\"\n"
				  "kind = \"thing\"\n"
				  "licence = 4\n"
				  "[[files]]\n"
				  "source = \"/etc/passwd\"\n"
				  "mode = \"0777\"\n";
	static const struct {
		unsigned line;
		const char *has;
	} expected[] = {
		{ 1, "\"version\" is missing" },
		{ 3, "unknown key \"verson\"" },
		{ 4, "no kind" },
		{ 5, "it should be a string" },
		{ 7, "relative" },
		{ 8, "a mode is" },
	};
	struct uni_diags diags UNI_AUTO_DIAGS = UNI_DIAGS_INIT;
	struct uni_err err = UNI_ERR_INIT;

	const struct uni_pack how = { .toml = unit_path(state, "src/package.toml"),
				      .out_dir = unit_path(state, "out") };

	unit_write(state, "src/package.toml", bad, 0644);
	assert_int_equal(uni_package_pack(&how, NULL, NULL, &diags, &err), UNI_E_INVAL);
	assert_int_equal(diags.count, UNI_COUNT(expected));
	for (size_t i = 0; i < diags.count; i++) {
		assert_int_equal(diags.items[i].pos.line, expected[i].line);
		assert_non_null(strstr(diags.items[i].message, expected[i].has));
	}
	assert_string_equal(diags.items[1].hint, "did you mean \"version\"?");
	assert_false(uni_file_exists(unit_path(state, "out")));
}

/* Each is one line to replace the files of a sound package.toml, and a word of the complaint. */
static void bad_files(void **state)
{
	static const struct {
		const char *files;
		const char *has;
	} cases[] = {
		{ "[[files]]\nsource = \"none\"\n", "none does not exist" },
		{ "[[files]]\nsource = \"lib\"\n", "lib is not a file" },
		{ "[[files]]\nsource = \"fifo\"\n", "fifo is not a file" },
		{ "[[files]]\nsource = \"*.x\"\n", "no file matches" },
		{ "[[files]]\nsource = \"nowhere/*\"\n", "no file matches" },
		{ "[[files]]\nsource = \"f\"\nto = \"../f\"\n", "no path" },
		{ "[[files]]\nsource = \"f\"\nto = \"package.json\"\n", "no path" },
		{ "[[files]]\nsource = \"f\"\n[[files]]\nsource = \"f\"\n", "there twice" },
		{ "[[files]]\nsource = \"f\"\n[[files]]\nsource = \"f\"\nto = \"f/g\"\n",
		  "a file and a folder" },
	};
	static const char head[] =
		"[package]\nname = \"a\"\nversion = \"1.0.0\"\nkind = \"files\"\n";

	unit_write(state, "src/f", "x", 0644);
	unit_write(state, "src/lib/g", "x", 0644);
	assert_int_equal(mkfifo(unit_path(state, "src/fifo"), 0644), 0);
	for (size_t i = 0; i < UNI_COUNT(cases); i++) {
		struct uni_diags diags UNI_AUTO_DIAGS = UNI_DIAGS_INIT;
		struct uni_err err = UNI_ERR_INIT;
		char *text UNI_AUTO_FREE = uni_asprintf("%s%s", head, cases[i].files);

		const struct uni_pack how = { .toml = unit_path(state, "src/package.toml"),
					      .out_dir = unit_path(state, "out") };

		unit_write(state, "src/package.toml", text, 0644);
		assert_int_not_equal(uni_package_pack(&how, NULL, NULL, &diags, &err), 0);
		assert_int_equal(diags.count, 1);
		if (strstr(diags.items[0].message, cases[i].has) == NULL)
			fail_msg("%s: %s", cases[i].has, diags.items[0].message);
	}
}

int unit_form(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(packs_what_was_asked_for, unit_setup,
						unit_teardown),
		cmocka_unit_test_setup_teardown(description_is_canonical, unit_setup,
						unit_teardown),
		cmocka_unit_test_setup_teardown(same_bytes_anywhere, unit_setup, unit_teardown),
		cmocka_unit_test_setup_teardown(all_errors_at_once, unit_setup, unit_teardown),
		cmocka_unit_test_setup_teardown(bad_files, unit_setup, unit_teardown),
	};

	return cmocka_run_group_tests_name("package: form", tests, NULL, NULL);
}
