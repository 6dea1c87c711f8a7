/*
 * The kernel lock: see uk/smp.h. Whoever comes next takes it, in no order: the host may have taken
 * a waiting processor away, and then nobody should stand behind that one. Who waits for long halts,
 * and is interrupted by the one who gives the lock back: processors are often more than the host
 * has free.
 *
 * While it is waited for, interrupts are off but for that halt, and what other processors ask
 * (arch/shoot.c) is answered here: they may hold the lock while they wait for the answer. Mostly
 * they need not ask: who waits touches nothing of the program's.
 */
#include <uk/irq.h>
#include <uk/log.h>
#include <uk/sched.h>
#include <uk/smp.h>

#define SPINS 64

static volatile uint32_t held;
static volatile uint64_t halted; /* processors that wait by HLT, by number */
volatile uint32_t uk_kernel_wanted;
bool uk_kernel_shared;

void uk_kernel_begin(void)
{
	held = 1;
	uk_cpu()->locked = true;
	uk_kernel_shared = true;
}

static bool try(void)
{
	return held == 0 && __atomic_exchange_n(&held, 1, __ATOMIC_ACQUIRE) == 0;
}

/* STI takes effect after the next instruction: an interrupt that came meanwhile ends the halt. */
static void halt(const struct uk_cpu *cpu)
{
	__atomic_or_fetch(&halted, 1ull << cpu->id, __ATOMIC_SEQ_CST);
	if (held != 0)
		__asm__ volatile("sti; hlt; cli" : : : "memory");
	__atomic_and_fetch(&halted, ~(1ull << cpu->id), __ATOMIC_SEQ_CST);
}

static void wait(struct uk_cpu *cpu)
{
	for (;;) {
		for (unsigned i = 0; i < SPINS; i++) {
			if (try())
				return;
			uk_shoot_serve(cpu);
			uk_pause();
		}
		if (cpu->irq_depth == 0)
			halt(cpu);
	}
}

/* Interrupts are off. They are let in during a halt, but not where one is being handled. */
static void take(struct uk_cpu *cpu)
{
	bool lazy = cpu->lazy;

	if (!try()) {
		__atomic_add_fetch(&uk_kernel_wanted, 1, __ATOMIC_SEQ_CST);
		uk_shoot_lazy(cpu, true);
		wait(cpu);
		uk_shoot_lazy(cpu, lazy);
		__atomic_sub_fetch(&uk_kernel_wanted, 1, __ATOMIC_SEQ_CST);
	}
	cpu->locked = true;
}

/* Interrupts are off. Of those that halted, the next in turn behind this one is told. */
static void give(struct uk_cpu *cpu)
{
	uint64_t waiting, behind;

	cpu->locked = false;
	__atomic_store_n(&held, 0, __ATOMIC_SEQ_CST);
	waiting = halted;
	if (uk_likely(waiting == 0))
		return;
	behind = waiting & ~((2ull << cpu->id) - 1);
	uk_smp_wake(uk_cpus[__builtin_ctzll(behind != 0 ? behind : waiting)]);
}

bool uk_kernel_take(void)
{
	uint64_t state;

	if (uk_cpu()->locked)
		return false;
	state = uk_irq_save();
	take(uk_cpu());
	uk_irq_restore(state);
	return true;
}

void uk_kernel_leave(void)
{
	uint64_t state = uk_irq_save();

	give(uk_cpu());
	uk_irq_restore(state);
}

void uk_kernel_let(void)
{
	struct uk_cpu *cpu = uk_cpu();

	if (uk_kernel_wanted == 0 || !cpu->locked || cpu->irq_depth != 0)
		return;
	give(cpu);
	while (held == 0 && uk_kernel_wanted != 0) {
		uk_shoot_serve(cpu);
		uk_pause();
	}
	take(cpu);
}

/* A switch of threads has two sides: what the old one had is noted, and the new one gets what it
 * had. The lock itself passes from one to the other where both want it. */
void uk_kernel_note(struct uk_thread *from)
{
	from->unlocked = !uk_cpu()->locked;
}

void uk_kernel_resume(const struct uk_thread *self)
{
	struct uk_cpu *cpu = uk_cpu();

	if (cpu->locked == !self->unlocked)
		return;
	if (cpu->locked)
		give(cpu);
	else
		take(cpu);
}
