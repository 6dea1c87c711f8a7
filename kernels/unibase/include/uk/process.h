/*
 * The program: one process, many threads, one address space (uk/map.h). A unikernel has no second
 * process, so there is no table of them: what belongs to the process is in `uk_process`.
 *
 * Locks: `lock` (a spinlock) covers the list of threads and everything about signals.
 */
#ifndef UK_PROCESS_H
#define UK_PROCESS_H

#include <uk/linux.h>
#include <uk/lock.h>
#include <uk/sched.h>
#include <uk/signal.h>
#include <uk/trap.h>

#define UK_PID 1 /* as the first program of a container */

enum uk_rlimit {
	UK_RLIMIT_CPU = 0,
	UK_RLIMIT_FSIZE = 1,
	UK_RLIMIT_DATA = 2,
	UK_RLIMIT_STACK = 3,
	UK_RLIMIT_CORE = 4,
	UK_RLIMIT_RSS = 5,
	UK_RLIMIT_NPROC = 6,
	UK_RLIMIT_NOFILE = 7,
	UK_RLIMIT_MEMLOCK = 8,
	UK_RLIMIT_AS = 9,
	UK_RLIMIT_LOCKS = 10,
	UK_RLIMIT_SIGPENDING = 11,
	UK_RLIMIT_MSGQUEUE = 12,
	UK_RLIMIT_NICE = 13,
	UK_RLIMIT_RTPRIO = 14,
	UK_RLIMIT_RTTIME = 15,
	UK_RLIMIT_COUNT,
};
struct uk_rlimit64 {
	uint64_t soft, hard;
};

/* A thread of the program: what Linux calls a task. */
struct uk_task {
	struct uk_list item; /* in the process */
	struct uk_thread *thread;
	int tid;
	struct uk_frame start;	/* its first registers */
	struct uk_frame *frame; /* of the system call that runs */
	bool in_call;		/* one does */
	uint64_t clear_tid;	/* user address: zeroed and woken when the thread ends */
	uint64_t robust_list;
	char name[16];
	/* Signals. */
	uk_sigset_t blocked;
	uk_sigset_t awaited; /* by sigtimedwait: not dropped though ignored */
	uk_sigset_t saved;   /* comes back after a handler, or on the way out */
	bool restore_saved;
	struct uk_sigqueue pending;
	struct uk_sigstack stack;
	/* The last fault, for signal frames. */
	uint64_t fault_vector, fault_error, fault_address;
};

#define UK_GROUPS_MAX 64
struct uk_ids {
	uint32_t real, effective, saved, fs;
};

struct uk_process {
	/* First, and in one piece: what SYSCALL's entry answers by itself finds them here. */
	uint32_t pid, parent;
	struct uk_ids uid, gid;
	struct uk_spinlock lock;
	struct uk_list tasks;
	unsigned count;
	struct uk_sigaction action[UK_SIGMAX + 1];
	struct uk_sigqueue pending;
	unsigned queued;	 /* signals in all queues */
	struct uk_waitq arrived; /* woken when a signal starts to wait: signalfd */
	struct uk_rlimit64 limit[UK_RLIMIT_COUNT];
	struct uk_file *program;
	char path[256];	 /* of the program, as configured */
	int exit_status; /* of the first thread, should the last one end without exit_group */
	bool ending;
	bool stopping;	     /* told to stop: SIGTERM was sent */
	bool overdue;	     /* and the time of grace is over */
	bool out_of_memory;  /* found in the middle of a call: its end is ours */
	uint64_t ended_time; /* processor time of threads that have ended, ns */
	uint32_t groups[UK_GROUPS_MAX];
	unsigned group_count;
	/* For /proc: addresses of the argument and environment strings. */
	uint64_t arg_start, arg_end, env_start, env_end;
	uint64_t auxv[64];
	unsigned auxv_count; /* words */
};
extern struct uk_process uk_process;
_Static_assert(offsetof(struct uk_process, pid) == 0, "assembly");

UK_INLINE struct uk_task *uk_task_self(void)
{
	return uk_thread_self()->user;
}

/* Ends the program and the machine: files synced, then as the boot configuration says. kind as in
 * <uni/abi/exit.h>. Of several callers the first one counts. */
void uk_process_end(unsigned kind, int status, uint64_t ip, uint64_t address,
		    const char *text) UK_NORETURN;

void uk_syscall_start(void); /* sys/dispatch.c: before the first program */

/* The power button, `uni stop`: SIGTERM, a time of grace, then the end. Any context. */
void uk_process_stop(void);

/* A new thread with these registers; NULL: out of memory. It gets its number, then it starts. */
struct uk_task *uk_task_new(const struct uk_frame *frame, const char *name);
uint32_t uk_task_most(void); /* how many there may be */
bool uk_task_fits(void);     /* whether there may be one more */
void uk_task_enlist(struct uk_task *task);
void uk_task_start(struct uk_task *task);
void uk_task_drop(struct uk_task *task); /* one never started */
/* Makes the running kernel thread the program's first one: what its start touches faults as the
 * program. */
struct uk_task *uk_task_become(const char *name);
/* The end of the running thread; the last one ends the process. */
void uk_task_exit(int status) UK_NORETURN;
/* Under uk_process.lock; NULL: no such thread. */
struct uk_task *uk_task_find(int tid);

/* Wakes up to `count` that wait for the futex at this user address. Result: how many. */
int uk_futex_wake(uint64_t addr, int count);

#endif
