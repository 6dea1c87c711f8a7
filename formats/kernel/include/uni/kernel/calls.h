/*
 * System calls of x86-64 Linux: which of them a program can make, found by reading its code, and
 * what a base's kernel makes of each, as its table of calls tells.
 *
 * The table is text, a call a line: "NUMBER NAME STATE REMARK...", STATE one of full, partial,
 * refused, needless (refused, which programs expect), absent; the remark says what is missing or
 * what to do instead. '#' starts a comment.
 */
#ifndef UNI_KERNEL_CALLS_H
#define UNI_KERNEL_CALLS_H

#include <stdbool.h>
#include <uni/kernel/elf.h>

#define UNI_CALLS_MAX 512
#define UNI_CALLS_TABLE_MAX (1u << 20) /* bytes of a table */

enum uni_call_state {
	UNI_CALL_UNLISTED,
	UNI_CALL_FULL,
	UNI_CALL_PARTIAL,
	UNI_CALL_REFUSED,
	UNI_CALL_NEEDLESS,
	UNI_CALL_ABSENT,
};

struct uni_call {
	char *name; /* NULL: not listed */
	char *remark;
	enum uni_call_state state;
};

struct uni_calls {
	struct uni_call items[UNI_CALLS_MAX];
};

/* `name` is for messages. UNI_E_INVAL with the line that is not understood. */
int uni_calls_parse(struct uni_calls **out, const char *name, const char *text, size_t size,
		    struct uni_err *err);
void uni_calls_free(struct uni_calls *calls);
UNI_AUTO_DEFINE(uni_calls)
/* The number of a call, or -1. */
int uni_calls_find(const struct uni_calls *calls, const char *name);

struct uni_elf_calls {
	bool made[UNI_CALLS_MAX];
	bool forks;	 /* clone for a process, not for a thread */
	size_t computed; /* places where the number is not plain from the code before them */
};

/*
 * Looks for the instruction in all that is executable, and for the number that the code before it
 * loads. What is found can be made; a program may never do so. What reaches the instruction by a
 * function that takes the number is not found.
 */
int uni_elf_calls(const struct uni_elf *elf, struct uni_elf_calls *calls, struct uni_err *err);

/* "fork, vfork and execve" of those in that state; false when there are none. Calls that the table
 * does not list count as absent. `clone` is among the refused only where it forks. */
bool uni_calls_name(const struct uni_calls *table, const struct uni_elf_calls *made,
		    enum uni_call_state state, struct uni_buf *out);

/*
 * The same of the calls that start other processes, as far as the table refuses them; they are
 * taken out of `made`. A dynamic program's own code makes none: of that, the functions that it
 * wants of its C library are named.
 */
bool uni_calls_starting(const struct uni_calls *table, const struct uni_elf *elf,
			struct uni_elf_calls *made, struct uni_buf *out);

#endif
