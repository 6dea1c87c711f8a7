/*
 * When the kernel cannot go on: why, registers, who called whom, and the machine's end. Nothing
 * here allocates, sleeps or takes a lock; what is read through doubtful pointers is read safely.
 */
#include <uk/cpu.h>
#include <uk/io.h>
#include <uk/log.h>
#include <uk/mem.h>
#include <uk/sched.h>
#include <uk/smp.h>
#include <uk/start.h>
#include <uk/symbols.h>
#include <uk/syscall.h>
#include <uk/trap.h>
#include <uni/abi/exit.h>

#define FRAMES_MAX 24

/* The compiler makes up its calls last. */
void __stack_chk_fail(void) __attribute__((noreturn, used));

static const char *const trap_names[32] = {
	[UK_TRAP_DIVIDE] = "divide error",
	[UK_TRAP_DEBUG] = "debug trap",
	[UK_TRAP_NMI] = "NMI",
	[UK_TRAP_BREAKPOINT] = "breakpoint",
	[UK_TRAP_OVERFLOW] = "overflow",
	[UK_TRAP_BOUND] = "bound range",
	[UK_TRAP_OPCODE] = "invalid opcode",
	[UK_TRAP_NO_FPU] = "no FPU",
	[UK_TRAP_DOUBLE] = "double fault",
	[UK_TRAP_TSS] = "invalid TSS",
	[UK_TRAP_SEGMENT] = "segment not present",
	[UK_TRAP_STACK] = "stack segment",
	[UK_TRAP_PROTECTION] = "general protection",
	[UK_TRAP_PAGE] = "page fault",
	[UK_TRAP_FPU] = "FPU error",
	[UK_TRAP_ALIGNMENT] = "alignment check",
	[UK_TRAP_MACHINE] = "machine check",
	[UK_TRAP_SIMD] = "SIMD error",
};

/* One panic is enough: a second one on the way only ends the machine, and one of another processor
 * waits for that. */
static void panic_once(void)
{
	static struct uk_cpu *panicking;
	struct uk_cpu *nobody = NULL, *self = uk_cpu();

	uk_console_tap = NULL;
	uk_irq_off();
	if (!__atomic_compare_exchange_n(&panicking, &nobody, self, false, __ATOMIC_ACQ_REL,
					 __ATOMIC_ACQUIRE)) {
		if (nobody == self)
			uk_machine_end(UNI_EXIT_PANIC, 0, 0, 0, "panic in panic");
		for (;;)
			__asm__ volatile("cli; hlt");
	}
	uk_smp_stop();
}

static void end_machine(uint64_t ip, uint64_t address, const char *text) UK_NORETURN;
static void end_machine(uint64_t ip, uint64_t address, const char *text)
{
	if (uk_config_u32(UNI_CONFIG_ON_FAULT, UNI_ACTION_OFF) != UNI_ACTION_OFF)
		uk_machine_restart(UNI_EXIT_PANIC, 0, ip, address, text);
	uk_machine_end(UNI_EXIT_PANIC, 0, ip, address, text);
}

static void print_place(uint64_t address)
{
	char name[128];

	uk_symbol_name(address, name, sizeof(name));
	uk_log(UK_LOG_ERROR, "  %016lx %s", address, name);
}

/* Frame pointers lead up the stack: each must lie higher than the last and in the same 32 KiB. */
static void print_backtrace(uint64_t rbp)
{
	uint64_t next, back;

	for (unsigned i = 0; i < FRAMES_MAX; i++) {
		if (rbp % 8 != 0 || rbp < UK_DIRECT_BASE ||
		    !uk_read_safe((const uint64_t *)(uintptr_t)rbp, &next) ||
		    !uk_read_safe((const uint64_t *)(uintptr_t)(rbp + 8), &back) || back == 0)
			return;
		print_place(back - 1);
		if (next <= rbp || next - rbp > UK_STACK_SLOT)
			return;
		rbp = next;
	}
}

static void print_thread(void)
{
	const struct uk_thread *self = uk_cpu()->thread;
	char call[160];

	if (self != NULL)
		uk_log(UK_LOG_ERROR, "thread %.16s, processor %u", self->name, uk_cpu()->id);
	if (uk_syscall_describe(call, sizeof(call)))
		uk_log(UK_LOG_ERROR, "in the system call %s", call);
}

static void print_registers(const struct uk_frame *f)
{
	uk_log(UK_LOG_ERROR, "rax %016lx rbx %016lx rcx %016lx", f->rax, f->rbx, f->rcx);
	uk_log(UK_LOG_ERROR, "rdx %016lx rsi %016lx rdi %016lx", f->rdx, f->rsi, f->rdi);
	uk_log(UK_LOG_ERROR, "r8  %016lx r9  %016lx r10 %016lx", f->r8, f->r9, f->r10);
	uk_log(UK_LOG_ERROR, "r11 %016lx r12 %016lx r13 %016lx", f->r11, f->r12, f->r13);
	uk_log(UK_LOG_ERROR, "r14 %016lx r15 %016lx rbp %016lx", f->r14, f->r15, f->rbp);
	uk_log(UK_LOG_ERROR, "rip %016lx rsp %016lx rflags %06lx cs %02lx cr3 %lx", f->rip, f->rsp,
	       f->rflags, f->cs, uk_read_cr3());
}

/* Whether the address lies in the unmapped part under a kernel stack. */
static bool in_guard(uint64_t address)
{
	uint64_t offset = address - UK_STACK_BASE;

	if (address >= UK_STACK_BASE && address < UK_DEVICE_BASE)
		return offset % UK_STACK_SLOT < UK_STACK_SLOT - UK_STACK_SIZE;
	return address - (uintptr_t)uk_boot_guard < UK_PAGE_SIZE ||
	       address - (uintptr_t)uk_idle_guard < UK_PAGE_SIZE;
}

static void describe(const struct uk_frame *f, uint64_t address, char *to, size_t room)
{
	const char *name = f->vector < 32 ? trap_names[f->vector] : NULL;

	/* A fault that could not be pushed because the stack had run into its guard. */
	if (f->vector == UK_TRAP_DOUBLE && in_guard(address))
		uk_snprintf(to, room, "kernel stack overflow");
	else if (f->vector == UK_TRAP_PAGE)
		uk_snprintf(to, room, "page fault: %s %#lx (%s)",
			    f->error & UK_FAULT_FETCH	? "execute"
			    : f->error & UK_FAULT_WRITE ? "write to"
							: "read of",
			    address, f->error & UK_FAULT_PRESENT ? "not permitted" : "not mapped");
	else
		uk_snprintf(to, room, "%s, error %#lx", name != NULL ? name : "unknown trap",
			    f->error);
}

void uk_panic_trap(const struct uk_frame *frame, uint64_t address)
{
	char text[96];
	uint64_t caller;

	panic_once();
	describe(frame, address, text, sizeof(text));
	uk_log(UK_LOG_ERROR, "kernel panic: %s", text);
	print_thread();
	print_registers(frame);
	print_place(frame->rip);
	/* A jump to nowhere left no frame: who called is on top of the stack. */
	if (frame->vector == UK_TRAP_PAGE && (frame->error & UK_FAULT_FETCH) &&
	    uk_read_safe((const uint64_t *)(uintptr_t)frame->rsp, &caller))
		print_place(caller - 1);
	print_backtrace(frame->rbp);
	end_machine(frame->rip, address, text);
}

void uk_panic(const char *fmt, ...)
{
	char text[160];
	__builtin_va_list args;

	panic_once();
	__builtin_va_start(args, fmt);
	uk_vsnprintf(text, sizeof(text), fmt, args);
	__builtin_va_end(args);
	uk_log(UK_LOG_ERROR, "kernel panic: %s", text);
	print_thread();
	print_backtrace((uintptr_t)__builtin_frame_address(0));
	end_machine((uintptr_t)__builtin_return_address(0), 0, text);
}

/* The compiler calls it when a function's canary was overwritten. */
void __stack_chk_fail(void)
{
	uk_panic("stack smashed");
}
