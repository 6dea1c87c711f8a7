/*
 * Packing blocks of squashfs. The libraries are linked into uni, not loaded: which version packs is
 * then a property of uni alone.
 */
#include <libdeflate.h>
#include <lz4.h>
#include <lz4hc.h>
#include <string.h>
#include <zstd.h>

#include "squash_make.h"

/* Blocks below SIZE_MIN, of which a volume has few, are stored as they are: they would hardly save
 * a disk's block, and a machine with a small volume starts without unpacking anything. */
enum { LZ4_STRONG = 3, BOUND_EXTRA = 4096, SIZE_MIN = 2048 };

struct squash_packer {
	uint32_t level;
	ZSTD_CCtx *zstd;
	void *lz4;
	struct libdeflate_compressor *gzip;
};

uint16_t squash_compression_id(const char *compression)
{
	if (strcmp(compression, "zstd") == 0)
		return 6;
	return strcmp(compression, "lz4") == 0 ? 5 : 1;
}

struct squash_packer *squash_packer_new(const char *compression, uint32_t level)
{
	struct squash_packer *p = uni_alloc(sizeof(*p));
	bool made = true;

	p->level = level;
	if (strcmp(compression, "zstd") == 0) {
		p->zstd = ZSTD_createCCtx();
		made = p->zstd != NULL;
	} else if (strcmp(compression, "lz4") == 0) {
		p->lz4 = uni_alloc(
			(size_t)(level < LZ4_STRONG ? LZ4_sizeofState() : LZ4_sizeofStateHC()));
	} else if (strcmp(compression, "gzip") == 0) {
		p->gzip = libdeflate_alloc_compressor((int)level);
		made = p->gzip != NULL;
	}
	if (made)
		return p;
	squash_packer_free(p);
	return NULL;
}

void squash_packer_free(struct squash_packer *p)
{
	if (p == NULL)
		return;
	ZSTD_freeCCtx(p->zstd);
	free(p->lz4);
	libdeflate_free_compressor(p->gzip);
	free(p);
}

/* More than any of them asks for. */
size_t squash_packer_bound(size_t size)
{
	return size + size / 64 + BOUND_EXTRA;
}

size_t squash_pack(struct squash_packer *p, const void *data, size_t size, void *out, size_t room)
{
	size_t got = 0;

	if (size < SIZE_MIN)
		return 0;
	if (p->zstd != NULL) {
		got = ZSTD_compressCCtx(p->zstd, out, room, data, size, (int)p->level);
		if (ZSTD_isError(got) != 0)
			got = 0;
	} else if (p->lz4 != NULL && p->level < LZ4_STRONG) {
		got = (size_t)LZ4_compress_fast_extState(p->lz4, data, out, (int)size, (int)room,
							 1);
	} else if (p->lz4 != NULL) {
		got = (size_t)LZ4_compress_HC_extStateHC(p->lz4, data, out, (int)size, (int)room,
							 (int)p->level);
	} else if (p->gzip != NULL) {
		got = libdeflate_zlib_compress(p->gzip, data, size, out, room);
	}
	return got < size ? got : 0;
}
