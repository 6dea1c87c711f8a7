/*
 * Handlers: on the way to user mode the registers go to the program's stack in the form of Linux's
 * rt_sigframe (arch/x86/include/uapi/asm/sigcontext.h, ucontext.h), and the handler's are put in
 * their place; rt_sigreturn takes them back. What comes back is the program's word and is checked:
 * segments and the flags that are not the program's own stay as they are.
 */
#include "proc.h"
#include <uk/mem.h>
#include <uk/user.h>

struct sigcontext {
	uint64_t r8, r9, r10, r11, r12, r13, r14, r15;
	uint64_t rdi, rsi, rbp, rbx, rdx, rax, rcx, rsp, rip, rflags;
	uint16_t cs, gs, fs, ss;
	uint64_t error, vector, mask, address;
	uint64_t fpstate; /* user address */
	uint64_t reserved[8];
};
struct ucontext {
	uint64_t flags, link;
	struct uk_sigstack stack;
	struct sigcontext registers;
	uk_sigset_t mask;
};
struct sigframe {
	uint64_t restorer; /* the handler's return address */
	struct ucontext context;
	struct uk_siginfo info;
};
_Static_assert(sizeof(struct sigcontext) == 256, "Linux ABI");
_Static_assert(offsetof(struct sigframe, info) == 8 + 304, "Linux ABI");

/* In bytes 464 to 511 of the FXSAVE area: what is behind it. */
struct fp_extension {
	uint32_t magic, extended_size;
	uint64_t features;
	uint32_t state_size;
	uint32_t pad[7];
};
_Static_assert(sizeof(struct fp_extension) == 48, "Linux ABI");

enum {
	FX_SIZE = 512,
	FX_EXTENSION = 464,
	FP_MAGIC1 = 0x46505853,
	FP_MAGIC2 = 0x46505845,
	UC_FP_XSTATE = 1,
	UC_SIGCONTEXT_SS = 2,
	UC_STRICT_RESTORE_SS = 4,
	RED_ZONE = 128,
	FLAGS_DF = 0x400,
	FLAGS_RF = 0x10000,
	FLAGS_TF = 0x100,
	FLAGS_USER = 0x50dd5, /* AC, RF, OF, DF, TF, SF, ZF, AF, PF, CF */
};

size_t uk_sigframe_size(void)
{
	return RED_ZONE + sizeof(struct sigframe) + 64 + uk_fpu_size() + sizeof(uint32_t) + 16;
}

static bool on_altstack(const struct uk_task *task, uint64_t sp)
{
	return sp > task->stack.base && sp - task->stack.base <= task->stack.size;
}

/* The FPU's state to the program; its address there, or 0. */
static uint64_t put_fpu(uint64_t top)
{
	size_t size = uk_fpu_size();
	uint64_t at = UK_ALIGN_DOWN(top - size - sizeof(uint32_t), 64ull);
	uint64_t features = uk_fpu_features();
	struct fp_extension extension = {
		.magic = FP_MAGIC1,
		.extended_size = (uint32_t)(size + sizeof(uint32_t)),
		.features = features,
		.state_size = (uint32_t)size,
	};
	uint32_t magic2 = FP_MAGIC2;

	uk_fpu_store();
	if (uk_copy_to_user(at, uk_thread_self()->fpu, size) != 0)
		return 0;
	if (features != 0 &&
	    (uk_copy_to_user(at + FX_EXTENSION, &extension, sizeof(extension)) != 0 ||
	     uk_copy_to_user(at + size, &magic2, sizeof(magic2)) != 0))
		return 0;
	return at;
}

static void fill_context(struct ucontext *c, const struct uk_task *task, const struct uk_frame *f)
{
	struct sigcontext *r = &c->registers;

	r->r8 = f->r8;
	r->r9 = f->r9;
	r->r10 = f->r10;
	r->r11 = f->r11;
	r->r12 = f->r12;
	r->r13 = f->r13;
	r->r14 = f->r14;
	r->r15 = f->r15;
	r->rdi = f->rdi;
	r->rsi = f->rsi;
	r->rbp = f->rbp;
	r->rbx = f->rbx;
	r->rdx = f->rdx;
	r->rax = f->rax;
	r->rcx = f->rcx;
	r->rsp = f->rsp;
	r->rip = f->rip;
	r->rflags = f->rflags;
	r->cs = (uint16_t)f->cs;
	r->ss = (uint16_t)f->ss;
	r->error = task->fault_error;
	r->vector = task->fault_vector;
	r->address = task->fault_address;
	r->mask = c->mask;
	c->flags = UC_SIGCONTEXT_SS | UC_STRICT_RESTORE_SS;
	if (uk_fpu_features() != 0)
		c->flags |= UC_FP_XSTATE;
	c->stack = task->stack;
	if (on_altstack(task, f->rsp))
		c->stack.flags |= UK_SS_ONSTACK;
}

static bool push_frame(struct uk_frame *f, const struct uk_sigaction *action,
		       const struct uk_siginfo *info, uk_sigset_t mask)
{
	struct uk_task *task = uk_task_self();
	struct sigframe frame = {
		.restorer = action->restorer,
		.context = { .mask = mask },
		.info = *info,
	};
	uint64_t sp = f->rsp - RED_ZONE, fpu;
	bool alternate = (action->flags & UK_SA_ONSTACK) && task->stack.size != 0 &&
			 !on_altstack(task, f->rsp);

	if (!(action->flags & UK_SA_RESTORER))
		return false;
	if (alternate)
		sp = task->stack.base + task->stack.size;
	fill_context(&frame.context, task, f);
	fpu = put_fpu(sp);
	if (fpu == 0)
		return false;
	frame.context.registers.fpstate = fpu;
	/* As if called: the return address makes it 8 above a multiple of 16. */
	sp = UK_ALIGN_DOWN(fpu - sizeof(frame), 16ull) - 8;
	/* An overflow of the alternate stack must not write below it. */
	if (on_altstack(task, f->rsp) && !on_altstack(task, sp))
		return false;
	if (uk_copy_to_user(sp, &frame, sizeof(frame)) != 0)
		return false;
	if (alternate && ((uint32_t)task->stack.flags & (uint32_t)UK_SS_AUTODISARM))
		task->stack = (struct uk_sigstack){ .flags = UK_SS_DISABLE };
	f->rdi = (uint64_t)info->signo;
	f->rsi = sp + offsetof(struct sigframe, info);
	f->rdx = sp + offsetof(struct sigframe, context);
	f->rax = 0;
	f->rsp = sp;
	f->rip = action->handler;
	f->rflags &= ~(uint64_t)(FLAGS_DF | FLAGS_RF | FLAGS_TF);
	return true;
}

/* What becomes of a system call that a signal broke off. */
static void settle_call(struct uk_frame *f, const struct uk_sigaction *action)
{
	int64_t result = (int64_t)f->rax;

	if (f->vector != UK_VECTOR_SYSCALL)
		return;
	f->vector = UK_VECTOR_SETTLED;
	if (result != -UK_ERESTARTSYS && result != -UK_ERESTARTNOHAND)
		return;
	if (action != NULL && (result == -UK_ERESTARTNOHAND || !(action->flags & UK_SA_RESTART))) {
		f->rax = (uint64_t)-UK_EINTR;
	} else {
		f->rax = f->error;
		f->rip -= 2;
	}
}

static void run_handler(struct uk_frame *f, const struct uk_sigaction *action,
			const struct uk_siginfo *info)
{
	struct uk_task *task = uk_task_self();
	uk_sigset_t mask = task->restore_saved ? task->saved : task->blocked;
	uk_sigset_t block = task->blocked | action->mask;

	settle_call(f, action);
	task->restore_saved = false;
	if (!push_frame(f, action, info, mask)) {
		struct uk_siginfo fault = { .signo = UK_SIGSEGV, .code = UK_SI_KERNEL };

		/* The stack is gone; a handler for that needs one too. */
		if (info->signo == UK_SIGSEGV)
			uk_process_die(info, f);
		uk_signal_force(&fault);
		return;
	}
	if (!(action->flags & UK_SA_NODEFER))
		block |= UK_SIGBIT(info->signo);
	uk_signal_block(block);
}

/* The next signal that has a handler, with what to do; false: nothing is left. */
static bool next_signal(struct uk_siginfo *info, struct uk_sigaction *action)
{
	struct uk_task *task = uk_task_self();
	uint64_t state = uk_spin_lock(&uk_process.lock);
	int signo;

	while ((signo = uk_signal_take(~task->blocked, info)) != 0) {
		*action = uk_process.action[signo];
		if (action->handler == UK_SIG_IGN ||
		    (action->handler == UK_SIG_DFL && uk_signal_harmless(signo)))
			continue;
		if (action->handler != UK_SIG_DFL && (action->flags & UK_SA_RESETHAND))
			uk_process.action[signo].handler = UK_SIG_DFL;
		break;
	}
	if (signo == 0)
		uk_signal_recheck(task);
	uk_spin_unlock(&uk_process.lock, state);
	return signo != 0;
}

void uk_signal_deliver(struct uk_frame *frame)
{
	struct uk_sigaction action;
	struct uk_siginfo info;

	while (next_signal(&info, &action)) {
		if (action.handler == UK_SIG_DFL)
			uk_process_die(&info, frame);
		run_handler(frame, &action, &info);
	}
	settle_call(frame, NULL);
	uk_signal_mask_restore(false);
}

/* The FPU's state from the program. */
static int get_fpu(uint64_t at)
{
	size_t size = uk_fpu_size();
	struct fp_extension extension;
	uint8_t *state;
	uint32_t magic2;
	int result = -UK_EFAULT;

	if (at == 0) {
		uk_fpu_reset();
		return 0;
	}
	state = uk_alloc(size);
	if (state == NULL)
		return -UK_ENOMEM;
	if (uk_copy_from_user(state, at, FX_SIZE) != 0)
		goto done;
	memcpy(&extension, state + FX_EXTENSION, sizeof(extension));
	if (uk_fpu_features() != 0) {
		uint64_t legacy = 3; /* x87 and SSE: all that a plain FXSAVE area holds */
		bool whole = extension.magic == FP_MAGIC1 && extension.state_size == size &&
			     uk_copy_from_user(&magic2, at + size, sizeof(magic2)) == 0 &&
			     magic2 == FP_MAGIC2;

		if (!whole)
			memcpy(state + FX_SIZE, &legacy, sizeof(legacy));
		else if (uk_copy_from_user(state + FX_SIZE, at + FX_SIZE, size - FX_SIZE) != 0)
			goto done;
	}
	/* Nothing may sleep between these two: the registers would be stored over it. */
	uk_fpu_store();
	memcpy(uk_thread_self()->fpu, state, size);
	result = uk_fpu_load();
done:
	uk_free(state);
	return result;
}

static void restore_registers(struct uk_frame *f, const struct sigcontext *r)
{
	f->r8 = r->r8;
	f->r9 = r->r9;
	f->r10 = r->r10;
	f->r11 = r->r11;
	f->r12 = r->r12;
	f->r13 = r->r13;
	f->r14 = r->r14;
	f->r15 = r->r15;
	f->rdi = r->rdi;
	f->rsi = r->rsi;
	f->rbp = r->rbp;
	f->rbx = r->rbx;
	f->rdx = r->rdx;
	f->rax = r->rax;
	f->rcx = r->rcx;
	f->rsp = r->rsp;
	f->rip = r->rip;
	f->rflags = (f->rflags & ~(uint64_t)FLAGS_USER) | (r->rflags & FLAGS_USER);
	f->vector = UK_VECTOR_SETTLED;
}

int64_t uk_signal_return(struct uk_frame *f)
{
	struct uk_siginfo fault = { .signo = UK_SIGSEGV, .code = UK_SI_KERNEL };
	struct uk_task *task = uk_task_self();
	struct ucontext c;

	/* The handler's return took the restorer's address off the frame. */
	if (uk_copy_from_user(&c, f->rsp - 8 + offsetof(struct sigframe, context), sizeof(c)) !=
		    0 ||
	    c.registers.rip >= UK_USER_END || get_fpu(c.registers.fpstate) != 0) {
		f->vector = UK_VECTOR_SETTLED;
		uk_signal_force(&fault);
		return (int64_t)f->rax;
	}
	restore_registers(f, &c.registers);
	if (!((uint32_t)c.stack.flags & (uint32_t)UK_SS_DISABLE))
		task->stack = (struct uk_sigstack){
			.base = c.stack.base,
			.flags = c.stack.flags & ~UK_SS_ONSTACK,
			.size = c.stack.size,
		};
	uk_signal_block(c.mask);
	return (int64_t)f->rax;
}
