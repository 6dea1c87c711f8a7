/*
 * A kernel for one processor.
 */
#include <uk/lock.h>
#include <uk/smp.h>
#include <uk/syscall.h>

struct uk_cpu *uk_cpus[UK_CPUS_MAX] = { &uk_cpu_boot };
volatile uint32_t uk_cpu_count = 1;
volatile bool uk_smp_stopped;

uint32_t uk_smp_possible(void)
{
	return 1;
}

void uk_smp_start(void)
{
}

void uk_smp_stop(void)
{
}

void uk_smp_obey(void)
{
}

void uk_smp_wake(struct uk_cpu *cpu)
{
	(void)cpu;
}

bool uk_read_alone(const struct uk_sysargs *s, bool own_offset, int64_t *result)
{
	(void)s;
	(void)own_offset;
	(void)result;
	return false;
}

/* One processor's locks keep only its interrupts away. */
uint64_t uk_spin_lock(struct uk_spinlock *lock)
{
	(void)lock;
	return uk_irq_save();
}

void uk_spin_unlock(struct uk_spinlock *lock, uint64_t state)
{
	(void)lock;
	uk_irq_restore(state);
}
