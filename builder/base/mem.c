/*
 * Allocation that either succeeds or ends the process through one handler, and a second kind for
 * sizes that come from outside, which reports.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <uni/base/mem.h>
#include <unistd.h>

static void (*end_handler)(const char *why);

void uni_set_end_handler(void (*handler)(const char *why))
{
	end_handler = handler;
}

void uni_end(const char *why)
{
	if (end_handler != NULL)
		end_handler(why);
	abort(); /* a handler that returns must not let the caller go on */
}

static void *or_end(void *p)
{
	if (p == NULL)
		uni_end("out of memory");
	return p;
}

void *uni_alloc(size_t size)
{
	return or_end(calloc(1, size != 0 ? size : 1));
}

void *uni_alloc_array(size_t count, size_t size)
{
	if (count == 0 || size == 0)
		return uni_alloc(1);
	return or_end(calloc(count, size));
}

void *uni_realloc_array(void *old, size_t count, size_t size)
{
	if (count == 0 || size == 0)
		count = size = 1;
	return or_end(reallocarray(old, count, size));
}

void *uni_memdup(const void *data, size_t size)
{
	void *copy = or_end(malloc(size != 0 ? size : 1));
	if (size != 0)
		memcpy(copy, data, size);
	return copy;
}

char *uni_strndup(const char *text, size_t size)
{
	size_t length = strnlen(text, size);
	char *copy = or_end(malloc(length + 1));
	memcpy(copy, text, length);
	copy[length] = '\0';
	return copy;
}

char *uni_strdup(const char *text)
{
	return uni_memdup(text, strlen(text) + 1);
}

char *uni_asprintf(const char *fmt, ...)
{
	char *text = NULL;
	va_list args;
	va_start(args, fmt);
	int length = vasprintf(&text, fmt, args);
	va_end(args);
	return or_end(length >= 0 ? text : NULL);
}

void *uni_try_alloc(uint64_t size, uint64_t limit, const char *what, struct uni_err *err)
{
	if (size > limit || size > SIZE_MAX / 2) {
		uni_err_set(err, UNI_E_LIMIT, "%s: %llu bytes are more than the %llu allowed", what,
			    (unsigned long long)size, (unsigned long long)limit);
		return NULL;
	}
	void *p = malloc(size != 0 ? (size_t)size : 1);
	if (p == NULL)
		uni_err_set(err, UNI_E_NOMEM, "%s: no memory for %llu bytes", what,
			    (unsigned long long)size);
	return p;
}

void uni_close_fd(int *fd)
{
	if (*fd < 0)
		return;
	/* A cleanup on the way out of an error must not change what errno says about it. */
	int saved = errno;
	close(*fd);
	errno = saved;
	*fd = -1;
}
