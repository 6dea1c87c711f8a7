/*
 * Threads of the program: how one comes to be and how it ends. The last one to end takes the
 * process with it.
 */
#include "proc.h"
#include <uk/mem.h>
#include <uk/start.h>
#include <uk/user.h>
#include <uni/abi/exit.h>

struct uk_process uk_process;
static struct uk_task first_task;

enum { TID_MAX = 1 << 22 };

/* Not by an initialiser: kilobytes of zeros would be in every kernel's file for the sake of three
 * lists. */
void uk_process_begin(void)
{
	uk_list_init(&uk_process.tasks);
	uk_list_init(&uk_process.pending.items);
	uk_waitq_init(&uk_process.arrived);
}

static void run(void *arg)
{
	struct uk_task *task = arg;

	uk_enter_user(&task->start);
}

struct uk_task *uk_task_find(int tid)
{
	uk_list_each (item, &uk_process.tasks) {
		struct uk_task *task = uk_list_entry(item, struct uk_task, item);

		if (task->tid == tid)
			return task;
	}
	return NULL;
}

/* Lock held. Numbers are not reused soon: who kept an old one should miss. */
static int new_tid(void)
{
	static int last = UK_PID;

	do
		last = last == TID_MAX ? UK_PID + 1 : last + 1;
	while (uk_task_find(last) != NULL);
	return last;
}

/* Two thirds of the memory for their stacks in the kernel and what each touches of its own: what
 * is left lets a program go on that is told there are enough. */
uint32_t uk_task_most(void)
{
	return (uint32_t)UK_MIN(uk_mem_total() / (3ul * UK_STACK_SIZE), (uint64_t)TID_MAX);
}

bool uk_task_fits(void)
{
	uint64_t most = uk_task_most();

	if (uk_process.uid.real != 0)
		most = UK_MIN(most, uk_process.limit[UK_RLIMIT_NPROC].soft);
	return uk_process.count < most;
}

static void begin(struct uk_task *task, const char *name)
{
	uk_strlcpy(task->name, name, sizeof(task->name));
	uk_sigqueue_init(&task->pending);
	task->stack.flags = UK_SS_DISABLE;
}

struct uk_task *uk_task_new(const struct uk_frame *frame, const char *name)
{
	struct uk_task *task = uk_alloc(sizeof(*task));

	if (task == NULL)
		return NULL;
	begin(task, name);
	task->start = *frame;
	task->frame = &task->start;
	task->thread = uk_thread_new(name, run, task);
	if (task->thread == NULL)
		goto free_task;
	if (uk_fpu_new(task->thread) != 0)
		goto drop_thread;
	task->thread->process = &uk_process;
	task->thread->user = task;
	return task;
drop_thread:
	uk_thread_drop(task->thread);
free_task:
	uk_free(task);
	return NULL;
}

struct uk_task *uk_task_become(const char *name)
{
	struct uk_thread *self = uk_thread_self();
	struct uk_task *task = &first_task;

	begin(task, name);
	__builtin_memcpy(self->name, task->name, sizeof(self->name));
	task->tid = UK_PID;
	task->thread = self;
	/* Nobody else looks yet. */
	uk_list_push_back(&uk_process.tasks, &task->item);
	uk_process.count = 1;
	self->process = &uk_process;
	self->user = task;
	uk_fpu_first();
	return task;
}

void uk_task_drop(struct uk_task *task)
{
	uint64_t state = uk_spin_lock(&uk_process.lock);

	if (task->tid != 0) {
		uk_list_remove(&task->item);
		uk_process.count--;
		uk_signal_flush(&task->pending, ~0ull);
	}
	uk_spin_unlock(&uk_process.lock, state);
	uk_thread_drop(task->thread);
	uk_free(task);
}

void uk_task_enlist(struct uk_task *task)
{
	uint64_t state = uk_spin_lock(&uk_process.lock);

	task->tid = new_tid();
	uk_list_push_back(&uk_process.tasks, &task->item);
	uk_process.count++;
	uk_spin_unlock(&uk_process.lock, state);
}

void uk_task_start(struct uk_task *task)
{
	uk_thread_start(task->thread);
}

void uk_task_exit(int status)
{
	struct uk_thread *self = uk_thread_self();
	struct uk_task *task = self->user;
	static const uint32_t zero;
	uint64_t state;
	bool last;

	if (task->robust_list != 0)
		uk_futex_exit_robust(task);
	if (task->clear_tid != 0 && uk_copy_to_user(task->clear_tid, &zero, sizeof(zero)) == 0)
		uk_futex_wake(task->clear_tid, 1);
	state = uk_spin_lock(&uk_process.lock);
	if (task->tid == UK_PID)
		uk_process.exit_status = status;
	last = uk_process.count == 1;
	if (!last) {
		uk_list_remove(&task->item);
		uk_process.count--;
		uk_process.ended_time += uk_thread_run_time(self);
		uk_signal_flush(&task->pending, ~0ull);
		uk_signal_spread();
		self->user = NULL;
		self->process = NULL;
	}
	uk_spin_unlock(&uk_process.lock, state);
	if (last)
		uk_process_end(UNI_EXIT_STATUS, uk_process.exit_status, 0, 0, "");
	if (task != &first_task)
		uk_free(task);
	uk_thread_exit();
}
