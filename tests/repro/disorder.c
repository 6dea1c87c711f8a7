/*
 * Preloaded into uni, it hands out the entries of folders from the last to the first, as another
 * file system might. The file that DISORDER_SEEN names has a byte for each time it did.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

static void seen(void)
{
	int fd = open(getenv("DISORDER_SEEN"), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);

	if (fd < 0 || write(fd, "", 1) != 1)
		abort();
	close(fd);
}

static void turn_round(char *entries, size_t size)
{
	char *turned = malloc(size);
	size_t at = 0, end = size;

	if (turned == NULL)
		abort();
	while (at < size) {
		size_t length = ((struct dirent64 *)(void *)(entries + at))->d_reclen;

		end -= length;
		memcpy(turned + end, entries + at, length);
		at += length;
	}
	memcpy(entries, turned, size);
	free(turned);
	seen();
}

/* uni reads folders by this call, past the C library. */
long syscall(long number, ...)
{
	union {
		void *symbol;
		long (*call)(long, ...);
	} next = { .symbol = dlsym(RTLD_NEXT, "syscall") };
	long a[6], got;
	va_list list;

	va_start(list, number);
	for (int i = 0; i < 6; i++)
		a[i] = va_arg(list, long);
	va_end(list);
	got = next.call(number, a[0], a[1], a[2], a[3], a[4], a[5]);
	if (number == SYS_getdents64 && got > 0)
		turn_round((void *)a[1], (size_t)got);
	return got;
}
