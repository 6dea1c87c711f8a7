/*
 * The headers of a tar, as far as archives with a disk in them want to be read: POSIX ustar and the
 * old GNU form. What cannot be read here is refused by the callers.
 */
#ifndef UNI_DISK_TAR_INTERNAL_H
#define UNI_DISK_TAR_INTERNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { DISK_TAR = 512 };

struct disk_tar_sparse {
	char offset[12];
	char size[12];
};
struct disk_tar_header {
	char name[100];
	char mode[8], uid[8], gid[8];
	char size[12], mtime[12];
	char checksum[8];
	char type;
	char linkname[100];
	char magic[8];
	char owners[80]; /* names and device numbers */
	char prefix[41]; /* and, in the old GNU form, what follows */
	struct disk_tar_sparse sparse[4];
	char extended;
	char real_size[12];
	char pad[17];
};
_Static_assert(sizeof(struct disk_tar_header) == DISK_TAR, "tar header");

/* Whether the checksum is right. */
bool disk_tar_sound(const struct disk_tar_header *header);
/* Octal, or 256-ary; false when neither, or larger than a disk may be. */
bool disk_tar_number(const char *field, size_t size, uint64_t *value);

#endif
