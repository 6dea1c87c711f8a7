/*
 * A kernel without gzip.
 */
#include "../fs/fs.h"

int fs_gzip_new(void **memory)
{
	*memory = NULL;
	return -UK_EOPNOTSUPP;
}

int64_t fs_gzip_decode(void *memory, const void *from, size_t size, void *to, size_t room)
{
	(void)memory;
	(void)from;
	(void)size;
	(void)to;
	(void)room;
	return -UK_EIO;
}
