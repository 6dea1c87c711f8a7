/*
 * Checks for programs that run on Linux and on unibase alike: each prints what it found, and the
 * two outputs must be the same. A failed check says where and ends the program with status 99.
 */
#ifndef T_H
#define T_H

#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define check(cond)                                                                                \
	do {                                                                                       \
		if (!(cond)) {                                                                     \
			printf("%s:%d: failed: %s (errno %d)\n", __FILE__, __LINE__, #cond,        \
			       errno);                                                             \
			exit(99);                                                                  \
		}                                                                                  \
	} while (0)

/* A call must fail with just this error. */
#define fails(call, error)                                                                         \
	do {                                                                                       \
		errno = 0;                                                                         \
		long result_ = (long)(call);                                                       \
		if (result_ != -1 || errno != (error)) {                                           \
			printf("%s:%d: %s gave %ld, errno %d, not %d\n", __FILE__, __LINE__,       \
			       #call, result_, errno, (error));                                    \
			exit(99);                                                                  \
		}                                                                                  \
	} while (0)

/* Prints a call and its result, and gives the result. */
#define try(call)                                                                                  \
	({                                                                                         \
		errno = 0;                                                                         \
		long try_ = (long)(call);                                                          \
		int errno_ = errno;                                                                \
		printf("%s: %ld%s%s\n", #call, try_, try_ < 0 ? " " : "",                          \
		       try_ < 0 ? strerror(errno_) : "");                                          \
		errno = errno_;                                                                    \
		try_;                                                                              \
	})

/* Whether the condition holds, if not at once, then at one of a few more looks: of what holds for a
 * moment, which is over where the machine stands still for longer. */
#define in_time(cond)                                                                              \
	({                                                                                         \
		int looks_ = 0;                                                                    \
		while (looks_ < 5 && !(cond))                                                      \
			looks_++;                                                                  \
		looks_ < 5;                                                                        \
	})

#define done(text) (printf("%s\n", text), fflush(stdout))

#endif
