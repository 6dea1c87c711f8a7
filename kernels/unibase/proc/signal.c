/*
 * Signals that wait: queues of the process and of its threads, masks, and who is told. A signal
 * for the process goes to one thread that does not block it; should that thread block it before it
 * looked, another one is found. Standard signals wait once, real-time ones each time, as POSIX has
 * it.
 */
#include "proc.h"
#include <uk/mem.h>
#include <uk/user.h>

enum { QUEUED_MAX = 1024 };

#define UNBLOCKABLE (UK_SIGBIT(UK_SIGKILL) | UK_SIGBIT(UK_SIGSTOP))
#define IGNORED_BY_DEFAULT                                                                         \
	(UK_SIGBIT(UK_SIGCHLD) | UK_SIGBIT(UK_SIGURG) | UK_SIGBIT(UK_SIGWINCH) |                   \
	 UK_SIGBIT(UK_SIGCONT) | UK_SIGBIT(UK_SIGSTOP) | UK_SIGBIT(UK_SIGTSTP) |                   \
	 UK_SIGBIT(UK_SIGTTIN) | UK_SIGBIT(UK_SIGTTOU))
#define SYNCHRONOUS                                                                                \
	(UK_SIGBIT(UK_SIGSEGV) | UK_SIGBIT(UK_SIGBUS) | UK_SIGBIT(UK_SIGILL) |                     \
	 UK_SIGBIT(UK_SIGTRAP) | UK_SIGBIT(UK_SIGFPE))

void uk_sigqueue_init(struct uk_sigqueue *queue)
{
	queue->set = 0;
	uk_list_init(&queue->items);
}

bool uk_signal_harmless(int signo)
{
	return (UK_SIGBIT(signo) & IGNORED_BY_DEFAULT) != 0;
}

static bool ignored(int signo)
{
	uint64_t handler = uk_process.action[signo].handler;

	return handler == UK_SIG_IGN || (handler == UK_SIG_DFL && uk_signal_harmless(signo));
}

static uk_sigset_t waiting(const struct uk_task *task)
{
	return (task->pending.set | uk_process.pending.set) & ~task->blocked;
}

void uk_signal_recheck(struct uk_task *task)
{
	if (waiting(task) != 0)
		uk_thread_kick(task->thread, UK_WORK_SIGNAL);
	else
		uk_thread_settle(task->thread, UK_WORK_SIGNAL);
}

/* The first thread takes what it does not block, as Linux prefers it. */
static void tell_process(int signo)
{
	uk_list_each (item, &uk_process.tasks) {
		struct uk_task *task = uk_list_entry(item, struct uk_task, item);

		if (!(task->blocked & UK_SIGBIT(signo))) {
			uk_thread_kick(task->thread, UK_WORK_SIGNAL);
			return;
		}
	}
}

void uk_signal_spread(void)
{
	for (int signo = 1; signo <= UK_SIGMAX; signo++)
		if (uk_process.pending.set & UK_SIGBIT(signo))
			tell_process(signo);
}

/* Whether the signal would have no effect: nobody has to look at it then. A blocked one waits
 * nevertheless, for somebody may ask for it. */
static bool dropped(const struct uk_task *task, int signo)
{
	if (!ignored(signo))
		return false;
	if (task != NULL)
		return !((task->blocked | task->awaited) & UK_SIGBIT(signo));
	uk_list_each (item, &uk_process.tasks) {
		task = uk_list_entry(item, struct uk_task, item);
		if ((task->blocked | task->awaited) & UK_SIGBIT(signo))
			return false;
	}
	return true;
}

void uk_signal_post(struct uk_task *task, struct uk_sigitem *item)
{
	struct uk_sigqueue *queue = task != NULL ? &task->pending : &uk_process.pending;

	uk_list_push_back(&queue->items, &item->item);
	item->queue = queue;
	queue->set |= UK_SIGBIT(item->info.signo);
	uk_process.queued++;
	uk_wake_all(&uk_process.arrived);
	if (task == NULL)
		tell_process(item->info.signo);
	else if (!(task->blocked & UK_SIGBIT(item->info.signo)))
		uk_thread_kick(task->thread, UK_WORK_SIGNAL);
}

/* Queues `item` unless that is pointless or too much; true when it was. Lock held. */
static bool enqueue(struct uk_task *task, struct uk_sigitem *item, int *result)
{
	struct uk_sigqueue *queue = task != NULL ? &task->pending : &uk_process.pending;
	int signo = item->info.signo;

	if (dropped(task, signo) || (signo < UK_SIGRTMIN && (queue->set & UK_SIGBIT(signo)) != 0))
		return false;
	if (uk_process.queued >= QUEUED_MAX && signo >= UK_SIGRTMIN) {
		*result = -UK_EAGAIN;
		return false;
	}
	uk_signal_post(task, item);
	return true;
}

int uk_signal_send(int tid, const struct uk_siginfo *info)
{
	struct uk_sigitem *item = uk_alloc(sizeof(*item));
	struct uk_task *task = NULL;
	bool used = false;
	int result = 0;
	uint64_t state;

	if (item == NULL)
		return -UK_EAGAIN;
	item->info = *info;
	state = uk_spin_lock(&uk_process.lock);
	if (tid != 0)
		task = uk_task_find(tid);
	if (tid != 0 && task == NULL)
		result = -UK_ESRCH;
	else if (info->signo != 0)
		used = enqueue(task, item, &result);
	uk_spin_unlock(&uk_process.lock, state);
	if (!used)
		uk_free(item);
	return result;
}

void uk_signal_raise(int signo)
{
	struct uk_siginfo info = { .signo = signo, .code = UK_SI_KERNEL };

	uk_signal_send(0, &info);
}

void uk_signal_self(int signo)
{
	struct uk_siginfo info = { .signo = signo, .code = UK_SI_USER };
	struct uk_task *task = uk_task_self();

	info.u.from.pid = UK_PID;
	if (task != NULL)
		uk_signal_send(task->tid, &info);
}

/* Removes one item; more of the same signal may wait behind it. */
static void unqueue(struct uk_sigitem *item)
{
	struct uk_sigqueue *queue = item->queue;
	int signo = item->info.signo;

	uk_list_remove(&item->item);
	item->queue = NULL;
	uk_process.queued--;
	queue->set &= ~UK_SIGBIT(signo);
	uk_list_each (other, &queue->items)
		if (uk_list_entry(other, struct uk_sigitem, item)->info.signo == signo)
			queue->set |= UK_SIGBIT(signo);
}

void uk_signal_withdraw(struct uk_sigitem *item)
{
	if (item->queue != NULL)
		unqueue(item);
}

void uk_signal_flush(struct uk_sigqueue *queue, uk_sigset_t set)
{
	uk_list_each_safe (item, &queue->items) {
		struct uk_sigitem *s = uk_list_entry(item, struct uk_sigitem, item);

		if (!(set & UK_SIGBIT(s->info.signo)))
			continue;
		unqueue(s);
		if (!s->borrowed)
			uk_free(s);
	}
}

static int lowest(uk_sigset_t set)
{
	uk_sigset_t first = set & SYNCHRONOUS;

	return __builtin_ctzll(first != 0 ? first : set) + 1;
}

static bool take_from(struct uk_sigqueue *queue, int signo, struct uk_siginfo *info)
{
	uk_list_each (item, &queue->items) {
		struct uk_sigitem *s = uk_list_entry(item, struct uk_sigitem, item);

		if (s->info.signo != signo)
			continue;
		*info = s->info;
		unqueue(s);
		if (!s->borrowed)
			uk_free(s);
		return true;
	}
	return false;
}

int uk_signal_take(uk_sigset_t wanted, struct uk_siginfo *info)
{
	struct uk_task *task = uk_task_self();
	struct uk_sigqueue *queue = &task->pending;
	int signo;

	if (!(queue->set & wanted))
		queue = &uk_process.pending;
	if (!(queue->set & wanted))
		return 0;
	signo = lowest(queue->set & wanted);
	return take_from(queue, signo, info) ? signo : 0;
}

void uk_signal_block(uk_sigset_t blocked)
{
	struct uk_task *task = uk_task_self();
	uint64_t state = uk_spin_lock(&uk_process.lock);
	uk_sigset_t fresh;

	blocked &= ~UNBLOCKABLE;
	fresh = blocked & ~task->blocked & uk_process.pending.set;
	task->blocked = blocked;
	uk_signal_recheck(task);
	if (fresh != 0)
		uk_signal_spread();
	uk_spin_unlock(&uk_process.lock, state);
}

void uk_signal_force(const struct uk_siginfo *info)
{
	struct uk_task *task = uk_task_self();
	struct uk_sigaction *action = &uk_process.action[info->signo];
	uint64_t state = uk_spin_lock(&uk_process.lock);
	bool deaf = (task->blocked & UK_SIGBIT(info->signo)) || action->handler == UK_SIG_IGN;

	if (deaf) {
		action->handler = UK_SIG_DFL;
		task->blocked &= ~UK_SIGBIT(info->signo);
	}
	deaf = action->handler == UK_SIG_DFL;
	uk_spin_unlock(&uk_process.lock, state);
	/* Nobody will handle it: no memory is needed to say so. */
	if (deaf || uk_signal_send(task->tid, info) != 0)
		uk_process_die(info, task->frame);
}

int uk_signal_mask_from_user(uint64_t set, uint64_t size)
{
	struct uk_task *task = uk_task_self();
	uk_sigset_t mask;

	if (set == 0)
		return 0;
	if (size != sizeof(mask))
		return -UK_EINVAL;
	if (uk_copy_from_user(&mask, set, sizeof(mask)) != 0)
		return -UK_EFAULT;
	task->saved = task->blocked;
	task->restore_saved = true;
	uk_signal_block(mask);
	return 0;
}

void uk_signal_mask_restore(bool interrupted)
{
	struct uk_task *task = uk_task_self();

	if (!task->restore_saved || interrupted)
		return;
	task->restore_saved = false;
	uk_signal_block(task->saved);
}
