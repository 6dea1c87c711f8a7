/*
 * Sources give bytes, and stack as sinks do: a filter is pushed onto a source, owns it from then
 * on, and gives what it makes of the bytes. A failure sticks: all later reads report it again. What
 * is owned goes with uni_source_free of the topmost; one source belongs to one thread at a time.
 */
#ifndef UNI_IO_SOURCE_H
#define UNI_IO_SOURCE_H

#include <uni/io/sink.h>

struct uni_source;

struct uni_source_ops {
	/* Gives 1 to `size` bytes, or sets *got to 0 at the end. */
	int (*read)(struct uni_source *source, void *data, size_t size, size_t *got,
		    struct uni_err *err);
	void (*free)(struct uni_source *source); /* of all but `next`; NULL: free(3) */
};

/* First member of every kind of source. */
struct uni_source {
	const struct uni_source_ops *ops;
	struct uni_source *next; /* owned; NULL at the bottom */
	uint64_t given;		 /* bytes */
	struct uni_err *failure;
};

/* 1 to `size` bytes into `data`, *got of them; *got is 0 at the end alone. */
int uni_source_read(struct uni_source *source, void *data, size_t size, size_t *got,
		    struct uni_err *err);
/* All of `size` bytes; UNI_E_CORRUPT when there are fewer. */
int uni_source_read_full(struct uni_source *source, void *data, size_t size, struct uni_err *err);
/* Reads that many bytes and drops them; UNI_E_CORRUPT when there are fewer. */
int uni_source_skip(struct uni_source *source, uint64_t size, struct uni_err *err);
void uni_source_free(struct uni_source *source); /* with all below */
UNI_AUTO_DEFINE(uni_source)
/* Bytes that were read from it so far. */
uint64_t uni_source_given(const struct uni_source *source);

/* From the descriptor's position; `fd` is borrowed, `name` is copied. */
struct uni_source *uni_source_from_fd(int fd, const char *name);

/* UNI_E_LIMIT, naming `what` (copied), when more than `limit` bytes come. */
void uni_source_push_limit(struct uni_source **source, uint64_t limit, const char *what);
/* SHA-256 of what passes, kept in *digest, valid once the end was read. */
void uni_source_push_digest(struct uni_source **source, struct uni_digest *digest);
/* Frames of zstd, one behind the other, to at most `limit` bytes in all; windows up to 128 MiB.
 * UNI_E_CORRUPT when the input is none or ends too early. `name` is copied. */
int uni_source_push_zstd(struct uni_source **source, uint64_t limit, const char *name,
			 struct uni_err *err);

/* Moves all that is left of `source` into `sink`, which is not finished. */
int uni_io_pump(struct uni_source *source, struct uni_sink *sink, struct uni_err *err);

/* One frame of memory at once: exactly `out_size` bytes, else UNI_E_CORRUPT. */
int uni_zstd_decompress(const void *data, size_t size, void *out, size_t out_size,
			struct uni_err *err);

#endif
