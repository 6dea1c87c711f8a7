/*
 * Gathers pieces, compresses as many as there are threads at once by libdeflate, writes them in
 * order.
 */
#include "gzip.h"

#include <libdeflate.h>
#include <string.h>
#include <uni/base/file.h>
#include <uni/base/pool.h>
#include <uni/base/system.h>

enum { PIECE = 256 << 10, PIECES = 16, LEVEL = 6 };

#define FNS(X)                                                                                     \
	X(libdeflate_alloc_compressor)                                                             \
	X(libdeflate_free_compressor)                                                              \
	X(libdeflate_gzip_compress)                                                                \
	X(libdeflate_gzip_compress_bound)
static struct {
	FNS(UNI_LAZY_FIELD)
} lib;
static const char *const lib_names[] = { FNS(UNI_LAZY_NAME) };

struct gzip {
	int fd;
	unsigned threads;
	uint64_t written;
	size_t room; /* of a compressed piece */
	size_t filled;
	uint8_t *data;	 /* PIECES pieces */
	uint8_t *packed; /* PIECES times room */
	size_t packed_size[PIECES];
	struct libdeflate_compressor *compressors[PIECES];
	struct libdeflate_compressor *stores[PIECES]; /* of noise */
};

int gzip_new(struct gzip **gzip, int fd, unsigned threads, struct uni_err *err)
{
	struct gzip *made;
	int rc = uni_lazy_load("libdeflate.so.0", lib_names, UNI_COUNT(lib_names), &lib, err);

	*gzip = NULL;
	if (rc != 0)
		return rc;
	made = uni_alloc(sizeof(*made));
	made->fd = fd;
	made->threads = threads;
	made->room = lib.libdeflate_gzip_compress_bound(NULL, PIECE);
	made->data = uni_alloc((size_t)PIECES * PIECE);
	made->packed = uni_alloc(PIECES * made->room);
	*gzip = made;
	return 0;
}

void gzip_free(struct gzip *gzip)
{
	if (gzip == NULL)
		return;
	for (size_t i = 0; i < PIECES; i++) {
		if (gzip->compressors[i] != NULL)
			lib.libdeflate_free_compressor(gzip->compressors[i]);
		if (gzip->stores[i] != NULL)
			lib.libdeflate_free_compressor(gzip->stores[i]);
	}
	free(gzip->packed);
	free(gzip->data);
	free(gzip);
}

static int pack_piece(void *user, size_t index, struct uni_err *err)
{
	struct gzip *gzip = user;
	size_t at = index * PIECE;
	size_t size = gzip->filled - at < PIECE ? gzip->filled - at : PIECE;
	bool noise = uni_is_noise(gzip->data + at, size);
	struct libdeflate_compressor **with =
		noise ? &gzip->stores[index] : &gzip->compressors[index];

	if (*with == NULL)
		*with = lib.libdeflate_alloc_compressor(noise ? 0 : LEVEL);
	if (*with == NULL)
		return uni_err_set(err, UNI_E_NOMEM, "out of memory");
	gzip->packed_size[index] = lib.libdeflate_gzip_compress(
		*with, gzip->data + at, size, gzip->packed + index * gzip->room, gzip->room);
	return 0;
}

static int flush(struct gzip *gzip, struct uni_err *err)
{
	size_t count = (gzip->filled + PIECE - 1) / PIECE;
	int rc = uni_check_cancel(err);

	if (rc == 0)
		rc = uni_pool_run(count, gzip->threads, pack_piece, gzip, err);
	for (size_t i = 0; rc == 0 && i < count; i++) {
		rc = uni_pwrite_full(gzip->fd, gzip->packed + i * gzip->room, gzip->packed_size[i],
				     gzip->written, "archive", err);
		gzip->written += gzip->packed_size[i];
	}
	gzip->filled = 0;
	return rc;
}

int gzip_add(struct gzip *gzip, const void *data, size_t size, struct uni_err *err)
{
	const uint8_t *bytes = data;

	while (size != 0) {
		size_t room = (size_t)PIECES * PIECE - gzip->filled;
		size_t step = size < room ? size : room;

		memcpy(gzip->data + gzip->filled, bytes, step);
		gzip->filled += step;
		bytes += step;
		size -= step;
		if (step == room) {
			int rc = flush(gzip, err);

			if (rc != 0)
				return rc;
		}
	}
	return 0;
}

int gzip_finish(struct gzip *gzip, uint64_t *written, struct uni_err *err)
{
	int rc = flush(gzip, err);

	*written = gzip->written;
	return rc;
}
