/*
 * How the processor enters and leaves the kernel, and what is called on the way. arch/trap.S,
 * arch/trap.c; the hooks are in proc/.
 *
 * Every entry (exception, interrupt, SYSCALL but for uk_calls_told) leaves a whole struct uk_frame
 * on the thread's kernel stack, so a signal handler, a context switch or exec may change or replace
 * any register. A return to user mode uses SYSRET when the frame still is what SYSCALL made of it
 * (rcx == rip, r11 == rflags, canonical addresses), else IRET; nothing has to be
 * marked.
 */
#ifndef UK_TRAP_H
#define UK_TRAP_H

/* Offsets that assembly uses; pinned below. */
#define UK_FRAME_SIZE 176

#define UK_VECTOR_IRQ 32      /* first vector of devices */
#define UK_VECTOR_COUNT 128   /* vectors with a way in */
#define UK_VECTOR_SYSCALL 256 /* in frame->vector: SYSCALL */
#define UK_CALLS_TOLD 112     /* numbers in uk_calls_told */

#ifndef __ASSEMBLER__
#include <uk/syscall.h>
#include <uk/types.h>

struct uk_frame {
	uint64_t r15, r14, r13, r12, rbp, rbx, r11;
	union { /* a system call's arguments lie as its function takes them */
		struct {
			uint64_t rdi, rsi, rdx, r10, r8, r9;
		};
		struct uk_sysargs args;
	};
	uint64_t rax, rcx;
	uint64_t vector; /* 0 to 31 exception, then interrupts, UK_VECTOR_SYSCALL */
	uint64_t error;	 /* the exception's error code; of a system call its number as called */
	uint64_t rip, cs, rflags, rsp, ss;
};
_Static_assert(sizeof(struct uk_frame) == UK_FRAME_SIZE, "assembly");

enum uk_trap {
	UK_TRAP_DIVIDE = 0,
	UK_TRAP_DEBUG = 1,
	UK_TRAP_NMI = 2,
	UK_TRAP_BREAKPOINT = 3,
	UK_TRAP_OVERFLOW = 4,
	UK_TRAP_BOUND = 5,
	UK_TRAP_OPCODE = 6,
	UK_TRAP_NO_FPU = 7,
	UK_TRAP_DOUBLE = 8,
	UK_TRAP_TSS = 10,
	UK_TRAP_SEGMENT = 11,
	UK_TRAP_STACK = 12,
	UK_TRAP_PROTECTION = 13,
	UK_TRAP_PAGE = 14,
	UK_TRAP_FPU = 16,
	UK_TRAP_ALIGNMENT = 17,
	UK_TRAP_MACHINE = 18,
	UK_TRAP_SIMD = 19,
};
/* Error code of a page fault. */
enum { UK_FAULT_PRESENT = 1, UK_FAULT_WRITE = 2, UK_FAULT_USER = 4, UK_FAULT_FETCH = 16 };

static inline bool uk_frame_user(const struct uk_frame *f)
{
	return (f->cs & 3) != 0;
}

/*
 * Hooks that proc/ implements.
 *
 * uk_user_fault: an exception in user mode (any vector), or a page fault in the kernel on an
 * address below UK_USER_END at an instruction with a fixup. Interrupts are on if they were on where
 * it happened; it may sleep then. From user mode it must settle the matter: map the page, or mark a
 * signal for uk_user_return (the result does not count). From the kernel: true: mapped, try again;
 * false: go to the fixup. `address` is CR2 for a page fault, else 0.
 *
 * uk_user_return: on the way to user mode, interrupts on, when the thread's `work` is not 0 (see
 * uk/sched.h): delivers signals, ends the thread. It must clear the bits that it has dealt with.
 *
 * All three are entered without the kernel lock (uk/smp.h), take it where they need it, and may
 * come back with it.
 *
 * uk_syscall_entry: a system call; interrupts on. Number in frame->rax (and frame->error, which
 * stays), arguments rdi, rsi, rdx, r10, r8, r9; result into frame->rax.
 */
bool uk_user_fault(struct uk_frame *frame, uint64_t address);
void uk_user_return(struct uk_frame *frame);
void uk_syscall_entry(struct uk_frame *frame);

/* Leaves for user mode with these registers for the first time, from a thread's function. The
 * frame may lie anywhere: nothing is pushed below it. The kernel stack is empty afterwards. cs, ss
 * and the reserved bits of rflags are set here. */
void uk_enter_user(struct uk_frame *frame) __attribute__((noreturn));

/* arch's own. */
void uk_irq_handle(unsigned vector); /* arch/irq.c */
void uk_panic_trap(const struct uk_frame *frame, uint64_t address)
	__attribute__((noreturn));		       /* core/panic.c */
bool uk_read_safe(const uint64_t *from, uint64_t *to); /* false: it faults */

/*
 * Fixups: an instruction that may fault on a user address names where to go on. In assembly:
 *
 *	1:	rep movsb
 *	2:	...
 *		UK_FIXUP(1b, 2b)
 *
 * On a fault that uk_user_fault could not settle, rip is set to the second address; registers stay
 * as they were at the fault.
 */
/* Calls that do nothing but say one of the first words of uk_process, by number: which word, from 1
 * on; 0: any other call. SYSCALL's entry answers them itself, on no stack. arch/trap.S; filled by
 * sys/dispatch.c */
extern uint8_t uk_calls_told[UK_CALLS_TOLD];
#else
/* clang-format off */
#define UK_FIXUP(at, to) \
	.pushsection .uk_fixup, "a"; \
	.long at - .; \
	.long to - .; \
	.popsection
/* clang-format on */
#endif
#endif
