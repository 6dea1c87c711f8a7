/*
 * The processor's own record, found through GS in the kernel, and its control registers. arch/.
 *
 * GS holds the address of this processor's struct uk_cpu from the first C instruction on; the
 * user's GS base is swapped in on the way out. The stack protector reads its canary at gs:40: it is
 * the same on all processors, for a function may begin on one and end on another. arch/smp.c makes
 * the records of the others, once there is something for them to do: see uk/smp.h.
 */
#ifndef UK_CPU_H
#define UK_CPU_H

/* Offsets that assembly uses; pinned below. */
#define UK_CPU_USER_RSP 8
#define UK_CPU_STACK_TOP 16
#define UK_CPU_THREAD 24
#define UK_CPU_CANARY 40

#ifndef __ASSEMBLER__
#include <uk/layout.h>
#include <uk/list.h>
#include <uk/types.h>

struct uk_thread;
struct uk_runq;
struct uk_timeline;
struct uk_tss;

struct uk_cpu {
	struct uk_cpu *self;
	uint64_t user_rsp;  /* while SYSCALL's entry has no register left */
	uint64_t stack_top; /* of the running thread's kernel stack */
	struct uk_thread *thread;
	uint32_t irq_depth;	   /* above 0: in an interrupt handler; nothing may sleep */
	volatile uint32_t resched; /* UK_RESCHED_*: what the next safe point must see to */
	uint64_t canary;
	struct uk_thread *idle;
	struct uk_runq *runq;
	struct uk_timeline *timeline; /* core/time.c */
	struct uk_tss *tss;
	struct uk_thread *fpu_owner; /* whose state the registers hold, NULL: nobody's */
	uint32_t id;		     /* 0: the boot processor */
	uint32_t apic_id;
	bool locked;		     /* holds the kernel lock: core/kernel.c */
	volatile bool lazy;	     /* touches no memory of the program: arch/shoot.c */
	volatile uint32_t flush;     /* asked to forget translations, and somebody waits */
	volatile uint32_t flush_all; /* to forget all before it stops being lazy */
};
_Static_assert(offsetof(struct uk_cpu, user_rsp) == UK_CPU_USER_RSP, "assembly");
_Static_assert(offsetof(struct uk_cpu, stack_top) == UK_CPU_STACK_TOP, "assembly");
_Static_assert(offsetof(struct uk_cpu, thread) == UK_CPU_THREAD, "assembly");
_Static_assert(offsetof(struct uk_cpu, canary) == UK_CPU_CANARY, "-fstack-protector");

/* Of `resched`; written by the processor itself, interrupts off. */
enum {
	UK_RESCHED_YIELD = 1, /* the running thread should give way */
	UK_RESCHED_SHARE = 2, /* threads wait here while other processors have nothing to do */
};

extern struct uk_cpu uk_cpu_boot;

/* Valid until the thread sleeps or yields: it may go on elsewhere. Volatile, so that the compiler
 * asks again behind every call. */
static inline struct uk_cpu *uk_cpu(void)
{
	struct uk_cpu *cpu;

	__asm__ volatile("movq %%gs:0, %0" : "=r"(cpu));
	return cpu;
}

/* What the processor can do, asked once. Sealed read-only after start. */
struct uk_cpu_features {
	bool nx, smep, smap, umip, gib_pages, rdrand, rdseed, xsave, tsc_deadline, x2apic, erms;
	bool invariant_tsc;
	uint32_t max_leaf;
	uint32_t hypervisor_leaf; /* highest 0x400000xx leaf, 0: no hypervisor tells */
	char hypervisor[13];	  /* its signature, "TCGTCGTCGTCG", "KVMKVMKVM" */
};
extern struct uk_cpu_features uk_cpu_has;

/* Data that start-up fills and nothing may change afterwards: read-only once uk_paging_seal ran.
 * Zero at the start (it is part of .bss). */
#define UK_SEALED __attribute__((section(".bss..sealed")))

struct uk_cpuid {
	uint32_t a, b, c, d;
};
static inline struct uk_cpuid uk_cpuid(uint32_t leaf, uint32_t sub)
{
	struct uk_cpuid r;

	__asm__ volatile("cpuid"
			 : "=a"(r.a), "=b"(r.b), "=c"(r.c), "=d"(r.d)
			 : "a"(leaf), "c"(sub));
	return r;
}
static inline uint64_t uk_rdmsr(uint32_t msr)
{
	uint32_t lo, hi;

	__asm__ volatile("rdmsr" : "=a"(lo), "=d"(hi) : "c"(msr));
	return (uint64_t)hi << 32 | lo;
}
static inline void uk_wrmsr(uint32_t msr, uint64_t v)
{
	__asm__ volatile("wrmsr"
			 :
			 : "c"(msr), "a"((uint32_t)v), "d"((uint32_t)(v >> 32))
			 : "memory");
}
static inline uint64_t uk_rdtsc(void)
{
	uint32_t lo, hi;

	__asm__ volatile("rdtsc" : "=a"(lo), "=d"(hi));
	return (uint64_t)hi << 32 | lo;
}
static inline uint64_t uk_read_cr2(void)
{
	uint64_t v;
	__asm__ volatile("movq %%cr2, %0" : "=r"(v));
	return v;
}
static inline uint64_t uk_read_cr3(void)
{
	uint64_t v;
	__asm__ volatile("movq %%cr3, %0" : "=r"(v) : : "memory");
	return v;
}
static inline void uk_write_cr3(uint64_t v)
{
	__asm__ volatile("movq %0, %%cr3" : : "r"(v) : "memory");
}
static inline uint64_t uk_read_cr4(void)
{
	uint64_t v;
	__asm__ volatile("movq %%cr4, %0" : "=r"(v));
	return v;
}
static inline void uk_write_cr4(uint64_t v)
{
	__asm__ volatile("movq %0, %%cr4" : : "r"(v) : "memory");
}
static inline uint64_t uk_rflags(void)
{
	uint64_t v;
	__asm__ volatile("pushfq; popq %0" : "=r"(v) : : "memory");
	return v;
}
static inline void uk_irq_on(void)
{
	__asm__ volatile("sti" : : : "memory");
}
static inline void uk_irq_off(void)
{
	__asm__ volatile("cli" : : : "memory");
}
/* Interrupts off; what to give to uk_irq_restore. */
UK_INLINE uint64_t uk_irq_save(void)
{
	uint64_t flags;

	__asm__ volatile("pushfq; popq %0; cli" : "=r"(flags) : : "memory");
	return flags;
}
/* Without a branch, for this stands at every lock's end. */
UK_INLINE void uk_irq_restore(uint64_t flags)
{
	__asm__ volatile("pushq %0; popfq" : : "r"(flags) : "memory", "cc");
}
static inline void uk_pause(void)
{
	__asm__ volatile("pause" : : : "memory");
}

/* arch/cpu.c */
void uk_cpu_set_stack(uint64_t top); /* where entries from user mode start */
void uk_cpu_start(void); /* features, control registers, GDT, TSS, IDT, system-call MSRs */
/* A further processor's record, with a TSS that uses these two stacks; -UK_ENOMEM. */
int uk_cpu_new(struct uk_cpu *cpu, uint64_t double_top, uint64_t nmi_top);
/* The running one's segments, gates and MSRs, by its record. Writes to sealed memory. */
void uk_cpu_join(struct uk_cpu *cpu);
#endif
#endif
