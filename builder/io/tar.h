/*
 * The block of a tar header (POSIX.1-2017, pax, "ustar Interchange Format"), and what the files of
 * the tar code share.
 */
#ifndef UNI_IO_TAR_INTERNAL_H
#define UNI_IO_TAR_INTERNAL_H

#include <uni/io/tar.h>

#define TAR_BLOCK 512u

struct tar_header {
	char name[100];
	char mode[8];
	char uid[8];
	char gid[8];
	char size[12];
	char mtime[12];
	char checksum[8];
	char type;
	char linkname[100];
	char magic[6];
	char version[2];
	char uname[32];
	char gname[32];
	char devmajor[8];
	char devminor[8];
	char prefix[155];
	char pad[12];
};
_Static_assert(sizeof(struct tar_header) == TAR_BLOCK, "ustar");

/* Sum of the block's bytes, those of the checksum counted as spaces. */
static inline unsigned tar_checksum(const struct tar_header *header)
{
	const unsigned char *bytes = (const unsigned char *)header;
	unsigned sum = 0;
	for (size_t i = 0; i < sizeof(*header); i++)
		sum += bytes[i];
	for (size_t i = 0; i < sizeof(header->checksum); i++)
		sum += ' ' - (unsigned char)header->checksum[i];
	return sum;
}

static inline uint64_t tar_padding(uint64_t size)
{
	return -size % TAR_BLOCK;
}

/* What extended headers say about the next entry; sizes of 0 and NULL mean nothing. */
struct tar_extended {
	char *path;
	char *target;
	bool has_size, has_mtime, has_uid, has_gid;
	uint64_t size;
	int64_t mtime;
	uint32_t uid, gid;
	struct uni_xattr *xattrs; /* names and values are owned */
	size_t xattr_count, xattr_room;
};

void tar_extended_clear(struct tar_extended *extended);
/* Reads the records of a pax header; unknown keys are passed over, as POSIX says. */
int tar_extended_parse(struct tar_extended *extended, const char *data, size_t size,
		       const struct uni_tar_limits *limits, struct uni_err *err);

#endif
