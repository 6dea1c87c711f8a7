/*
 * Sinks take bytes, and stack: a filter is pushed onto a sink and passes on what it made of the
 * bytes. A failure sticks: all later calls report it again. Nothing is published before finish: a
 * sink that is freed before leaves no file.
 *
 *	struct uni_sink *sink UNI_AUTO(uni_sink) = NULL;
 *	rc = uni_sink_to_file(&sink, path, 0644, true, err);
 *	uni_sink_push_digest(&sink, &digest);
 *	...uni_sink_write(sink, ...)...
 *	rc = uni_sink_finish(sink, err);
 *
 * One sink belongs to one thread at a time.
 */
#ifndef UNI_IO_SINK_H
#define UNI_IO_SINK_H

#include <stdint.h>
#include <uni/base/digest.h>
#include <uni/base/event.h>
#include <uni/base/text.h>

struct uni_sink;

/* Called in order: write any number of times, finish at most once, free once. `next` is finished
 * and freed by the frame, not here. */
struct uni_sink_ops {
	int (*write)(struct uni_sink *sink, const void *data, size_t size, struct uni_err *err);
	int (*finish)(struct uni_sink *sink, struct uni_err *err); /* may be NULL */
	void (*free)(struct uni_sink *sink); /* of all but `next`; NULL: free(3) */
};

/* First member of every kind of sink. */
struct uni_sink {
	const struct uni_sink_ops *ops;
	struct uni_sink *next; /* owned; NULL at the bottom */
	uint64_t written;      /* bytes that it was given */
	struct uni_err *failure;
	bool finished;
};

int uni_sink_write(struct uni_sink *sink, const void *data, size_t size, struct uni_err *err);
int uni_sink_zeros(struct uni_sink *sink, uint64_t size, struct uni_err *err);
/* Ends the stream, from the top to the bottom; outputs get their names. */
int uni_sink_finish(struct uni_sink *sink, struct uni_err *err);
void uni_sink_free(struct uni_sink *sink); /* with all below */
UNI_AUTO_DEFINE(uni_sink)
uint64_t uni_sink_written(const struct uni_sink *sink);

/* --- at the bottom --- */

/* `fd` is borrowed, `name` (for errors) is copied. Small writes are gathered. */
struct uni_sink *uni_sink_to_fd(int fd, const char *name);
/* From an offset of a file that reads as zeros there: what is zeros stays a hole. Nothing is
 * gathered. */
struct uni_sink *uni_sink_to_place(int fd, uint64_t offset, const char *name);
/* An output file, named at finish (uni_outfile). */
int uni_sink_to_file(struct uni_sink **sink, const char *path, unsigned mode, bool sync,
		     struct uni_err *err);
/* Appends; UNI_E_LIMIT when `buf` would grow beyond `limit` bytes. `buf` is borrowed. */
struct uni_sink *uni_sink_to_buf(struct uni_buf *buf, size_t limit);
/* Takes and forgets, for a digest or a count alone. */
struct uni_sink *uni_sink_to_nothing(void);

/* --- filters: *sink becomes the new top; when one fails *sink stays as it was --- */

/* SHA-256 of what passes, stored in *digest at finish. */
void uni_sink_push_digest(struct uni_sink **sink, struct uni_digest *digest);

#define UNI_SIZE_UNKNOWN UINT64_MAX
/* One zstd frame (RFC 8878), single-threaded, without checksum; its header tells the content's size
 * when `size` is known. The same bytes for the same library version, level and size. */
int uni_sink_push_zstd(struct uni_sink **sink, int level, uint64_t size, struct uni_err *err);

/* One frame of memory at once; `room` is at least uni_zstd_bound(size). */
int uni_zstd_compress(const void *data, size_t size, int level, void *out, size_t room,
		      size_t *out_size, struct uni_err *err);
size_t uni_zstd_bound(size_t size);

#endif
