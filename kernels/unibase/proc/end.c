/*
 * The end of the program, which is the end of the machine: the reason is printed, files are synced,
 * the boot configuration says what comes then. Also how a machine is asked to stop: SIGTERM, a time
 * of grace, the end.
 */
#include "proc.h"
#include <uk/log.h>
#include <uk/map.h>
#include <uk/mem.h>
#include <uk/net.h>
#include <uk/start.h>
#include <uk/user.h>
#include <uk/vfs.h>
#include <uni/abi/exit.h>

enum {
	GRACE_MS = 10000,   /* when the configuration names none */
	TRACE_MAX = 24,	    /* return addresses printed */
	STACK_WORDS = 512,  /* looked through for them */
	STACK_NEAR = 65536, /* a fault no farther from the stack pointer may be an overflow */
};

static const char *const names[] = {
	[UK_SIGHUP] = "SIGHUP",	  [UK_SIGINT] = "SIGINT",   [UK_SIGQUIT] = "SIGQUIT",
	[UK_SIGILL] = "SIGILL",	  [UK_SIGTRAP] = "SIGTRAP", [UK_SIGABRT] = "SIGABRT",
	[UK_SIGBUS] = "SIGBUS",	  [UK_SIGFPE] = "SIGFPE",   [UK_SIGKILL] = "SIGKILL",
	[UK_SIGUSR1] = "SIGUSR1", [UK_SIGSEGV] = "SIGSEGV", [UK_SIGUSR2] = "SIGUSR2",
	[UK_SIGPIPE] = "SIGPIPE", [UK_SIGALRM] = "SIGALRM", [UK_SIGTERM] = "SIGTERM",
	[UK_SIGXCPU] = "SIGXCPU", [UK_SIGXFSZ] = "SIGXFSZ",
};

static void name_signal(int signo, char *to, size_t room)
{
	if ((size_t)signo < UK_COUNT(names) && names[signo] != NULL)
		uk_strlcpy(to, names[signo], room);
	else
		uk_snprintf(to, room, "signal %d", signo);
}

static void name_address(uint64_t addr, char *to, size_t room)
{
	char name[96];
	uint64_t offset;

	if (uk_elf_symbol(addr, name, sizeof(name), &offset))
		uk_snprintf(to, room, "%s+0x%lx", name, (unsigned long)offset);
	else
		uk_strlcpy(to, "", room);
}

static void print_registers(const struct uk_frame *f)
{
	uk_log(UK_LOG_ERROR, "rax %016lx rbx %016lx rcx %016lx", (unsigned long)f->rax,
	       (unsigned long)f->rbx, (unsigned long)f->rcx);
	uk_log(UK_LOG_ERROR, "rdx %016lx rsi %016lx rdi %016lx", (unsigned long)f->rdx,
	       (unsigned long)f->rsi, (unsigned long)f->rdi);
	uk_log(UK_LOG_ERROR, "rbp %016lx rsp %016lx rip %016lx", (unsigned long)f->rbp,
	       (unsigned long)f->rsp, (unsigned long)f->rip);
	uk_log(UK_LOG_ERROR, "r8  %016lx r9  %016lx r10 %016lx", (unsigned long)f->r8,
	       (unsigned long)f->r9, (unsigned long)f->r10);
	uk_log(UK_LOG_ERROR, "r11 %016lx r12 %016lx r13 %016lx", (unsigned long)f->r11,
	       (unsigned long)f->r12, (unsigned long)f->r13);
	uk_log(UK_LOG_ERROR, "r14 %016lx r15 %016lx rflags %06lx", (unsigned long)f->r14,
	       (unsigned long)f->r15, (unsigned long)f->rflags);
}

static bool in_code(uint64_t addr)
{
	struct uk_map_info info;

	return addr < UK_USER_END && uk_map_info(addr, &info) && info.start <= addr &&
	       (info.prot & UK_PROT_EXEC);
}

/*
 * Frame pointers are not guaranteed, so every word of the stack that points into code counts: some
 * of them are left over from earlier calls, hence the question mark.
 */
static void print_stack(const struct uk_frame *f)
{
	char name[128];
	unsigned printed = 0;

	name_address(f->rip, name, sizeof(name));
	uk_log(UK_LOG_ERROR, "  %016lx %s", (unsigned long)f->rip, name);
	for (unsigned i = 0; i < STACK_WORDS && printed < TRACE_MAX; i++) {
		uint64_t word;

		if (uk_copy_from_user(&word, f->rsp + i * sizeof(word), sizeof(word)) != 0)
			break;
		if (!in_code(word))
			continue;
		name_address(word - 1, name, sizeof(name));
		uk_log(UK_LOG_ERROR, "? %016lx %s", (unsigned long)word, name);
		printed++;
	}
}

/* A fault just below the stack in use, where nothing may be touched, is an overflow. */
static bool stack_overflow(const struct uk_frame *f, uint64_t address)
{
	struct uk_map_info info;

	if (address >= uk_map.stack_low - UK_LAYOUT_GUARD && address < uk_map.stack_low)
		return true;
	if (address + STACK_NEAR < f->rsp || address > f->rsp + STACK_NEAR)
		return false;
	/* Threads' stacks end in a page without rights, made by the C library. */
	return uk_map_info(address, &info) && info.start <= address && info.prot == 0;
}

static bool processor_fault(const struct uk_siginfo *info)
{
	const uk_sigset_t faults = UK_SIGBIT(UK_SIGSEGV) | UK_SIGBIT(UK_SIGBUS) |
				   UK_SIGBIT(UK_SIGILL) | UK_SIGBIT(UK_SIGFPE) |
				   UK_SIGBIT(UK_SIGTRAP);

	return (faults & UK_SIGBIT(info->signo)) && info->code > 0;
}

void uk_process_die(const struct uk_siginfo *info, const struct uk_frame *f)
{
	char name[24], where[128], text[88];
	uint64_t address = info->u.address;

	if (uk_process.ending)
		uk_process_park();
	name_signal(info->signo, name, sizeof(name));
	if (!processor_fault(info)) {
		uk_snprintf(text, sizeof(text), "%s ended the program", name);
		uk_log(UK_LOG_ERROR, "%s", text);
		if (uk_process.stopping && info->signo == UK_SIGTERM)
			uk_process_end(UNI_EXIT_POWER, 0, 0, 0, "told to stop");
		uk_process_end(UNI_EXIT_SIGNAL, info->signo, 0, 0, text);
	}
	name_address(f->rip, where, sizeof(where));
	if (info->signo == UK_SIGSEGV && stack_overflow(f, address))
		uk_snprintf(text, sizeof(text), "stack overflow in %s", where);
	else if (info->signo == UK_SIGSEGV || info->signo == UK_SIGBUS)
		uk_snprintf(text, sizeof(text), "%s at address 0x%lx in %s", name,
			    (unsigned long)address, where);
	else
		uk_snprintf(text, sizeof(text), "%s in %s", name, where);
	uk_log(UK_LOG_ERROR, "%s, thread %d", text, uk_task_self()->tid);
	print_registers(f);
	print_stack(f);
	uk_process_end(UNI_EXIT_FAULT, info->signo, f->rip, address, text);
}

void uk_process_oom(void)
{
	uk_log(UK_LOG_ERROR, "out of memory: the program has %lu KiB, %lu KiB are free",
	       (unsigned long)(uk_map.resident * 4), (unsigned long)(uk_mem_free() / 1024));
	uk_process_end(UNI_EXIT_SIGNAL, UK_SIGKILL, 0, 0, "out of memory");
}

void uk_process_park(void)
{
	static struct uk_waitq never = UK_WAITQ_INIT(never);

	for (;;)
		uk_wait_event(&never, false, UK_FOREVER, false);
}

/* Lock held. */
static void kick_others(void)
{
	uk_list_each (item, &uk_process.tasks) {
		struct uk_task *task = uk_list_entry(item, struct uk_task, item);

		if (task->thread != uk_thread_self())
			uk_thread_kick(task->thread, UK_WORK_EXIT);
	}
}

void uk_process_end(unsigned kind, int status, uint64_t ip, uint64_t address, const char *text)
{
	bool fault = kind == UNI_EXIT_FAULT || kind == UNI_EXIT_SIGNAL;
	uint64_t state = uk_spin_lock(&uk_process.lock);
	bool first = !uk_process.ending;
	uint32_t action;

	uk_process.ending = true;
	if (first && uk_process.count > 1)
		kick_others();
	uk_spin_unlock(&uk_process.lock, state);
	if (!first)
		uk_process_park();
	uk_vfs_stop();
	uk_net_end();
	action = uk_config_u32(fault ? UNI_CONFIG_ON_FAULT : UNI_CONFIG_ON_EXIT, UNI_ACTION_OFF);
	if (action != UNI_ACTION_OFF && kind != UNI_EXIT_POWER)
		uk_machine_restart(kind, status, ip, address, text);
	uk_machine_end(kind, status, ip, address, text);
}

/* In interrupt context: a thread of the program ends it on its way to user mode. */
static void grace_over(struct uk_timer *timer)
{
	uint64_t state = uk_spin_lock(&uk_process.lock);
	struct uk_task *task = uk_list_first(&uk_process.tasks, struct uk_task, item);

	(void)timer;
	uk_process.overdue = true;
	if (task != NULL)
		uk_thread_kick(task->thread, UK_WORK_EXIT);
	uk_spin_unlock(&uk_process.lock, state);
}

void uk_process_overdue(void)
{
	uk_log(UK_LOG_WARN, "the program did not end in time after SIGTERM");
	uk_process_end(UNI_EXIT_POWER, 0, 0, 0, "told to stop; the time of grace is over");
}

void uk_process_stop(void)
{
	static struct uk_sigitem item = { .info = { .signo = UK_SIGTERM, .code = UK_SI_KERNEL },
					  .borrowed = true };
	static struct uk_timer timer = { .fn = grace_over };
	uint64_t ms = uk_config_u32(UNI_CONFIG_GRACE, GRACE_MS);
	uint64_t state = uk_spin_lock(&uk_process.lock);

	if (!uk_process.stopping) {
		uk_process.stopping = true;
		uk_signal_post(NULL, &item);
		uk_timer_arm(&timer, uk_time_mono() + ms * 1000000);
	}
	uk_spin_unlock(&uk_process.lock, state);
}
