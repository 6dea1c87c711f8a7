/*
 * A payload inside the kernel, in place of file systems and program: ktest() runs in the first
 * kernel thread, drivers started. Returning is success; see CMakeLists.txt for what else a test may
 * expect.
 */
#ifndef KTEST_H
#define KTEST_H

#include <uk/log.h>
#include <uk/mem.h>
#include <uk/sched.h>
#include <uk/start.h>

void ktest(void);
void ktest_fail(const char *file, int line, const char *what) UK_NORETURN;

#define CHECK(cond)                                                                                \
	do {                                                                                       \
		if (!(cond))                                                                       \
			ktest_fail(__FILE__, __LINE__, #cond);                                     \
	} while (0)

#endif
