/* Internal: blocks of squashfs unpacked by the libraries of their formats, loaded on first use. */
#ifndef UNI_FS_UNPACK_INTERNAL_H
#define UNI_FS_UNPACK_INTERNAL_H

#include <stddef.h>
#include <stdint.h>
#include <uni/base/err.h>

/* Unpacks `size` bytes to at most `room`; `*got` is how many. UNI_E_CORRUPT when it is no such
 * data or larger than `room`. */
typedef int unpack_fn(const void *data, size_t size, void *out, size_t room, size_t *got,
		      struct uni_err *err);

struct unpack_codec {
	const char *name;
	unpack_fn *unpack;
};

/* By squashfs's number of the compression; NULL for those that we do not unpack. */
const struct unpack_codec *unpack_find(uint16_t id);

#endif
