/*
 * System calls. sys/table.def lists each once: number, name, arguments for the trace, how complete;
 * the kernel's dispatch, the trace and docs/linux-abi.md all come from it. A call is a function
 * uk_sys_NAME below fs/, mm/, sys/, net/, with the six raw arguments; it gives a result or a
 * negative errno.
 */
#ifndef UK_SYSCALL_H
#define UK_SYSCALL_H

#include <uk/types.h>

struct uk_sysargs {
	uint64_t a[6];
};

/* The call in which the running thread is, as "write(0x1, 0x40a0c0, 0x5)"; false: in none. For a
 * panic: it believes nothing that the program could have left. sys/dispatch.c */
bool uk_syscall_describe(char *to, size_t room);

/* read, at the file's own offset, or pread64 without the kernel lock, which other calls have: false
 * when that cannot be done, and nothing came of it. fs/alone.c */
bool uk_read_alone(const struct uk_sysargs *s, bool own_offset, int64_t *result);

#define UK_CALL(number, name, trace, state, missing)                                               \
	int64_t uk_sys_##name(const struct uk_sysargs *s);
#include "../../sys/table.def"
#undef UK_CALL

#endif
