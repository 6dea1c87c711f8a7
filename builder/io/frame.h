/*
 * Shared by the kinds of sinks and sources of this module.
 */
#ifndef UNI_IO_FRAME_H
#define UNI_IO_FRAME_H

#include <uni/io/source.h>

/* A zeroed object of `size` bytes that starts with a struct uni_sink, on top of *sink (NULL: at the
 * bottom). */
void *uni_sink_new(size_t size, const struct uni_sink_ops *ops, struct uni_sink *next);
void *uni_source_new(size_t size, const struct uni_source_ops *ops, struct uni_source *next);

/* Remembers a failure, once; returns `code`. */
int uni_frame_fail(struct uni_err **failure, int code, const struct uni_err *err);

#endif
