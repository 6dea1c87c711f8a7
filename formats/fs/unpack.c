/*
 * zlib data by libdeflate, and zstd, LZ4 and xz by their own libraries.
 */
#include "unpack.h"

#include <libdeflate.h>
#include <limits.h>
#include <lz4.h>
#include <lzma.h>
#include <uni/base/mem.h>
#include <uni/base/system.h>
#include <zstd.h>

/* xz dictionaries of squashfs are no larger than its largest block, 1 MiB. */
enum { XZ_MEMORY_MAX = 16 << 20 };

static int damaged(const char *codec, struct uni_err *err)
{
	return uni_err_set(err, UNI_E_CORRUPT, "%s data is damaged", codec);
}

#define DEFLATE_FNS(X)                                                                             \
	X(libdeflate_alloc_decompressor)                                                           \
	X(libdeflate_zlib_decompress)                                                              \
	X(libdeflate_free_decompressor)

static int unpack_gzip(const void *data, size_t size, void *out, size_t room, size_t *got,
		       struct uni_err *err)
{
	static const char *const names[] = { DEFLATE_FNS(UNI_LAZY_NAME) };
	static struct {
		DEFLATE_FNS(UNI_LAZY_FIELD)
	} lib;
	struct libdeflate_decompressor *d;
	enum libdeflate_result result;
	int rc = uni_lazy_load("libdeflate.so.0", names, UNI_COUNT(names), &lib, err);

	if (rc != 0)
		return rc;
	d = lib.libdeflate_alloc_decompressor();
	if (d == NULL)
		return uni_err_set(err, UNI_E_NOMEM, "out of memory");
	result = lib.libdeflate_zlib_decompress(d, data, size, out, room, got);
	lib.libdeflate_free_decompressor(d);
	return result == LIBDEFLATE_SUCCESS ? 0 : damaged("gzip", err);
}

#define XZ_FNS(X) X(lzma_stream_buffer_decode)

static int unpack_xz(const void *data, size_t size, void *out, size_t room, size_t *got,
		     struct uni_err *err)
{
	static const char *const names[] = { XZ_FNS(UNI_LAZY_NAME) };
	static struct {
		XZ_FNS(UNI_LAZY_FIELD)
	} lib;
	uint64_t memory = XZ_MEMORY_MAX;
	size_t in = 0;
	int rc = uni_lazy_load("liblzma.so.5", names, UNI_COUNT(names), &lib, err);

	if (rc != 0)
		return rc;
	*got = 0;
	if (lib.lzma_stream_buffer_decode(&memory, 0, NULL, data, &in, size, out, got, room) !=
	    LZMA_OK)
		return damaged("xz", err);
	return 0;
}

#define LZ4_FNS(X) X(LZ4_decompress_safe)

static int unpack_lz4(const void *data, size_t size, void *out, size_t room, size_t *got,
		      struct uni_err *err)
{
	static const char *const names[] = { LZ4_FNS(UNI_LAZY_NAME) };
	static struct {
		LZ4_FNS(UNI_LAZY_FIELD)
	} lib;
	int result;
	int rc = uni_lazy_load("liblz4.so.1", names, UNI_COUNT(names), &lib, err);

	if (rc != 0)
		return rc;
	if (size > INT_MAX || room > INT_MAX)
		return damaged("lz4", err);
	result = lib.LZ4_decompress_safe(data, out, (int)size, (int)room);
	if (result < 0)
		return damaged("lz4", err);
	*got = (size_t)result;
	return 0;
}

#define ZSTD_FNS(X)                                                                                \
	X(ZSTD_decompress)                                                                         \
	X(ZSTD_isError)

static int unpack_zstd(const void *data, size_t size, void *out, size_t room, size_t *got,
		       struct uni_err *err)
{
	static const char *const names[] = { ZSTD_FNS(UNI_LAZY_NAME) };
	static struct {
		ZSTD_FNS(UNI_LAZY_FIELD)
	} lib;
	int rc = uni_lazy_load("libzstd.so.1", names, UNI_COUNT(names), &lib, err);

	if (rc != 0)
		return rc;
	*got = lib.ZSTD_decompress(out, room, data, size);
	return lib.ZSTD_isError(*got) ? damaged("zstd", err) : 0;
}

const struct unpack_codec *unpack_find(uint16_t id)
{
	static const struct {
		uint16_t id;
		struct unpack_codec codec;
	} codecs[] = {
		{ 1, { "gzip", unpack_gzip } },
		{ 4, { "xz", unpack_xz } },
		{ 5, { "lz4", unpack_lz4 } },
		{ 6, { "zstd", unpack_zstd } },
	};

	for (size_t i = 0; i < UNI_COUNT(codecs); i++)
		if (codecs[i].id == id)
			return &codecs[i].codec;
	return NULL;
}
