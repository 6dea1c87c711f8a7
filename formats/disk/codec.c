/*
 * One face for two libraries that work on whole blocks.
 */
#include "codec.h"

#include <libdeflate.h>
#include <uni/base/file.h>
#include <uni/base/system.h>
#include <zstd.h>

#define DEFLATE_FNS(X)                                                                             \
	X(libdeflate_alloc_compressor)                                                             \
	X(libdeflate_free_compressor)                                                              \
	X(libdeflate_deflate_compress)                                                             \
	X(libdeflate_zlib_compress)                                                                \
	X(libdeflate_alloc_decompressor)                                                           \
	X(libdeflate_free_decompressor)                                                            \
	X(libdeflate_deflate_decompress_ex)                                                        \
	X(libdeflate_zlib_decompress_ex)                                                           \
	X(libdeflate_crc32)
static struct {
	DEFLATE_FNS(UNI_LAZY_FIELD)
} deflate;
static const char *const deflate_names[] = { DEFLATE_FNS(UNI_LAZY_NAME) };

#define ZSTD_FNS(X)                                                                                \
	X(ZSTD_createCCtx)                                                                         \
	X(ZSTD_freeCCtx)                                                                           \
	X(ZSTD_compressCCtx)                                                                       \
	X(ZSTD_createDCtx)                                                                         \
	X(ZSTD_freeDCtx)                                                                           \
	X(ZSTD_DCtx_reset)                                                                         \
	X(ZSTD_decompressStream)                                                                   \
	X(ZSTD_isError)
static struct {
	ZSTD_FNS(UNI_LAZY_FIELD)
} zstd;
static const char *const zstd_names[] = { ZSTD_FNS(UNI_LAZY_NAME) };

static int load(enum disk_codec codec, struct uni_err *err)
{
	if (codec == DISK_CODEC_ZSTD)
		return uni_lazy_load("libzstd.so.1", zstd_names, UNI_COUNT(zstd_names), &zstd, err);
	return uni_lazy_load("libdeflate.so.0", deflate_names, UNI_COUNT(deflate_names), &deflate,
			     err);
}

struct disk_compressor {
	enum disk_codec codec;
	int level;
	struct libdeflate_compressor *deflate;
	struct libdeflate_compressor *store; /* for what it could only waste its time on */
	ZSTD_CCtx *zstd;
};

int disk_compressor_new(struct disk_compressor **compressor, enum disk_codec codec, unsigned level,
			struct uni_err *err)
{
	struct disk_compressor *made;
	int rc = load(codec, err);

	*compressor = NULL;
	if (rc != 0)
		return rc;
	made = uni_alloc(sizeof(*made));
	made->codec = codec;
	made->level = (int)level;
	if (codec == DISK_CODEC_ZSTD)
		made->zstd = zstd.ZSTD_createCCtx();
	else
		made->deflate = deflate.libdeflate_alloc_compressor(made->level);
	if (codec != DISK_CODEC_ZSTD)
		made->store = deflate.libdeflate_alloc_compressor(0);
	*compressor = made;
	if (made->zstd == NULL && (made->deflate == NULL || made->store == NULL))
		return uni_err_set(err, UNI_E_NOMEM, "no memory to compress");
	return 0;
}

void disk_compressor_free(struct disk_compressor *compressor)
{
	if (compressor == NULL)
		return;
	if (compressor->zstd != NULL)
		zstd.ZSTD_freeCCtx(compressor->zstd);
	if (compressor->deflate != NULL)
		deflate.libdeflate_free_compressor(compressor->deflate);
	if (compressor->store != NULL)
		deflate.libdeflate_free_compressor(compressor->store);
	free(compressor);
}

size_t disk_compress(struct disk_compressor *c, const void *data, size_t size, void *out,
		     size_t room)
{
	struct libdeflate_compressor *with;
	size_t got;

	if (c->codec != DISK_CODEC_ZSTD) { /* which sees by itself what is noise */
		with = uni_is_noise(data, size) ? c->store : c->deflate;
		return c->codec == DISK_CODEC_ZLIB
			       ? deflate.libdeflate_zlib_compress(with, data, size, out, room)
			       : deflate.libdeflate_deflate_compress(with, data, size, out, room);
	}
	got = zstd.ZSTD_compressCCtx(c->zstd, out, room, data, size, c->level);
	return zstd.ZSTD_isError(got) ? 0 : got;
}

struct disk_decompressor {
	enum disk_codec codec;
	struct libdeflate_decompressor *deflate;
	ZSTD_DCtx *zstd;
};

int disk_decompressor_new(struct disk_decompressor **decompressor, enum disk_codec codec,
			  struct uni_err *err)
{
	struct disk_decompressor *made;
	int rc = load(codec, err);

	*decompressor = NULL;
	if (rc != 0)
		return rc;
	made = uni_alloc(sizeof(*made));
	made->codec = codec;
	if (codec == DISK_CODEC_ZSTD)
		made->zstd = zstd.ZSTD_createDCtx();
	else
		made->deflate = deflate.libdeflate_alloc_decompressor();
	*decompressor = made;
	if (made->zstd == NULL && made->deflate == NULL)
		return uni_err_set(err, UNI_E_NOMEM, "no memory to decompress");
	return 0;
}

void disk_decompressor_free(struct disk_decompressor *decompressor)
{
	if (decompressor == NULL)
		return;
	if (decompressor->zstd != NULL)
		zstd.ZSTD_freeDCtx(decompressor->zstd);
	if (decompressor->deflate != NULL)
		deflate.libdeflate_free_decompressor(decompressor->deflate);
	free(decompressor);
}

/* Until the block is full: what follows in `data` may be anything. */
static size_t zstd_fill(ZSTD_DCtx *ctx, const void *data, size_t size, void *out, size_t out_size)
{
	ZSTD_inBuffer in = { .src = data, .size = size };
	ZSTD_outBuffer to = { .dst = out, .size = out_size };

	zstd.ZSTD_DCtx_reset(ctx, ZSTD_reset_session_only);
	while (to.pos < to.size) {
		size_t before = to.pos + in.pos;
		size_t rc = zstd.ZSTD_decompressStream(ctx, &to, &in);

		if (zstd.ZSTD_isError(rc) || before == to.pos + in.pos)
			break;
	}
	return to.pos;
}

int disk_decompress(struct disk_decompressor *d, const void *data, size_t size, void *out,
		    size_t out_size, struct uni_err *err)
{
	size_t used;
	bool right;

	if (d->codec == DISK_CODEC_ZSTD)
		right = zstd_fill(d->zstd, data, size, out, out_size) == out_size;
	else if (d->codec == DISK_CODEC_ZLIB)
		right = deflate.libdeflate_zlib_decompress_ex(d->deflate, data, size, out, out_size,
							      &used, NULL) == LIBDEFLATE_SUCCESS;
	else
		right = deflate.libdeflate_deflate_decompress_ex(d->deflate, data, size, out,
								 out_size, &used,
								 NULL) == LIBDEFLATE_SUCCESS;
	if (!right)
		return uni_err_set(err, UNI_E_CORRUPT, "a compressed block is damaged");
	return 0;
}

int disk_crc32_load(struct uni_err *err)
{
	return load(DISK_CODEC_DEFLATE, err);
}

uint32_t disk_crc32(uint32_t crc, const void *data, size_t size)
{
	return deflate.libdeflate_crc32(crc, data, size);
}
