/*
 * Signals of the program, as Linux has them (signal(7)). proc/signal.c keeps what is pending,
 * proc/sigframe.c runs handlers.
 */
#ifndef UK_SIGNAL_H
#define UK_SIGNAL_H

#include <uk/list.h>
#include <uk/types.h>

enum {
	UK_SIGHUP = 1,
	UK_SIGINT = 2,
	UK_SIGQUIT = 3,
	UK_SIGILL = 4,
	UK_SIGTRAP = 5,
	UK_SIGABRT = 6,
	UK_SIGBUS = 7,
	UK_SIGFPE = 8,
	UK_SIGKILL = 9,
	UK_SIGUSR1 = 10,
	UK_SIGSEGV = 11,
	UK_SIGUSR2 = 12,
	UK_SIGPIPE = 13,
	UK_SIGALRM = 14,
	UK_SIGTERM = 15,
	UK_SIGCHLD = 17,
	UK_SIGCONT = 18,
	UK_SIGSTOP = 19,
	UK_SIGTSTP = 20,
	UK_SIGTTIN = 21,
	UK_SIGTTOU = 22,
	UK_SIGURG = 23,
	UK_SIGXCPU = 24,
	UK_SIGXFSZ = 25,
	UK_SIGVTALRM = 26,
	UK_SIGPROF = 27,
	UK_SIGWINCH = 28,
	UK_SIGRTMIN = 32,
	UK_SIGMAX = 64,
};

typedef uint64_t uk_sigset_t; /* bit n - 1 is signal n */
#define UK_SIGBIT(n) (1ull << ((n)-1))

/* si_code */
enum {
	UK_SI_USER = 0,
	UK_SI_KERNEL = 0x80,
	UK_SI_QUEUE = -1,
	UK_SI_TIMER = -2,
	UK_SI_TKILL = -6,
	UK_ILL_ILLOPN = 2,
	UK_FPE_INTDIV = 1,
	UK_FPE_FLTDIV = 3,
	UK_FPE_FLTOVF = 4,
	UK_FPE_FLTUND = 5,
	UK_FPE_FLTRES = 6,
	UK_FPE_FLTINV = 7,
	UK_SEGV_MAPERR = 1,
	UK_SEGV_ACCERR = 2,
	UK_BUS_ADRALN = 1,
	UK_BUS_ADRERR = 2,
	UK_TRAP_BRKPT = 1,
	UK_TRAP_TRACE = 2,
};

struct uk_siginfo {
	int32_t signo, error, code, pad;
	union {
		struct {
			int32_t pid;  /* of a timer: its id */
			uint32_t uid; /* of a timer: its overruns */
			uint64_t value;
		} from;
		uint64_t address; /* of a fault */
		uint8_t raw[112];
	} u;
};
_Static_assert(sizeof(struct uk_siginfo) == 128, "Linux ABI");

/* One signal that waits to be taken. */
struct uk_sigitem {
	struct uk_list item;
	struct uk_siginfo info;
	struct uk_sigqueue *queue; /* that it stands in, NULL: none */
	bool borrowed;		   /* a timer's own: never freed here */
};

struct uk_sigqueue {
	uk_sigset_t set;
	struct uk_list items;
};

/* As rt_sigaction passes it. */
struct uk_sigaction {
	uint64_t handler, flags, restorer;
	uk_sigset_t mask;
};
#define UK_SIG_DFL 0
#define UK_SIG_IGN 1
#define UK_SA_NOCLDSTOP 1ull
#define UK_SA_SIGINFO 4ull
#define UK_SA_RESTORER 0x04000000ull
#define UK_SA_ONSTACK 0x08000000ull
#define UK_SA_RESTART 0x10000000ull
#define UK_SA_NODEFER 0x40000000ull
#define UK_SA_RESETHAND 0x80000000ull

struct uk_sigstack {
	uint64_t base;
	int32_t flags;
	int32_t pad;
	uint64_t size;
};
#define UK_SS_ONSTACK 1
#define UK_SS_DISABLE 2
#define UK_SS_AUTODISARM (1 << 31)

/* To the process (tid 0) or one of its threads; signal 0 only asks whether that is there. Not from
 * interrupts. -UK_ESRCH no such thread, -UK_EAGAIN memory is out or too many wait. */
int uk_signal_send(int tid, const struct uk_siginfo *info);
/* From the kernel to the process: SI_KERNEL. For file systems, terminals and sockets. */
void uk_signal_raise(int signo);
/* To the running thread: SIGPIPE before -UK_EPIPE, SIGXFSZ before -UK_EFBIG. */
void uk_signal_self(int signo);

/* The masks that pselect, ppoll and epoll_pwait put in place for their time: as sigsuspend, the old
 * one comes back after the handlers have run, or at once when none does. `set` is a user address,
 * 0: none; `size` must be 8. 0, -UK_EINVAL, -UK_EFAULT. */
int uk_signal_mask_from_user(uint64_t set, uint64_t size);
/* After such a call: keeps the mask when `interrupted`, else puts the old one back. */
void uk_signal_mask_restore(bool interrupted);

#endif
