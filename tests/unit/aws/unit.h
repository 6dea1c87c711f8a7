/* The groups of this program, and what every cmocka file needs. */
#ifndef UNIT_H
#define UNIT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants the four above first. */
#include <cmocka.h>

int sign_tests(void);
int vector_tests(void);

#endif
