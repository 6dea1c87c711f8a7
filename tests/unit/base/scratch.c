/*
 * A temporary folder for one test. It is not among the temporary names that uni_tmp_cleanup
 * removes, which some tests call.
 */
#include "scratch.h"
#include <stdio.h>

int unit_dir_setup(void **state)
{
	struct uni_err err = UNI_ERR_INIT;
	char *path = NULL;
	int rc = uni_dir_tmp(NULL, &path, &err);
	if (rc == 0)
		uni_tmp_forget(path);
	*state = path;
	return rc;
}

int unit_dir_teardown(void **state)
{
	struct uni_err err = UNI_ERR_INIT;
	int rc = uni_dir_remove(*state, &err);
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
