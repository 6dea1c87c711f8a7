/*
 * Memory and string functions; the compiler calls the first four as well. Whole words by string
 * instructions: fast on hardware and a tight loop under an emulator.
 */
#include <uk/types.h>

/* Calls that the compiler makes up last. One copy of each: an emulator translates what it meets. */
#define KEPT __attribute__((used, noinline))

typedef uint64_t __attribute__((may_alias, aligned(1))) word;
typedef uint32_t __attribute__((may_alias, aligned(1))) half;

KEPT void *memcpy(void *to, const void *from, size_t size)
{
	uint8_t *d = to;
	const uint8_t *s = from;

	if (size >= 8) {
		uint8_t *last = d + size - 8;
		uint64_t tail = *(const word *)(s + size - 8);
		size_t words = size / 8;

		if (words <= 8)
			for (size_t i = 0; i < words; i++)
				((word *)d)[i] = ((const word *)s)[i];
		else
			__asm__ volatile("rep movsq" : "+D"(d), "+S"(s), "+c"(words) : : "memory");
		*(word *)last = tail;
	} else if (size >= 4) {
		uint32_t tail = *(const half *)(s + size - 4);

		*(half *)d = *(const half *)s;
		*(half *)(d + size - 4) = tail;
	} else {
		for (size_t i = 0; i < size; i++)
			d[i] = s[i];
	}
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
	uint8_t *d = to;
	uint64_t pattern = (uint8_t)byte * 0x0101010101010101ull;

	if (size >= 8) {
		uint8_t *last = d + size - 8;
		size_t words = size / 8;

		if (words <= 8)
			for (size_t i = 0; i < words; i++)
				((word *)d)[i] = pattern;
		else
			__asm__ volatile("rep stosq"
					 : "+D"(d), "+c"(words)
					 : "a"(pattern)
					 : "memory");
		*(word *)last = pattern;
	} else {
		for (size_t i = 0; i < size; i++)
			d[i] = (uint8_t)byte;
	}
	return to;
}

KEPT int memcmp(const void *a, const void *b, size_t size)
{
	const uint8_t *x = a, *y = b;

	while (size >= 8 && *(const word *)x == *(const word *)y) {
		x += 8;
		y += 8;
		size -= 8;
	}
	for (size_t i = 0; i < size; i++)
		if (x[i] != y[i])
			return x[i] < y[i] ? -1 : 1;
	return 0;
}

size_t strlen(const char *s)
{
	size_t n = 0;

	while (s[n] != 0)
		n++;
	return n;
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

	for (;; s++) {
		if (*s == (char)c)
			last = s;
		if (*s == 0)
			return (char *)(uintptr_t)last;
	}
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
