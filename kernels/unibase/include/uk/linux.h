/*
 * Structures and numbers of the Linux x86-64 system-call ABI (include/uapi of Linux), as programs
 * see them.
 */
#ifndef UK_LINUX_H
#define UK_LINUX_H

#include <uk/types.h>

struct uk_linux_timespec {
	int64_t sec;
	int64_t nsec;
};

struct uk_linux_statfs {
	int64_t type, bsize;
	uint64_t blocks, bfree, bavail, files, ffree;
	int32_t fsid[2];
	int64_t namelen, frsize, flags, spare[4];
};

_Static_assert(sizeof(struct uk_linux_statfs) == 120, "Linux ABI");

#endif
