/* Numbers in the byte order of a format, at any address. */
#ifndef UNI_DISK_BYTES_INTERNAL_H
#define UNI_DISK_BYTES_INTERNAL_H

#include <endian.h>
#include <stdint.h>
#include <string.h>

#define BYTES_GET(name, type, convert)                                                             \
	static inline type name(const void *p)                                                     \
	{                                                                                          \
		type value;                                                                        \
		memcpy(&value, p, sizeof(value));                                                  \
		return convert(value);                                                             \
	}
#define BYTES_PUT(name, type, convert)                                                             \
	static inline void name(void *p, type value)                                               \
	{                                                                                          \
		value = convert(value);                                                            \
		memcpy(p, &value, sizeof(value));                                                  \
	}

BYTES_GET(get_be16, uint16_t, be16toh)
BYTES_GET(get_be32, uint32_t, be32toh)
BYTES_GET(get_be64, uint64_t, be64toh)
BYTES_GET(get_le16, uint16_t, le16toh)
BYTES_GET(get_le32, uint32_t, le32toh)
BYTES_GET(get_le64, uint64_t, le64toh)
BYTES_PUT(put_be16, uint16_t, htobe16)
BYTES_PUT(put_be32, uint32_t, htobe32)
BYTES_PUT(put_be64, uint64_t, htobe64)
BYTES_PUT(put_le16, uint16_t, htole16)
BYTES_PUT(put_le32, uint32_t, htole32)
BYTES_PUT(put_le64, uint64_t, htole64)

#endif
