/* Internal: LZ4 blocks by liblz4, loaded on first use. */
#ifndef UNI_KERNEL_CODEC_INTERNAL_H
#define UNI_KERNEL_CODEC_INTERNAL_H

#include <stdint.h>
#include <uni/base/text.h>

/* A stretch of what is to be packed that is a block already; sound LZ4 is all that is asked. */
struct codec_ready {
	size_t from, to;
	const uint8_t *packed;
	size_t size;
};

/* Packs `size` bytes into `*out` (owned by the caller); `*packed` 0: it would not become smaller.
 * UNI_E_CORRUPT when what is `ready` (or NULL) is not what stands there. */
int codec_lz4_pack(const void *data, size_t size, const struct codec_ready *ready, void **out,
		   size_t *packed, struct uni_err *err);
/* UNI_E_CORRUPT unless exactly `room` bytes come out. */
int codec_lz4_unpack(const void *data, size_t size, void *out, size_t room, struct uni_err *err);
/* The library's file. */
int codec_lz4_file(struct uni_strv *files, struct uni_err *err);

#endif
