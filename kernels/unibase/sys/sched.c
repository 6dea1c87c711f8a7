/*
 * System calls about scheduling: threads may be bound to processors, but there is one policy and
 * there are no priorities. What programs may ask of these is answered; what they may wish changes
 * nothing.
 */
#include <uk/linux_time.h>
#include <uk/process.h>
#include <uk/smp.h>
#include <uk/syscall.h>
#include <uk/user.h>

enum { SCHED_OTHER = 0, SCHED_FIFO = 1, SCHED_RR = 2, SCHED_BATCH = 3, SCHED_IDLE = 5 };

static bool known(int tid)
{
	uint64_t state = uk_spin_lock(&uk_process.lock);
	bool found = tid == 0 || uk_task_find(tid) != NULL;

	uk_spin_unlock(&uk_process.lock, state);
	return found;
}

int64_t uk_sys_sched_yield(const struct uk_sysargs *s)
{
	(void)s;
	uk_yield();
	return 0;
}

static uint64_t all_processors(void)
{
	uint32_t count = uk_smp_possible();

	return count == 64 ? UINT64_MAX : (1ull << count) - 1;
}

/* The thread that a call means, with a reference; NULL: there is none. */
static struct uk_thread *thread_of(int tid)
{
	uint64_t state = uk_spin_lock(&uk_process.lock);
	struct uk_task *task = tid == 0 ? uk_task_self() : uk_task_find(tid);
	struct uk_thread *thread = task != NULL ? task->thread : NULL;

	if (thread != NULL)
		uk_thread_get(thread);
	uk_spin_unlock(&uk_process.lock, state);
	return thread;
}

int64_t uk_sys_sched_getaffinity(const struct uk_sysargs *s)
{
	uint64_t mask = all_processors();
	struct uk_thread *thread;

	if (s->a[1] < sizeof(mask) || s->a[1] % sizeof(mask) != 0)
		return -UK_EINVAL;
	thread = thread_of((int)s->a[0]);
	if (thread == NULL)
		return -UK_ESRCH;
	if (thread->allowed != 0)
		mask &= thread->allowed;
	uk_thread_put(thread);
	if (uk_copy_to_user(s->a[2], &mask, sizeof(mask)) != 0)
		return -UK_EFAULT;
	return sizeof(mask);
}

int64_t uk_sys_sched_setaffinity(const struct uk_sysargs *s)
{
	uint64_t mask = 0;
	struct uk_thread *thread;

	if (uk_copy_from_user(&mask, s->a[2], UK_MIN(s->a[1], sizeof(mask))) != 0)
		return -UK_EFAULT;
	thread = thread_of((int)s->a[0]);
	if (thread == NULL)
		return -UK_ESRCH;
	/* A thread may be alone and yet choose where. */
	if (mask >> 1 != 0)
		uk_smp_start();
	mask &= all_processors();
	if (mask != 0)
		uk_thread_bind(thread, mask == all_processors() ? 0 : mask);
	while (mask != 0 && !uk_thread_settled(thread))
		uk_preempt();
	uk_thread_put(thread);
	return mask != 0 ? 0 : -UK_EINVAL;
}

int64_t uk_sys_sched_getparam(const struct uk_sysargs *s)
{
	static const int32_t priority;

	if ((int)s->a[0] < 0 || s->a[1] == 0)
		return -UK_EINVAL;
	if (!known((int)s->a[0]))
		return -UK_ESRCH;
	return uk_copy_to_user(s->a[1], &priority, sizeof(priority));
}

static int64_t check_policy(int policy, int32_t priority)
{
	switch (policy) {
	case SCHED_OTHER:
	case SCHED_BATCH:
	case SCHED_IDLE:
		return priority == 0 ? 0 : -UK_EINVAL;
	case SCHED_FIFO:
	case SCHED_RR:
		return priority >= 1 && priority <= 99 ? -UK_EPERM : -UK_EINVAL;
	default:
		return -UK_EINVAL;
	}
}

static int64_t set_policy(int tid, int policy, uint64_t param)
{
	int32_t priority;

	if (tid < 0 || param == 0)
		return -UK_EINVAL;
	if (uk_copy_from_user(&priority, param, sizeof(priority)) != 0)
		return -UK_EFAULT;
	return known(tid) ? check_policy(policy, priority) : -UK_ESRCH;
}

int64_t uk_sys_sched_setparam(const struct uk_sysargs *s)
{
	return set_policy((int)s->a[0], SCHED_OTHER, s->a[1]);
}

int64_t uk_sys_sched_setscheduler(const struct uk_sysargs *s)
{
	return set_policy((int)s->a[0], (int)s->a[1] & ~0x40000000, s->a[2]);
}

int64_t uk_sys_sched_getscheduler(const struct uk_sysargs *s)
{
	if ((int)s->a[0] < 0)
		return -UK_EINVAL;
	return known((int)s->a[0]) ? SCHED_OTHER : -UK_ESRCH;
}

static int64_t priority_limit(int policy, int64_t real_time)
{
	switch (policy) {
	case SCHED_OTHER:
	case SCHED_BATCH:
	case SCHED_IDLE:
		return 0;
	case SCHED_FIFO:
	case SCHED_RR:
		return real_time;
	default:
		return -UK_EINVAL;
	}
}

int64_t uk_sys_sched_get_priority_max(const struct uk_sysargs *s)
{
	return priority_limit((int)s->a[0], 99);
}

int64_t uk_sys_sched_get_priority_min(const struct uk_sysargs *s)
{
	return priority_limit((int)s->a[0], 1);
}

int64_t uk_sys_sched_rr_get_interval(const struct uk_sysargs *s)
{
	struct uk_linux_timespec t = uk_timespec(100 * 1000 * 1000);

	if ((int)s->a[0] < 0)
		return -UK_EINVAL;
	if (!known((int)s->a[0]))
		return -UK_ESRCH;
	return uk_copy_to_user(s->a[1], &t, sizeof(t));
}

/* As sched_getattr and sched_setattr pass it (struct sched_attr), in its first version. */
struct attributes {
	uint32_t size, policy;
	uint64_t flags;
	int32_t nice;
	uint32_t priority;
	uint64_t runtime, deadline, period;
};
_Static_assert(sizeof(struct attributes) == 48, "Linux ABI");

int64_t uk_sys_sched_getattr(const struct uk_sysargs *s)
{
	struct attributes a = { .size = sizeof(a), .policy = SCHED_OTHER };

	if ((int)s->a[0] < 0 || s->a[1] == 0 || s->a[2] < sizeof(a) || s->a[3] != 0)
		return -UK_EINVAL;
	if (!known((int)s->a[0]))
		return -UK_ESRCH;
	return uk_copy_to_user(s->a[1], &a, sizeof(a));
}

int64_t uk_sys_sched_setattr(const struct uk_sysargs *s)
{
	struct attributes a;

	if ((int)s->a[0] < 0 || s->a[1] == 0 || s->a[2] != 0)
		return -UK_EINVAL;
	if (uk_copy_from_user(&a, s->a[1], sizeof(a)) != 0)
		return -UK_EFAULT;
	if (a.size != 0 && a.size < sizeof(a))
		return -UK_EINVAL;
	if (!known((int)s->a[0]))
		return -UK_ESRCH;
	return check_policy((int)a.policy, (int32_t)a.priority);
}

/* Whether there is a thread, a group or a user of this number; 0: one's own. */
static int64_t check_who(const struct uk_sysargs *s)
{
	enum { PRIO_PROCESS, PRIO_PGRP, PRIO_USER };
	int who = (int)s->a[1];
	bool found;

	switch ((int)s->a[0]) {
	case PRIO_PROCESS:
		found = known(who);
		break;
	case PRIO_PGRP:
		found = who == 0 || who == UK_PID;
		break;
	case PRIO_USER:
		found = who == 0 || (uint32_t)who == uk_process.uid.real;
		break;
	default:
		return -UK_EINVAL;
	}
	return found ? 0 : -UK_ESRCH;
}

int64_t uk_sys_getpriority(const struct uk_sysargs *s)
{
	int64_t result = check_who(s);

	return result != 0 ? result : 20; /* nice 0, as the call counts */
}

int64_t uk_sys_setpriority(const struct uk_sysargs *s)
{
	return check_who(s);
}

int64_t uk_sys_ioprio_get(const struct uk_sysargs *s)
{
	return s->a[0] < 1 || s->a[0] > 3 ? -UK_EINVAL : 0;
}

int64_t uk_sys_ioprio_set(const struct uk_sysargs *s)
{
	return s->a[0] < 1 || s->a[0] > 3 ? -UK_EINVAL : 0;
}

int64_t uk_sys_getcpu(const struct uk_sysargs *s)
{
	static const uint32_t node;
	uint32_t processor = uk_cpu()->id;

	if (s->a[0] != 0 && uk_copy_to_user(s->a[0], &processor, sizeof(processor)) != 0)
		return -UK_EFAULT;
	return s->a[1] != 0 ? uk_copy_to_user(s->a[1], &node, sizeof(node)) : 0;
}
