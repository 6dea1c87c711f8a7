/*
 * Copies that cost as little as the file system allows: shared blocks first, a copy inside the
 * kernel second, read and write last. Holes stay holes in each.
 */
#include "internal.h"
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <uni/base/file.h>
#include <uni/base/system.h>
#include <unistd.h>

#define COPY_BUFFER (256u << 10)
#define COPY_STEP (64u << 20) /* between two looks at uni_cancelled */

int uni_data_next(int fd, uint64_t size, uint64_t *offset, uint64_t *length, struct uni_err *err)
{
	if (*offset >= size)
		return 0;
	off_t data = lseek(fd, (off_t)*offset, SEEK_DATA);
	if (data < 0 && errno == ENXIO)
		return 0;
	if (data < 0 && errno != EINVAL && errno != EOPNOTSUPP)
		return uni_err_errno(err, "cannot look for data");
	off_t hole = data >= 0 ? lseek(fd, data, SEEK_HOLE) : -1;
	if (data < 0)
		data = (off_t)*offset;
	if ((uint64_t)data >= size)
		return 0;
	uint64_t end = hole > data && (uint64_t)hole < size ? (uint64_t)hole : size;
	*offset = (uint64_t)data;
	*length = end - (uint64_t)data;
	return 1;
}

static int copy_by_buffer(int from, uint64_t from_offset, int to, uint64_t to_offset, uint64_t size,
			  struct uni_err *err)
{
	char *buffer UNI_AUTO_FREE = uni_try_alloc(COPY_BUFFER, COPY_BUFFER, "copy buffer", err);
	if (buffer == NULL)
		return err->code;
	for (uint64_t done = 0; done < size;) {
		size_t step = size - done < COPY_BUFFER ? (size_t)(size - done) : COPY_BUFFER;
		int rc = uni_check_cancel(err);
		if (rc == 0)
			rc = uni_pread_full(from, buffer, step, from_offset + done,
					    "what is copied", err);
		if (rc == 0)
			rc = uni_pwrite_full(to, buffer, step, to_offset + done, "the copy", err);
		if (rc != 0)
			return rc;
		done += step;
	}
	return 0;
}

/* How much the kernel copied by itself; it leaves the rest, with any error, to the buffer. */
static uint64_t copy_in_kernel(int from, uint64_t from_offset, int to, uint64_t to_offset,
			       uint64_t size)
{
	uint64_t done = 0;
	while (done < size && !uni_cancelled) {
		off_t in = (off_t)(from_offset + done);
		off_t out = (off_t)(to_offset + done);
		size_t step = size - done < COPY_STEP ? (size_t)(size - done) : COPY_STEP;
		ssize_t got = copy_file_range(from, &in, to, &out, step, 0);
		if (got <= 0)
			break;
		done += (uint64_t)got;
	}
	return done;
}

static bool share_blocks(int from, uint64_t from_offset, int to, uint64_t to_offset, uint64_t size)
{
	struct file_clone_range range = {
		.src_fd = from,
		.src_offset = from_offset,
		.src_length = size,
		.dest_offset = to_offset,
	};
	return ioctl(to, FICLONERANGE, &range) == 0;
}

/* A hole at the end must count in the size of the copy. */
static int reach_size(int to, uint64_t size, struct uni_err *err)
{
	struct stat st;
	if (fstat(to, &st) != 0)
		return uni_err_errno(err, "cannot look at the copy");
	if (S_ISREG(st.st_mode) && (uint64_t)st.st_size < size && ftruncate(to, (off_t)size) != 0)
		return uni_err_errno(err, "cannot extend the copy");
	return 0;
}

int uni_copy_range(int from, uint64_t from_offset, int to, uint64_t to_offset, uint64_t size,
		   struct uni_err *err)
{
	if (size > INT64_MAX || from_offset > INT64_MAX - size || to_offset > INT64_MAX - size)
		return uni_err_set(err, UNI_E_LIMIT, "a copy reaches behind every file's end");
	/* Length 0 would mean "to the end" to the kernel. */
	if (size == 0 || share_blocks(from, from_offset, to, to_offset, size))
		return 0;
	uint64_t end = from_offset + size;
	uint64_t at = from_offset;
	uint64_t length;
	int found;
	while ((found = uni_data_next(from, end, &at, &length, err)) == 1) {
		uint64_t target = to_offset + (at - from_offset);
		uint64_t done = copy_in_kernel(from, at, to, target, length);
		int rc = copy_by_buffer(from, at + done, to, target + done, length - done, err);
		if (rc != 0)
			return rc;
		at += length;
	}
	return found != 0 ? found : reach_size(to, to_offset + size, err);
}

int uni_file_copy(const char *from, const char *path, unsigned mode, struct uni_err *err)
{
	struct stat st;
	int fd UNI_AUTO_CLOSE = -1;
	int rc = uni_open_regular(from, &st, &fd, err);
	if (rc != 0)
		return rc;
	struct uni_outfile *out UNI_AUTO(uni_outfile) = NULL;
	rc = uni_outfile_open(&out, path, mode, err);
	if (rc != 0)
		return rc;
	if (ioctl(uni_outfile_fd(out), FICLONE, fd) != 0)
		rc = uni_copy_range(fd, 0, uni_outfile_fd(out), 0, (uint64_t)st.st_size, err);
	if (rc == 0)
		rc = uni_outfile_commit(out, true, err);
	return rc != 0 ? uni_err_context(err, "copy %s to %s", from, path) : 0;
}
