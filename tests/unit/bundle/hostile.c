/*
 * Packages that are not what they should be: none gets in.
 */
#include "unit.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <uni/io/tar.h>
#include <unistd.h>

/* A package of the files "a" ("AAAA") and "b/c" (empty), to be spoiled. */
static struct uni_package_file sound_files[2];
static struct uni_package sound = {
	.name = (char[]){ "thing" },
	.version = (char[]){ "1.0.0" },
	.arch = (char[]){ "any" },
	.kind = UNI_PACKAGE_FILES,
	.files = sound_files,
	.file_count = 2,
};

static char path_a[] = "a", path_c[] = "b/c";

static void make_sound(void)
{
	sound_files[0] = (struct uni_package_file){ .path = path_a, .mode = 0644, .size = 4 };
	sound_files[0].digest = uni_digest_of("AAAA", 4);
	sound_files[1] = (struct uni_package_file){ .path = path_c, .mode = 0755 };
	sound_files[1].digest = uni_digest_of("", 0);
}

struct item {
	struct uni_entry entry;
	const char *data;
};

/* Writes an archive of these entries, each with as many bytes as it says. */
static void write_archive(void **state, const struct item *items, size_t count)
{
	struct uni_err err = UNI_ERR_INIT;
	struct uni_sink *sink UNI_AUTO(uni_sink) = NULL;
	struct uni_tar_writer *tar UNI_AUTO(uni_tar_writer) = NULL;

	assert_int_equal(uni_sink_to_file(&sink, unit_path(state, "p"), 0644, false, &err), 0);
	assert_int_equal(uni_sink_push_zstd(&sink, 3, UNI_SIZE_UNKNOWN, &err), 0);
	tar = uni_tar_writer_new(sink);
	for (size_t i = 0; i < count; i++) {
		assert_int_equal(uni_tar_writer_entry(tar, &items[i].entry, &err), 0);
		if (items[i].entry.type == UNI_ENTRY_FILE)
			assert_int_equal(
				uni_tar_writer_data(tar, items[i].data, items[i].entry.size, &err),
				0);
	}
	assert_int_equal(uni_tar_writer_end(tar, &err), 0);
	assert_int_equal(uni_sink_finish(sink, &err), 0);
}

static int install(void **state, struct uni_err *err)
{
	struct uni_store *store UNI_AUTO(uni_store) = unit_open(state);
	struct uni_strv refs UNI_AUTO_STRV = { .items = NULL };
	struct uni_err ignored = UNI_ERR_INIT;
	int rc = uni_package_install(store, unit_path(state, "p"), NULL, err);

	if (rc != 0) {
		assert_int_equal(uni_store_ref_list(store, "", &refs, &ignored), 0);
		assert_int_equal(refs.count, 0);
	}
	return rc;
}

static struct item file(const char *path, uint32_t mode, const char *data)
{
	return (struct item){ .entry = { .type = UNI_ENTRY_FILE,
					 .path = path,
					 .mode = mode,
					 .size = strlen(data) },
			      .data = data };
}

#define ITEMS 3
typedef void spoil_fn(struct item *items, size_t *count);

static void spoil_nothing(struct item *items, size_t *count)
{
	(void)items;
	(void)count;
}
static void spoil_content(struct item *items, size_t *count)
{
	(void)count;
	items[1].data = "AAAB";
}
static void spoil_size(struct item *items, size_t *count)
{
	(void)count;
	items[1].entry.size = 3;
}
static void spoil_order(struct item *items, size_t *count)
{
	struct item first = items[1];

	(void)count;
	items[1] = items[2];
	items[2] = first;
}
static void spoil_missing(struct item *items, size_t *count)
{
	(void)items;
	*count = 2;
}
static void spoil_more(struct item *items, size_t *count)
{
	items[(*count)++] = file("z", 0644, "");
}
static void spoil_twice(struct item *items, size_t *count)
{
	items[(*count)++] = items[2];
}
static void spoil_name(struct item *items, size_t *count)
{
	(void)count;
	items[2].entry.path = "../c";
}
static void spoil_link(struct item *items, size_t *count)
{
	(void)count;
	items[2].entry.type = UNI_ENTRY_SYMLINK;
	items[2].entry.target = "/etc/passwd";
}
static void spoil_hardlink(struct item *items, size_t *count)
{
	(void)count;
	items[2].entry.type = UNI_ENTRY_HARDLINK;
	items[2].entry.target = "a";
}
static void spoil_device(struct item *items, size_t *count)
{
	(void)count;
	items[2].entry.type = UNI_ENTRY_CHAR;
}
static void spoil_setuid(struct item *items, size_t *count)
{
	(void)count;
	items[2].entry.mode = 04755;
}
static void spoil_owner(struct item *items, size_t *count)
{
	(void)count;
	items[1].entry.uid = 1000;
}
static void spoil_time(struct item *items, size_t *count)
{
	(void)count;
	items[1].entry.mtime = 1;
}
static void spoil_first(struct item *items, size_t *count)
{
	memmove(items, items + 1, (*count - 1) * sizeof(*items));
	(*count)--;
}

static void spoiled_archives(void **state)
{
	static spoil_fn *const spoils[] = {
		spoil_content, spoil_size,  spoil_order, spoil_missing,	 spoil_more,
		spoil_twice,   spoil_name,  spoil_link,	 spoil_hardlink, spoil_device,
		spoil_setuid,  spoil_owner, spoil_time,	 spoil_first,
	};
	struct uni_buf json UNI_AUTO_BUF = UNI_BUF_INIT;

	make_sound();
	uni_package_json(&sound, &json);
	for (size_t i = 0; i <= UNI_COUNT(spoils); i++) {
		struct item items[ITEMS + 1] = { file("package.json", 0644, json.data),
						 file("a", 0644, "AAAA"), file("b/c", 0755, "") };
		struct uni_err err = UNI_ERR_INIT;
		size_t count = ITEMS;
		bool last = i == UNI_COUNT(spoils);
		int rc;

		(last ? spoil_nothing : spoils[i])(items, &count);
		write_archive(state, items, count);
		rc = install(state, &err);
		if ((rc == 0) != last)
			fail_msg("case %zu: %d %s", i, rc, err.text);
	}
}

static void cut_and_lengthened(void **state)
{
	struct uni_buf json UNI_AUTO_BUF = UNI_BUF_INIT;
	struct uni_buf whole UNI_AUTO_BUF = UNI_BUF_INIT;
	struct uni_err err = UNI_ERR_INIT;

	make_sound();
	uni_package_json(&sound, &json);
	struct item items[] = { file("package.json", 0644, json.data), file("a", 0644, "AAAA"),
				file("b/c", 0755, "") };

	write_archive(state, items, ITEMS);
	assert_int_equal(uni_file_read(unit_path(state, "p"), 65536, &whole, &err), 0);
	for (size_t i = 0; i < whole.size; i += 1 + i / 64) {
		assert_int_equal(uni_file_write(unit_path(state, "p"), whole.data, i, 0644, &err),
				 0);
		assert_int_not_equal(install(state, &err), 0);
	}
	uni_buf_puts(&whole, "garbage");
	assert_int_equal(uni_file_write(unit_path(state, "p"), whole.data, whole.size, 0644, &err),
			 0);
	assert_int_not_equal(install(state, &err), 0);
	assert_int_equal(
		uni_file_write(unit_path(state, "p"), whole.data, whole.size - 7, 0644, &err), 0);
	assert_int_equal(install(state, &err), 0);
}

/* Descriptions, as a sed-like change of the sound one. */
static void bad_descriptions(void **state)
{
	static const struct {
		const char *from, *to;
	} changes[] = {
		{ "\"format\": 1", "\"format\": 2" },
		{ "\"format\": 1,\n", "" },
		{ "\"kind\": \"files\"", "\"kind\": \"filez\"" },
		{ "\"name\": \"thing\"", "\"name\": \"../thing\"" },
		{ "\"name\": \"thing\"", "\"name\": \"\"" },
		{ "\"version\": \"1.0.0\"", "\"version\": \"1/0\"" },
		{ "\"arch\": \"any\"", "\"arch\": \"an y\"" },
		{ "\"path\": \"a\"", "\"path\": \"../a\"" },
		{ "\"path\": \"a\"", "\"path\": \"/a\"" },
		{ "\"path\": \"a\"", "\"path\": \"./a\"" },
		{ "\"path\": \"a\"", "\"path\": \"b/c\"" },
		{ "\"path\": \"a\"", "\"path\": \"b\"" },
		{ "\"path\": \"a\"", "\"path\": \"z\"" },
		{ "\"path\": \"a\"", "\"path\": 4" },
		{ "\"mode\": \"0644\"", "\"mode\": \"4755\"" },
		{ "\"size\": 4", "\"size\": -4" },
		{ "\"size\": 4", "\"size\": 18446744073709551615" },
		{ "\"size\": 4", "\"size\": 9223372036854775807" },
		{ "\"requires\": []", "\"requires\": [1]" },
		{ "\"requires\": []", "\"requires\": {}" },
		{ "\"requires\": []", "\"requires\": [\"b\", \"a\"]" },
		{ "\"requires\"", "\"more\": 1, \"requires\"" },
		{ "\"requires\"", "\"member\": \"none\", \"requires\"" },
		{ "{\n", "[\n" },
	};
	struct uni_buf json UNI_AUTO_BUF = UNI_BUF_INIT;
	struct uni_package *package = NULL;
	struct uni_err err = UNI_ERR_INIT;

	(void)state;
	make_sound();
	uni_package_json(&sound, &json);
	assert_int_equal(uni_package_parse(&package, json.data, json.size, &err), 0);
	uni_package_free(package);
	for (size_t i = 0; i < UNI_COUNT(changes); i++) {
		const char *at = strstr(json.data, changes[i].from);
		char *text UNI_AUTO_FREE = NULL;

		assert_non_null(at);
		text = uni_asprintf("%.*s%s%s", (int)(at - json.data), json.data, changes[i].to,
				    at + strlen(changes[i].from));
		if (uni_package_parse(&package, text, strlen(text), &err) == 0)
			fail_msg("accepted: %s", changes[i].to);
		assert_null(package);
	}
}

static void spelled_otherwise(void **state)
{
	struct uni_buf json UNI_AUTO_BUF = UNI_BUF_INIT;
	struct uni_err err = UNI_ERR_INIT;

	make_sound();
	uni_package_json(&sound, &json);
	uni_buf_puts(&json, " ");
	struct item items[] = { file("package.json", 0644, json.data), file("a", 0644, "AAAA"),
				file("b/c", 0755, "") };

	write_archive(state, items, ITEMS);
	assert_int_equal(install(state, &err), UNI_E_CORRUPT);
}

static int pass_start(void *user, const struct uni_package *package, struct uni_err *err)
{
	(void)user;
	(void)package;
	(void)err;
	return 0;
}

static int fail_data(void *user, size_t index, const void *data, size_t size, struct uni_err *err)
{
	(void)index;
	(void)data;
	(void)size;
	return uni_err_set(err, *(const int *)user, "no more");
}

/* What stops a reader is no fault of the package. */
static void stopped_reader(void **state)
{
	static const int reasons[] = { UNI_E_CANCELLED, UNI_E_TIMEOUT, UNI_E_NOMEM, UNI_E_NOSPACE };
	struct uni_buf json UNI_AUTO_BUF = UNI_BUF_INIT;

	make_sound();
	uni_package_json(&sound, &json);
	struct item items[] = { file("package.json", 0644, json.data), file("a", 0644, "AAAA"),
				file("b/c", 0755, "") };

	write_archive(state, items, ITEMS);
	for (size_t i = 0; i < UNI_COUNT(reasons); i++) {
		int reason = reasons[i];
		const struct uni_package_visitor visitor = { pass_start, fail_data, NULL, &reason };
		struct uni_package *package = NULL;
		struct uni_err err = UNI_ERR_INIT;
		int fd UNI_AUTO_CLOSE = open(unit_path(state, "p"), O_RDONLY | O_CLOEXEC);

		assert_int_equal(uni_package_read(&package, fd, "p", &visitor, &err), reason);
		assert_string_equal(err.text, "p: no more");
	}
}

int unit_hostile(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(spoiled_archives, unit_setup, unit_teardown),
		cmocka_unit_test_setup_teardown(cut_and_lengthened, unit_setup, unit_teardown),
		cmocka_unit_test(bad_descriptions),
		cmocka_unit_test_setup_teardown(spelled_otherwise, unit_setup, unit_teardown),
		cmocka_unit_test_setup_teardown(stopped_reader, unit_setup, unit_teardown),
	};

	return cmocka_run_group_tests_name("package: hostile", tests, NULL, NULL);
}
