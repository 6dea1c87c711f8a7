/*
 * Files put into an ext4 volume without starting anything, by libext2fs.
 */
#ifndef UNI_FS_EDIT_H
#define UNI_FS_EDIT_H

#include <stdint.h>
#include <uni/base/err.h>

struct uni_tree;

/*
 * Puts all of `tree` at `inside` ("/", or a path whose folders are made): its files take the place
 * of those of the same name, what else is there stays. The volume in `path` is replaced when all of
 * it is written. `time` is that of what is made, seconds since 1970.
 *
 * UNI_E_BUSY: a machine has it. UNI_E_UNSUPPORTED: no ext4, or one whose journal is to be replayed.
 * UNI_E_LIMIT: there is no room, with both sizes; nothing was touched then.
 */
int uni_ext4_put(const char *path, const char *inside, const struct uni_tree *tree, int64_t time,
		 struct uni_err *err);

#endif
