/*
 * Runs the units of the store, a file of them after the other.
 */
#include "unit.h"

#include <stdio.h>
#include <string.h>

unsigned unit_warnings;

static void listen(void *user, const struct uni_event *event)
{
	(void)user;
	if (event->kind == UNI_EVENT_WARNING)
		unit_warnings++;
}

static const struct uni_events events = { .fn = listen };

int unit_setup(void **state)
{
	struct uni_err err = UNI_ERR_INIT;
	char *path = NULL;
	int rc = uni_dir_tmp(NULL, &path, &err);

	unit_warnings = 0;
	*state = path;
	return rc;
}

int unit_teardown(void **state)
{
	struct uni_err err = UNI_ERR_INIT;
	int rc = uni_dir_remove(*state, &err);

	uni_tmp_forget(*state);
	free(*state);
	return rc;
}

struct uni_store *unit_open(void **state)
{
	struct uni_err err = UNI_ERR_INIT;
	struct uni_store *store = NULL;

	assert_int_equal(uni_store_open(&store, *state, &events, &err), 0);
	return store;
}

void unit_put(struct uni_store *store, const char *text, struct uni_store_entry *blob)
{
	struct uni_err err = UNI_ERR_INIT;

	assert_int_equal(uni_store_put(store, text, strlen(text), blob, &err), 0);
}

struct uni_digest unit_key(const char *text)
{
	return uni_digest_of(text, strlen(text));
}

void unit_result(struct uni_store *store, const char *key, const char *text)
{
	struct uni_store_record record UNI_AUTO_STORE_RECORD = UNI_STORE_RECORD_INIT;
	struct uni_err err = UNI_ERR_INIT;
	struct uni_store_entry blob;
	struct uni_digest digest = unit_key(key);

	unit_put(store, text, &blob);
	uni_store_record_add(&record, "out", &blob);
	assert_int_equal(uni_store_result_put(store, &digest, &record, &err), 0);
}

int unit_known(struct uni_store *store, const char *key)
{
	struct uni_store_record record UNI_AUTO_STORE_RECORD = UNI_STORE_RECORD_INIT;
	struct uni_err err = UNI_ERR_INIT;
	struct uni_digest digest = unit_key(key);

	return uni_store_result_get(store, &digest, &record, &err);
}

static char *two_level(void **state, const char *kind, const struct uni_digest *digest)
{
	char hex[65];

	uni_hex(digest->bytes, sizeof(digest->bytes), hex);
	return uni_asprintf("%s/v1/%s/%.1s/%s", (const char *)*state, kind, hex, hex + 1);
}

char *unit_blob_path(void **state, const struct uni_digest *digest)
{
	return two_level(state, "blobs", digest);
}

char *unit_result_path(void **state, const char *key)
{
	struct uni_digest digest = unit_key(key);

	return two_level(state, "results", &digest);
}

size_t unit_count(void **state, const char *folder)
{
	char *path UNI_AUTO_FREE = uni_asprintf("%s/v1/%s", (const char *)*state, folder);
	struct uni_strv dirs UNI_AUTO_STRV = { .items = NULL };
	struct uni_err err = UNI_ERR_INIT;
	size_t count = 0;

	assert_int_equal(uni_dir_list(path, &dirs, &err), 0);
	for (size_t i = 0; i < dirs.count; i++) {
		char *dir UNI_AUTO_FREE = uni_path_join(path, dirs.items[i]);
		struct uni_strv files UNI_AUTO_STRV = { .items = NULL };

		if (uni_dir_list(dir, &files, &err) == 0)
			count += files.count;
		else
			count++;
	}
	return count;
}

int main(void)
{
	return unit_content() + unit_process() + unit_collect();
}
