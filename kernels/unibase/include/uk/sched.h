/*
 * What the scheduler and proc/ share about a thread. Everybody else uses uk/thread.h.
 * core/sched.c, core/runq.c, arch/trap.S, arch/fpu.c.
 *
 * A run queue belongs to a processor. The kernel is not preempted: a thread gives way when it
 * sleeps, yields, returns to user mode with its slice used up, or passes uk_preempt_point().
 * Nothing in here needs the kernel lock (uk/smp.h).
 */
#ifndef UK_SCHED_H
#define UK_SCHED_H

#include <uk/cpu.h>
#include <uk/lock.h>
#include <uk/smp.h>
#include <uk/thread.h>

enum uk_thread_state {
	UK_THREAD_NEW,	 /* made, never run */
	UK_THREAD_READY, /* in a run queue */
	UK_THREAD_RUNNING,
	UK_THREAD_SLEEPING, /* or on its way there: see uk_wait_sleep */
	UK_THREAD_DEAD,
};

/* Bits of `work`: why the way back to user mode must stop by at uk_user_return. Bits above these
 * are proc/'s own. */
enum {
	UK_WORK_SIGNAL = 1, /* a signal that is not blocked; makes uk_signal_pending() true */
	UK_WORK_EXIT = 2,   /* the thread must end; makes uk_signal_pending() true */
};

struct uk_thread {
	uint64_t sp;		 /* saved kernel stack pointer; offset 0: assembly */
	uint64_t stack_top;	 /* offset 8: assembly */
	struct uk_list item;	 /* run queue */
	volatile uint32_t state; /* enum uk_thread_state */
	volatile uint32_t work;	 /* UK_WORK_* */
	volatile bool woken;	 /* since uk_wait_prepare */
	bool timed_out;
	bool on_cpu;  /* registers are not saved yet */
	bool trusted; /* opens or makes files for the kernel: see fs_is_kernel */
	struct uk_cpu *cpu;
	bool unlocked;		 /* in the kernel without the kernel lock: goes on without */
	struct uk_cpu *requeue;	 /* whose queue it joins once its registers are saved; NULL: none */
	uint64_t allowed;	 /* processors, by number; 0: all */
	struct uk_spinlock lock; /* state, work and allowed */
	uint32_t waiting;	 /* queues that it stands on: see core/wait.c */
	volatile uint32_t runs;	 /* odd while the next two and on_cpu change */
	uint64_t run_start;	 /* when it last got the processor, by uk_rdtsc */
	uint64_t run_ticks;	 /* in all, without the present stay, by uk_rdtsc */
	uint64_t fs_base;	 /* of user mode; in the register while it runs */
	uint64_t gs_base;	 /* of user mode, likewise */
	void *fpu;		 /* saved state, NULL: a kernel thread */
	struct uk_cpu *fpu_cpu;	 /* whose registers still hold it */
	void (*fn)(void *arg);
	void *arg;
	struct uk_process *process; /* proc/: NULL for kernel threads */
	void *user;		    /* proc/: its record of this thread */
	volatile uint32_t refs;	    /* the scheduler holds one until it is dead */
	char name[16];
};
_Static_assert(offsetof(struct uk_thread, sp) == 0, "assembly");
_Static_assert(offsetof(struct uk_thread, stack_top) == 8, "assembly");

/* A thread that does not run yet, refs 1 (the scheduler's); NULL when memory is out. Set process
 * and user, give it an FPU state with uk_fpu_new, then start it. */
struct uk_thread *uk_thread_new(const char *name, void (*fn)(void *arg), void *arg);
void uk_thread_start(struct uk_thread *thread);
/* Gives a thread back that was never started. */
void uk_thread_drop(struct uk_thread *thread);
/* A thread's record outlives the thread while somebody holds a reference. */
void uk_thread_get(struct uk_thread *thread);
void uk_thread_put(struct uk_thread *thread);

/* Sets bits of `work` and makes the thread notice: wakes it when it sleeps, interrupts it in user
 * mode. Any context. */
void uk_thread_kick(struct uk_thread *thread, uint32_t work);
/* Clears bits of `work`. */
void uk_thread_settle(struct uk_thread *thread, uint32_t work);
/* Makes a sleeping thread runnable; its uk_wait_sleep returns true. Any context. */
void uk_thread_wake(struct uk_thread *thread);
/* Processor time used, ns; of the running thread up to now. */
uint64_t uk_thread_run_time(const struct uk_thread *thread);
uint64_t uk_idle_time(uint32_t processor); /* ns in which this one had nothing to do */

/* Sees to what `resched` of this processor asks for. Interrupts off. */
void uk_resched(void);

void uk_preempt(void);
/* In long loops of the kernel that hold no spinlock: lets others run when the slice is used up, and
 * other processors into the kernel. */
static inline void uk_preempt_point(void)
{
	if (uk_unlikely(uk_cpu()->resched != 0 || uk_kernel_wanted != 0))
		uk_preempt();
}
/* Binds a thread to these processors (0: all), at least one of which runs. It may still be on its
 * way from another one: uk_thread_settled, to be asked again after uk_preempt. */
void uk_thread_bind(struct uk_thread *thread, uint64_t allowed);
bool uk_thread_settled(const struct uk_thread *thread);
static inline bool uk_thread_may_run(const struct uk_thread *thread, const struct uk_cpu *cpu)
{
	return thread->allowed == 0 || (thread->allowed >> cpu->id & 1) != 0;
}

/* User mode's FS and GS base of the running thread (arch_prctl, clone, exec). The caller has
 * checked that the address is below UK_USER_END. */
void uk_user_set_fs(uint64_t base);
void uk_user_set_gs(uint64_t base);
UK_INLINE uint64_t uk_user_fs(void)
{
	return uk_thread_self()->fs_base;
}
UK_INLINE uint64_t uk_user_gs(void)
{
	return uk_thread_self()->gs_base;
}
#define UK_MSR_FS_BASE 0xc0000100
#define UK_MSR_KERNEL_GS_BASE 0xc0000102 /* the user's, while the kernel runs */
/* Into the registers, as it is about to run there. */
UK_INLINE void uk_user_load_bases(const struct uk_thread *to)
{
	uk_wrmsr(UK_MSR_FS_BASE, to->fs_base);
	uk_wrmsr(UK_MSR_KERNEL_GS_BASE, to->gs_base);
}

/*
 * The FPU state of user mode, in the XSAVE standard format (FXSAVE where there is no XSAVE),
 * 64-byte aligned in thread->fpu. Kernel code never touches these registers.
 */
size_t uk_fpu_size(void);
/* Makes `thread` one that enters user mode: gives it a state, a copy of the running thread's, or as
 * after FNINIT where that one has none. 0 or -UK_ENOMEM. */
int uk_fpu_new(struct uk_thread *thread);
/* The same of the running thread, which is the first of all. */
void uk_fpu_first(void);
void uk_fpu_reset(void); /* of the running thread: exec */
/* The running thread's registers into thread->fpu, to be read there. */
void uk_fpu_store(void);
/* The registers from thread->fpu, which was changed there (sigreturn). -UK_EINVAL when the
 * processor refuses the state; it is as after FNINIT then. */
int uk_fpu_load(void);
uint64_t uk_fpu_features(void); /* XCR0, 0: FXSAVE only */

/* arch's own. */
void uk_fpu_start(void);
void uk_fpu_join(void); /* on a further processor */
void uk_fpu_switch(struct uk_thread *from, struct uk_thread *to);
void uk_fpu_drop(struct uk_thread *thread);
/* core's own: see core/wait.c. */
void uk_sched_sleep(void);
void uk_wait_begin(void);
void uk_wait_end(void);
/* core/kernel.c: the kernel lock where threads change. Interrupts off. */
void uk_kernel_note(struct uk_thread *from);
void uk_kernel_resume(const struct uk_thread *self);
/* core/runq.c; interrupts off. Makes a ready thread wait for a processor: this one, another that it
 * may use, or the one on which its registers still are. */
void uk_runq_add(struct uk_thread *thread);
void uk_runq_put(struct uk_cpu *cpu, struct uk_thread *thread); /* for this one */
/* The next to run, removed: NULL: nobody waits for this processor, nor elsewhere. */
struct uk_thread *uk_runq_take(struct uk_cpu *cpu);
bool uk_runq_waits(const struct uk_cpu *cpu); /* whether any does in its queue */
/* Removes a thread, if it waits; whether it did. */
bool uk_runq_remove(struct uk_thread *thread);
/* Whose queue the running thread, at the end of its slice, should join; NULL: it may go on. */
struct uk_cpu *uk_runq_turn(struct uk_cpu *cpu, const struct uk_thread *self);
void uk_runq_share(struct uk_cpu *cpu); /* wakes one that has nothing to do, if threads wait here */
extern struct uk_runq uk_runq_boot;
struct uk_runq *uk_runq_new(void); /* NULL: memory is out */

void uk_sched_start(void); /* makes the running context the first thread */

#endif
