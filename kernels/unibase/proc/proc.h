/*
 * What the files of proc/ share with each other and with sys/.
 */
#ifndef UK_PROC_PROC_H
#define UK_PROC_PROC_H

#include <uk/process.h>

/* frame->vector once a system call's result must not be looked at again: its restart is decided, or
 * the registers are those of a signal frame. */
#define UK_VECTOR_SETTLED 257

/* proc/signal.c; all with uk_process.lock held where it says so. */
void uk_sigqueue_init(struct uk_sigqueue *queue);
/* Puts a caller's own item in a queue: for timers. Lock held. */
void uk_signal_post(struct uk_task *task, struct uk_sigitem *item);
/* Takes a queued item back (a timer is deleted). Lock held. */
void uk_signal_withdraw(struct uk_sigitem *item);
/* Sets the running thread's mask, never SIGKILL nor SIGSTOP. Takes the lock. */
void uk_signal_block(uk_sigset_t blocked);
/* The next signal in `wanted` for the running thread, removed; 0: none. Lock held. */
int uk_signal_take(uk_sigset_t wanted, struct uk_siginfo *info);
/* Makes a thread look when a signal it does not block waits, and not look when none does. Lock
 * held. */
void uk_signal_recheck(struct uk_task *task);
/* Hands what waits for the process to threads that take it. Lock held. */
void uk_signal_spread(void);
/* A fault of the running thread: cannot be blocked or ignored. */
void uk_signal_force(const struct uk_siginfo *info);
bool uk_signal_harmless(int signo); /* whether doing nothing is the default */
void uk_signal_flush(struct uk_sigqueue *queue, uk_sigset_t set); /* lock held */

/* proc/sigframe.c */
/* Runs what is pending on the way to user mode. */
void uk_signal_deliver(struct uk_frame *frame);
int64_t uk_signal_return(struct uk_frame *frame); /* rt_sigreturn */
size_t uk_sigframe_size(void);			  /* most that a frame takes, for AT_MINSIGSTKSZ */

/* proc/end.c: tells about an unhandled signal and ends the machine. */
void uk_process_die(const struct uk_siginfo *info, const struct uk_frame *frame) UK_NORETURN;
void uk_process_oom(void) UK_NORETURN;
void uk_process_overdue(void) UK_NORETURN; /* told to stop, and still here */
void uk_process_park(void) UK_NORETURN;	   /* never runs again; the end is under way */

/* proc/elf.c */
struct uk_loaded {
	uint64_t entry;	  /* where to start: the interpreter's or the program's */
	uint64_t program; /* AT_ENTRY */
	uint64_t base;	  /* AT_BASE: the interpreter's, or 0 */
	uint64_t phdr;	  /* AT_PHDR */
	uint64_t phentsize, phnum;
	uint64_t end; /* behind the program's last segment */
};
/* Maps the program; what is wrong with it into `why`. 0 or negative errno. */
int uk_elf_load(struct uk_file *file, struct uk_loaded *out, char *why, size_t room);
/* Name of the function at `addr` of the program and the distance, from its symbol table; false:
 * not known. */
bool uk_elf_symbol(uint64_t addr, char *name, size_t room, uint64_t *offset);
extern uint64_t uk_elf_moved; /* what the program's addresses were moved by */

/* proc/stack.c: strings, vectors and auxv; the stack pointer, or negative errno. */
int64_t uk_stack_fill(const struct uk_loaded *loaded);

/* proc/futex.c */
void uk_futex_start(void);
void uk_futex_exit_robust(struct uk_task *task);

/* proc/layout.c: chooses the places of heap, mappings and stack. */
void uk_layout_start(void);
uint64_t uk_layout_random(uint64_t pages);
#define UK_LAYOUT_PIE 0x555555554000ull
#define UK_LAYOUT_GUARD 0x100000ull /* bytes under the first stack where nothing is placed */

#endif
