/*
 * The two worlds in which a story about files is told: the host's Linux, and the kernel's own
 * sources in this process. Both texts must be the same.
 */
#ifndef UNIT_UNIBASE_WORLDS_H
#define UNIT_UNIBASE_WORLDS_H

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "files.h"

/* A call of the hosted kernel by Linux's number: result or negative errno. */
long kernel_call(long number, long a, long b, long c, long d, long e, long f);

#define K1(name, a) kernel_call(SYS_##name, (long)(a), 0, 0, 0, 0, 0)
#define K2(name, a, b) kernel_call(SYS_##name, (long)(a), (long)(b), 0, 0, 0, 0)
#define K3(name, a, b, c) kernel_call(SYS_##name, (long)(a), (long)(b), (long)(c), 0, 0, 0)
#define K4(name, a, b, c, d)                                                                       \
	kernel_call(SYS_##name, (long)(a), (long)(b), (long)(c), (long)(d), 0, 0)

struct story {
	void (*run)(const struct world *world, unsigned seed, unsigned steps);
	unsigned seed, steps;
};
extern const struct story story_fixed;

/* An empty root with /null, which is open as 0, 1 and 2. */
void worlds_start(void);
/* By a child, in an empty folder of a tmpfs. */
void story_on_linux(const struct story *story);
/* In a new folder of the working folder, which is left there. */
void story_on_kernel(const struct story *story);
/* Fails the test at the first line that differs. */
void story_compare(const struct story *story);

#endif
