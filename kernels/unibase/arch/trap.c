/*
 * What happens on entry from the processor, and on the way out to user mode.
 */
#include <uk/clock.h>
#include <uk/cpu.h>
#include <uk/log.h>
#include <uk/mem.h>
#include <uk/sched.h>
#include <uk/smp.h>
#include <uk/trap.h>

#define RFLAGS_IF 0x200ull
/* What user mode may have set: CF PF AF ZF SF TF DF OF NT RF AC ID. */
#define RFLAGS_USER 0x254dd5ull
#define RFLAGS_ONE 0x2ull

struct fixup {
	int32_t at, to; /* from the field's own address */
};
extern const struct fixup uk_fixup_start[], uk_fixup_end[];

void uk_trap(struct uk_frame *frame);
void uk_trap_paranoid(struct uk_frame *frame);
void uk_trap_syscall(struct uk_frame *frame);
void uk_frame_leave(struct uk_frame *frame) UK_NORETURN;

static uint64_t fixup_for(uint64_t rip)
{
	for (const struct fixup *f = uk_fixup_start; f < uk_fixup_end; f++)
		if ((uintptr_t)&f->at + (uint64_t)(int64_t)f->at == rip)
			return (uintptr_t)&f->to + (uint64_t)(int64_t)f->to;
	return 0;
}

static void kernel_exception(struct uk_frame *frame, uint64_t address)
{
	uint64_t fixup = fixup_for(frame->rip);
	bool done = false;

	if (fixup == 0)
		uk_panic_trap(frame, address);
	if (frame->vector == UK_TRAP_PAGE && address < UK_USER_END) {
		/* Not the other flags: AC is set in code that comes here. */
		if ((frame->rflags & RFLAGS_IF) != 0)
			uk_irq_on();
		done = uk_user_fault(frame, address);
		uk_irq_off();
	}
	if (!done)
		frame->rip = fixup;
}

UK_ASIDE void settle(struct uk_frame *frame)
{
	struct uk_thread *self = uk_cpu()->thread;

	for (;;) {
		uk_irq_off();
		if (uk_cpu()->resched) {
			uk_resched();
		} else if (self->work != 0) {
			uk_irq_on();
			uk_user_return(frame);
		} else if (frame->rip >> 47 != 0) {
			frame->vector = UK_TRAP_PROTECTION;
			frame->error = 0;
			uk_irq_on();
			uk_user_fault(frame, 0);
		} else {
			break;
		}
	}
	uk_kernel_drop();
}

/* The last steps in the kernel, whose lock is given back. No frame leaves that would fault on the
 * way (IRET to an address that is not canonical does) or give more rights than user mode has. */
UK_INLINE void leave_user(struct uk_frame *frame)
{
	const struct uk_cpu *cpu;

	uk_irq_off();
	cpu = uk_cpu();
	if (uk_unlikely((cpu->resched | cpu->thread->work | cpu->locked | frame->rip >> 47) != 0))
		settle(frame);
	frame->cs = UK_CS_USER;
	frame->ss = UK_DS_USER;
	frame->rflags = (frame->rflags & RFLAGS_USER) | RFLAGS_ONE | RFLAGS_IF;
}

/* User mode may have set AC, which would open its memory to us. */
static inline void close_user(void)
{
	if (uk_cpu_has.smap)
		__asm__ volatile("clac" : : : "memory");
}

void uk_trap(struct uk_frame *frame)
{
	close_user();
	if (frame->vector >= UK_VECTOR_IRQ) {
		uk_irq_handle((unsigned)frame->vector);
	} else {
		uint64_t address = frame->vector == UK_TRAP_PAGE ? uk_read_cr2() : 0;

		if (uk_frame_user(frame)) {
			uk_irq_on();
			uk_user_fault(frame, address);
		} else {
			kernel_exception(frame, address);
		}
	}
	if (uk_frame_user(frame))
		leave_user(frame);
}

void uk_trap_syscall(struct uk_frame *frame)
{
	uk_irq_on();
	uk_syscall_entry(frame);
	leave_user(frame);
}

void uk_enter_user(struct uk_frame *frame)
{
	uk_assert(uk_thread_self()->fpu != NULL);
	uk_time_begin();
	/* Whoever becomes the program's first thread was not switched to as such. */
	uk_user_load_bases(uk_thread_self());
	leave_user(frame);
	uk_frame_leave(frame);
}

void uk_trap_paranoid(struct uk_frame *frame)
{
	close_user();
	if (frame->vector == UK_TRAP_NMI) {
		uk_smp_obey();
		uk_log(UK_LOG_WARN, "NMI");
		return;
	}
	uk_panic_trap(frame, uk_read_cr2());
}
