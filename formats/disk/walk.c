/*
 * What every writer does: the data of a disk from front to back, once, in chunks of whole blocks,
 * and writing bytes so that zeros stay holes.
 */
#include <errno.h>
#include <string.h>
#include <uni/base/file.h>
#include <uni/base/system.h>
#include <unistd.h>

#include "internal.h"

enum { HOLE = 4096 };

int disk_walk_next(struct disk_walk *walk, void *data, uint64_t *offset, size_t *size,
		   struct uni_err *err)
{
	struct uni_disk_source *source = walk->source;
	uint64_t at = walk->at;
	size_t take;
	int rc = uni_check_cancel(err);

	if (rc != 0)
		return rc;
	if (at >= walk->data_end) {
		uint64_t from = at;
		uint64_t length = 0;

		rc = uni_disk_source_next(source, &from, &length, err);
		if (rc <= 0)
			return rc;
		walk->data_end = from + length;
		at = from / walk->block * walk->block;
	}
	take = walk->room;
	if (walk->data_end - at < take)
		take = (size_t)(walk->data_end - at + walk->block - 1) / walk->block * walk->block;
	*offset = at;
	*size = take;
	walk->at = at + take;
	if (source->size - at < take) {
		memset((uint8_t *)data + (source->size - at), 0,
		       take - (size_t)(source->size - at));
		take = (size_t)(source->size - at);
	}
	rc = uni_disk_source_read(source, data, take, at, err);
	return rc != 0 ? rc : 1;
}

int disk_write_sparse(int fd, const void *data, size_t size, uint64_t offset, struct uni_err *err)
{
	const uint8_t *bytes = data;
	size_t at = 0;

	while (at < size) {
		size_t block = size - at < HOLE ? size - at : HOLE;
		size_t end = at;

		if (uni_all_zero(bytes + at, block)) {
			at += block;
			continue;
		}
		do {
			end += block;
			block = size - end < HOLE ? size - end : HOLE;
		} while (end < size && !uni_all_zero(bytes + end, block));
		int rc = disk_write(fd, bytes + at, end - at, offset + at, err);

		if (rc != 0)
			return rc;
		at = end;
	}
	return 0;
}

int disk_write(int fd, const void *data, size_t size, uint64_t offset, struct uni_err *err)
{
	int rc = uni_pwrite_full(fd, data, size, offset, "disk image", err);

	if (rc == 0)
		uni_write_behind(fd, offset, offset + size);
	return rc;
}

int disk_set_size(int fd, uint64_t size, struct uni_err *err)
{
	if (ftruncate(fd, (off_t)size) == 0)
		return 0;
	if (errno != EFBIG)
		return uni_err_errno(err, "disk image");
	uni_err_set(err, UNI_E_LIMIT,
		    "a disk image of %s is larger than files of this machine's file system can be",
		    uni_size_text(size));
	return uni_err_hint(err,
			    "a smaller disk, a form that leaves out what is empty, as qcow2, or "
			    "a file system of larger files, as XFS");
}
