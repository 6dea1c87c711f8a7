/*
 * More processors than one: starting and stopping them, the kernel lock, and what they ask of each
 * other. arch/smp.c, arch/shoot.c, core/kernel.c.
 *
 * Only the boot processor runs until the program makes its second thread: a program of one thread
 * pays nothing for processors that it cannot use. From then on every processor takes threads to
 * run.
 *
 * The program's own code runs on all of them at once. The kernel's runs under one lock, the kernel
 * lock: a processor takes it on its way in from user mode, or for a device's interrupt, and gives
 * it back on the way out and when it has nothing to do; a thread that sleeps leaves it to others,
 * and has it again when it goes on. So code between two points where it may sleep is alone, as on a
 * machine of one processor. What runs without it, and so needs locks for all that it touches, is
 * named in docs/architecture.md.
 */
#ifndef UK_SMP_H
#define UK_SMP_H

#include <uk/cpu.h>

#define UK_CPUS_MAX 64

/* Those that run. Records are valid below the count. */
extern struct uk_cpu *uk_cpus[UK_CPUS_MAX];
extern volatile uint32_t uk_cpu_count;

/* How many the machine has, as far as they can be used, whether they run yet or not. */
uint32_t uk_smp_possible(void);
/* Starts them, the first time. In a thread; those that do not come are logged and left out. */
void uk_smp_start(void);
/* Ends all others where they are, for a panic or the machine's end. Any context. */
void uk_smp_stop(void);
void uk_smp_obey(void);		     /* an NMI came: does not return if it is the order to stop */
extern volatile bool uk_smp_stopped; /* they were: whoever holds a lock will not unlock it */

/* Interrupts another processor; it looks at its queue of threads. */
void uk_smp_wake(struct uk_cpu *cpu);

/*
 * The kernel lock. uk_kernel_enter: true: the caller took it, and gives it back by uk_kernel_leave;
 * false: this processor has it already, or is the only one. No spinlock may be held: its holder
 * could be waiting for one.
 */
extern bool uk_kernel_shared; /* there is a second processor, and so a lock */
bool uk_kernel_take(void);
static inline bool uk_kernel_enter(void)
{
	return uk_unlikely(uk_kernel_shared) && uk_kernel_take();
}
void uk_kernel_leave(void);
static inline bool uk_kernel_held(void)
{
	return !uk_kernel_shared || uk_cpu()->locked;
}
/* At the end of a processor's work for a thread, interrupts off: gives it back if it has it. */
static inline void uk_kernel_drop(void)
{
	if (uk_unlikely(uk_cpu()->locked))
		uk_kernel_leave();
}
/* Lets one that waits for it have it first. In a thread, interrupts off. */
void uk_kernel_let(void);
extern volatile uint32_t uk_kernel_wanted; /* how many wait for it */
void uk_kernel_begin(void); /* the second processor is about to run: this one has the lock */

/*
 * After entries of the program's half lost rights or moved: no processor that touches the program's
 * memory uses the old ones when this returns, and with `tables` (frames of tables become free) no
 * processor at all. In a thread, without spinlocks; interrupts may be on or off.
 */
void uk_shoot(uint64_t start, uint64_t end, bool tables);
void uk_shoot_barrier(void); /* a memory barrier on every processor that runs the program */
void uk_shoot_serve(struct uk_cpu *cpu); /* does what was asked of the running one */
/* The running processor stops touching the program's memory, or is about to. Interrupts off. */
void uk_shoot_lazy(struct uk_cpu *cpu, bool lazy);

/* core/sched.c: the running context becomes a new processor's idle thread. */
void uk_sched_join(struct uk_cpu *cpu) UK_NORETURN;
int uk_sched_new(struct uk_cpu *cpu, uint64_t stack_top); /* -UK_ENOMEM */
/* core/runq.c: an interrupt asked to look for threads to run. */
void uk_runq_look(void);
/* core/time.c: the lists of timers, the boot processor's and another's. */
void uk_timeline_start(void);
int uk_timeline_new(struct uk_cpu *cpu); /* -UK_ENOMEM */

#endif
