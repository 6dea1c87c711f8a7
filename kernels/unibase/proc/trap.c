/*
 * What the processor reports about the program: page faults are answered from the address space,
 * everything else becomes the signal that Linux makes of it.
 */
#include "proc.h"
#include <uk/log.h>
#include <uk/map.h>
#include <uk/mem.h>
#include <uk/smp.h>

extern const char uk_user_nofault_start[], uk_user_nofault_end[];

static enum uk_access access_of(uint64_t error)
{
	if (error & UK_FAULT_WRITE)
		return UK_ACCESS_WRITE;
	return error & UK_FAULT_FETCH ? UK_ACCESS_EXEC : UK_ACCESS_READ;
}

static void page_fault(const struct uk_frame *f, uint64_t address)
{
	struct uk_siginfo info = { .signo = UK_SIGSEGV, .code = UK_SEGV_MAPERR };
	int result = -UK_ENOENT;

	if (address < UK_USER_END)
		result = uk_map_fault(address, access_of(f->error));
	if (result == 0)
		return;
	uk_kernel_enter();
	if (result == -UK_ENOMEM)
		uk_process_oom();
	if (result == -UK_EACCES) {
		info.code = UK_SEGV_ACCERR;
	} else if (result != -UK_ENOENT) {
		info.signo = UK_SIGBUS;
		info.code = UK_BUS_ADRERR;
	}
	info.u.address = address;
	uk_signal_force(&info);
}

/* The first exception flag that is not masked. */
static int fpe_code(unsigned status, unsigned masked)
{
	unsigned raised = status & ~masked;

	if (raised & 0x01)
		return UK_FPE_FLTINV;
	if (raised & 0x04)
		return UK_FPE_FLTDIV;
	if (raised & 0x08)
		return UK_FPE_FLTOVF;
	if (raised & 0x12)
		return UK_FPE_FLTUND;
	return UK_FPE_FLTRES;
}

static int fpu_code(bool simd)
{
	const uint8_t *state;
	uint16_t control, status;
	uint32_t mxcsr;

	uk_fpu_store();
	state = uk_thread_self()->fpu;
	memcpy(&control, state, sizeof(control));
	memcpy(&status, state + 2, sizeof(status));
	memcpy(&mxcsr, state + 24, sizeof(mxcsr));
	return simd ? fpe_code(mxcsr, mxcsr >> 7) : fpe_code(status, control);
}

static void exception(const struct uk_frame *f)
{
	struct uk_siginfo info = { .signo = UK_SIGSEGV, .code = UK_SI_KERNEL };

	switch (f->vector) {
	case UK_TRAP_DIVIDE:
		info.signo = UK_SIGFPE;
		info.code = UK_FPE_INTDIV;
		info.u.address = f->rip;
		break;
	case UK_TRAP_DEBUG:
		info.signo = UK_SIGTRAP;
		info.code = UK_TRAP_TRACE;
		info.u.address = f->rip;
		break;
	case UK_TRAP_BREAKPOINT:
		info.signo = UK_SIGTRAP;
		break;
	case UK_TRAP_OPCODE:
		info.signo = UK_SIGILL;
		info.code = UK_ILL_ILLOPN;
		info.u.address = f->rip;
		break;
	case UK_TRAP_SEGMENT:
	case UK_TRAP_STACK:
		info.signo = UK_SIGBUS;
		break;
	case UK_TRAP_FPU:
	case UK_TRAP_SIMD:
		info.signo = UK_SIGFPE;
		info.code = fpu_code(f->vector == UK_TRAP_SIMD);
		info.u.address = f->rip;
		break;
	case UK_TRAP_ALIGNMENT:
		info.signo = UK_SIGBUS;
		info.code = UK_BUS_ADRALN;
		break;
	default:
		break;
	}
	uk_kernel_enter();
	uk_signal_force(&info);
}

/* In the kernel: under a spinlock nothing is mapped, the caller tries again without it. */
static bool kernel_fault(const struct uk_frame *f, uint64_t address)
{
	int result;

	if (f->rip >= (uint64_t)uk_user_nofault_start && f->rip < (uint64_t)uk_user_nofault_end)
		return false;
	if (address >= UK_USER_END || uk_thread_self()->process == NULL)
		return false;
	result = uk_map_fault(address, access_of(f->error));
	/* The end syncs files, and their locks may be held here: it waits for the call's end. */
	if (result == -UK_ENOMEM) {
		uk_process.out_of_memory = true;
		uk_thread_kick(uk_thread_self(), UK_WORK_EXIT);
	}
	return result == 0;
}

bool uk_user_fault(struct uk_frame *frame, uint64_t address)
{
	struct uk_task *task;

	if (!uk_frame_user(frame))
		return kernel_fault(frame, address);
	task = uk_task_self();
	task->frame = frame;
	task->fault_vector = frame->vector;
	task->fault_error = frame->error;
	task->fault_address = frame->vector == UK_TRAP_PAGE ? address : 0;
	if (frame->vector == UK_TRAP_PAGE)
		page_fault(frame, address);
	else
		exception(frame);
	return true;
}

void uk_user_return(struct uk_frame *frame)
{
	struct uk_thread *self = uk_thread_self();
	struct uk_task *task = self->user;

	uk_kernel_enter();
	if (uk_process.ending)
		uk_process_park();
	if (uk_process.overdue)
		uk_process_overdue();
	if (uk_process.out_of_memory)
		uk_process_oom();
	task->frame = frame;
	if (self->work & UK_WORK_SIGNAL)
		uk_signal_deliver(frame);
}
