/*
 * The lists of tests of each file.
 */
#ifndef UNIT_BASE_H
#define UNIT_BASE_H

#include "scratch.h"

int unit_text(void);
int unit_file(void);
int unit_process(void);
int unit_digest(void);
int unit_system(void);
int unit_json(void);
int unit_xml(void);
int unit_search(void);
int unit_ldcache(void);

/* What the program does when called with "hold FD": starts a child that holds FD, and waits. */
int unit_hold(int fd);

#endif
