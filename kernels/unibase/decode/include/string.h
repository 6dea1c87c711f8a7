/*
 * For the decoders only: the few functions of the C library that they call, which lib/string.c has.
 */
#ifndef UK_DECODE_STRING_H
#define UK_DECODE_STRING_H

#include <stddef.h>

void *memcpy(void *to, const void *from, size_t size);
void *memmove(void *to, const void *from, size_t size);
void *memset(void *to, int byte, size_t size);
int memcmp(const void *a, const void *b, size_t size);

#endif
