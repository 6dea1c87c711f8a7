/*
 * The frame of all sources, those at the bottom, and those that pass bytes on unchanged.
 */
#include "frame.h"
#include <errno.h>
#include <string.h>
#include <uni/base/system.h>
#include <uni/io/source.h>
#include <unistd.h>

#define STEP (128u << 10)

void *uni_source_new(size_t size, const struct uni_source_ops *ops, struct uni_source *next)
{
	struct uni_source *source = uni_alloc(size);
	source->ops = ops;
	source->next = next;
	return source;
}

int uni_source_read(struct uni_source *source, void *data, size_t size, size_t *got,
		    struct uni_err *err)
{
	*got = 0;
	if (source->failure != NULL) {
		*err = *source->failure;
		return err->code;
	}
	if (size == 0)
		return 0;
	int rc = source->ops->read(source, data, size, got, err);
	source->given += *got;
	return uni_frame_fail(&source->failure, rc, err);
}

int uni_source_read_full(struct uni_source *source, void *data, size_t size, struct uni_err *err)
{
	for (size_t done = 0; done < size;) {
		size_t got;
		int rc = uni_source_read(source, (char *)data + done, size - done, &got, err);
		if (rc != 0)
			return rc;
		if (got == 0)
			return uni_err_set(err, UNI_E_CORRUPT, "ends too early");
		done += got;
	}
	return 0;
}

int uni_source_skip(struct uni_source *source, uint64_t size, struct uni_err *err)
{
	char buffer[16384];
	int rc = 0;
	while (rc == 0 && size > 0) {
		size_t step = size < sizeof(buffer) ? (size_t)size : sizeof(buffer);
		rc = uni_source_read_full(source, buffer, step, err);
		size -= step;
	}
	return rc;
}

void uni_source_free(struct uni_source *source)
{
	while (source != NULL) {
		struct uni_source *next = source->next;
		free(source->failure);
		if (source->ops->free != NULL)
			source->ops->free(source);
		else
			free(source);
		source = next;
	}
}

uint64_t uni_source_given(const struct uni_source *source)
{
	return source->given;
}

struct fd_source {
	struct uni_source base;
	int fd;
	char *name;
};

static int fd_read(struct uni_source *base, void *data, size_t size, size_t *got,
		   struct uni_err *err)
{
	const struct fd_source *source = (const struct fd_source *)base;
	ssize_t count;
	do {
		int rc = uni_check_cancel(err);
		if (rc != 0)
			return rc;
		count = read(source->fd, data, size < INT32_MAX ? size : INT32_MAX);
	} while (count < 0 && errno == EINTR);
	if (count < 0)
		return uni_err_errno(err, "cannot read %s", source->name);
	*got = (size_t)count;
	return 0;
}

static void fd_free(struct uni_source *base)
{
	struct fd_source *source = (struct fd_source *)base;
	free(source->name);
	free(source);
}

static const struct uni_source_ops fd_ops = { .read = fd_read, .free = fd_free };

struct uni_source *uni_source_from_fd(int fd, const char *name)
{
	struct fd_source *source = uni_source_new(sizeof(*source), &fd_ops, NULL);
	source->fd = fd;
	source->name = uni_strdup(name);
	return &source->base;
}

struct limit_source {
	struct uni_source base;
	uint64_t limit;
	char *what;
};

static int limit_read(struct uni_source *base, void *data, size_t size, size_t *got,
		      struct uni_err *err)
{
	const struct limit_source *source = (const struct limit_source *)base;
	int rc = uni_source_read(base->next, data, size, got, err);
	if (rc == 0 && *got > source->limit - base->given) {
		*got = 0;
		rc = uni_err_set(err, UNI_E_LIMIT, "%s: more than the %llu bytes allowed",
				 source->what, (unsigned long long)source->limit);
	}
	return rc;
}

static void limit_free(struct uni_source *base)
{
	struct limit_source *source = (struct limit_source *)base;
	free(source->what);
	free(source);
}

static const struct uni_source_ops limit_ops = { .read = limit_read, .free = limit_free };

void uni_source_push_limit(struct uni_source **top, uint64_t limit, const char *what)
{
	struct limit_source *source = uni_source_new(sizeof(*source), &limit_ops, *top);
	source->limit = limit;
	source->what = uni_strdup(what);
	*top = &source->base;
}

struct digest_source {
	struct uni_source base;
	struct uni_hash hash;
	struct uni_digest *digest;
};

static int digest_read(struct uni_source *base, void *data, size_t size, size_t *got,
		       struct uni_err *err)
{
	struct digest_source *source = (struct digest_source *)base;
	int rc = uni_source_read(base->next, data, size, got, err);
	if (rc == 0 && *got != 0) {
		uni_hash_add(&source->hash, data, *got);
	} else if (rc == 0) {
		struct uni_hash end = source->hash; /* the end may be read again */
		*source->digest = uni_hash_end(&end);
	}
	return rc;
}

static const struct uni_source_ops digest_ops = { .read = digest_read };

void uni_source_push_digest(struct uni_source **top, struct uni_digest *digest)
{
	struct digest_source *source = uni_source_new(sizeof(*source), &digest_ops, *top);
	uni_hash_start(&source->hash);
	source->digest = digest;
	*top = &source->base;
}

int uni_io_pump(struct uni_source *source, struct uni_sink *sink, struct uni_err *err)
{
	void *buffer UNI_AUTO_FREE = uni_alloc(STEP);
	for (;;) {
		size_t got;
		int rc = uni_source_read(source, buffer, STEP, &got, err);
		if (rc != 0 || got == 0)
			return rc;
		rc = uni_sink_write(sink, buffer, got, err);
		if (rc != 0)
			return rc;
	}
}
