/*
 * One entry of an archive, as the writers of tar and cpio take it and the reader of tar gives it.
 * Everything that it points to is borrowed: a writer needs it for the one call, a reader's is good
 * until the next entry is read. What a form cannot say, its writer refuses (uni/io/tar.h,
 * uni/io/cpio.h); nothing is dropped or changed in silence.
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

/* An extended attribute (xattr(7)). */
struct uni_xattr {
	const char *name;  /* with its namespace: "user.mime" */
	const void *value; /* any bytes */
	size_t size;	   /* of the value */
};

struct uni_entry {
	enum uni_entry_type type;
	/* Relative and normalised (uni/base/path.h), without ".." in it; the root is ".". */
	const char *path;
	/* Of a symbolic link its text, whatever that is; of a hard link the path of an entry
	 * before it, in the form of `path`; else NULL. */
	const char *target;
	uint32_t mode; /* permission bits with set-id and sticky, 07777; the kind is `type` */
	uint32_t uid;
	uint32_t gid;
	int64_t mtime;	/* seconds since 1970 */
	uint64_t size;	/* bytes of a file's content, which follow the entry; else 0 */
	uint32_t major; /* of a device */
	uint32_t minor;
	/* Written in this order: sorted by name where bytes matter. */
	const struct uni_xattr *xattrs;
	size_t xattr_count;
};

#endif
