/*
 * One disk, read once for several readers: each gets a view of its own, a source like any other,
 * and all of them walk over the content together. A piece of the content is read when the first
 * wants it, and kept until the last has passed it; no more than a few megabytes are kept, so that a
 * reader which is ahead of the others waits for them.
 *
 * What is read out of order - behind a view's place, or so far ahead that there is no room to keep
 * it - is read for that view alone. So no order of reading stops the others, as long as each view
 * is read in a thread of its own, or freed.
 */
#ifndef UNI_DISK_SHARED_H
#define UNI_DISK_SHARED_H

#include <uni/disk/source.h>

struct uni_disk_shared;

/* `source` is borrowed, and read by one thread at a time. */
struct uni_disk_shared *uni_disk_shared_new(struct uni_disk_source *source);
/* All views are made before the first of them is read. Freeing one, in whatever state it is, takes
 * it out of the others' way. */
struct uni_disk_source *uni_disk_shared_view(struct uni_disk_shared *shared);
/* Its views are freed before. */
void uni_disk_shared_free(struct uni_disk_shared *shared);

#endif
