/*
 * Zstandard by libzstd, loaded on first use.
 */
#include "frame.h"
#include <uni/base/system.h>
#include <zstd.h>

#define STEP (128u << 10)
#define WINDOW_LOG_MAX 27 /* 128 MiB, what a hostile frame may make us allocate */

#define FNS(X)                                                                                     \
	X(ZSTD_createCCtx)                                                                         \
	X(ZSTD_freeCCtx)                                                                           \
	X(ZSTD_CCtx_setParameter)                                                                  \
	X(ZSTD_CCtx_setPledgedSrcSize)                                                             \
	X(ZSTD_compressStream2)                                                                    \
	X(ZSTD_createDCtx)                                                                         \
	X(ZSTD_freeDCtx)                                                                           \
	X(ZSTD_DCtx_setParameter)                                                                  \
	X(ZSTD_decompressStream)                                                                   \
	X(ZSTD_compress)                                                                           \
	X(ZSTD_decompress)                                                                         \
	X(ZSTD_isError)                                                                            \
	X(ZSTD_getErrorName)
static struct {
	FNS(UNI_LAZY_FIELD)
} lib;
static const char *const lib_names[] = { FNS(UNI_LAZY_NAME) };

static int load(struct uni_err *err)
{
	return uni_lazy_load("libzstd.so.1", lib_names, UNI_COUNT(lib_names), &lib, err);
}

struct zstd_sink {
	struct uni_sink base;
	ZSTD_CCtx *ctx;
	char out[STEP];
};

static int compress(struct zstd_sink *sink, ZSTD_inBuffer *in, ZSTD_EndDirective mode,
		    struct uni_err *err)
{
	size_t left;
	do {
		ZSTD_outBuffer out = { .dst = sink->out, .size = sizeof(sink->out) };
		left = lib.ZSTD_compressStream2(sink->ctx, &out, in, mode);
		if (lib.ZSTD_isError(left))
			return uni_err_set(err, UNI_E_INVAL, "zstd: %s",
					   lib.ZSTD_getErrorName(left));
		int rc = uni_sink_write(sink->base.next, sink->out, out.pos, err);
		if (rc != 0)
			return rc;
	} while (mode == ZSTD_e_end ? left != 0 : in->pos < in->size);
	return 0;
}

static int zstd_write(struct uni_sink *base, const void *data, size_t size, struct uni_err *err)
{
	ZSTD_inBuffer in = { .src = data, .size = size };
	return compress((struct zstd_sink *)base, &in, ZSTD_e_continue, err);
}

static int zstd_finish(struct uni_sink *base, struct uni_err *err)
{
	ZSTD_inBuffer in = { .src = NULL };
	return compress((struct zstd_sink *)base, &in, ZSTD_e_end, err);
}

static void zstd_sink_free(struct uni_sink *base)
{
	struct zstd_sink *sink = (struct zstd_sink *)base;
	lib.ZSTD_freeCCtx(sink->ctx);
	free(sink);
}

static const struct uni_sink_ops sink_ops = {
	.write = zstd_write,
	.finish = zstd_finish,
	.free = zstd_sink_free,
};

static int set_up(ZSTD_CCtx *ctx, int level, uint64_t size, struct uni_err *err)
{
	size_t results[] = {
		lib.ZSTD_CCtx_setParameter(ctx, ZSTD_c_compressionLevel, level),
		lib.ZSTD_CCtx_setParameter(ctx, ZSTD_c_checksumFlag, 0),
		lib.ZSTD_CCtx_setPledgedSrcSize(
			ctx, size == UNI_SIZE_UNKNOWN ? ZSTD_CONTENTSIZE_UNKNOWN : size),
	};
	for (size_t i = 0; i < UNI_COUNT(results); i++)
		if (lib.ZSTD_isError(results[i]))
			return uni_err_set(err, UNI_E_INVAL, "zstd: %s",
					   lib.ZSTD_getErrorName(results[i]));
	return 0;
}

int uni_sink_push_zstd(struct uni_sink **top, int level, uint64_t size, struct uni_err *err)
{
	int rc = load(err);
	if (rc != 0)
		return rc;
	ZSTD_CCtx *ctx = lib.ZSTD_createCCtx();
	if (ctx == NULL)
		return uni_err_set(err, UNI_E_NOMEM, "no memory to compress");
	rc = set_up(ctx, level, size, err);
	if (rc != 0) {
		lib.ZSTD_freeCCtx(ctx);
		return rc;
	}
	struct zstd_sink *sink = uni_sink_new(sizeof(*sink), &sink_ops, *top);
	sink->ctx = ctx;
	*top = &sink->base;
	return 0;
}

struct zstd_source {
	struct uni_source base;
	ZSTD_DCtx *ctx;
	uint64_t limit;
	char *name;
	bool in_frame; /* an end here would be too early */
	ZSTD_inBuffer in;
	char input[STEP];
};

/* Makes sure of input, but for the end. */
static int fill(struct zstd_source *source, bool *end, struct uni_err *err)
{
	*end = false;
	if (source->in.pos < source->in.size)
		return 0;
	source->in = (ZSTD_inBuffer){ .src = source->input };
	int rc = uni_source_read(source->base.next, source->input, sizeof(source->input),
				 &source->in.size, err);
	*end = source->in.size == 0;
	return rc;
}

static int corrupt(const struct zstd_source *source, const char *why, struct uni_err *err)
{
	return uni_err_set(err, UNI_E_CORRUPT, "%s: zstd: %s", source->name, why);
}

static int zstd_read(struct uni_source *base, void *data, size_t size, size_t *got,
		     struct uni_err *err)
{
	struct zstd_source *source = (struct zstd_source *)base;
	ZSTD_outBuffer out = { .dst = data, .size = size };
	while (out.pos == 0) {
		bool end;
		int rc = fill(source, &end, err);
		if (rc != 0)
			return rc;
		/* With no input left, what the decoder still holds has to come out first. */
		if (end && !source->in_frame)
			return base->next->given != 0 ? 0 : corrupt(source, "empty input", err);
		size_t before = source->in.pos;
		size_t left = lib.ZSTD_decompressStream(source->ctx, &out, &source->in);
		if (lib.ZSTD_isError(left))
			return corrupt(source, lib.ZSTD_getErrorName(left), err);
		source->in_frame = left != 0;
		if (end && out.pos == 0 && source->in.pos == before)
			return corrupt(source, "the data ends too early", err);
	}
	if (out.pos > source->limit - base->given)
		return uni_err_set(err, UNI_E_LIMIT, "%s: more than the %llu bytes allowed",
				   source->name, (unsigned long long)source->limit);
	*got = out.pos;
	return 0;
}

static void zstd_source_free(struct uni_source *base)
{
	struct zstd_source *source = (struct zstd_source *)base;
	lib.ZSTD_freeDCtx(source->ctx);
	free(source->name);
	free(source);
}

static const struct uni_source_ops source_ops = { .read = zstd_read, .free = zstd_source_free };

int uni_source_push_zstd(struct uni_source **top, uint64_t limit, const char *name,
			 struct uni_err *err)
{
	int rc = load(err);
	if (rc != 0)
		return rc;
	ZSTD_DCtx *ctx = lib.ZSTD_createDCtx();
	if (ctx == NULL)
		return uni_err_set(err, UNI_E_NOMEM, "no memory to decompress");
	lib.ZSTD_DCtx_setParameter(ctx, ZSTD_d_windowLogMax, WINDOW_LOG_MAX);
	struct zstd_source *source = uni_source_new(sizeof(*source), &source_ops, *top);
	source->ctx = ctx;
	source->limit = limit;
	source->name = uni_strdup(name);
	*top = &source->base;
	return 0;
}

size_t uni_zstd_bound(size_t size)
{
	return ZSTD_COMPRESSBOUND(size);
}

int uni_zstd_compress(const void *data, size_t size, int level, void *out, size_t room,
		      size_t *out_size, struct uni_err *err)
{
	int rc = load(err);

	if (rc != 0)
		return rc;
	*out_size = lib.ZSTD_compress(out, room, data, size, level);
	return lib.ZSTD_isError(*out_size)
		       ? uni_err_set(err, UNI_E_INVAL, "zstd: %s", lib.ZSTD_getErrorName(*out_size))
		       : 0;
}

int uni_zstd_decompress(const void *data, size_t size, void *out, size_t out_size,
			struct uni_err *err)
{
	size_t got;
	int rc = load(err);

	if (rc != 0)
		return rc;
	got = lib.ZSTD_decompress(out, out_size, data, size);
	if (lib.ZSTD_isError(got))
		return uni_err_set(err, UNI_E_CORRUPT, "zstd: %s", lib.ZSTD_getErrorName(got));
	return got == out_size ? 0 : uni_err_set(err, UNI_E_CORRUPT, "zstd: data is missing");
}
