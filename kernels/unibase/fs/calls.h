/*
 * What the system calls on files share: paths and vectors out of the program's memory. fs/calls.c.
 */
#ifndef UK_FS_CALLS_H
#define UK_FS_CALLS_H

#include <uk/syscall.h>

#include "fs.h"

/* A path of the program's. Short ones, nearly all, need no memory. */
struct fs_path {
	char *text;
	char room[248];
};
int fs_path_get(struct fs_path *path, uint64_t user);
static inline void fs_path_put(struct fs_path *path)
{
	if (path->text != path->room)
		uk_free(path->text);
}

struct fs_vec {
	struct uk_iovec *vec;
	struct uk_iovec room[8];
};
/* The program's vector as an iterator; together cut to UK_RW_MAX. */
int fs_vec_get(struct fs_vec *v, uint64_t user, uint64_t count, struct uk_iter *it);
UK_INLINE void fs_vec_put(struct fs_vec *v)
{
	if (v->vec != v->room)
		uk_free(v->vec);
}

/* sys_io.c: fsync(2) of what is open */
int fs_sync(struct uk_file *file, bool data_only);
/* Flags of a single read or write (pwritev2(2)). Of others there is -UK_EOPNOTSUPP. */
enum {
	FS_RWF_HIPRI = 1, /* a hint that this kernel has no use for */
	FS_RWF_DSYNC = 2,
	FS_RWF_SYNC = 4,
	FS_RWF_KNOWN = FS_RWF_HIPRI | FS_RWF_DSYNC | FS_RWF_SYNC,
};
/* What the flags add to a write whose result was `done`; the result then. */
int64_t fs_written(struct uk_file *file, int64_t done, uint32_t flags);

/* An end of a copy from file to file. sys_io.c */
struct fs_end {
	struct uk_file *file; /* with a reference, or NULL */
	uint64_t user;	      /* where the program keeps the offset; 0: the file does */
	uint64_t offset;
};
int64_t fs_end_begin(struct fs_end *end, uint64_t fd, uint64_t user);
/* Puts back the file, also of an end that was never begun, and the offset after a success; the
 * result, or another error. */
int64_t fs_end_finish(struct fs_end *end, int64_t result);

static inline int fs_arg_int(uint64_t arg)
{
	return (int)(uint32_t)arg;
}

/* Reads and writes as the calls do: permission to, then the operation. */
int64_t fs_read(struct uk_file *file, struct uk_iter *to, uint64_t *offset);
int64_t fs_write(struct uk_file *file, struct uk_iter *from, uint64_t *offset);

#endif
