/*
 * Locks. A spinlock is held with interrupts off and never across anything that sleeps; a mutex
 * sleeps. Above both stands the kernel lock of uk/smp.h. The order in which they are taken, and
 * what each of them covers, is in docs/architecture.md. arch/lock.c, core/mutex.c.
 */
#ifndef UK_LOCK_H
#define UK_LOCK_H

#include <uk/list.h>

struct uk_spinlock {
	volatile uint32_t held;
};
#define UK_SPINLOCK_INIT                                                                           \
	{                                                                                          \
		0                                                                                  \
	}

/* Returns the interrupt state to give back to the unlock. */
uint64_t uk_spin_lock(struct uk_spinlock *lock);
void uk_spin_unlock(struct uk_spinlock *lock, uint64_t state);

struct uk_thread;
struct uk_mutex {
	struct uk_spinlock lock;
	uintptr_t owner; /* the thread, and whether others wait: core/mutex.c */
	struct uk_list waiters;
};
#define UK_MUTEX_INIT(m)                                                                           \
	{                                                                                          \
		UK_SPINLOCK_INIT, 0, UK_LIST_INIT((m).waiters)                                     \
	}
void uk_mutex_init(struct uk_mutex *mutex);
void uk_mutex_lock(struct uk_mutex *mutex);
void uk_mutex_unlock(struct uk_mutex *mutex);
bool uk_mutex_held(const struct uk_mutex *mutex); /* by the running thread */

#endif
