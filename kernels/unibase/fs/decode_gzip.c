/*
 * gzip's blocks as squashfs has them (RFC 1950), by libdeflate.
 */
#include <libdeflate.h>

#include "fs.h"

/* libdeflate asks for memory by these names. */
void *libdeflate_malloc(size_t size);
void libdeflate_free(void *p);

void *libdeflate_malloc(size_t size)
{
	return uk_alloc_room(size);
}

void libdeflate_free(void *p)
{
	uk_free(p);
}

int fs_gzip_new(void **memory)
{
	*memory = libdeflate_alloc_decompressor();
	return *memory != NULL ? 0 : -UK_ENOMEM;
}

int64_t fs_gzip_decode(void *memory, const void *from, size_t size, void *to, size_t room)
{
	size_t got;

	return libdeflate_zlib_decompress(memory, from, size, to, room, &got) == LIBDEFLATE_SUCCESS
		       ? (int64_t)got
		       : -UK_EIO;
}
