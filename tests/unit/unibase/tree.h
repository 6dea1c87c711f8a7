/*
 * A tree of files on the host, with everything that a squashfs can hold, and the images that
 * mksquashfs and veritysetup make of it.
 */
#ifndef TREE_H
#define TREE_H

#include <stddef.h>
#include <stdint.h>

/* Makes a folder of its own with the tree in it; its path. */
const char *tree_make(void);
void tree_remove(void);
/* A path beside the tree; a static buffer. */
const char *tree_beside(const char *name);

/* Runs a program; its standard output into `out` when that is not NULL. Fails the test when the
 * program fails. */
void tree_run(char *out, size_t room, const char *const argv[]);
/* mksquashfs of the tree with these options (NULL ends them) into a file beside it; its path. */
const char *tree_squash(const char *name, const char *const options[]);
/* A file's content; free() it. */
uint8_t *tree_load(const char *path, size_t *size);

#endif
