/*
 * Signals: handlers and what they are told, masks, queues, alternate stack, restart of calls,
 * waiting for signals, coming back from faults.
 */
#include "t.h"
#include <pthread.h>
#include <setjmp.h>
#include <sys/time.h>
#include <ucontext.h>

static volatile sig_atomic_t count, order[16];

static void note(int signo)
{
	order[count++] = signo;
}

static void test_handler(void)
{
	struct sigaction sa = { .sa_handler = note }, old;

	check(sigaction(SIGUSR1, &sa, &old) == 0 && old.sa_handler == SIG_DFL);
	check(sigaction(SIGUSR1, NULL, &old) == 0 && old.sa_handler == note);
	check(raise(SIGUSR1) == 0 && count == 1 && order[0] == SIGUSR1);
	check(kill(getpid(), SIGUSR1) == 0 && count == 2);
	sa.sa_flags = SA_RESETHAND;
	check(sigaction(SIGUSR2, &sa, NULL) == 0 && raise(SIGUSR2) == 0 && count == 3);
	check(sigaction(SIGUSR2, NULL, &old) == 0 && old.sa_handler == SIG_DFL);
	fails(sigaction(SIGKILL, &sa, NULL), EINVAL);
	fails(syscall(SYS_rt_sigaction, 65, NULL, NULL, 8), EINVAL);
	fails(syscall(SYS_rt_sigaction, 1, NULL, NULL, 4), EINVAL);
	fails(kill(getpid(), 65), EINVAL);
	fails(kill(1234567, 0), ESRCH);
	check(kill(getpid(), 0) == 0);
	signal(SIGWINCH, SIG_DFL);
	check(raise(SIGWINCH) == 0 && raise(SIGCHLD) == 0);
	done("handler");
}

static void test_mask(void)
{
	sigset_t set, old, pending;

	count = 0;
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	check(sigprocmask(SIG_BLOCK, &set, &old) == 0 && !sigismember(&old, SIGUSR1));
	raise(SIGUSR1);
	raise(SIGUSR1);
	check(count == 0 && sigpending(&pending) == 0 && sigismember(&pending, SIGUSR1));
	check(sigprocmask(SIG_SETMASK, &old, NULL) == 0 && count == 1);
	check(sigpending(&pending) == 0 && !sigismember(&pending, SIGUSR1));
	/* Ignoring forgets. */
	sigprocmask(SIG_BLOCK, &set, NULL);
	raise(SIGUSR1);
	signal(SIGUSR1, SIG_IGN);
	signal(SIGUSR1, note);
	sigprocmask(SIG_UNBLOCK, &set, NULL);
	check(count == 1);
	fails(syscall(SYS_rt_sigprocmask, 7, &set, NULL, 8), EINVAL);
	fails(syscall(SYS_rt_sigprocmask, SIG_BLOCK, &set, NULL, 4), EINVAL);
	fails(syscall(SYS_rt_sigprocmask, SIG_BLOCK, 16, NULL, 8), EFAULT);
	done("mask");
}

static siginfo_t infos[16];
static void keep(int signo, siginfo_t *info, void *context)
{
	(void)signo;
	(void)context;
	infos[count++] = *info;
}

/* Real-time signals wait each time, in order, with their values. */
static void test_queue(void)
{
	struct sigaction sa = { .sa_sigaction = keep, .sa_flags = SA_SIGINFO };
	sigset_t set;

	count = 0;
	sigaction(SIGRTMIN, &sa, NULL);
	sigaction(SIGRTMIN + 1, &sa, NULL);
	sigemptyset(&set);
	sigaddset(&set, SIGRTMIN);
	sigaddset(&set, SIGRTMIN + 1);
	sigprocmask(SIG_BLOCK, &set, NULL);
	for (int i = 0; i < 3; i++) {
		check(sigqueue(getpid(), SIGRTMIN + 1, (union sigval){ .sival_int = 10 + i }) == 0);
		check(sigqueue(getpid(), SIGRTMIN, (union sigval){ .sival_int = i }) == 0);
	}
	sigprocmask(SIG_UNBLOCK, &set, NULL);
	check(count == 6);
	for (int i = 0; i < 6; i++)
		printf("queued %d value %d code %d own %d\n", infos[i].si_signo - SIGRTMIN,
		       infos[i].si_value.sival_int, infos[i].si_code, infos[i].si_pid == getpid());
	done("queue");
}

/* The handler's own signal and its mask are blocked while it runs. */
static volatile int depth, deepest;
static void nested(int signo)
{
	depth++;
	if (depth > deepest)
		deepest = depth;
	if (count < 3) {
		count++;
		raise(signo);
	}
	depth--;
}

static void test_nesting(void)
{
	struct sigaction sa = { .sa_handler = nested };

	count = deepest = 0;
	sigaction(SIGUSR1, &sa, NULL);
	raise(SIGUSR1);
	check(deepest == 1 && count == 3);
	count = deepest = 0;
	sa.sa_flags = SA_NODEFER;
	sigaction(SIGUSR1, &sa, NULL);
	raise(SIGUSR1);
	check(deepest == 4 && count == 3);
	done("nesting");
}

static char altstack[65536];
static volatile int on_alt;
static void look_at_stack(int signo, siginfo_t *info, void *context)
{
	ucontext_t *uc = context;
	char here;
	stack_t st;

	(void)signo;
	(void)info;
	on_alt = &here >= altstack && &here < altstack + sizeof(altstack);
	check(sigaltstack(NULL, &st) == 0);
	check(((st.ss_flags & SS_ONSTACK) != 0) == on_alt);
	check(uc->uc_stack.ss_sp == st.ss_sp);
	if (on_alt)
		fails(syscall(SYS_sigaltstack, &st, NULL), EPERM);
}

static void test_altstack(void)
{
	stack_t st = { .ss_sp = altstack, .ss_size = sizeof(altstack) }, old;
	struct sigaction sa = { .sa_sigaction = look_at_stack,
				.sa_flags = SA_SIGINFO | SA_ONSTACK };

	check(sigaltstack(&st, &old) == 0 && old.ss_flags == SS_DISABLE);
	sigaction(SIGUSR1, &sa, NULL);
	raise(SIGUSR1);
	check(on_alt);
	sa.sa_flags = SA_SIGINFO;
	sigaction(SIGUSR1, &sa, NULL);
	raise(SIGUSR1);
	check(!on_alt);
	st.ss_size = 100;
	fails(syscall(SYS_sigaltstack, &st, NULL), ENOMEM);
	st.ss_size = 8192;
	st.ss_flags = 64;
	fails(syscall(SYS_sigaltstack, &st, NULL), EINVAL);
	st.ss_flags = SS_DISABLE;
	check(sigaltstack(&st, &old) == 0 && old.ss_size == sizeof(altstack));
	done("altstack");
}

/* A handler may change the registers that it interrupted. */
static void skip(int signo, siginfo_t *info, void *context)
{
	ucontext_t *uc = context;

	(void)signo;
	(void)info;
	uc->uc_mcontext.gregs[REG_RIP] += 2; /* ud2 */
	uc->uc_mcontext.gregs[REG_RBX] = 4711;
}

static void test_registers(void)
{
	struct sigaction sa = { .sa_sigaction = skip, .sa_flags = SA_SIGINFO };
	unsigned long rbx = 1, r12 = 77, r15 = 99, rcx = 5, r11 = 6;
	double x = 1.25;

	sigaction(SIGILL, &sa, NULL);
	__asm__ volatile("mov %0, %%rbx; mov %1, %%r12; mov %2, %%r15; mov %3, %%rcx;"
			 "mov %4, %%r11; movsd %5, %%xmm5; ud2;"
			 "mov %%rbx, %0; mov %%r12, %1; mov %%r15, %2; mov %%rcx, %3;"
			 "mov %%r11, %4; movsd %%xmm5, %5"
			 : "+m"(rbx), "+m"(r12), "+m"(r15), "+m"(rcx), "+m"(r11), "+m"(x)
			 :
			 : "rbx", "r12", "r15", "rcx", "r11", "xmm5", "memory");
	check(rbx == 4711 && r12 == 77 && r15 == 99 && rcx == 5 && r11 == 6 && x == 1.25);
	done("registers");
}

/* The FPU's registers are the program's again after a handler that uses them, and a handler may
 * change them. */
static void use_fpu(int signo, siginfo_t *info, void *context)
{
	ucontext_t *uc = context;
	volatile double y = 3.5;

	(void)signo;
	(void)info;
	check(uc->uc_mcontext.fpregs != NULL);
	for (int i = 0; i < 100; i++)
		y = y * 1.5 + 2;
	__asm__ volatile("pxor %%xmm7, %%xmm7; pxor %%xmm6, %%xmm6" : : : "xmm6", "xmm7");
	((double *)(void *)uc->uc_mcontext.fpregs->_xmm[6].element)[0] = 64.5;
}

static void test_fpu(void)
{
	struct sigaction sa = { .sa_sigaction = use_fpu, .sa_flags = SA_SIGINFO };
	double a = 7.75, b = 0;

	sigaction(SIGUSR1, &sa, NULL);
	__asm__ volatile("movsd %2, %%xmm7; movsd %2, %%xmm6;"
			 "mov %3, %%eax; mov %4, %%edi; mov %5, %%esi; syscall;"
			 "movsd %%xmm7, %0; movsd %%xmm6, %1"
			 : "=m"(a), "=m"(b)
			 : "m"(a), "i"(SYS_kill), "r"(getpid()), "i"(SIGUSR1)
			 : "rax", "rdi", "rsi", "rcx", "r11", "xmm6", "xmm7", "memory");
	check(a == 7.75 && b == 64.5);
	done("fpu");
}

static sigjmp_buf back;
static volatile int fault;
static void *volatile where;
static void jump(int signo, siginfo_t *info, void *context)
{
	(void)context;
	fault = signo * 1000 + info->si_code;
	where = info->si_addr;
	siglongjmp(back, 1);
}

#define fault_of(statement)                                                                        \
	({                                                                                         \
		fault = 0;                                                                         \
		if (sigsetjmp(back, 1) == 0) {                                                     \
			statement;                                                                 \
		}                                                                                  \
		fault;                                                                             \
	})

static void test_faults(void)
{
	struct sigaction sa = { .sa_sigaction = jump, .sa_flags = SA_SIGINFO };
	volatile int zero = 0;
	volatile int *volatile bad = (int *)0x1234560;

	sigaction(SIGSEGV, &sa, NULL);
	sigaction(SIGFPE, &sa, NULL);
	sigaction(SIGILL, &sa, NULL);
	sigaction(SIGTRAP, &sa, NULL);
	for (int i = 0; i < 3; i++) {
		check(fault_of(*bad = 1) == SIGSEGV * 1000 + SEGV_MAPERR && where == bad);
		check(fault_of(zero = 1000 / zero) == SIGFPE * 1000 + FPE_INTDIV);
		check(fault_of(__asm__ volatile("ud2")) == SIGILL * 1000 + ILL_ILLOPN);
	}
	check(fault_of(__asm__ volatile("int3")) == SIGTRAP * 1000 + SI_KERNEL);
	check(fault_of(__asm__ volatile("hlt")) == SIGSEGV * 1000 + SI_KERNEL);
	check(fault_of(__asm__ volatile("cli")) == SIGSEGV * 1000 + SI_KERNEL);
	check(fault_of(__asm__ volatile("pushf; orl $0x100, (%%rsp); popf; nop"
					:
					:
					: "cc", "memory")) == SIGTRAP * 1000 + TRAP_TRACE);
	check(fault_of(((void (*)(void))0x10)()) == SIGSEGV * 1000 + SEGV_MAPERR);
	check(fault_of(((void (*)(void))0x8000000000000000ul)()) == SIGSEGV * 1000 + SI_KERNEL);
	/* The kernel's copies fault without a signal. */
	fails(syscall(SYS_nanosleep, bad, NULL), EFAULT);
	fails(syscall(SYS_nanosleep, 0xffff888000000000ul, NULL), EFAULT);
	fails(syscall(SYS_uname, 0x8000000000000000ul), EFAULT);
	fails(syscall(SYS_clock_gettime, 0, test_mask), EFAULT);
	done("faults");
}

static volatile int interrupted;

/* Again and again: a signal that comes before the call breaks nothing off. */
static void *interrupt_main(void *arg)
{
	pthread_t target = *(pthread_t *)arg;

	while (!interrupted) {
		usleep(30000);
		pthread_kill(target, SIGUSR1);
	}
	return NULL;
}

static void nothing(int signo)
{
	(void)signo;
	count++;
}

static int64_t ns(struct timespec t)
{
	return t.tv_sec * 1000000000ll + t.tv_nsec;
}

static int64_t now_ns(void)
{
	struct timespec t;

	check(clock_gettime(CLOCK_MONOTONIC, &t) == 0);
	return ns(t);
}

/* Interrupted sleeps end with EINTR and say what is left. */
static void test_interrupt(void)
{
	struct sigaction sa = { .sa_handler = nothing, .sa_flags = SA_RESTART };
	struct timespec t = { .tv_sec = 100 }, left = { 0 };
	pthread_t self = pthread_self(), thread;
	sigset_t none, set;
	int64_t start;

	count = 0;
	sigaction(SIGUSR1, &sa, NULL);
	check(pthread_create(&thread, NULL, interrupt_main, &self) == 0);
	start = now_ns();
	fails(nanosleep(&t, &left), EINTR);
	check(ns(left) >= ns(t) - (now_ns() - start) && ns(left) <= ns(t) && count >= 1);
	sigemptyset(&none);
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigprocmask(SIG_BLOCK, &set, NULL);
	count = 0;
	fails(sigsuspend(&none), EINTR);
	check(count == 1);
	interrupted = 1;
	pthread_join(thread, NULL);
	sigprocmask(SIG_UNBLOCK, &set, NULL);
	done("interrupt");
}

static void test_wait(void)
{
	struct timespec t = { .tv_nsec = 20000000 };
	siginfo_t info;
	sigset_t set;
	int signo;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR2);
	sigaddset(&set, SIGCHLD);
	sigprocmask(SIG_BLOCK, &set, NULL);
	fails(sigtimedwait(&set, &info, &t), EAGAIN);
	raise(SIGUSR2);
	check(sigwaitinfo(&set, &info) == SIGUSR2 && info.si_code == SI_TKILL);
	/* Ignored by default, but asked for. */
	kill(getpid(), SIGCHLD);
	check(sigwait(&set, &signo) == 0 && signo == SIGCHLD);
	sigprocmask(SIG_UNBLOCK, &set, NULL);
	done("wait");
}

static void test_alarm(void)
{
	struct itimerval fast = { .it_value.tv_usec = 10000, .it_interval.tv_usec = 5000 },
			 off = { .it_value.tv_sec = 0 };
	struct itimerval now;
	int64_t start, left;

	count = 0;
	signal(SIGALRM, nothing);
	start = now_ns();
	check(alarm(50) == 0);
	left = alarm(0);
	/* It is rounded to the nearest. */
	check(left <= 50 && left * 1000000000ll >= 49500000000ll - (now_ns() - start));
	check(setitimer(ITIMER_REAL, &fast, NULL) == 0);
	while (count < 3)
		pause();
	check(getitimer(ITIMER_REAL, &now) == 0 && now.it_interval.tv_usec == 5000);
	check(setitimer(ITIMER_REAL, &off, &now) == 0 && now.it_value.tv_usec <= 5000);
	fails(setitimer(9, &fast, NULL), EINVAL);
	done("alarm");
}

int main(void)
{
	test_handler();
	test_mask();
	test_queue();
	test_nesting();
	test_altstack();
	test_registers();
	test_fpu();
	test_faults();
	test_interrupt();
	test_wait();
	test_alarm();
	return 0;
}
