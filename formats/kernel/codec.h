/* Internal: LZ4 blocks by liblz4, loaded on first use. */
#ifndef UNI_KERNEL_CODEC_INTERNAL_H
#define UNI_KERNEL_CODEC_INTERNAL_H

#include <stdint.h>
#include <uni/base/text.h>

/* Bytes from `from` to before `to`; none when these are the same. */
struct codec_range {
	size_t from, to;
};

/* Packs `size` bytes into `*out` (owned by the caller); `*packed` 0: it would not become smaller.
 * In `packed_already`, which lies inside, no matches are looked for. */
int codec_lz4_pack(const void *data, size_t size, struct codec_range packed_already, void **out,
		   size_t *packed, struct uni_err *err);
/* UNI_E_CORRUPT unless exactly `room` bytes come out. */
int codec_lz4_unpack(const void *data, size_t size, void *out, size_t room, struct uni_err *err);
/* The library's file. */
int codec_lz4_file(struct uni_strv *files, struct uni_err *err);

#endif
