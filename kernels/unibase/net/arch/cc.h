/*
 * lwIP's view of the compiler and of the kernel's small library.
 */
#ifndef UK_LWIP_CC_H
#define UK_LWIP_CC_H

#include <uk/log.h>
#include <uk/types.h>

#define LWIP_NO_STDDEF_H 0
#define LWIP_NO_STDINT_H 0
#define LWIP_NO_INTTYPES_H 1
#define LWIP_NO_LIMITS_H 1
#define LWIP_NO_CTYPE_H 1
#define LWIP_NO_UNISTD_H 1
#define SSIZE_MAX INT64_MAX
typedef int64_t ssize_t;

#define X8_F "02x"
#define U16_F "u"
#define S16_F "d"
#define X16_F "x"
#define U32_F "u"
#define S32_F "d"
#define X32_F "x"
#define SZT_F "lu"

#define BYTE_ORDER LITTLE_ENDIAN
#define LWIP_PLATFORM_BYTESWAP 1
#define LWIP_PLATFORM_HTONS(x) __builtin_bswap16(x)
#define LWIP_PLATFORM_HTONL(x) __builtin_bswap32(x)

#define LWIP_PLATFORM_DIAG(x) ((void)0)
#define LWIP_PLATFORM_ASSERT(x) uk_panic("lwIP: %s", x)
/* A wrong call, reported by its result; not worth ending the machine. */
#define LWIP_ERROR(message, expression, handler)                                                   \
	do {                                                                                       \
		if (!(expression)) {                                                               \
			handler;                                                                   \
		}                                                                                  \
	} while (0)

#endif
