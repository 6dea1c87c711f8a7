/*
 * The lists of tests of each file.
 */
#ifndef UNIT_TRUST_H
#define UNIT_TRUST_H

#include "scratch.h"
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <uni/base/path.h>
#include <uni/trust/dsse.h>
#include <uni/trust/repository.h>
#include <uni/trust/tuf.h>
#include <unistd.h>

int unit_keys(void);
int unit_pem(void);
int unit_tuf(void);

#endif
