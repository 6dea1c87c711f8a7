/*
 * The lists of units of each file.
 */
#ifndef UNIT_TEST_H
#define UNIT_TEST_H

#include "scratch.h"

#include "run.h"

int unit_match(void);
int unit_console(void);
int unit_dns(void);
int unit_junit(void);

#endif
