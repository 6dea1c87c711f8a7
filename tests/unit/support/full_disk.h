/*
 * A disk that is full at one write: the nth call of pwrite, write or ftruncate fails with ENOSPC,
 * in whichever thread. For programs that link uni_full_disk.
 */
#ifndef FULL_DISK_H
#define FULL_DISK_H

#include <stdatomic.h>

extern atomic_int full_disk_countdown; /* the call at 0 fails; negative: none does */

#endif
