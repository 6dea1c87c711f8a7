/*
 * Reading what any usual program has compressed.
 */
#ifndef UNI_SOURCE_UNPACK_H
#define UNI_SOURCE_UNPACK_H

#include <uni/io/source.h>

/*
 * The bytes in `fd` (borrowed, read from its position) as they were before they were compressed, if
 * they were: by whatever libarchive knows. `*source` is the caller's to free, before `fd` is
 * closed; `name` is the file in messages. UNI_E_MISSING_TOOL without libarchive; what is damaged is
 * UNI_E_CORRUPT, here or when it is read.
 */
int uni_archive_source(struct uni_source **source, int fd, const char *name, struct uni_err *err);

/* How many bytes of files an archive that is `packed` bytes long may hold: more is no archive that
 * somebody made for its content. */
uint64_t uni_archive_most(uint64_t packed);

#endif
