/*
 * One piece of the pipeline is a chunk of the disk: large enough that taking turns costs nothing,
 * small enough that all pieces together are a few megabytes.
 */
#include "pack.h"

#include <uni/base/file.h>

#include "pipeline.h"

enum { CHUNK = 512 << 10, LEAST_BLOCK = 4096, BLOCKS = CHUNK / LEAST_BLOCK, SLACK = 1024 };

struct line {
	const struct disk_packing *packing;
	struct disk_walk walk;
};

struct piece {
	const struct disk_packing *packing;
	struct disk_compressor *compressor;
	uint8_t *data;
	uint8_t *out;
	uint64_t offset;
	size_t size;
	struct {
		size_t size; /* 0: all zeros */
		bool compressed;
		uint32_t crc;
	} blocks[BLOCKS];
};

static size_t out_room(const struct disk_packing *packing)
{
	return packing->always ? packing->block + SLACK : packing->block;
}

static void piece_free(void *slot)
{
	struct piece *piece = slot;

	disk_compressor_free(piece->compressor);
	free(piece->data);
	free(piece->out);
	free(piece);
}

static void *piece_new(void *user, struct uni_err *err)
{
	const struct disk_packing *packing = ((struct line *)user)->packing;
	struct piece *piece = uni_alloc(sizeof(*piece));

	piece->packing = packing;
	piece->data = uni_alloc(CHUNK);
	piece->out = uni_alloc(CHUNK / packing->block * out_room(packing));
	if (disk_compressor_new(&piece->compressor, packing->codec, packing->level, err) != 0) {
		piece_free(piece);
		return NULL;
	}
	return piece;
}

static int take(void *user, void *slot, struct uni_err *err)
{
	struct piece *piece = slot;

	return disk_walk_next(&((struct line *)user)->walk, piece->data, &piece->offset,
			      &piece->size, err);
}

static int work(void *user, void *slot, struct uni_err *err)
{
	const struct disk_packing *packing = ((struct line *)user)->packing;
	struct piece *piece = slot;
	size_t block = packing->block;
	size_t room = out_room(packing);

	for (size_t i = 0; i * block < piece->size; i++) {
		const uint8_t *data = piece->data + i * block;
		size_t size = 0;

		piece->blocks[i].size = 0;
		if (uni_all_zero(data, block))
			continue;
		size = disk_compress(piece->compressor, data, block, piece->out + i * room,
				     packing->always ? room : block - 1);
		if (size == 0 && packing->always)
			return uni_err_set(err, UNI_E_INVAL, "a block cannot be compressed");
		piece->blocks[i].compressed = size != 0;
		piece->blocks[i].size = size != 0 ? size : block;
		if (packing->want_crc)
			piece->blocks[i].crc = disk_crc32(0, data, block);
	}
	return 0;
}

static int give(void *user, void *slot, struct uni_err *err)
{
	const struct disk_packing *packing = ((struct line *)user)->packing;
	struct piece *piece = slot;
	size_t block = packing->block;

	for (size_t i = 0; i * block < piece->size; i++) {
		struct disk_packed packed = {
			.index = piece->offset / block + i,
			.size = piece->blocks[i].size,
			.compressed = piece->blocks[i].compressed,
			.crc = piece->blocks[i].crc,
		};
		int rc;

		if (packed.size == 0)
			continue;
		packed.data = packed.compressed ? piece->out + i * out_room(packing)
						: piece->data + i * block;
		rc = packing->put(packing->user, &packed, err);
		if (rc != 0)
			return rc;
	}
	return 0;
}

int disk_pack(const struct disk_packing *packing, struct uni_err *err)
{
	static const struct disk_pipeline pipeline = {
		.slot_new = piece_new,
		.slot_free = piece_free,
		.take = take,
		.work = work,
		.give = give,
	};
	struct line line = {
		.packing = packing,
		.walk = { .source = packing->source, .block = packing->block, .room = CHUNK },
	};
	int rc = packing->want_crc ? disk_crc32_load(err) : 0;

	return rc != 0 ? rc : disk_pipeline_run(&pipeline, &line, packing->threads, err);
}
