/*
 * System calls about signals.
 */
#include "../proc/proc.h"
#include <uk/linux_time.h>
#include <uk/mem.h>
#include <uk/syscall.h>
#include <uk/user.h>

enum { SIG_BLOCK = 0, SIG_UNBLOCK = 1, SIG_SETMASK = 2, STACK_SIZE_MIN = 2048 };

static bool valid(int signo)
{
	return signo >= 1 && signo <= UK_SIGMAX;
}

/* Setting a signal to be ignored forgets those that wait. */
static void forget_ignored(int signo)
{
	uint64_t handler = uk_process.action[signo].handler;

	if (handler != UK_SIG_IGN && !(handler == UK_SIG_DFL && uk_signal_harmless(signo)))
		return;
	uk_signal_flush(&uk_process.pending, UK_SIGBIT(signo));
	uk_list_each (item, &uk_process.tasks)
		uk_signal_flush(&uk_list_entry(item, struct uk_task, item)->pending,
				UK_SIGBIT(signo));
}

int64_t uk_sys_rt_sigaction(const struct uk_sysargs *s)
{
	struct uk_sigaction fresh, old;
	int signo = (int)s->a[0];
	uint64_t state;

	if (s->a[3] != sizeof(uk_sigset_t) || !valid(signo))
		return -UK_EINVAL;
	if (s->a[1] != 0) {
		if (signo == UK_SIGKILL || signo == UK_SIGSTOP)
			return -UK_EINVAL;
		if (uk_copy_from_user(&fresh, s->a[1], sizeof(fresh)) != 0)
			return -UK_EFAULT;
		fresh.mask &= ~(UK_SIGBIT(UK_SIGKILL) | UK_SIGBIT(UK_SIGSTOP));
	}
	state = uk_spin_lock(&uk_process.lock);
	old = uk_process.action[signo];
	if (s->a[1] != 0) {
		uk_process.action[signo] = fresh;
		forget_ignored(signo);
	}
	uk_spin_unlock(&uk_process.lock, state);
	if (s->a[2] != 0)
		return uk_copy_to_user(s->a[2], &old, sizeof(old));
	return 0;
}

int64_t uk_sys_rt_sigprocmask(const struct uk_sysargs *s)
{
	struct uk_task *task = uk_task_self();
	uk_sigset_t old = task->blocked, set;

	if (s->a[3] != sizeof(set))
		return -UK_EINVAL;
	if (s->a[1] != 0) {
		if (uk_copy_from_user(&set, s->a[1], sizeof(set)) != 0)
			return -UK_EFAULT;
		switch ((int)s->a[0]) {
		case SIG_BLOCK:
			set |= old;
			break;
		case SIG_UNBLOCK:
			set = old & ~set;
			break;
		case SIG_SETMASK:
			break;
		default:
			return -UK_EINVAL;
		}
		uk_signal_block(set);
	}
	return s->a[2] != 0 ? uk_copy_to_user(s->a[2], &old, sizeof(old)) : 0;
}

int64_t uk_sys_rt_sigpending(const struct uk_sysargs *s)
{
	struct uk_task *task = uk_task_self();
	uk_sigset_t set = (task->pending.set | uk_process.pending.set) & task->blocked;

	if (s->a[1] > sizeof(set))
		return -UK_EINVAL;
	return uk_copy_to_user(s->a[0], &set, s->a[1]);
}

int64_t uk_sys_rt_sigreturn(const struct uk_sysargs *s)
{
	(void)s;
	return uk_signal_return(uk_task_self()->frame);
}

int64_t uk_sys_rt_sigsuspend(const struct uk_sysargs *s)
{
	struct uk_waitq queue;
	int result;

	if (s->a[1] != sizeof(uk_sigset_t))
		return -UK_EINVAL;
	if (s->a[0] == 0)
		return -UK_EFAULT;
	result = uk_signal_mask_from_user(s->a[0], s->a[1]);
	if (result != 0)
		return result;
	uk_waitq_init(&queue);
	uk_wait_event(&queue, false, UK_FOREVER, true);
	return -UK_ERESTARTNOHAND;
}

int64_t uk_sys_pause(const struct uk_sysargs *s)
{
	struct uk_waitq queue;

	(void)s;
	uk_waitq_init(&queue);
	uk_wait_event(&queue, false, UK_FOREVER, true);
	return -UK_ERESTARTNOHAND;
}

static int take(uk_sigset_t wanted, struct uk_siginfo *info)
{
	uint64_t state = uk_spin_lock(&uk_process.lock);
	int signo = uk_signal_take(wanted, info);

	uk_signal_recheck(uk_task_self());
	uk_spin_unlock(&uk_process.lock, state);
	return signo;
}

/* Waits with the wanted signals unblocked, so that they wake; none is delivered in the kernel. */
static int await(uk_sigset_t wanted, uint64_t deadline, struct uk_siginfo *info)
{
	struct uk_task *task = uk_task_self();
	uk_sigset_t blocked = task->blocked;
	struct uk_waitq queue;
	int signo, result;

	uk_waitq_init(&queue);
	task->awaited = wanted & blocked;
	uk_signal_block(blocked & ~wanted);
	result = uk_wait_event(&queue, false, deadline, true);
	signo = take(wanted, info);
	task->awaited = 0;
	uk_signal_block(blocked);
	if (signo != 0)
		return signo;
	return result == -UK_ETIMEDOUT ? -UK_EAGAIN : -UK_EINTR;
}

int64_t uk_sys_rt_sigtimedwait(const struct uk_sysargs *s)
{
	uint64_t deadline = UK_FOREVER;
	struct uk_linux_timespec t;
	struct uk_siginfo info;
	uk_sigset_t wanted;
	int signo, result;

	if (s->a[3] != sizeof(wanted))
		return -UK_EINVAL;
	if (uk_copy_from_user(&wanted, s->a[0], sizeof(wanted)) != 0)
		return -UK_EFAULT;
	if (s->a[2] != 0) {
		if (uk_copy_from_user(&t, s->a[2], sizeof(t)) != 0)
			return -UK_EFAULT;
		result = uk_deadline(&t, false, false, &deadline);
		if (result != 0)
			return result;
	}
	wanted &= ~(UK_SIGBIT(UK_SIGKILL) | UK_SIGBIT(UK_SIGSTOP));
	signo = take(wanted, &info);
	if (signo == 0)
		signo = await(wanted, deadline, &info);
	if (signo > 0 && s->a[1] != 0 && uk_copy_to_user(s->a[1], &info, sizeof(info)) != 0)
		return -UK_EFAULT;
	return signo;
}

static int64_t stack_set(struct uk_task *task, uint64_t user)
{
	struct uk_sigstack st;
	uint32_t mode;

	if (uk_copy_from_user(&st, user, sizeof(st)) != 0)
		return -UK_EFAULT;
	if (task->stack.size != 0 && task->frame->rsp > task->stack.base &&
	    task->frame->rsp - task->stack.base <= task->stack.size)
		return -UK_EPERM;
	mode = (uint32_t)st.flags & ~(uint32_t)UK_SS_AUTODISARM;
	if (mode != 0 && mode != UK_SS_DISABLE && mode != UK_SS_ONSTACK)
		return -UK_EINVAL;
	if (mode == UK_SS_DISABLE) {
		st.base = 0;
		st.size = 0;
	} else if (st.size < STACK_SIZE_MIN) {
		return -UK_ENOMEM;
	}
	task->stack = (struct uk_sigstack){
		.base = st.base,
		.flags = st.flags & ~UK_SS_ONSTACK,
		.size = st.size,
	};
	return 0;
}

int64_t uk_sys_sigaltstack(const struct uk_sysargs *s)
{
	struct uk_task *task = uk_task_self();
	struct uk_sigstack old = task->stack;
	uint64_t sp = task->frame->rsp;
	int64_t result = 0;

	if (old.size != 0 && sp > old.base && sp - old.base <= old.size)
		old.flags |= UK_SS_ONSTACK;
	if (s->a[0] != 0)
		result = stack_set(task, s->a[0]);
	if (result == 0 && s->a[1] != 0)
		result = uk_copy_to_user(s->a[1], &old, sizeof(old));
	return result;
}

static int64_t send(int tid, const struct uk_siginfo *info)
{
	if (info->signo != 0 && !valid(info->signo))
		return -UK_EINVAL;
	return uk_signal_send(tid, info);
}

static void fill_sender(struct uk_siginfo *info, int signo, int code)
{
	*info = (struct uk_siginfo){ .signo = signo, .code = code };
	info->u.from.pid = UK_PID;
	info->u.from.uid = uk_process.uid.real;
}

/* Whom a process number names: only ourselves, in four ways. */
static bool is_us(int pid)
{
	return pid == UK_PID || pid == 0 || pid == -UK_PID;
}

int64_t uk_sys_kill(const struct uk_sysargs *s)
{
	struct uk_siginfo info;

	fill_sender(&info, (int)s->a[1], UK_SI_USER);
	if (info.signo != 0 && !valid(info.signo))
		return -UK_EINVAL;
	/* A thread's number names its process here, as on Linux. */
	if (!is_us((int)s->a[0])) {
		uint64_t state = uk_spin_lock(&uk_process.lock);
		bool known = uk_task_find((int)s->a[0]) != NULL;

		uk_spin_unlock(&uk_process.lock, state);
		if (!known)
			return -UK_ESRCH;
	}
	return send(0, &info);
}

int64_t uk_sys_tkill(const struct uk_sysargs *s)
{
	struct uk_siginfo info;

	if ((int)s->a[0] <= 0)
		return -UK_EINVAL;
	fill_sender(&info, (int)s->a[1], UK_SI_TKILL);
	return send((int)s->a[0], &info);
}

int64_t uk_sys_tgkill(const struct uk_sysargs *s)
{
	struct uk_siginfo info;

	if ((int)s->a[0] <= 0 || (int)s->a[1] <= 0)
		return -UK_EINVAL;
	if ((int)s->a[0] != UK_PID)
		return -UK_ESRCH;
	fill_sender(&info, (int)s->a[2], UK_SI_TKILL);
	return send((int)s->a[1], &info);
}

static int64_t queue_info(int tid, int signo, uint64_t user)
{
	struct uk_siginfo info;

	if (uk_copy_from_user(&info, user, sizeof(info)) != 0)
		return -UK_EFAULT;
	info.signo = signo;
	return send(tid, &info);
}

int64_t uk_sys_rt_sigqueueinfo(const struct uk_sysargs *s)
{
	if ((int)s->a[0] != UK_PID)
		return -UK_ESRCH;
	return queue_info(0, (int)s->a[1], s->a[2]);
}

int64_t uk_sys_rt_tgsigqueueinfo(const struct uk_sysargs *s)
{
	if ((int)s->a[0] <= 0 || (int)s->a[1] <= 0)
		return -UK_EINVAL;
	if ((int)s->a[0] != UK_PID)
		return -UK_ESRCH;
	return queue_info((int)s->a[1], (int)s->a[2], s->a[3]);
}

int64_t uk_sys_restart_syscall(const struct uk_sysargs *s)
{
	(void)s;
	return -UK_EINTR;
}
