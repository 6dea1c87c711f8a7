/*
 * Writes to a live volume. What is written, and in which order it is flushed, is also told to
 * whoever asked for it: that log is how every moment of a crash is tried.
 */
#include <errno.h>
#include <fcntl.h>
#include <uni/base/file.h>
#include <unistd.h>

#include "live.h"

enum { ZEROS = 64 << 10 };

int live_write(const struct live_io *io, uint64_t at, const void *data, size_t size,
	       struct uni_err *err)
{
	if (io->log != NULL && io->log->write != NULL)
		io->log->write(io->log->user, at, data, size);
	if (uni_pace_take(io->pace, size, err) != 0)
		return err->code;
	return uni_pwrite_full(io->fd, data, size, at, io->name, err);
}

/* A hole where the file system knows holes. */
int live_zero(const struct live_io *io, uint64_t at, uint64_t size, struct uni_err *err)
{
	static const uint8_t zeros[ZEROS];
	bool holes =
		io->log == NULL && fallocate(io->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
					     (off_t)at, (off_t)size) == 0;

	for (uint64_t done = 0; !holes && done < size; done += ZEROS) {
		size_t part = size - done < ZEROS ? (size_t)(size - done) : ZEROS;
		int rc = live_write(io, at + done, zeros, part, err);

		if (rc != 0)
			return rc;
	}
	return 0;
}

int live_flush(const struct live_io *io, struct uni_err *err)
{
	if (io->log != NULL && io->log->flush != NULL)
		io->log->flush(io->log->user);
	if (fdatasync(io->fd) != 0 && errno != EINVAL)
		return uni_err_errno(err, "cannot flush %s", io->name);
	return 0;
}
