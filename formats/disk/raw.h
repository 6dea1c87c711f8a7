/* Internal: the forms that disk.c lists. */
#ifndef UNI_DISK_RAW_INTERNAL_H
#define UNI_DISK_RAW_INTERNAL_H

#include <uni/disk/disk.h>

extern const struct uni_disk_format uni_disk_raw;

#endif
