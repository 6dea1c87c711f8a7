/*
 * Runs the units of the tree module, a file of them after the other.
 */
#include "unit.h"
#include <string.h>
#include <uni/base/path.h>

static int list(void *user, const struct uni_tree_entry *entry, struct uni_err *err)
{
	(void)err;
	static const char types[] = "fdlh";
	const struct uni_entry *meta = &entry->meta;
	uni_buf_printf(user, "%c %04o %llu %s%s%s\n", types[meta->type], meta->mode,
		       (unsigned long long)meta->size, meta->path,
		       meta->target != NULL ? " -> " : "",
		       meta->target != NULL ? meta->target : "");
	return 0;
}

char *unit_listing(const struct uni_tree *tree)
{
	struct uni_err err = UNI_ERR_INIT;
	struct uni_buf out UNI_AUTO_BUF = UNI_BUF_INIT;
	unit_ok(uni_tree_each(tree, list, &out, &err), &err);
	return uni_buf_take(&out);
}

void unit_ok(int rc, const struct uni_err *err)
{
	if (rc != 0)
		fail_msg("%d: %s", rc, err->text);
}

void unit_write(void **state, const char *name, const char *text, unsigned mode)
{
	struct uni_err err = UNI_ERR_INIT;
	const char *path = unit_path(state, name);
	char *dir UNI_AUTO_FREE = uni_path_dir(path);
	unit_ok(uni_dir_make(dir, 0755, &err), &err);
	/* Not by uni_file_write: thousands of flushes would take long. */
	struct uni_sink *sink UNI_AUTO(uni_sink) = NULL;
	unit_ok(uni_sink_to_file(&sink, path, mode, false, &err), &err);
	unit_ok(uni_sink_write(sink, text, strlen(text), &err), &err);
	unit_ok(uni_sink_finish(sink, &err), &err);
}

int main(void)
{
	return unit_tree() + unit_content() + unit_statcache();
}
