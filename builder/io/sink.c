/*
 * The frame of all sinks, and those at the bottom: descriptor, output file, buffer, nothing.
 */
#include "frame.h"
#include <string.h>
#include <uni/base/file.h>
#include <uni/io/sink.h>

#define GATHER (64u << 10)

void *uni_sink_new(size_t size, const struct uni_sink_ops *ops, struct uni_sink *next)
{
	struct uni_sink *sink = uni_alloc(size);
	sink->ops = ops;
	sink->next = next;
	return sink;
}

int uni_frame_fail(struct uni_err **failure, int code, const struct uni_err *err)
{
	if (code != 0 && *failure == NULL)
		*failure = uni_memdup(err, sizeof(*err));
	return code;
}

static int again(const struct uni_err *failure, struct uni_err *err)
{
	*err = *failure;
	return err->code;
}

int uni_sink_write(struct uni_sink *sink, const void *data, size_t size, struct uni_err *err)
{
	if (sink->failure != NULL)
		return again(sink->failure, err);
	if (size == 0)
		return 0;
	sink->written += size;
	return uni_frame_fail(&sink->failure, sink->ops->write(sink, data, size, err), err);
}

int uni_sink_zeros(struct uni_sink *sink, uint64_t size, struct uni_err *err)
{
	static const uint8_t zeros[4096];
	int rc = 0;
	while (rc == 0 && size > 0) {
		size_t step = size < sizeof(zeros) ? (size_t)size : sizeof(zeros);
		rc = uni_sink_write(sink, zeros, step, err);
		size -= step;
	}
	return rc;
}

int uni_sink_finish(struct uni_sink *sink, struct uni_err *err)
{
	int rc = 0;
	for (; sink != NULL && rc == 0; sink = sink->next) {
		if (sink->failure != NULL)
			return again(sink->failure, err);
		if (!sink->finished && sink->ops->finish != NULL)
			rc = sink->ops->finish(sink, err);
		sink->finished = true;
		uni_frame_fail(&sink->failure, rc, err);
	}
	return rc;
}

void uni_sink_free(struct uni_sink *sink)
{
	while (sink != NULL) {
		struct uni_sink *next = sink->next;
		free(sink->failure);
		if (sink->ops->free != NULL)
			sink->ops->free(sink);
		else
			free(sink);
		sink = next;
	}
}

uint64_t uni_sink_written(const struct uni_sink *sink)
{
	return sink->written;
}

/* -- descriptors and output files -- */

struct fd_sink {
	struct uni_sink base;
	int fd;
	char *name;
	struct uni_outfile *out; /* NULL: a borrowed descriptor */
	bool sync;
	size_t filled;
	char gathered[GATHER];
};

static int fd_flush(struct fd_sink *sink, struct uni_err *err)
{
	size_t size = sink->filled;
	sink->filled = 0;
	return uni_write_full(sink->fd, sink->gathered, size, sink->name, err);
}

static int fd_write(struct uni_sink *base, const void *data, size_t size, struct uni_err *err)
{
	struct fd_sink *sink = (struct fd_sink *)base;
	int rc = 0;
	if (size > GATHER - sink->filled)
		rc = fd_flush(sink, err);
	if (rc == 0 && size >= GATHER)
		return uni_write_full(sink->fd, data, size, sink->name, err);
	if (rc == 0) {
		memcpy(sink->gathered + sink->filled, data, size);
		sink->filled += size;
	}
	return rc;
}

static int fd_finish(struct uni_sink *base, struct uni_err *err)
{
	struct fd_sink *sink = (struct fd_sink *)base;
	int rc = fd_flush(sink, err);
	if (rc == 0 && sink->out != NULL)
		rc = uni_outfile_commit(sink->out, sink->sync, err);
	return rc;
}

static void fd_free(struct uni_sink *base)
{
	struct fd_sink *sink = (struct fd_sink *)base;
	uni_outfile_free(sink->out);
	free(sink->name);
	free(sink);
}

static const struct uni_sink_ops fd_ops = {
	.write = fd_write,
	.finish = fd_finish,
	.free = fd_free,
};

struct uni_sink *uni_sink_to_fd(int fd, const char *name)
{
	struct fd_sink *sink = uni_sink_new(sizeof(*sink), &fd_ops, NULL);
	sink->fd = fd;
	sink->name = uni_strdup(name);
	return &sink->base;
}

int uni_sink_to_file(struct uni_sink **result, const char *path, unsigned mode, bool sync,
		     struct uni_err *err)
{
	struct uni_outfile *out = NULL;
	int rc = uni_outfile_open(&out, path, mode, err);
	if (rc != 0)
		return rc;
	struct uni_sink *base = uni_sink_to_fd(uni_outfile_fd(out), path);
	struct fd_sink *sink = (struct fd_sink *)base;
	sink->out = out;
	sink->sync = sync;
	*result = base;
	return 0;
}

/* -- places in a file -- */

struct place_sink {
	struct uni_sink base;
	int fd;
	uint64_t at;
	char *name;
};

static int place_write(struct uni_sink *base, const void *data, size_t size, struct uni_err *err)
{
	struct place_sink *sink = (struct place_sink *)base;
	int rc = uni_all_zero(data, size)
			 ? 0
			 : uni_pwrite_full(sink->fd, data, size, sink->at, sink->name, err);
	sink->at += size;
	return rc;
}

static void place_free(struct uni_sink *base)
{
	struct place_sink *sink = (struct place_sink *)base;
	free(sink->name);
	free(sink);
}

struct uni_sink *uni_sink_to_place(int fd, uint64_t offset, const char *name)
{
	static const struct uni_sink_ops ops = { .write = place_write, .free = place_free };
	struct place_sink *sink = uni_sink_new(sizeof(*sink), &ops, NULL);
	sink->fd = fd;
	sink->at = offset;
	sink->name = uni_strdup(name);
	return &sink->base;
}

/* -- memory -- */

struct buf_sink {
	struct uni_sink base;
	struct uni_buf *buf;
	size_t limit;
};

static int buf_write(struct uni_sink *base, const void *data, size_t size, struct uni_err *err)
{
	struct buf_sink *sink = (struct buf_sink *)base;
	if (sink->buf->size > sink->limit || size > sink->limit - sink->buf->size)
		return uni_err_set(err, UNI_E_LIMIT, "more than the %zu bytes allowed in memory",
				   sink->limit);
	uni_buf_add(sink->buf, data, size);
	return 0;
}

static const struct uni_sink_ops buf_ops = { .write = buf_write };

struct uni_sink *uni_sink_to_buf(struct uni_buf *buf, size_t limit)
{
	struct buf_sink *sink = uni_sink_new(sizeof(*sink), &buf_ops, NULL);
	sink->buf = buf;
	sink->limit = limit;
	return &sink->base;
}

static int drop(struct uni_sink *sink, const void *data, size_t size, struct uni_err *err)
{
	(void)sink;
	(void)data;
	(void)size;
	(void)err;
	return 0;
}

static const struct uni_sink_ops nothing_ops = { .write = drop };

struct uni_sink *uni_sink_to_nothing(void)
{
	return uni_sink_new(sizeof(struct uni_sink), &nothing_ops, NULL);
}
