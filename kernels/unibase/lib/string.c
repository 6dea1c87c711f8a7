/*
 * Memory and string functions; the compiler calls the first four as well. Whole words by string
 * instructions: fast on hardware and a tight loop under an emulator.
 */
#include <uk/types.h>

#undef memcpy
#undef memset
#undef memcmp
#undef strlen

/* Calls that the compiler makes up last. One copy of each: an emulator translates what it meets. */
#define KEPT __attribute__((used, noinline))

typedef uint64_t __attribute__((may_alias, aligned(1))) word;

KEPT void *memcpy(void *to, const void *from, size_t size)
{
	void *d = to;
	size_t words = size / 8, rest = size % 8;

	__asm__ volatile("rep movsq" : "+D"(d), "+S"(from), "+c"(words) : : "memory");
	__asm__ volatile("rep movsb" : "+D"(d), "+S"(from), "+c"(rest) : : "memory");
	return to;
}

KEPT void *memmove(void *to, const void *from, size_t size)
{
	uint8_t *d = to;
	const uint8_t *s = from;

	if ((uintptr_t)d - (uintptr_t)s >= size)
		return memcpy(to, from, size);
	while (size >= 8) {
		size -= 8;
		*(word *)(d + size) = *(const word *)(s + size);
	}
	while (size-- != 0)
		d[size] = s[size];
	return to;
}

KEPT void *memset(void *to, int byte, size_t size)
{
	uint64_t pattern = (uint8_t)byte * 0x0101010101010101ull;
	void *d = to;
	size_t words = size / 8, rest = size % 8;

	__asm__ volatile("rep stosq" : "+D"(d), "+c"(words) : "a"(pattern) : "memory");
	__asm__ volatile("rep stosb" : "+D"(d), "+c"(rest) : "a"(pattern) : "memory");
	return to;
}

KEPT int memcmp(const void *a, const void *b, size_t size)
{
	const uint8_t *x = a, *y = b;

	for (; size >= 8; x += 8, y += 8, size -= 8) {
		uint64_t v = *(const word *)x, w = *(const word *)y;

		/* The first byte that differs is the highest one then. */
		if (v != w)
			return __builtin_bswap64(v) < __builtin_bswap64(w) ? -1 : 1;
	}
	for (; size != 0; x++, y++, size--)
		if (*x != *y)
			return *x - *y;
	return 0;
}

size_t strlen(const char *s)
{
	const char *end = s;

	while (*end++ != 0)
		;
	return (size_t)(end - s) - 1;
}

size_t strnlen(const char *s, size_t max)
{
	size_t n = 0;

	while (n < max && s[n] != 0)
		n++;
	return n;
}

int strcmp(const char *a, const char *b)
{
	return strncmp(a, b, SIZE_MAX);
}

int strncmp(const char *a, const char *b, size_t max)
{
	for (size_t i = 0; i < max; i++) {
		if (a[i] != b[i])
			return (uint8_t)a[i] < (uint8_t)b[i] ? -1 : 1;
		if (a[i] == 0)
			break;
	}
	return 0;
}

char *strchr(const char *s, int c)
{
	for (;; s++) {
		if (*s == (char)c)
			return (char *)(uintptr_t)s;
		if (*s == 0)
			return NULL;
	}
}

__attribute__((noinline)) char *strrchr(const char *s, int c)
{
	const char *last = NULL;

	do {
		last = *s == (char)c ? s : last;
	} while (*s++ != 0);
	return (char *)(uintptr_t)last;
}

size_t uk_strlcpy(char *to, const char *from, size_t room)
{
	size_t size = strlen(from);

	if (room != 0) {
		size_t n = UK_MIN(size, room - 1);

		memcpy(to, from, n);
		to[n] = 0;
	}
	return size;
}
