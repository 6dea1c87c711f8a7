/*
 * A kernel without gzip. A squashfs that is not compressed says that it is gzip's, so only data
 * that is makes it an error.
 */
#include <uk/log.h>

#include "../fs/fs.h"

int fs_gzip_new(void **memory)
{
	*memory = NULL;
	return 0;
}

int64_t fs_gzip_decode(void *memory, const void *from, size_t size, void *to, size_t room)
{
	(void)memory;
	(void)from;
	(void)size;
	(void)to;
	(void)room;
	uk_log(UK_LOG_ERROR, "this kernel was built without gzip");
	return -UK_EIO;
}
