/*
 * Runs the units of packages: their form, hostile ones, and packages in the store.
 */
#include "unit.h"

#include <stdio.h>
#include <string.h>

int unit_setup(void **state)
{
	struct uni_err err = UNI_ERR_INIT;
	char *path = NULL;
	int rc = uni_dir_tmp(NULL, &path, &err);

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

const char *unit_path(void **state, const char *name)
{
	static char ring[8][4096];
	static unsigned next;
	char *out = ring[next++ % 8];

	snprintf(out, sizeof(ring[0]), "%s/%s", (const char *)*state, name);
	return out;
}

void unit_write(void **state, const char *name, const char *text, unsigned mode)
{
	struct uni_err err = UNI_ERR_INIT;
	const char *path = unit_path(state, name);
	char *dir UNI_AUTO_FREE = uni_path_dir(path);

	assert_int_equal(uni_dir_make(dir, 0755, &err), 0);
	assert_int_equal(uni_file_write(path, text, strlen(text), mode, &err), 0);
}

struct uni_store *unit_open(void **state)
{
	struct uni_err err = UNI_ERR_INIT;
	struct uni_store *store = NULL;

	assert_int_equal(uni_store_open(&store, unit_path(state, "store"), NULL, &err), 0);
	return store;
}

char *unit_pack(void **state, const char *out, struct uni_digest *digest)
{
	struct uni_diags diags UNI_AUTO_DIAGS = UNI_DIAGS_INIT;
	struct uni_err err = UNI_ERR_INIT;
	const struct uni_pack how = { .toml = unit_path(state, "src/package.toml"),
				      .out_dir = unit_path(state, out),
				      .replace = true };
	char *path = NULL;

	if (uni_package_pack(&how, &path, digest, &diags, &err) != 0)
		fail_msg("%s", err.text);
	return path;
}

int main(void)
{
	return unit_chunks() + unit_form() + unit_hostile() + unit_sbom() + unit_store();
}
