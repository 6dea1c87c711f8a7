/*
 * What processors remember of page tables. One of them at a time changes entries that others may
 * remember: it says which, interrupts the others, and waits until each has answered.
 *
 * A processor that only idles, runs a thread of the kernel or waits for the kernel lock is `lazy`:
 * it uses nothing of the program's half, and so is not interrupted but told to forget all before it
 * runs the program again. That does not do where frames of tables become free: the processor may
 * walk tables ahead of need.
 *
 * Who asks has interrupts off, so that nothing keeps the others waiting, and answers no one: there
 * is one who asks. Who waits for that turn, or for the kernel lock, answers meanwhile. Under a
 * spinlock nobody asks, and so nobody who waits for a spinlock keeps one who asks waiting for ever.
 */
#include <uk/irq.h>
#include <uk/paging.h>
#include <uk/smp.h>

#define PAGES_MAX 32 /* more than these: everything is forgotten */

static volatile uint32_t asking; /* somebody does */
static uint64_t first, last;	 /* what is to be forgotten: [first, last) */

/* The program's half has no global pages. */
static void forget_all(void)
{
	uk_write_cr3(uk_read_cr3());
}

static void forget(uint64_t start, uint64_t end)
{
	if (end - start > PAGES_MAX * UK_PAGE_SIZE) {
		forget_all();
		return;
	}
	for (uint64_t addr = start; addr < end; addr += UK_PAGE_SIZE)
		uk_tlb_flush_page(addr);
}

void uk_shoot_serve(struct uk_cpu *cpu)
{
	if (__atomic_load_n(&cpu->flush, __ATOMIC_ACQUIRE) == 0)
		return;
	forget(first, last);
	__atomic_store_n(&cpu->flush, 0, __ATOMIC_SEQ_CST);
}

void uk_shoot_lazy(struct uk_cpu *cpu, bool lazy)
{
	__atomic_store_n(&cpu->lazy, lazy, __ATOMIC_SEQ_CST);
	if (!lazy && __atomic_exchange_n(&cpu->flush_all, 0, __ATOMIC_SEQ_CST) != 0)
		forget_all();
}

/* The order counts: either this sees that the other is not lazy any more, or the other sees, before
 * it runs the program, that it must forget. */
static bool must_answer(struct uk_cpu *cpu, bool tables)
{
	if (tables || !cpu->lazy)
		return true;
	__atomic_store_n(&cpu->flush_all, 1, __ATOMIC_SEQ_CST);
	return !__atomic_load_n(&cpu->lazy, __ATOMIC_SEQ_CST);
}

static void ask(const struct uk_cpu *self, bool tables)
{
	for (uint32_t i = 0; i < uk_cpu_count; i++) {
		struct uk_cpu *cpu = uk_cpus[i];

		if (cpu == self || !must_answer(cpu, tables))
			continue;
		__atomic_store_n(&cpu->flush, 1, __ATOMIC_SEQ_CST);
		uk_apic_command(cpu->apic_id, UK_APIC_FIXED | UK_VECTOR_FLUSH);
	}
	for (uint32_t i = 0; i < uk_cpu_count; i++)
		while (__atomic_load_n(&uk_cpus[i]->flush, __ATOMIC_ACQUIRE) != 0 &&
		       !uk_smp_stopped)
			uk_pause();
}

void uk_shoot(uint64_t start, uint64_t end, bool tables)
{
	uint64_t state;
	struct uk_cpu *self;

	if (uk_cpu_count == 1) {
		forget(start, end);
		return;
	}
	state = uk_irq_save();
	self = uk_cpu();
	forget(start, end);
	while (__atomic_exchange_n(&asking, 1, __ATOMIC_ACQUIRE) != 0) {
		uk_shoot_serve(self);
		uk_pause();
	}
	first = start;
	last = end;
	ask(self, tables);
	__atomic_store_n(&asking, 0, __ATOMIC_RELEASE);
	uk_irq_restore(state);
}

void uk_shoot_barrier(void)
{
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	uk_shoot(0, 0, false);
}
