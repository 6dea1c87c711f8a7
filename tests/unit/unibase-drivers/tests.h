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

int aml_tests(void);
int gpt_tests(void);
int ring_tests(void);
int nvme_tests(void);
int ena_tests(void);
int smbios_tests(void);

#endif
