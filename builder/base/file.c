/*
 * Whole reads and writes, each with the name that an error has to say.
 */
#include "internal.h"
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <uni/base/file.h>
#include <unistd.h>

/* Above this some kernels cut a request; it also keeps ssize_t far from overflow. */
#define IO_MAX ((size_t)1 << 30)

/* The page cache makes pages as large as what one call writes. Small ones are at hand; for one of a
 * MiB a machine whose host takes free memory back has to wait for its host, up to ten times as
 * long as the copy takes. */
#define WRITE_MAX ((size_t)64 << 10)

#define BEHIND ((uint64_t)8 << 20)

static size_t piece_of(size_t left)
{
	return left < WRITE_MAX ? left : WRITE_MAX;
}

static size_t chunk_of(size_t left)
{
	return left < IO_MAX ? left : IO_MAX;
}

int uni_read_full(int fd, void *data, size_t size, const char *name, struct uni_err *err)
{
	for (size_t done = 0; done < size;) {
		ssize_t got = read(fd, (char *)data + done, chunk_of(size - done));
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return uni_err_errno(err, "cannot read %s", name);
		if (got == 0)
			return uni_err_set(err, UNI_E_CORRUPT, "%s ends too early", name);
		done += (size_t)got;
	}
	return 0;
}

int uni_pread_full(int fd, void *data, size_t size, uint64_t offset, const char *name,
		   struct uni_err *err)
{
	if (offset > INT64_MAX - (uint64_t)size)
		return uni_err_set(err, UNI_E_LIMIT, "%s: offset too large", name);
	for (size_t done = 0; done < size;) {
		ssize_t got = pread(fd, (char *)data + done, chunk_of(size - done),
				    (off_t)(offset + done));
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return uni_err_errno(err, "cannot read %s", name);
		if (got == 0)
			return uni_err_set(err, UNI_E_CORRUPT, "%s ends too early", name);
		done += (size_t)got;
	}
	return 0;
}

int uni_write_full(int fd, const void *data, size_t size, const char *name, struct uni_err *err)
{
	for (size_t done = 0; done < size;) {
		ssize_t put = write(fd, (const char *)data + done, piece_of(size - done));
		if (put < 0 && errno == EINTR)
			continue;
		if (put < 0)
			return uni_err_errno(err, "cannot write %s", name);
		done += (size_t)put;
	}
	return 0;
}

int uni_pwrite_full(int fd, const void *data, size_t size, uint64_t offset, const char *name,
		    struct uni_err *err)
{
	if (offset > INT64_MAX - (uint64_t)size)
		return uni_err_set(err, UNI_E_LIMIT, "%s: offset too large", name);
	for (size_t done = 0; done < size;) {
		ssize_t put = pwrite(fd, (const char *)data + done, piece_of(size - done),
				     (off_t)(offset + done));
		if (put < 0 && errno == EINTR)
			continue;
		if (put < 0)
			return uni_err_errno(err, "cannot write %s", name);
		done += (size_t)put;
	}
	return 0;
}

void uni_write_behind(int fd, uint64_t from, uint64_t to)
{
	uint64_t start = from / BEHIND * BEHIND;
	uint64_t end = to / BEHIND * BEHIND;

	if (end > start && end <= INT64_MAX)
		(void)sync_file_range(fd, (off_t)start, (off_t)(end - start),
				      SYNC_FILE_RANGE_WRITE);
}

/* O_NONBLOCK so that a FIFO or a device cannot hold us up before we know what it is. */
int uni_open_regular(const char *path, struct stat *st, int *fd, struct uni_err *err)
{
	int opened UNI_AUTO_CLOSE = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	if (opened < 0 || fstat(opened, st) != 0)
		return uni_err_errno(err, "cannot open %s", path);
	if (!S_ISREG(st->st_mode))
		return uni_err_set(err, UNI_E_INVAL, "%s is not a regular file", path);
	*fd = uni_take_fd(&opened);
	return 0;
}

int uni_file_read(const char *path, uint64_t limit, struct uni_buf *out, struct uni_err *err)
{
	struct stat st;
	int fd UNI_AUTO_CLOSE = -1;
	int rc = uni_open_regular(path, &st, &fd, err);
	if (rc != 0)
		return rc;
	uint64_t size = (uint64_t)st.st_size;
	if (size > limit)
		return uni_err_set(err, UNI_E_LIMIT,
				   "%s: %llu bytes are more than the %llu allowed", path,
				   (unsigned long long)size, (unsigned long long)limit);
	/* One byte more, to see whether the file ends where it said. */
	char *data UNI_AUTO_FREE = uni_try_alloc(size + 1, limit + 1, path, err);
	if (data == NULL)
		return err->code;
	size_t done = 0;
	while (done <= size) {
		ssize_t got = read(fd, data + done, chunk_of((size_t)size + 1 - done));
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return uni_err_errno(err, "cannot read %s", path);
		if (got == 0)
			break;
		done += (size_t)got;
	}
	if (done != size)
		return uni_err_set(err, UNI_E_CHANGED, "%s changed its size while it was read",
				   path);
	uni_buf_free(out);
	data[size] = '\0';
	*out = (struct uni_buf){ .data = data, .size = size, .room = size + 1 };
	data = NULL;
	return 0;
}

int uni_file_write(const char *path, const void *data, size_t size, unsigned mode,
		   struct uni_err *err)
{
	struct uni_outfile *out UNI_AUTO(uni_outfile) = NULL;
	int rc = uni_outfile_open(&out, path, mode, err);
	if (rc == 0)
		rc = uni_write_full(uni_outfile_fd(out), data, size, path, err);
	if (rc == 0)
		rc = uni_outfile_commit(out, true, err);
	return rc;
}

bool uni_file_exists(const char *path)
{
	return access(path, F_OK) == 0;
}

bool uni_all_zero(const void *data, size_t size)
{
	const unsigned char *bytes = data;
	size_t head = size < 16 ? size : 16;
	for (size_t i = 0; i < head; i++)
		if (bytes[i] != 0)
			return false;
	/* Sixteen zero bytes, and all others equal the one sixteen in front: all are zero. */
	return size <= 16 || memcmp(bytes, bytes + 16, size - 16) == 0;
}

/* The sum of squares over how often each value occurs (Pearson's chi-squared against even bytes, in
 * 256ths). It has a floor as well: more even than chance is a pattern. 256 times that sum must fit
 * into 64 bits, so that `size` is below 2^28. */
bool uni_is_noise(const void *data, size_t size)
{
	const uint64_t least = 100, most = size / 8;
	const unsigned char *bytes = data;
	uint32_t found[2][256] = { { 0 } };
	uint64_t squares = 0;
	uint64_t even = (uint64_t)size * size;

	for (size_t i = 0; i + 1 < size; i += 2) { /* by turns: no count waits for the last one */
		found[0][bytes[i]]++;
		found[1][bytes[i + 1]]++;
	}
	for (size_t i = 0; i < 256; i++) {
		uint64_t count = (uint64_t)found[0][i] + found[1][i];

		squares += count * count;
	}
	return squares * 256 > even + least * size && squares * 256 < even + most * size;
}
