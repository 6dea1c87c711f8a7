/*
 * Volumes that a machine writes to: a test has copies of its own, and they are read when the
 * machine has ended.
 */
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include <uni/base/file.h>
#include <uni/base/path.h>
#include <uni/fs/read.h>

#include "run.h"

#define FILE_MAX (256u << 20)

int test_volumes_copy(struct test_run *run, struct uni_err *err)
{
	const char *const *volumes = run->of->image->volumes;

	for (size_t i = 0; volumes != NULL && volumes[i] != NULL; i++) {
		char *path = uni_path_join(run->dir, uni_path_base(volumes[i]));
		int rc = uni_file_copy(volumes[i], path, 0600, err);

		uni_strv_take(&run->disks, path);
		if (rc != 0)
			return rc;
	}
	return 0;
}

/* IMAGE.VOLUME.raw */
static const char *find_disk(const struct test_run *run, const char *volume)
{
	UNI_AUTO_FREE char *ending = uni_asprintf(".%s.raw", volume);

	for (size_t i = 0; i < run->disks.count; i++)
		if (uni_str_ends(run->disks.items[i], ending))
			return run->disks.items[i];
	return NULL;
}

static int take_piece(void *user, const void *data, size_t size, struct uni_err *err)
{
	struct uni_buf *content = user;

	if (size > FILE_MAX - content->size)
		return uni_err_set(err, UNI_E_LIMIT, "the file is over the limits of this test");
	uni_buf_add(content, data, size);
	return 0;
}

/* 1: it is there, 0: it is not. */
static int read_file(const char *disk, const char *path, struct uni_buf *content,
		     struct uni_err *err)
{
	UNI_AUTO(uni_fs_reader) struct uni_fs_reader *reader = NULL;
	UNI_AUTO_CLOSE int fd = open(disk, O_RDONLY | O_CLOEXEC);
	off_t size = fd < 0 ? -1 : lseek(fd, 0, SEEK_END);
	int rc;

	if (size < 0)
		return uni_err_errno(err, "%s", disk);
	if (uni_fs_open(&reader, fd, 0, (uint64_t)size, uni_path_base(disk), err) != 0)
		return err->code;
	rc = uni_fs_read(reader, path, take_piece, content, err);
	if (rc == UNI_E_NOENT) {
		uni_err_clear(err);
		return 0;
	}
	return rc != 0 ? rc : 1;
}

static int expect_file(const struct test_run *run, const struct uni_recipe_expected_file *file,
		       struct uni_err *err)
{
	UNI_AUTO_BUF struct uni_buf content = UNI_BUF_INIT, expected = UNI_BUF_INIT;
	UNI_AUTO_BUF struct uni_buf came = UNI_BUF_INIT;
	UNI_AUTO_FREE char *what = uni_asprintf("file %s of volume %s", file->path, file->volume);
	const char *disk = find_disk(run, file->volume);
	int there;

	if (disk == NULL)
		return uni_err_set(err, UNI_E_NOENT, "volume \"%s\" is no disk of its own",
				   file->volume);
	there = read_file(disk, file->path, &content, err);
	if (there < 0)
		return uni_err_context(err, "%s", what);
	test_show(content.data, content.size, &came);
	if (file->absent)
		return there == 0 ? 0
				  : test_fail(run, what, "there is no such file",
					      uni_buf_text(&came), err);
	test_match_describe(&file->expect, &expected);
	if (there == 0)
		return test_fail(run, what, expected.data, "there is no such file", err);
	if (test_match(&file->expect, content.data, content.size))
		return 0;
	return test_fail(run, what, expected.data, uni_buf_text(&came), err);
}

int test_volumes(const struct test_run *run, struct uni_err *err)
{
	const struct uni_recipe_test *test = run->of->test;

	for (size_t i = 0; i < test->file_count; i++)
		if (expect_file(run, &test->files[i], err) != 0)
			return err->code;
	return 0;
}
