/*
 * A disk in memory behind the loader's disk_read.
 */
#ifndef BOOT_TEST_DISK_H
#define BOOT_TEST_DISK_H

#include <stddef.h>
#include <stdint.h>

/* Borrowed until the next call; reads beyond it fail. */
void test_disk_set(const uint8_t *data, size_t size);

#endif
