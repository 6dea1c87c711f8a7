/*
 * The calls that fail when they are told to. The linker puts them in (--wrap).
 */
#include "full_disk.h"

#include <errno.h>
#include <stdbool.h>
#include <unistd.h>

atomic_int full_disk_countdown = -1;

static bool fails(void)
{
	if (full_disk_countdown < 0 || atomic_fetch_sub(&full_disk_countdown, 1) != 0)
		return false;
	errno = ENOSPC;
	return true;
}

ssize_t __real_pwrite(int fd, const void *data, size_t size, off_t at);
ssize_t __wrap_pwrite(int fd, const void *data, size_t size, off_t at);
ssize_t __wrap_pwrite(int fd, const void *data, size_t size, off_t at)
{
	return fails() ? -1 : __real_pwrite(fd, data, size, at);
}

ssize_t __real_write(int fd, const void *data, size_t size);
ssize_t __wrap_write(int fd, const void *data, size_t size);
ssize_t __wrap_write(int fd, const void *data, size_t size)
{
	return fails() ? -1 : __real_write(fd, data, size);
}

int __real_ftruncate(int fd, off_t size);
int __wrap_ftruncate(int fd, off_t size);
int __wrap_ftruncate(int fd, off_t size)
{
	return fails() ? -1 : __real_ftruncate(fd, size);
}
