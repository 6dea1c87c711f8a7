/*
 * The decompressors, behind one function. Each is handed whole blocks with a bound on what comes
 * out, and checks its input itself; working memory is allocated once.
 */
#define ZSTD_STATIC_LINKING_ONLY
#include <lz4.h>
#include <zstd.h>

#include "fs.h"

struct fs_decoder {
	enum fs_codec codec;
	void *memory; /* zstd's context lives in it, or gzip's */
	ZSTD_DCtx *zstd;
};

int fs_decoder_new(enum fs_codec codec, struct fs_decoder **out)
{
	struct fs_decoder *decoder = uk_alloc(sizeof(*decoder));
	int error = 0;

	if (decoder == NULL)
		return -UK_ENOMEM;
	decoder->codec = codec;
	switch (codec) {
	case FS_ZSTD:
		decoder->memory = uk_alloc_room(ZSTD_estimateDCtxSize());
		if (decoder->memory != NULL)
			decoder->zstd =
				ZSTD_initStaticDCtx(decoder->memory, ZSTD_estimateDCtxSize());
		error = decoder->zstd != NULL ? 0 : -UK_ENOMEM;
		break;
	case FS_GZIP:
		error = fs_gzip_new(&decoder->memory);
		break;
	case FS_LZ4:
		break;
	default:
		error = -UK_EOPNOTSUPP;
	}
	if (error != 0) {
		fs_decoder_free(decoder);
		return error;
	}
	*out = decoder;
	return 0;
}

void fs_decoder_free(struct fs_decoder *decoder)
{
	if (decoder == NULL)
		return;
	uk_free(decoder->memory);
	uk_free(decoder);
}

int64_t fs_decode(struct fs_decoder *decoder, const void *from, size_t size, void *to, size_t room)
{
	size_t got;

	switch (decoder->codec) {
	case FS_ZSTD:
		got = ZSTD_decompressDCtx(decoder->zstd, to, room, from, size);
		return ZSTD_isError(got) ? -UK_EIO : (int64_t)got;
	case FS_GZIP:
		return fs_gzip_decode(decoder->memory, from, size, to, room);
	case FS_LZ4: {
		int result = LZ4_decompress_safe(from, to, (int)size, (int)room);

		return result < 0 ? -UK_EIO : result;
	}
	default:
		return -UK_EIO;
	}
}
