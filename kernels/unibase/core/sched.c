/*
 * The scheduler: one run queue a processor, first come first served in slices.
 *
 * Locks: a thread's own lock guards its state; the run queue's guards the order of those that are
 * ready. A thread that is on its way off a processor is still `on_cpu`: whoever picks it waits for
 * that to end, so that nobody runs on a stack that is in use. While one thread alone wants the
 * processor there is no slice and so no timer.
 */
#include <uk/clock.h>
#include <uk/cpu.h>
#include <uk/log.h>
#include <uk/mem.h>
#include <uk/paging.h>
#include <uk/sched.h>
#include <uk/start.h>

#define SLICE_NS 4000000
#define MSR_FS_BASE 0xc0000100
#define MSR_KERNEL_GS_BASE 0xc0000102 /* the user's, while the kernel runs */

struct uk_runq {
	struct uk_spinlock lock;
	struct uk_list ready;
	uint32_t count;
	bool sliced;
};

struct uk_thread *uk_switch(struct uk_thread *from, struct uk_thread *to);
void uk_thread_first(void);
void uk_thread_begin(struct uk_thread *before) UK_NORETURN;

static struct uk_runq runq = { .lock = UK_SPINLOCK_INIT, .ready = UK_LIST_INIT(runq.ready) };
/* The one that started the machine, and the one that has nothing to do; never freed. */
static struct uk_thread first = { .name = "init", .state = UK_THREAD_RUNNING, .refs = 2 };
static struct uk_thread idle = { .name = "idle", .refs = 2 };

struct uk_thread *uk_thread_self(void)
{
	return uk_cpu()->thread;
}

void uk_thread_get(struct uk_thread *thread)
{
	__atomic_add_fetch(&thread->refs, 1, __ATOMIC_RELAXED);
}

void uk_thread_put(struct uk_thread *thread)
{
	if (__atomic_sub_fetch(&thread->refs, 1, __ATOMIC_ACQ_REL) == 0)
		uk_free(thread);
}

/* Interrupts are off: puts a thread at the end of this processor's queue. */
static void enqueue(struct uk_thread *t)
{
	struct uk_cpu *cpu = uk_cpu();
	struct uk_runq *q = cpu->runq;
	uint64_t state = uk_spin_lock(&q->lock);
	bool slice;

	uk_list_push_back(&q->ready, &t->item);
	q->count++;
	slice = !q->sliced && cpu->thread != cpu->idle;
	if (slice)
		q->sliced = true;
	uk_spin_unlock(&q->lock, state);
	if (slice)
		uk_slice_set(uk_time_mono() + SLICE_NS);
}

/* The next to run: the first that is ready, else idle. */
static struct uk_thread *take_next(struct uk_cpu *cpu)
{
	struct uk_runq *q = cpu->runq;
	uint64_t state = uk_spin_lock(&q->lock);
	struct uk_thread *t = uk_list_first(&q->ready, struct uk_thread, item);
	bool slice;

	if (t != NULL) {
		uk_list_remove(&t->item);
		q->count--;
	}
	slice = q->count != 0;
	if (slice != q->sliced || slice)
		uk_slice_set(slice ? uk_time_mono() + SLICE_NS : UK_FOREVER);
	q->sliced = slice;
	uk_spin_unlock(&q->lock, state);
	return t != NULL ? t : cpu->idle;
}

/* On the new thread's stack: the old one's registers are saved now. */
static void finish_switch(struct uk_thread *before)
{
	bool dead = before->state == UK_THREAD_DEAD;

	__atomic_store_n(&before->on_cpu, false, __ATOMIC_RELEASE);
	if (!dead)
		return;
	if (before->fpu != NULL)
		uk_fpu_drop(before);
	uk_stack_unmap(before->stack_top);
	uk_thread_put(before);
}

static void load_user_bases(struct uk_thread *to)
{
	if (to->fpu == NULL)
		return;
	uk_wrmsr(MSR_FS_BASE, to->fs_base);
	uk_wrmsr(MSR_KERNEL_GS_BASE, to->gs_base);
}

/* Gives the processor to the next thread. Interrupts are off; the running thread's state says
 * whether it wants to go on. */
static void reschedule(void)
{
	struct uk_cpu *cpu = uk_cpu();
	struct uk_thread *from = cpu->thread, *to;
	uint64_t now;

	cpu->resched = 0;
	to = take_next(cpu);
	if (to == from) {
		from->state = UK_THREAD_RUNNING;
		return;
	}
	while (__atomic_load_n(&to->on_cpu, __ATOMIC_ACQUIRE))
		uk_pause();
	to->on_cpu = true;
	to->state = UK_THREAD_RUNNING;
	to->cpu = cpu;
	now = uk_rdtsc();
	from->run_ticks += now - from->run_start;
	to->run_start = now;
	uk_fpu_switch(from, to);
	load_user_bases(to);
	cpu->thread = to;
	uk_cpu_set_stack(to->stack_top);
	finish_switch(uk_switch(from, to));
}

void uk_yield(void)
{
	uint64_t flags = uk_irq_save();
	struct uk_thread *self = uk_cpu()->thread;

	uk_cpu()->resched = 0;
	if (uk_cpu()->runq->count != 0) {
		if (self != uk_cpu()->idle) {
			self->state = UK_THREAD_READY;
			enqueue(self);
		}
		reschedule();
	}
	uk_irq_restore(flags);
}

/* Called by uk_wait_sleep: unless woken, off the processor. */
void uk_sched_sleep(void)
{
	uint64_t flags = uk_irq_save();
	struct uk_thread *self = uk_cpu()->thread;
	uint64_t state = uk_spin_lock(&self->lock);
	bool sleep = !self->woken;

	uk_assert(uk_cpu()->irq_depth == 0 && self != uk_cpu()->idle);
	if (sleep)
		self->state = UK_THREAD_SLEEPING;
	uk_spin_unlock(&self->lock, state);
	if (sleep)
		reschedule();
	uk_irq_restore(flags);
}

void uk_thread_wake(struct uk_thread *thread)
{
	uint64_t state = uk_spin_lock(&thread->lock);

	thread->woken = true;
	if (thread->state == UK_THREAD_SLEEPING) {
		thread->state = UK_THREAD_READY;
		enqueue(thread);
	}
	uk_spin_unlock(&thread->lock, state);
}

void uk_thread_kick(struct uk_thread *thread, uint32_t work)
{
	__atomic_or_fetch(&thread->work, work, __ATOMIC_ACQ_REL);
	uk_thread_wake(thread);
}

void uk_thread_settle(struct uk_thread *thread, uint32_t work)
{
	__atomic_and_fetch(&thread->work, ~work, __ATOMIC_ACQ_REL);
}

bool uk_signal_pending(void)
{
	return (uk_cpu()->thread->work & (UK_WORK_SIGNAL | UK_WORK_EXIT)) != 0;
}

void uk_thread_begin(struct uk_thread *before)
{
	struct uk_thread *self;

	finish_switch(before);
	uk_irq_on();
	self = uk_thread_self();
	self->fn(self->arg);
	uk_thread_exit();
}

/* What uk_switch pops for the first time: six registers and where to go, where rsp is on 16 then.
 */
static void prepare_stack(struct uk_thread *t)
{
	uint64_t *sp = (uint64_t *)(uintptr_t)t->stack_top - 9;

	memset(sp, 0, 9 * sizeof(*sp));
	sp[6] = (uintptr_t)uk_thread_first;
	t->sp = (uintptr_t)sp;
}

struct uk_thread *uk_thread_new(const char *name, void (*fn)(void *arg), void *arg)
{
	struct uk_thread *t = uk_alloc(sizeof(*t));

	if (t == NULL)
		return NULL;
	t->stack_top = uk_stack_map();
	if (t->stack_top == 0) {
		uk_free(t);
		return NULL;
	}
	uk_strlcpy(t->name, name, sizeof(t->name));
	t->fn = fn;
	t->arg = arg;
	t->refs = 1;
	prepare_stack(t);
	return t;
}

void uk_thread_start(struct uk_thread *thread)
{
	uint64_t state = uk_spin_lock(&thread->lock);

	thread->state = UK_THREAD_READY;
	enqueue(thread);
	uk_spin_unlock(&thread->lock, state);
}

void uk_thread_drop(struct uk_thread *thread)
{
	if (thread->fpu != NULL)
		uk_fpu_drop(thread);
	uk_stack_unmap(thread->stack_top);
	uk_thread_put(thread);
}

struct uk_thread *uk_thread_spawn(const char *name, void (*fn)(void *arg), void *arg)
{
	struct uk_thread *t = uk_thread_new(name, fn, arg);

	if (t != NULL)
		uk_thread_start(t);
	return t;
}

void uk_thread_exit(void)
{
	uk_irq_off();
	uk_cpu()->thread->state = UK_THREAD_DEAD;
	reschedule();
	uk_panic("a dead thread ran");
}

uint64_t uk_thread_run_time(const struct uk_thread *thread)
{
	uint64_t state = uk_irq_save();
	uint64_t ticks = thread->run_ticks;

	if (thread->on_cpu)
		ticks += uk_rdtsc() - thread->run_start;
	uk_irq_restore(state);
	return uk_clock_ns(ticks);
}

uint64_t uk_idle_time(void)
{
	return uk_thread_run_time(&idle);
}

void uk_user_set_fs(uint64_t base)
{
	uint64_t state = uk_irq_save();

	uk_cpu()->thread->fs_base = base;
	uk_wrmsr(MSR_FS_BASE, base);
	uk_irq_restore(state);
}

void uk_user_set_gs(uint64_t base)
{
	uint64_t state = uk_irq_save();

	uk_cpu()->thread->gs_base = base;
	uk_wrmsr(MSR_KERNEL_GS_BASE, base);
	uk_irq_restore(state);
}

uint64_t uk_user_fs(void)
{
	return uk_cpu()->thread->fs_base;
}

uint64_t uk_user_gs(void)
{
	return uk_cpu()->thread->gs_base;
}

static void be_idle(void *arg)
{
	(void)arg;
	for (;;) {
		uk_later_run();
		uk_irq_off();
		reschedule();
		/* STI takes effect after the next instruction: what came meanwhile ends the halt.
		 */
		__asm__ volatile("sti; hlt" : : : "memory");
	}
}

void uk_sched_start(void)
{
	struct uk_cpu *cpu = uk_cpu();

	first.stack_top = cpu->stack_top;
	first.cpu = cpu;
	first.on_cpu = true;
	first.run_start = uk_rdtsc();
	idle.stack_top = (uintptr_t)uk_idle_stack_top;
	idle.fn = be_idle;
	prepare_stack(&idle);
	cpu->thread = &first;
	cpu->idle = &idle;
	cpu->runq = &runq;
}
