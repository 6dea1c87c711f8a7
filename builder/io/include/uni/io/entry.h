/*
 * One entry of an archive, as the writers of tar and cpio take it and the reader of tar gives it.
 */
#ifndef UNI_IO_ENTRY_H
#define UNI_IO_ENTRY_H

#include <stddef.h>
#include <stdint.h>

enum uni_entry_type {
	UNI_ENTRY_FILE,
	UNI_ENTRY_DIR,
	UNI_ENTRY_SYMLINK,
	UNI_ENTRY_HARDLINK, /* another name of an entry before it */
	UNI_ENTRY_CHAR,
	UNI_ENTRY_BLOCK,
	UNI_ENTRY_FIFO,
};

struct uni_xattr {
	const char *name; /* "user.mime" */
	const void *value;
	size_t size;
};

struct uni_entry {
	enum uni_entry_type type;
	const char *path; /* relative, without "." and ".." and slash at the end; the root is "." */
	const char *target; /* of a link, else NULL; of a hard link as `path` */
	uint32_t mode;	    /* permission bits, 07777 */
	uint32_t uid;
	uint32_t gid;
	int64_t mtime;	/* seconds since 1970 */
	uint64_t size;	/* of a file's content, else 0 */
	uint32_t major; /* of a device */
	uint32_t minor;
	const struct uni_xattr *xattrs; /* sorted by name where bytes matter */
	size_t xattr_count;
};

#endif
