/*
 * The files of this test program, and what cmocka wants before its header.
 */
#ifndef TESTS_H
#define TESTS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

int blk_tests(void);
int net_tests(void);

#endif
