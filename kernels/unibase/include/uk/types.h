/*
 * What every kernel file needs: fixed types, attributes, Linux's error numbers (negative in
 * returns).
 */
#ifndef UK_TYPES_H
#define UK_TYPES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uk/errno.h>

typedef uint64_t uk_paddr_t; /* physical address */
typedef int64_t uk_off_t;    /* file offset */

#define UK_PAGE_SHIFT 12
#define UK_PAGE_SIZE 4096ull
#define UK_PAGE_MASK (UK_PAGE_SIZE - 1)
#define UK_ALIGN_UP(x, a) (((x) + ((a)-1ull)) & ~((a)-1ull))
#define UK_ALIGN_DOWN(x, a) ((x) & ~((a)-1ull))
#define UK_COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define UK_MIN(a, b) ((a) < (b) ? (a) : (b))
#define UK_MAX(a, b) ((a) > (b) ? (a) : (b))
#define uk_container(ptr, type, member) ((type *)(void *)((char *)(ptr)-offsetof(type, member)))

/* What is no longer than a call of it, or hardly: an emulator, too, pays for each call. */
#define UK_INLINE static inline __attribute__((always_inline))
/* What its callers mostly pass by, and what should not cost them registers or a stack guard. */
#define UK_ASIDE static __attribute__((noinline))
#define UK_NORETURN __attribute__((noreturn))
#define UK_PACKED __attribute__((packed))
#define UK_PRINTF(f, a) __attribute__((format(printf, f, a)))
#define uk_likely(x) __builtin_expect(!!(x), 1)
#define uk_unlikely(x) __builtin_expect(!!(x), 0)

/* Errors in pointers, as Linux does it: small negative numbers. */
static inline void *uk_err_ptr(long error)
{
	return (void *)error;
}
static inline long uk_ptr_err(const void *p)
{
	return (long)p;
}
static inline bool uk_is_err(const void *p)
{
	return (unsigned long)p >= (unsigned long)-4095;
}

/* lib/string.c: the compiler may call the first four. Tests on the host have the C library's. */
#if __STDC_HOSTED__
#include <string.h>
#else
void *memcpy(void *to, const void *from, size_t size);
void *memmove(void *to, const void *from, size_t size);
void *memset(void *to, int byte, size_t size);
int memcmp(const void *a, const void *b, size_t size);
size_t strlen(const char *s);
size_t strnlen(const char *s, size_t max);
int strcmp(const char *a, const char *b);
int strncmp(const char *a, const char *b, size_t max);
char *strchr(const char *s, int c);
char *strrchr(const char *s, int c);
/* Freestanding, the compiler knows them by these names only: small copies become moves. */
#define memcpy __builtin_memcpy
#define memset __builtin_memset
#define memcmp __builtin_memcmp
#define strlen __builtin_strlen
#endif
/* Always terminates; returns the length it wanted, so that a cut shows. */
size_t uk_strlcpy(char *to, const char *from, size_t room);
/* Hexadecimal digits of lower case into bytes: how many, -UK_EIO or -UK_EOVERFLOW. */
int64_t uk_unhex(const char *text, size_t size, void *to, size_t room);
int uk_snprintf(char *to, size_t room, const char *fmt, ...) UK_PRINTF(3, 4);
int uk_vsnprintf(char *to, size_t room, const char *fmt, __builtin_va_list args);

#endif
