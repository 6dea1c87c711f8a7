/*
 * Where two files part.
 */
#include "internal.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <uni/base/file.h>

#define CHUNK (1u << 20)

static int64_t first_in(const char *a, const char *b, size_t size)
{
	for (size_t i = 0; i < size; i++)
		if (a[i] != b[i])
			return (int64_t)i;
	return -1;
}

/* Moves to the next place where one of the two may have data; `size` when there is none. */
static int skip_holes(int fa, int fb, uint64_t size, uint64_t *at, struct uni_err *err)
{
	uint64_t a = *at, b = *at, length;
	int rc = uni_data_next(fa, size, &a, &length, err);

	if (rc == 0)
		a = size;
	if (rc >= 0)
		rc = uni_data_next(fb, size, &b, &length, err);
	if (rc == 0)
		b = size;
	*at = a < b ? a : b;
	return rc < 0 ? rc : 0;
}

int first_difference(const char *a, const char *b, int64_t *offset, struct uni_err *err)
{
	char *chunks UNI_AUTO_FREE = uni_alloc((size_t)2 * CHUNK);
	int fa UNI_AUTO_CLOSE = open(a, O_RDONLY | O_CLOEXEC);
	int fb UNI_AUTO_CLOSE = open(b, O_RDONLY | O_CLOEXEC);
	struct stat sa, sb;
	uint64_t common;

	*offset = -1;
	if (fa < 0 || fstat(fa, &sa) != 0)
		return uni_err_errno(err, "%s", a);
	if (fb < 0 || fstat(fb, &sb) != 0)
		return uni_err_errno(err, "%s", b);
	common = (uint64_t)(sa.st_size < sb.st_size ? sa.st_size : sb.st_size);
	for (uint64_t at = 0; at < common; at += CHUNK) {
		int rc = skip_holes(fa, fb, common, &at, err);
		size_t now = common - at < CHUNK ? (size_t)(common - at) : CHUNK;

		if (rc == 0)
			rc = uni_pread_full(fa, chunks, now, at, a, err);
		if (rc == 0)
			rc = uni_pread_full(fb, chunks + CHUNK, now, at, b, err);
		if (rc != 0)
			return rc;
		if (memcmp(chunks, chunks + CHUNK, now) == 0)
			continue;
		*offset = (int64_t)at + first_in(chunks, chunks + CHUNK, now);
		return 0;
	}
	if (sa.st_size != sb.st_size)
		*offset = (int64_t)common;
	return 0;
}
