/*
 * Runs the units of the recipes module, and holds what they share.
 */
#include "unit.h"

#include <string.h>
#include <uni/base/file.h>
#include <uni/base/system.h>
#include <unistd.h>

static char *tree;

static void put(const char *path, const char *text)
{
	struct uni_err err = UNI_ERR_INIT;

	if (uni_file_write(path, text, strlen(text), 0644, &err) != 0)
		fail_msg("%s", err.text);
}

void unit_enter_tree(void)
{
	struct uni_err err = UNI_ERR_INIT;

	assert_int_equal(uni_dir_tmp(NULL, &tree, &err), 0);
	assert_int_equal(chdir(tree), 0);
	assert_int_equal(uni_dir_make("www", 0755, &err), 0);
	assert_int_equal(uni_dir_make("headers", 0755, &err), 0);
	put("www/index.html", "hello\n");
	put("main.c", "int main(void) { return 0; }\n");
	put("other.c", "int other;\n");
	put("a.o", "");
	put("lib.a", "");
	put("ca.pem", "");
	put("server", "");
	assert_int_equal(symlink("/etc", "out"), 0);
	assert_int_equal(symlink("loop-b", "loop-a"), 0);
	assert_int_equal(symlink("loop-a", "loop-b"), 0);
	assert_int_equal(symlink("nothing", "dangling"), 0);
	assert_int_equal(symlink("www", "inside"), 0);
}

void unit_leave_tree(void)
{
	struct uni_err err = UNI_ERR_INIT;

	assert_int_equal(chdir("/"), 0);
	assert_int_equal(uni_dir_remove(tree, &err), 0);
	uni_tmp_forget(tree);
	free(tree);
}

void unit_golden_compare(const char *path, const char *text)
{
	char *full UNI_AUTO_FREE = uni_asprintf(HERE "/%s", path);
	const char *mode = uni_env("UNI_GOLDEN");
	struct uni_buf want UNI_AUTO_BUF = UNI_BUF_INIT;
	struct uni_err err = UNI_ERR_INIT;

	if (mode != NULL && strcmp(mode, "update") == 0) {
		assert_int_equal(uni_file_write(full, text, strlen(text), 0644, &err), 0);
		return;
	}
	if (uni_file_read(full, 1 << 20, &want, &err) != 0)
		fail_msg("%s (UNI_GOLDEN=update writes it)", err.text);
	if (strcmp(uni_buf_text(&want), text) != 0)
		fail_msg("%s differs (UNI_GOLDEN=update rewrites it)\nwanted:\n%s\nfound:\n%s",
			 path, uni_buf_text(&want), text);
}

void unit_findings(const struct uni_diags *diags, struct uni_buf *out)
{
	for (size_t i = 0; i < diags->count; i++) {
		uni_diag_text(&diags->items[i], out);
		uni_buf_putc(out, '\n');
		if (diags->items[i].hint != NULL)
			uni_buf_printf(out, "  hint: %s\n", diags->items[i].hint);
	}
}

int main(void)
{
	return unit_toml() + unit_version() + unit_golden() + unit_model() + unit_schema() +
	       unit_lock();
}
