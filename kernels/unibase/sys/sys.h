/*
 * What the files of sys/ share.
 */
#ifndef UK_SYS_SYS_H
#define UK_SYS_SYS_H

#include <uk/syscall.h>

/* Linux's name of a system call that is not in the table; NULL: no such number. sys/names.c */
const char *uk_call_name(uint64_t number);

/* sys/trace.c: a line on the console for each call, as strace has it. */
void uk_trace_call(const char *name, const char *trace, const struct uk_sysargs *s, int64_t result,
		   bool returns);

#endif
