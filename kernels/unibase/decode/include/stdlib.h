/*
 * For the decoders only: their contexts live in memory that they are given, so nothing is
 * allocated.
 */
#ifndef UK_DECODE_STDLIB_H
#define UK_DECODE_STDLIB_H

#include <stddef.h>

static inline void *malloc(size_t size)
{
	(void)size;
	return NULL;
}

static inline void *calloc(size_t count, size_t size)
{
	(void)count;
	(void)size;
	return NULL;
}

static inline void free(void *p)
{
	(void)p;
}

#endif
