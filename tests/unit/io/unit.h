/*
 * The lists of tests of each file.
 */
#ifndef UNIT_IO_H
#define UNIT_IO_H

#include "scratch.h"

int unit_stream(void);
int unit_tar(void);
int unit_cpio(void);
int unit_hashtree(void);
int unit_secret(void);

#endif
