/*
 * Reading Google Cloud's archives: a gzip of a tar with disk.raw in it, sparse as old GNU tar has
 * it, or not. What is not zero is unpacked into a temporary file, for a stream cannot be looked
 * into at any place. zlib is loaded on first use.
 */
#include <string.h>
#include <uni/base/file.h>
#include <uni/base/system.h>
#include <unistd.h>
#include <zlib.h>

#include "mapped.h"
#include "tar.h"

enum {
	CHUNK = 256 << 10,
	GZIP_WINDOW = 31,
	EXTENTS_MOST = 1 << 22,
	TAIL_MOST = 16 << 20,
	IN_HEADER = 4,
	IN_BLOCK = 21
};

#define FNS(X) X(inflateInit2_) X(inflate) X(inflateReset) X(inflateEnd)
static struct {
	FNS(UNI_LAZY_FIELD)
} lib;
static const char *const lib_names[] = { FNS(UNI_LAZY_NAME) };

struct extent {
	uint64_t offset;
	uint64_t size;
};

struct unpacking {
	const struct disk_image *image;
	z_stream z;
	bool ended;  /* a member; another may follow */
	uint64_t at; /* in the image */
	uint8_t *in; /* CHUNK bytes */
	uint8_t *out;
	struct extent *extents;
	size_t count, room;
	uint64_t size; /* of the disk */
	int fd;
};

/* --- the stream --- */

static int refill(struct unpacking *u, struct uni_err *err)
{
	uint64_t left = u->image->length - u->at;
	size_t step = left < CHUNK ? (size_t)left : CHUNK;
	int rc;

	if (step == 0)
		return disk_corrupt(u->image, err, "ends too early; it may be truncated");
	rc = disk_image_read(u->image, u->in, step, u->at, "its data", err);
	u->at += step;
	u->z.next_in = u->in;
	u->z.avail_in = (uInt)step;
	return rc != 0 ? rc : uni_check_cancel(err);
}

/* Fills what stands in `z`. Members follow one another as if they were one. */
static int fill(struct unpacking *u, struct uni_err *err)
{
	while (u->z.avail_out != 0) {
		int rc = 0;

		if (u->z.avail_in == 0)
			rc = refill(u, err);
		if (rc == 0 && u->ended)
			rc = lib.inflateReset(&u->z) == Z_OK ? 0 : UNI_E_CORRUPT;
		if (rc != 0)
			return rc;
		u->ended = false;
		rc = lib.inflate(&u->z, Z_NO_FLUSH);
		if (rc != Z_OK && rc != Z_STREAM_END && rc != Z_BUF_ERROR)
			return disk_corrupt(u->image, err, "its gzip data is damaged");
		u->ended = rc == Z_STREAM_END;
	}
	return 0;
}

/* Exactly `size` bytes. */
static int take(struct unpacking *u, void *data, size_t size, struct uni_err *err)
{
	int rc;

	u->z.next_out = data;
	u->z.avail_out = (uInt)size;
	rc = fill(u, err);
	u->z.next_out = NULL;
	return rc;
}

/* What follows the disk is looked at only for the checksums at its end. */
static int drain(struct unpacking *u, struct uni_err *err)
{
	uint64_t tail = 0;

	while (!u->ended || u->z.avail_in != 0 || u->at != u->image->length) {
		size_t room = CHUNK;
		int rc;

		if (u->z.avail_in == 0 && (rc = refill(u, err)) != 0)
			return rc;
		if (u->ended && lib.inflateReset(&u->z) != Z_OK)
			return UNI_E_CORRUPT;
		u->z.next_out = u->out;
		u->z.avail_out = (uInt)room;
		rc = lib.inflate(&u->z, Z_NO_FLUSH);
		if (rc != Z_OK && rc != Z_STREAM_END && rc != Z_BUF_ERROR)
			return disk_corrupt(u->image, err, "its gzip data is damaged");
		u->ended = rc == Z_STREAM_END;
		tail += room - u->z.avail_out;
		if (tail > TAIL_MOST)
			return disk_corrupt(u->image, err, "holds more than a disk");
	}
	return 0;
}

/* --- the archive --- */

static int add_extents(struct unpacking *u, const struct disk_tar_sparse *list, size_t most,
		       struct uni_err *err)
{
	for (size_t i = 0; i < most && list[i].offset[0] != '\0'; i++) {
		struct extent extent;
		const struct extent *last = u->count != 0 ? &u->extents[u->count - 1] : NULL;

		if (!disk_tar_number(list[i].offset, sizeof(list[i].offset), &extent.offset) ||
		    !disk_tar_number(list[i].size, sizeof(list[i].size), &extent.size) ||
		    extent.offset > u->size || extent.size > u->size - extent.offset ||
		    (last != NULL && extent.offset < last->offset + last->size) ||
		    u->count == EXTENTS_MOST)
			return disk_corrupt(u->image, err, "its map of holes is damaged");
		UNI_PUSH_ROOM(u->extents, u->count, u->room);
		u->extents[u->count++] = extent;
	}
	return 0;
}

static int read_map(struct unpacking *u, const struct disk_tar_header *header, struct uni_err *err)
{
	struct {
		struct disk_tar_sparse sparse[IN_BLOCK];
		char extended;
		char pad[7];
	} block;
	bool more = header->extended != 0;
	int rc;

	_Static_assert(sizeof(block) == DISK_TAR, "old GNU sparse header");
	if (!disk_tar_number(header->real_size, sizeof(header->real_size), &u->size))
		return disk_corrupt(u->image, err, "its disk has no size");
	rc = add_extents(u, header->sparse, IN_HEADER, err);
	while (rc == 0 && more) {
		rc = take(u, &block, sizeof(block), err);
		if (rc == 0)
			rc = add_extents(u, block.sparse, IN_BLOCK, err);
		more = rc == 0 && block.extended != 0;
	}
	return rc;
}

static int read_header(struct unpacking *u, struct uni_err *err)
{
	struct disk_tar_header header;
	int rc = take(u, &header, sizeof(header), err);

	if (rc != 0)
		return rc;
	if (memcmp(header.magic, "ustar", 5) != 0 || !disk_tar_sound(&header)) {
		disk_unsupported(u->image, err, "is a gzip of no tar");
		return uni_err_hint(err, "unpack it first: gzip -dk FILE");
	}
	if (strncmp(header.name, "disk.raw", sizeof(header.name)) != 0 &&
	    strncmp(header.name, "./disk.raw", sizeof(header.name)) != 0) {
		disk_unsupported(u->image, err, "is an archive whose first file is not disk.raw");
		return uni_err_hint(err, "unpack it first: tar -xzf FILE");
	}
	if (header.type == 'S')
		return read_map(u, &header, err);
	if ((header.type != '0' && header.type != '\0') ||
	    !disk_tar_number(header.size, sizeof(header.size), &u->size))
		return disk_unsupported(u->image, err, "holds a disk.raw that is no plain file");
	u->count = 1;
	u->extents = uni_alloc(sizeof(*u->extents));
	u->extents[0].size = u->size;
	return 0;
}

static int unpack(struct unpacking *u, struct uni_err *err)
{
	int rc = read_header(u, err);

	if (rc == 0)
		rc = uni_file_nameless(&u->fd, err);
	if (rc == 0 && ftruncate(u->fd, (off_t)u->size) != 0)
		rc = uni_err_errno(err, "%s: temporary file", u->image->name);
	for (size_t i = 0; rc == 0 && i < u->count; i++) {
		struct extent *extent = &u->extents[i];

		while (rc == 0 && extent->size != 0) {
			size_t step = extent->size < CHUNK ? (size_t)extent->size : CHUNK;

			rc = take(u, u->out, step, err);
			if (rc == 0)
				rc = disk_write_sparse(u->fd, u->out, step, extent->offset, err);
			extent->offset += step;
			extent->size -= step;
		}
	}
	return rc != 0 ? rc : drain(u, err);
}

static bool probe(const struct disk_image *image)
{
	struct uni_err ignored = UNI_ERR_INIT;
	uint8_t magic[3];

	return disk_image_read(image, magic, sizeof(magic), 0, "", &ignored) == 0 &&
	       memcmp(magic, "\x1f\x8b\x08", sizeof(magic)) == 0;
}

static int gcp_open(struct uni_disk_source **source, const struct disk_image *image,
		    struct uni_err *err)
{
	struct unpacking u = { .image = image, .fd = -1 };
	int rc = uni_lazy_load("libz.so.1", lib_names, UNI_COUNT(lib_names), &lib, err);

	if (rc != 0)
		return rc;
	if (lib.inflateInit2_(&u.z, GZIP_WINDOW, ZLIB_VERSION, sizeof(u.z)) != Z_OK)
		return uni_err_set(err, UNI_E_NOMEM, "out of memory");
	u.in = uni_alloc(CHUNK);
	u.out = uni_alloc(CHUNK);
	rc = unpack(&u, err);
	if (rc == 0) {
		*source = uni_disk_source_from_fd(u.fd, 0, u.size, image->name);
		(*source)->form = "gcp";
		(*source)->owned_fd = uni_take_fd(&u.fd);
	}
	uni_close_fd(&u.fd);
	(void)lib.inflateEnd(&u.z);
	free(u.extents);
	free(u.in);
	free(u.out);
	return rc;
}

const struct disk_reader disk_read_gcp = {
	.form = "gcp",
	.probe = probe,
	.open = gcp_open,
};
