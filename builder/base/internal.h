/*
 * What files of this module share with each other and with nobody else.
 */
#ifndef UNI_BASE_INTERNAL_H
#define UNI_BASE_INTERNAL_H

#include <sys/stat.h>
#include <uni/base/digest.h>
#include <uni/base/err.h>

/* file.c: opens for reading what must be a regular file. */
int uni_open_regular(const char *path, struct stat *st, int *fd, struct uni_err *err);

/* tmp.c: six characters that nobody else has, for temporary names. */
void uni_tmp_suffix(char out[7]);

/* dir.c: removes a file, or a folder with all below, by system calls that a signal handler may
 * make. 0 or an errno. */
int uni_remove_tree(const char *path);

/* system.c: our whole environment. */
char *const *uni_environment(void);

#endif
