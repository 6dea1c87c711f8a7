/* Volumes and archives: every path below the root, every file, every link; bounded. */
#include <string.h>
#include <uni/base/path.h>
#include <uni/fs/read.h>

#include "memory.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { VISITS_MAX = 200, BYTES_MAX = 4 << 20, DEPTH_MAX = 6 };

struct visit {
	struct uni_fs_reader *reader;
	const char *dir;
	unsigned depth;
	unsigned *left;
};

static int count_bytes(void *user, const void *data, size_t size, struct uni_err *err)
{
	uint64_t *bytes = user;

	(void)data;
	*bytes += size;
	return *bytes > BYTES_MAX ? uni_err_set(err, UNI_E_LIMIT, "enough") : 0;
}

static int visit_one(void *user, const char *name, const struct uni_fs_stat *stat,
		     struct uni_err *err)
{
	struct visit *v = user;
	struct uni_buf target = UNI_BUF_INIT;
	char *path = uni_path_join(v->dir, name);
	uint64_t bytes = 0;
	int rc = 0;

	if ((*v->left)-- == 0) {
		*v->left = 0;
		rc = uni_err_set(err, UNI_E_LIMIT, "enough");
	} else if (stat->type == UNI_FS_TYPE_FOLDER && v->depth < DEPTH_MAX) {
		struct visit below = *v;

		below.dir = path;
		below.depth++;
		(void)uni_fs_list(v->reader, path, visit_one, &below, err);
	} else if (stat->type == UNI_FS_TYPE_LINK) {
		(void)uni_fs_readlink(v->reader, path, &target, err);
		(void)uni_fs_read(v->reader, path, count_bytes, &bytes, err);
	} else {
		(void)uni_fs_read(v->reader, path, count_bytes, &bytes, err);
	}
	uni_buf_free(&target);
	free(path);
	return rc;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct uni_err err = UNI_ERR_INIT;
	struct uni_fs_reader *reader = NULL;
	unsigned left = VISITS_MAX;
	struct visit v = { .dir = "/", .left = &left };

	if (uni_fs_open(&reader, fuzz_file(data, size), 0, size, "fuzz", &err) != 0)
		return 0;
	v.reader = reader;
	(void)uni_fs_list(reader, "/", visit_one, &v, &err);
	uni_fs_reader_free(reader);
	return 0;
}
