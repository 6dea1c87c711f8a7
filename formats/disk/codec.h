/*
 * Compression of single blocks, by libdeflate and libzstd, each loaded on first use. The bytes
 * follow from library version, level and input; the libraries' digests belong in keys.
 */
#ifndef UNI_DISK_CODEC_INTERNAL_H
#define UNI_DISK_CODEC_INTERNAL_H

#include <stddef.h>
#include <stdint.h>
#include <uni/base/mem.h>

enum disk_codec {
	DISK_CODEC_NONE,
	DISK_CODEC_DEFLATE, /* RFC 1951 */
	DISK_CODEC_ZLIB,    /* RFC 1950 */
	DISK_CODEC_ZSTD,    /* RFC 8878, one frame */
};

/* For one thread at a time. */
struct disk_compressor;
int disk_compressor_new(struct disk_compressor **compressor, enum disk_codec codec, unsigned level,
			struct uni_err *err);
void disk_compressor_free(struct disk_compressor *compressor);
UNI_AUTO_DEFINE(disk_compressor)
/* Bytes written to `out`; 0 when they are more than `room`. */
size_t disk_compress(struct disk_compressor *compressor, const void *data, size_t size, void *out,
		     size_t room);

/* The inverse: exactly `out_size` bytes, or UNI_E_CORRUPT. What follows the compressed bytes inside
 * `size` is not looked at. */
struct disk_decompressor;
int disk_decompressor_new(struct disk_decompressor **decompressor, enum disk_codec codec,
			  struct uni_err *err);
void disk_decompressor_free(struct disk_decompressor *decompressor);
UNI_AUTO_DEFINE(disk_decompressor)
int disk_decompress(struct disk_decompressor *decompressor, const void *data, size_t size,
		    void *out, size_t out_size, struct uni_err *err);

/* CRC-32 as gzip has it, fast; `load` first. */
int disk_crc32_load(struct uni_err *err);
uint32_t disk_crc32(uint32_t crc, const void *data, size_t size);

#endif
