/*
 * What the units of the base module share: cmocka with its prerequisites, the lists of tests of
 * each file, and a temporary folder for one test.
 */
#ifndef UNIT_BASE_H
#define UNIT_BASE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <uni/base/file.h>

int unit_text(void);
int unit_file(void);
int unit_process(void);
int unit_digest(void);
int unit_system(void);
int unit_json(void);

/* What the program does when called with "hold FD": starts a child that holds FD, and waits. */
int unit_hold(int fd);

/* cmocka's setup and teardown: *state is the path of a fresh folder. */
int unit_dir_setup(void **state);
int unit_dir_teardown(void **state);
/* A path in it, from a static ring of 8. */
const char *unit_path(void **state, const char *name);

#endif
