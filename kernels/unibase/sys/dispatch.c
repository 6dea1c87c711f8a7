/*
 * From a system call's number to its function. A number without one is told once on the console, by
 * name, and answered ENOSYS: what a program misses should not have to be guessed.
 */
#include "../proc/proc.h"
#include "sys.h"
#include <uk/log.h>
#include <uk/smp.h>
#include <uk/start.h>
#include <uni/abi/config.h>

enum { CALLS_MAX = 512, TRACE_MAX = 6 };

/* A kernel may be linked without sockets, inotify and System V shared memory. */
#pragma weak uk_sys_shmget
#pragma weak uk_sys_shmat
#pragma weak uk_sys_shmctl
#pragma weak uk_sys_shmdt
#pragma weak uk_sys_io_setup
#pragma weak uk_sys_io_destroy
#pragma weak uk_sys_io_getevents
#pragma weak uk_sys_io_pgetevents
#pragma weak uk_sys_io_submit
#pragma weak uk_sys_io_cancel
#pragma weak uk_sys_inotify_init
#pragma weak uk_sys_inotify_init1
#pragma weak uk_sys_inotify_add_watch
#pragma weak uk_sys_inotify_rm_watch
#pragma weak uk_sys_socket
#pragma weak uk_sys_socketpair
#pragma weak uk_sys_bind
#pragma weak uk_sys_listen
#pragma weak uk_sys_connect
#pragma weak uk_sys_accept
#pragma weak uk_sys_accept4
#pragma weak uk_sys_getsockname
#pragma weak uk_sys_getpeername
#pragma weak uk_sys_shutdown
#pragma weak uk_sys_setsockopt
#pragma weak uk_sys_getsockopt
#pragma weak uk_sys_sendto
#pragma weak uk_sys_recvfrom
#pragma weak uk_sys_sendmsg
#pragma weak uk_sys_recvmsg
#pragma weak uk_sys_sendmmsg
#pragma weak uk_sys_recvmmsg

static int64_t (*const calls[])(const struct uk_sysargs *) = {
#define UK_CALL(number, name, trace, state, missing) [number] = uk_sys_##name,
#include "table.def"
#undef UK_CALL
};

/* How arguments are shown; in order of number, and not as pointers, for most kernels never look. */
static const struct shown {
	uint16_t number;
	char trace[TRACE_MAX];
} shown[] = {
#define UK_CALL(number, name, trace, state, missing) { number, trace },
#include "table.def"
#undef UK_CALL
};

static bool trace_on;

/* What SYSCALL's entry may answer: uk/trap.h. */
static const struct word {
	uint8_t call, offset;
} words[] = {
	{ 39, offsetof(struct uk_process, pid) },	     /* getpid */
	{ 102, offsetof(struct uk_process, uid.real) },	     /* getuid */
	{ 104, offsetof(struct uk_process, gid.real) },	     /* getgid */
	{ 107, offsetof(struct uk_process, uid.effective) }, /* geteuid */
	{ 108, offsetof(struct uk_process, gid.effective) }, /* getegid */
	{ 110, offsetof(struct uk_process, parent) },	     /* getppid */
	{ 111, offsetof(struct uk_process, pid) },	     /* getpgrp */
};

void uk_syscall_start(void)
{
	trace_on = uk_config_u32(UNI_CONFIG_TRACE, 0) != 0;
	uk_process.pid = UK_PID;
	if (trace_on)
		return;
	for (size_t i = 0; i < UK_COUNT(words); i++)
		uk_calls_told[words[i].call] = (uint8_t)(words[i].offset / sizeof(uint32_t) + 1);
}

static const struct shown *shown_of(uint64_t number)
{
	for (size_t i = 0; i < UK_COUNT(shown); i++)
		if (shown[i].number == number)
			return &shown[i];
	return NULL;
}

static int64_t unknown(uint64_t number)
{
	static uint64_t told[CALLS_MAX / 64];
	const char *name = uk_call_name(number);

	if (number >= CALLS_MAX) {
		uk_log(UK_LOG_DEBUG, "system call %lu: there is none", (unsigned long)number);
	} else if (!(told[number / 64] & 1ull << number % 64)) {
		told[number / 64] |= 1ull << number % 64;
		uk_log(UK_LOG_WARN, "system call %lu (%s) is not there: ENOSYS%s",
		       (unsigned long)number, name != NULL ? name : "unknown",
		       shown_of(number) != NULL
			       ? "; [base] protocols = [\"unix\"] in the recipe brings it"
			       : "");
	}
	return -UK_ENOSYS;
}

static const char *name_of(uint64_t number)
{
	const char *name = uk_call_name(number);

	return name != NULL ? name : "unknown";
}

static void trace(uint64_t number, const struct uk_sysargs *args, int64_t result, bool returned)
{
	const struct shown *how = shown_of(number);

	uk_trace_call(name_of(number), how != NULL ? how->trace : NULL, args, result, returned);
}

/* Calls that touch nothing but what has locks of its own. */
static bool goes_alone(uint64_t number)
{
	switch (number) {
	case 24:  /* sched_yield */
	case 96:  /* gettimeofday */
	case 186: /* gettid */
	case 201: /* time */
	case 202: /* futex */
	case 228: /* clock_gettime */
	case 309: /* getcpu */
		return true;
	default:
		return false;
	}
}

/* Before a call that is traced, or where there are several processors: it has the kernel lock,
 * unless it goes without. True: it is done, and this is its result. */
UK_ASIDE bool begin_call(uint64_t number, const struct uk_sysargs *args, int64_t *result)
{
	enum { READ = 0, PREAD64 = 17, EXIT = 60, EXIT_GROUP = 231 };

	if (!trace_on) {
		if (goes_alone(number))
			return false;
		if ((number == READ || number == PREAD64) &&
		    uk_read_alone(args, number == READ, result))
			return true;
	}
	uk_kernel_enter();
	if (trace_on && (number == EXIT || number == EXIT_GROUP))
		trace(number, args, 0, false);
	return false;
}

static bool is_restart(int64_t result)
{
	return result == -UK_ERESTARTSYS || result == -UK_ERESTARTNOHAND;
}

/* The end of a call that is traced, was broken off, or has put other registers in place
 * (rt_sigreturn). */
UK_ASIDE void end_call(struct uk_frame *frame, uint64_t number, int64_t result)
{
	if (trace_on)
		trace(number, &frame->args, result, true);
	if (frame->vector != UK_VECTOR_SYSCALL)
		return;
	frame->rax = (uint64_t)result;
	/* For a signal that somebody else took: nothing else would look at it. */
	if (is_restart(result) && uk_thread_self()->work == 0) {
		uk_kernel_enter();
		uk_signal_deliver(frame);
	}
}

void uk_syscall_entry(struct uk_frame *frame)
{
	struct uk_task *task = uk_task_self();
	uint64_t number = frame->rax;
	int64_t (*const fn)(const struct uk_sysargs *) = calls[UK_MIN(number, UK_COUNT(calls) - 1)];
	int64_t result;

	task->frame = frame;
	task->in_call = true;
	if (uk_unlikely(trace_on + uk_kernel_shared != 0) &&
	    begin_call(number, &frame->args, &result))
		;
	else if (uk_unlikely((number >= UK_COUNT(calls)) + (fn == NULL) != 0))
		result = unknown(number);
	else
		result = fn(&frame->args);
	task->in_call = false;
	if (uk_unlikely(trace_on + (frame->vector != UK_VECTOR_SYSCALL) + is_restart(result) != 0))
		end_call(frame, number, result);
	else
		frame->rax = (uint64_t)result;
}

bool uk_syscall_describe(char *to, size_t room)
{
	const struct uk_thread *self = uk_thread_self();
	const struct uk_task *task = self != NULL ? self->user : NULL;
	const struct uk_frame *f = task != NULL && task->in_call ? task->frame : NULL;
	const struct shown *how;
	int size;

	if (f == NULL)
		return false;
	how = shown_of(f->rax);
	size = uk_snprintf(to, room, "%s(", name_of(f->rax));
	for (unsigned i = 0; how != NULL && i < TRACE_MAX && how->trace[i] != '\0'; i++) {
		const uint64_t values[] = { f->rdi, f->rsi, f->rdx, f->r10, f->r8, f->r9 };

		if (size > 0 && (size_t)size < room)
			size += uk_snprintf(to + size, room - (size_t)size, "%s%#lx",
					    i != 0 ? ", " : "", (unsigned long)values[i]);
	}
	if (size > 0 && (size_t)size < room)
		uk_snprintf(to + size, room - (size_t)size, ")");
	return true;
}
