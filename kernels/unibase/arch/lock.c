/*
 * Spinlocks: tickets, so that processors get them in the order in which they asked. Interrupts are
 * off while one is held. When the others were stopped for the machine's end, nobody waits any more.
 */
#include <uk/cpu.h>
#include <uk/lock.h>
#include <uk/smp.h>

uint64_t uk_spin_lock(struct uk_spinlock *lock)
{
	uint64_t state = uk_irq_save();
	uint32_t ticket = __atomic_fetch_add(&lock->next, 1, __ATOMIC_RELAXED);

	while (__atomic_load_n(&lock->owner, __ATOMIC_ACQUIRE) != ticket && !uk_smp_stopped)
		uk_pause();
	return state;
}

void uk_spin_unlock(struct uk_spinlock *lock, uint64_t state)
{
	__atomic_store_n(&lock->owner, lock->owner + 1, __ATOMIC_RELEASE);
	uk_irq_restore(state);
}
