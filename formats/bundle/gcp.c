/*
 * Google Cloud's form: a gzip of a tar in the old GNU form that holds disk.raw alone, of whole GiB
 * ("Requirements to build custom images"; the sparse map as in GNU tar's manual, "Old GNU Format").
 * The map is made of the content, so that holes and zeros that were written give the same bytes. It
 * stands in front of the data, and is known when that has been read: so the data is compressed into
 * a file without a name first, and copied behind the map.
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
	unsigned threads;
	struct piece *pieces;
	size_t count, room;
	uint64_t data; /* bytes of all pieces */
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

static int add_chunk(struct gcp *gcp, struct gzip *gzip, const uint8_t *chunk, size_t size,
		     uint64_t offset, struct uni_err *err)
{
	int rc = uni_check_cancel(err);

	for (size_t at = 0; rc == 0 && at < size; at += GRAIN) {
		if (uni_all_zero(chunk + at, GRAIN))
			continue;
		add_piece(gcp, offset + at, GRAIN);
		rc = gzip_add(gzip, chunk + at, GRAIN, err);
	}
	return rc;
}

/* What is not zero, and the map of it. */
static int put_pieces(struct gcp *gcp, struct gzip *gzip, struct uni_err *err)
{
	UNI_AUTO_FREE uint8_t *chunk = uni_alloc(CHUNK);
	uint64_t size = gcp->source->size;
	uint64_t at = 0, length;
	int rc;

	while ((rc = uni_disk_source_next(gcp->source, &at, &length, err)) > 0) {
		uint64_t end = (at + length + GRAIN - 1) / GRAIN * GRAIN;

		for (at = at / GRAIN * GRAIN; at < end;) {
			size_t step = end - at < CHUNK ? (size_t)(end - at) : CHUNK;

			rc = uni_disk_source_read(gcp->source, chunk, step, at, err);
			if (rc == 0)
				rc = add_chunk(gcp, gzip, chunk, step, at, err);
			if (rc != 0)
				return rc;
			at += step;
		}
	}
	/* A file that ends in a hole says so by a piece of nothing. */
	if (gcp->count == 0 ||
	    gcp->pieces[gcp->count - 1].offset + gcp->pieces[gcp->count - 1].size != size)
		add_piece(gcp, size, 0);
	return rc;
}

/* --- the archive --- */

static void put_map(const struct gcp *gcp, struct gnu_sparse *out, size_t from, size_t most)
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
	put_map(gcp, header->sparse, 0, IN_HEADER);
	header->extended = gcp->count > IN_HEADER;
	number(header->real_size, sizeof(header->real_size), gcp->source->size);
	for (size_t i = 0; i < sizeof(*header); i++)
		sum += bytes[i];
	number(header->checksum, 7, sum);
}

static int put_headers(const struct gcp *gcp, struct gzip *gzip, struct uni_err *err)
{
	struct gnu_header header;
	int rc;

	make_header(gcp, &header);
	rc = gzip_add(gzip, &header, sizeof(header), err);
	for (size_t from = IN_HEADER; rc == 0 && from < gcp->count; from += IN_BLOCK) {
		struct gnu_block block = { .extended = from + IN_BLOCK < gcp->count };

		put_map(gcp, block.sparse, from, IN_BLOCK);
		rc = gzip_add(gzip, &block, sizeof(block), err);
	}
	return rc;
}

/* With the end of the archive. */
static int write_data(struct gcp *gcp, int fd, uint64_t *written, struct uni_err *err)
{
	static const char end[2 * TAR];
	UNI_AUTO(gzip) struct gzip *gzip = NULL;
	int rc = gzip_new(&gzip, fd, gcp->threads, err);

	if (rc == 0)
		rc = put_pieces(gcp, gzip, err);
	if (rc == 0)
		rc = gzip_add(gzip, end, sizeof(end), err);
	return rc != 0 ? rc : gzip_finish(gzip, written, err);
}

static int write_headers(const struct gcp *gcp, int fd, uint64_t *written, struct uni_err *err)
{
	UNI_AUTO(gzip) struct gzip *gzip = NULL;
	int rc = gzip_new(&gzip, fd, 1, err);

	if (rc == 0)
		rc = put_headers(gcp, gzip, err);
	return rc != 0 ? rc : gzip_finish(gzip, written, err);
}

static int gcp_write(struct uni_disk_source *source, const struct uni_form_machine *machine,
		     const struct uni_form_out *out, struct uni_err *err)
{
	struct gcp gcp = { .source = source, .threads = machine->threads };
	int data UNI_AUTO_CLOSE = -1;
	uint64_t data_size, head_size;
	int fd;
	int rc = uni_file_nameless(&data, err);

	if (rc == 0)
		rc = write_data(&gcp, data, &data_size, err);
	if (rc == 0)
		rc = out->begin(out->user, &fd, err);
	if (rc == 0)
		rc = write_headers(&gcp, fd, &head_size, err);
	if (rc == 0)
		rc = uni_copy_range(data, 0, fd, head_size, data_size, err);
	free(gcp.pieces);
	return rc != 0 ? rc : out->end(out->user, "gcp.tar.gz", NULL, err);
}

const struct uni_form form_gcp = {
	.name = "gcp",
	.ending = "gcp.tar.gz",
	.version = 2,
	.grain = UINT64_C(1) << 30,
	.deflate = true,
	.write = gcp_write,
};
