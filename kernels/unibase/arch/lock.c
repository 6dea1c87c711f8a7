/*
 * Spinlocks. Whoever comes next takes one, in no order: were there one, and had the host taken the
 * processor away whose turn it is, all behind it would wait for that. Interrupts are off while one
 * is held. When the others were stopped for the machine's end, nobody waits any more.
 */
#include <uk/cpu.h>
#include <uk/lock.h>
#include <uk/smp.h>

uint64_t uk_spin_lock(struct uk_spinlock *lock)
{
	uint64_t state = uk_irq_save();

	while (__atomic_exchange_n(&lock->held, 1, __ATOMIC_ACQUIRE) != 0 && !uk_smp_stopped)
		while (lock->held != 0 && !uk_smp_stopped)
			uk_pause();
	return state;
}

void uk_spin_unlock(struct uk_spinlock *lock, uint64_t state)
{
	__atomic_store_n(&lock->held, 0, __ATOMIC_RELEASE);
	uk_irq_restore(state);
}
