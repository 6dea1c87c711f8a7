/*
 * What the fuzz targets of file systems do with one that mounts: everything is listed, looked up
 * and read, within bounds.
 */
#ifndef FUZZ_WALK_H
#define FUZZ_WALK_H

#include "fs.h"

enum { FUZZ_ENTRIES_MAX = 40, FUZZ_NAMES = 200 };

struct fuzz_folder {
	struct uk_dirent_sink sink;
	unsigned count;
	struct {
		char name[UK_NAME_MAX + 1];
		size_t size;
	} entry[FUZZ_ENTRIES_MAX];
};

/* Called where they are not NULL: with each file once it was read, with each folder after what is
 * in it. */
struct fuzz_walk {
	unsigned budget; /* names still to be looked up */
	void (*file)(struct uk_inode *inode);
	void (*folder)(struct uk_inode *inode, const struct fuzz_folder *entries);
};

void fuzz_walk(struct fuzz_walk *walk, struct uk_inode *root);

#endif
