/*
 * CRC-32C of much data: what uni_crc32c of <uni/abi/crc32c.h> gives, by the processor's instruction
 * where it has one.
 */
#ifndef UNI_BASE_CHECKSUM_H
#define UNI_BASE_CHECKSUM_H

#include <stddef.h>
#include <stdint.h>

/* Continues `crc` (0 at the start) over `size` bytes. */
uint32_t uni_checksum(uint32_t crc, const void *data, size_t size);

#endif
