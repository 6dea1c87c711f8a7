/*
 * What units of several modules share: cmocka with its prerequisites, and a temporary folder for
 * one test.
 */
#ifndef UNIT_SCRATCH_H
#define UNIT_SCRATCH_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <uni/base/file.h>

/* cmocka's setup and teardown: *state is the path of a fresh folder. */
int unit_dir_setup(void **state);
int unit_dir_teardown(void **state);
/* A path in it, from a static ring of 8. */
const char *unit_path(void **state, const char *name);

#define DIR_TEST(fn) cmocka_unit_test_setup_teardown(fn, unit_dir_setup, unit_dir_teardown)

#endif
