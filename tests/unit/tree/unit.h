/*
 * The lists of tests of each file, and a listing of a tree to compare with.
 */
#ifndef UNIT_TREE_H
#define UNIT_TREE_H

#include "scratch.h"
#include <uni/tree/tree.h>

int unit_tree(void);
int unit_content(void);
int unit_statcache(void);

/* "TYPE MODE SIZE PATH[ -> TARGET]\n" for each entry; the caller's to free. */
char *unit_listing(const struct uni_tree *tree);
/* Fails the test with the error's text. */
void unit_ok(int rc, const struct uni_err *err);
/* Writes a small file below the test's folder, making folders on the way. */
void unit_write(void **state, const char *name, const char *text, unsigned mode);

#endif
