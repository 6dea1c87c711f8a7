/*
 * A gzip file (RFC 1952) of several members, each of 256 KiB of what comes, compressed side by
 * side. The bytes depend on the library's version alone, not on the number of threads.
 */
#ifndef UNI_BUNDLE_GZIP_INTERNAL_H
#define UNI_BUNDLE_GZIP_INTERNAL_H

#include <stddef.h>
#include <stdint.h>
#include <uni/base/mem.h>

struct gzip;
/* Writes to `fd` from its start, which is borrowed. */
int gzip_new(struct gzip **gzip, int fd, unsigned threads, struct uni_err *err);
int gzip_add(struct gzip *gzip, const void *data, size_t size, struct uni_err *err);
int gzip_finish(struct gzip *gzip, uint64_t *written, struct uni_err *err);
void gzip_free(struct gzip *gzip);
UNI_AUTO_DEFINE(gzip)

#endif
