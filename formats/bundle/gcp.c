/*
 * Google Cloud's form: a gzip of a tar in the old GNU form that holds disk.raw alone, of whole GiB
 * ("Requirements to build custom images"; the sparse map as in GNU tar's manual, "Old GNU Format").
 * The map is made of the content, so that holes and zeros that were written give the same bytes.
 */
#include <string.h>
#include <uni/base/file.h>
#include <uni/base/system.h>
#include <uni/bundle/form.h>

#include "gzip.h"
#include "internal.h"

enum {
	GRAIN = 64 << 10, /* of the map */
	CHUNK = 1 << 20,
	TAR = 512,
	IN_HEADER = 4,
	IN_BLOCK = 21,
};

struct gnu_sparse {
	char offset[12];
	char size[12];
};
struct gnu_header {
	char name[100];
	char mode[8], uid[8], gid[8];
	char size[12], mtime[12];
	char checksum[8];
	char type;
	char linkname[100];
	char magic[8];
	char uname[32], gname[32];
	char devmajor[8], devminor[8];
	char atime[12], ctime[12], offset[12], longnames[4], unused;
	struct gnu_sparse sparse[IN_HEADER];
	char extended;
	char real_size[12];
	char pad[17];
};
_Static_assert(sizeof(struct gnu_header) == TAR, "old GNU header");
struct gnu_block {
	struct gnu_sparse sparse[IN_BLOCK];
	char extended;
	char pad[7];
};
_Static_assert(sizeof(struct gnu_block) == TAR, "old GNU sparse header");

struct piece {
	uint64_t offset;
	uint64_t size;
};

struct gcp {
	struct uni_disk_source *source;
	struct gzip *gzip;
	struct piece *pieces;
	size_t count, room;
	uint64_t data; /* bytes of all pieces */
	uint8_t *chunk;
};

/* Octal digits, or, where they do not suffice, 256-ary with the first bit set. */
static void number(char *field, size_t size, uint64_t value)
{
	if (value >> ((size - 1) * 3) == 0) {
		field[size - 1] = '\0';
		for (size_t i = size - 1; i-- != 0; value >>= 3)
			field[i] = (char)('0' + (value & 7));
		return;
	}
	for (size_t i = size; i-- != 0; value >>= 8)
		field[i] = (char)(value & 0xff);
	field[0] = (char)(field[0] | 0x80);
}

/* --- the map --- */

static void add_piece(struct gcp *gcp, uint64_t offset, uint64_t size)
{
	struct piece *last = gcp->count != 0 ? &gcp->pieces[gcp->count - 1] : NULL;

	gcp->data += size;
	if (last != NULL && last->offset + last->size == offset) {
		last->size += size;
		return;
	}
	UNI_PUSH_ROOM(gcp->pieces, gcp->count, gcp->room);
	gcp->pieces[gcp->count++] = (struct piece){ .offset = offset, .size = size };
}

static int make_map(struct gcp *gcp, struct uni_err *err)
{
	uint64_t size = gcp->source->size;
	uint64_t at = 0, length;
	int rc;

	while ((rc = uni_disk_source_next(gcp->source, &at, &length, err)) > 0) {
		uint64_t end = at + length;

		for (at = at / GRAIN * GRAIN; rc >= 0 && at < end; at += GRAIN) {
			rc = uni_disk_source_read(gcp->source, gcp->chunk, GRAIN, at, err);
			if (rc == 0 && !uni_all_zero(gcp->chunk, GRAIN))
				add_piece(gcp, at, GRAIN);
			if (rc == 0)
				rc = uni_check_cancel(err);
		}
		if (rc < 0)
			return rc;
	}
	/* A file that ends in a hole says so by a piece of nothing. */
	if (gcp->count == 0 ||
	    gcp->pieces[gcp->count - 1].offset + gcp->pieces[gcp->count - 1].size != size)
		add_piece(gcp, size, 0);
	return rc;
}

/* --- the archive --- */

static void put_pieces(const struct gcp *gcp, struct gnu_sparse *out, size_t from, size_t most)
{
	for (size_t i = 0; i < most && from + i < gcp->count; i++) {
		number(out[i].offset, sizeof(out[i].offset), gcp->pieces[from + i].offset);
		number(out[i].size, sizeof(out[i].size), gcp->pieces[from + i].size);
	}
}

static void make_header(const struct gcp *gcp, struct gnu_header *header)
{
	const unsigned char *bytes = (const unsigned char *)header;
	uint64_t sum = 0;

	memset(header, 0, sizeof(*header));
	memcpy(header->name, "disk.raw", 8);
	number(header->mode, sizeof(header->mode), 0644);
	number(header->uid, sizeof(header->uid), 0);
	number(header->gid, sizeof(header->gid), 0);
	number(header->size, sizeof(header->size), gcp->data);
	number(header->mtime, sizeof(header->mtime), 0);
	memset(header->checksum, ' ', sizeof(header->checksum));
	header->type = 'S';
	memcpy(header->magic, "ustar  ", 8);
	put_pieces(gcp, header->sparse, 0, IN_HEADER);
	header->extended = gcp->count > IN_HEADER;
	number(header->real_size, sizeof(header->real_size), gcp->source->size);
	for (size_t i = 0; i < sizeof(*header); i++)
		sum += bytes[i];
	number(header->checksum, 7, sum);
}

static int put_headers(struct gcp *gcp, struct uni_err *err)
{
	struct gnu_header header;
	int rc;

	make_header(gcp, &header);
	rc = gzip_add(gcp->gzip, &header, sizeof(header), err);
	for (size_t from = IN_HEADER; rc == 0 && from < gcp->count; from += IN_BLOCK) {
		struct gnu_block block = { .extended = from + IN_BLOCK < gcp->count };

		put_pieces(gcp, block.sparse, from, IN_BLOCK);
		rc = gzip_add(gcp->gzip, &block, sizeof(block), err);
	}
	return rc;
}

static int put_data(struct gcp *gcp, struct uni_err *err)
{
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < gcp->count; i++) {
		const struct piece *piece = &gcp->pieces[i];

		for (uint64_t at = 0; rc == 0 && at < piece->size; at += CHUNK) {
			size_t step = piece->size - at < CHUNK ? (size_t)(piece->size - at) : CHUNK;

			rc = uni_disk_source_read(gcp->source, gcp->chunk, step, piece->offset + at,
						  err);
			if (rc == 0)
				rc = gzip_add(gcp->gzip, gcp->chunk, step, err);
		}
	}
	return rc;
}

static int put_archive(struct gcp *gcp, struct uni_err *err)
{
	static const char end[2 * TAR];
	int rc = make_map(gcp, err);

	if (rc == 0)
		rc = put_headers(gcp, err);
	if (rc == 0)
		rc = put_data(gcp, err);
	if (rc == 0)
		rc = gzip_add(gcp->gzip, end, sizeof(end), err);
	return rc != 0 ? rc : gzip_finish(gcp->gzip, err);
}

static int gcp_write(struct uni_disk_source *source, const struct uni_form_machine *machine,
		     const struct uni_form_out *out, struct uni_err *err)
{
	struct gcp gcp = { .source = source };
	int fd;
	int rc = out->begin(out->user, &fd, err);

	if (rc == 0)
		rc = gzip_new(&gcp.gzip, fd, machine->threads, err);
	if (rc == 0) {
		gcp.chunk = uni_alloc(CHUNK);
		rc = put_archive(&gcp, err);
	}
	free(gcp.chunk);
	free(gcp.pieces);
	gzip_free(gcp.gzip);
	return rc != 0 ? rc : out->end(out->user, "gcp.tar.gz", NULL, err);
}

const struct uni_form form_gcp = {
	.name = "gcp",
	.ending = "gcp.tar.gz",
	.version = 1,
	.grain = UINT64_C(1) << 30,
	.deflate = true,
	.write = gcp_write,
};
