/*
 * The memory functions that the compiler may call.
 */
#include "boot.h"

void *memcpy(void *to, const void *from, size_t size)
{
	void *start = to;

	__asm__ volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(size) : : "memory");
	return start;
}

void *memset(void *to, int byte, size_t size)
{
	void *start = to;
	size_t words = size / 4;
	uint32_t word = (uint8_t)byte * 0x01010101u;

	__asm__ volatile("rep stosl" : "+D"(to), "+c"(words) : "a"(word) : "memory");
	size %= 4;
	__asm__ volatile("rep stosb" : "+D"(to), "+c"(size) : "a"(word) : "memory");
	return start;
}

int memcmp(const void *a, const void *b, size_t size)
{
	const uint8_t *p = a, *q = b;

	for (; size != 0; size--, p++, q++)
		if (*p != *q)
			return *p < *q ? -1 : 1;
	return 0;
}
