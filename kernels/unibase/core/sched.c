/*
 * The scheduler: threads as they run, sleep, wake and end. Who runs where is core/runq.c's.
 *
 * Locks: a thread's own lock guards its state. A thread that is on its way off a processor is still
 * `on_cpu`: nobody else takes it before its registers are saved, for nobody may run on a stack that
 * is in use. Should it go on at once elsewhere, it joins a queue when that is done (`requeue`).
 */
#include <uk/clock.h>
#include <uk/cpu.h>
#include <uk/log.h>
#include <uk/mem.h>
#include <uk/paging.h>
#include <uk/sched.h>
#include <uk/smp.h>
#include <uk/start.h>

struct uk_thread *uk_switch(struct uk_thread *from, struct uk_thread *to);
void uk_thread_first(void);
void uk_thread_begin(struct uk_thread *before) UK_NORETURN;

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

/* On the new thread's stack: the old one's registers are saved now, and it may be picked up. */
static void finish_switch(struct uk_thread *before)
{
	bool dead = before->state == UK_THREAD_DEAD;
	struct uk_cpu *requeue = before->requeue;

	if (requeue != NULL) {
		uint64_t state = uk_spin_lock(&before->lock);

		before->requeue = NULL;
		__atomic_store_n(&before->on_cpu, false, __ATOMIC_RELEASE);
		uk_runq_put(requeue, before);
		uk_spin_unlock(&before->lock, state);
	} else {
		__atomic_store_n(&before->on_cpu, false, __ATOMIC_RELEASE);
	}
	if (dead) {
		if (before->fpu != NULL)
			uk_fpu_drop(before);
		uk_stack_unmap(before->stack_top);
		uk_thread_put(before);
	}
	if (uk_kernel_shared)
		uk_kernel_resume(uk_cpu()->thread);
}

/* Time used, so that a reader on another processor sees no mixture. */
static void count_time(struct uk_thread *from, struct uk_thread *to)
{
	uint64_t now = uk_rdtsc();

	__atomic_add_fetch(&from->runs, 1, __ATOMIC_ACQ_REL);
	from->run_ticks += now - from->run_start;
	from->run_start = 0;
	__atomic_add_fetch(&from->runs, 1, __ATOMIC_ACQ_REL);
	__atomic_add_fetch(&to->runs, 1, __ATOMIC_ACQ_REL);
	to->run_start = now;
	__atomic_add_fetch(&to->runs, 1, __ATOMIC_ACQ_REL);
}

static void switch_to(struct uk_cpu *cpu, struct uk_thread *to)
{
	struct uk_thread *from = cpu->thread;

	to->cpu = cpu;
	__atomic_store_n(&to->on_cpu, true, __ATOMIC_RELEASE);
	to->state = UK_THREAD_RUNNING;
	count_time(from, to);
	if (uk_kernel_shared) {
		uk_kernel_note(from);
		uk_shoot_lazy(cpu, to->process == NULL);
	}
	uk_fpu_switch(from, to);
	if (to->fpu != NULL)
		uk_user_load_bases(to);
	cpu->thread = to;
	uk_cpu_set_stack(to->stack_top);
	finish_switch(uk_switch(from, to));
}

/* Gives the processor to the next thread. Interrupts are off; the running thread's state says that
 * it does not want to go on, unless somebody made it ready again meanwhile. */
static void reschedule(void)
{
	struct uk_cpu *cpu = uk_cpu();
	struct uk_thread *to;

	cpu->resched = 0;
	to = uk_runq_take(cpu);
	if (to == NULL)
		to = cpu->idle;
	if (to == cpu->thread)
		to->state = UK_THREAD_RUNNING;
	else
		switch_to(cpu, to);
}

/* The running thread lets others run and joins `queue`, if there are others, or if it must go. */
static void give_way(struct uk_cpu *queue)
{
	struct uk_cpu *cpu = uk_cpu();
	struct uk_thread *self = cpu->thread, *to = uk_runq_take(cpu);

	if (to == NULL && queue == cpu)
		return;
	self->requeue = queue;
	self->state = UK_THREAD_READY;
	switch_to(cpu, to != NULL ? to : cpu->idle);
}

void uk_yield(void)
{
	uint64_t flags = uk_irq_save();
	struct uk_cpu *cpu = uk_cpu();

	cpu->resched &= ~(uint32_t)UK_RESCHED_YIELD;
	if (uk_runq_waits(cpu))
		give_way(cpu);
	if (uk_kernel_wanted != 0)
		uk_kernel_let();
	uk_irq_restore(flags);
}

void uk_resched(void)
{
	struct uk_cpu *cpu = uk_cpu(), *queue;
	uint32_t what = cpu->resched;

	cpu->resched = 0;
	if (what & UK_RESCHED_SHARE)
		uk_runq_share(cpu);
	if (what & UK_RESCHED_YIELD) {
		queue = uk_runq_turn(cpu, cpu->thread);
		if (queue != NULL)
			give_way(queue);
	}
}

void uk_preempt(void)
{
	uint64_t state = uk_irq_save();

	if (uk_cpu()->resched != 0)
		uk_resched();
	uk_kernel_let();
	uk_irq_restore(state);
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
		uk_runq_add(thread);
	}
	uk_spin_unlock(&thread->lock, state);
}

/* Interrupts the processor that runs the thread, if it is another. */
static void interrupt(const struct uk_thread *thread)
{
	uint64_t state;

	if (uk_cpu_count == 1)
		return;
	state = uk_irq_save();
	if (__atomic_load_n(&thread->on_cpu, __ATOMIC_ACQUIRE) && thread->cpu != uk_cpu())
		uk_smp_wake(thread->cpu);
	uk_irq_restore(state);
}

void uk_thread_kick(struct uk_thread *thread, uint32_t work)
{
	__atomic_or_fetch(&thread->work, work, __ATOMIC_SEQ_CST);
	uk_thread_wake(thread);
	interrupt(thread);
}

void uk_thread_bind(struct uk_thread *thread, uint64_t allowed)
{
	uint64_t state = uk_spin_lock(&thread->lock);

	thread->allowed = allowed;
	if (thread->state == UK_THREAD_READY && uk_runq_remove(thread))
		uk_runq_add(thread);
	else if (thread == uk_cpu()->thread && !uk_thread_may_run(thread, uk_cpu()))
		uk_cpu()->resched |= UK_RESCHED_YIELD;
	uk_spin_unlock(&thread->lock, state);
	interrupt(thread);
}

void uk_thread_settle(struct uk_thread *thread, uint32_t work)
{
	__atomic_and_fetch(&thread->work, ~work, __ATOMIC_ACQ_REL);
}

bool uk_thread_settled(const struct uk_thread *thread)
{
	return !__atomic_load_n(&thread->on_cpu, __ATOMIC_ACQUIRE) ||
	       uk_thread_may_run(thread, thread->cpu);
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
	uk_runq_add(thread);
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
	uint64_t ticks, start;
	uint32_t runs;

	do {
		runs = __atomic_load_n(&thread->runs, __ATOMIC_ACQUIRE);
		ticks = thread->run_ticks;
		start = thread->run_start;
		__atomic_thread_fence(__ATOMIC_ACQUIRE);
	} while ((runs & 1) != 0 || runs != thread->runs);
	if (start != 0)
		ticks += uk_rdtsc() - start;
	uk_irq_restore(state);
	return uk_clock_ns(ticks);
}

uint64_t uk_idle_time(uint32_t processor)
{
	return processor < uk_cpu_count ? uk_thread_run_time(uk_cpus[processor]->idle) : 0;
}

void uk_user_set_fs(uint64_t base)
{
	uint64_t state = uk_irq_save();

	uk_cpu()->thread->fs_base = base;
	uk_wrmsr(UK_MSR_FS_BASE, base);
	uk_irq_restore(state);
}

void uk_user_set_gs(uint64_t base)
{
	uint64_t state = uk_irq_save();

	uk_cpu()->thread->gs_base = base;
	uk_wrmsr(UK_MSR_KERNEL_GS_BASE, base);
	uk_irq_restore(state);
}

static void be_idle(void *arg)
{
	(void)arg;
	for (;;) {
		uk_later_run();
		uk_irq_off();
		reschedule();
		uk_kernel_drop();
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
	cpu->runq = &uk_runq_boot;
	uk_timeline_start();
}

int uk_sched_new(struct uk_cpu *cpu, uint64_t stack_top)
{
	struct uk_thread *t = uk_alloc(sizeof(*t));

	cpu->runq = uk_runq_new();
	if (t == NULL || cpu->runq == NULL) {
		uk_free(t);
		uk_free(cpu->runq);
		return -UK_ENOMEM;
	}
	uk_strlcpy(t->name, "idle", sizeof(t->name));
	t->stack_top = stack_top;
	t->state = UK_THREAD_RUNNING;
	t->on_cpu = true;
	t->cpu = cpu;
	t->refs = 2;
	cpu->idle = cpu->thread = t;
	cpu->stack_top = stack_top;
	cpu->lazy = true;
	return 0;
}

void uk_sched_join(struct uk_cpu *cpu)
{
	cpu->thread->run_start = uk_rdtsc();
	be_idle(NULL);
	uk_panic("the idle thread ended");
}
