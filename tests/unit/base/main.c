/*
 * Runs the units of the base module, a file of them after the other.
 */
#include "unit.h"
#include <stdio.h>
#include <string.h>

int unit_dir_setup(void **state)
{
	struct uni_err err = UNI_ERR_INIT;
	char *path = NULL;
	int rc = uni_dir_tmp(NULL, &path, &err);
	*state = path;
	return rc;
}

int unit_dir_teardown(void **state)
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

int main(int argc, char **argv)
{
	if (argc == 3 && strcmp(argv[1], "hold") == 0)
		return unit_hold(atoi(argv[2]));
	return unit_text() + unit_file() + unit_process() + unit_digest() + unit_system() +
	       unit_json();
}
