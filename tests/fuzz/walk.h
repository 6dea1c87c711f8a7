/* Volumes and archives: every path below the root, every file, every link; bounded. */
#ifndef UNI_FUZZ_WALK_H
#define UNI_FUZZ_WALK_H

#include <string.h>
#include <uni/base/path.h>
#include <uni/fs/read.h>

enum { FUZZ_VISITS_MAX = 200, FUZZ_BYTES_MAX = 4 << 20, FUZZ_DEPTH_MAX = 6 };

struct fuzz_visit {
	struct uni_fs_reader *reader;
	const char *dir;
	unsigned depth;
	unsigned *left;
};

static inline int fuzz_count(void *user, const void *data, size_t size, struct uni_err *err)
{
	uint64_t *bytes = user;

	(void)data;
	*bytes += size;
	return *bytes > FUZZ_BYTES_MAX ? uni_err_set(err, UNI_E_LIMIT, "enough") : 0;
}

static inline int fuzz_visit_one(void *user, const char *name, const struct uni_fs_stat *stat,
				 struct uni_err *err)
{
	struct fuzz_visit *v = user;
	struct uni_buf target = UNI_BUF_INIT;
	char *path = uni_path_join(v->dir, name);
	uint64_t bytes = 0;
	int rc = 0;

	if ((*v->left)-- == 0) {
		*v->left = 0;
		rc = uni_err_set(err, UNI_E_LIMIT, "enough");
	} else if (stat->type == UNI_FS_TYPE_FOLDER && v->depth < FUZZ_DEPTH_MAX) {
		struct fuzz_visit below = *v;

		below.dir = path;
		below.depth++;
		(void)uni_fs_list(v->reader, path, fuzz_visit_one, &below, err);
	} else if (stat->type == UNI_FS_TYPE_LINK) {
		(void)uni_fs_readlink(v->reader, path, &target, err);
		(void)uni_fs_read(v->reader, path, fuzz_count, &bytes, err);
	} else {
		(void)uni_fs_read(v->reader, path, fuzz_count, &bytes, err);
	}
	uni_buf_free(&target);
	free(path);
	return rc;
}

static inline void fuzz_walk(int fd, uint64_t size)
{
	struct uni_err err = UNI_ERR_INIT;
	struct uni_fs_reader *reader = NULL;
	unsigned left = FUZZ_VISITS_MAX;
	struct fuzz_visit v = { .dir = "/", .left = &left };

	if (uni_fs_open(&reader, fd, 0, size, "fuzz", &err) != 0)
		return;
	v.reader = reader;
	(void)uni_fs_list(reader, "/", fuzz_visit_one, &v, &err);
	uni_fs_reader_free(reader);
}

#endif
