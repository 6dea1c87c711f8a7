/*
 * Reading what any usual program has compressed.
 */
#ifndef UNI_SOURCE_UNPACK_H
#define UNI_SOURCE_UNPACK_H

#include <uni/io/source.h>

/* The bytes in `fd` (borrowed) as they were before they were compressed, if they were. */
int uni_archive_source(struct uni_source **source, int fd, const char *name, struct uni_err *err);

#endif
