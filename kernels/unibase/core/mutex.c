/*
 * Mutexes: the one who unlocks hands over to the first who waits.
 */
#include <uk/cpu.h>
#include <uk/log.h>
#include <uk/sched.h>

struct waiter {
	struct uk_list item;
	struct uk_thread *thread;
};

void uk_mutex_init(struct uk_mutex *mutex)
{
	mutex->lock = (struct uk_spinlock)UK_SPINLOCK_INIT;
	mutex->owner = NULL;
	uk_list_init(&mutex->waiters);
}

bool uk_mutex_held(const struct uk_mutex *mutex)
{
	return mutex->owner == uk_thread_self();
}

/* With the lock held, which it gives back. */
UK_ASIDE void wait_turn(struct uk_mutex *mutex, uint64_t state)
{
	struct uk_thread *self = uk_thread_self();
	struct waiter w = { .thread = self };

	uk_assert(mutex->owner != self);
	uk_list_push_back(&mutex->waiters, &w.item);
	uk_spin_unlock(&mutex->lock, state);
	uk_wait_begin();
	while (__atomic_load_n(&mutex->owner, __ATOMIC_ACQUIRE) != self)
		uk_wait_sleep(UK_FOREVER);
	uk_wait_end();
}

void uk_mutex_lock(struct uk_mutex *mutex)
{
	uint64_t state = uk_spin_lock(&mutex->lock);

	if (uk_unlikely(mutex->owner != NULL)) {
		wait_turn(mutex, state);
		return;
	}
	mutex->owner = uk_thread_self();
	uk_spin_unlock(&mutex->lock, state);
}

/* Under the lock: the new owner may end, and its record with it, as soon as it runs. */
UK_ASIDE void hand_over(struct uk_mutex *mutex)
{
	struct waiter *next = uk_list_first(&mutex->waiters, struct waiter, item);
	struct uk_thread *thread = next->thread;

	uk_list_remove(&next->item);
	__atomic_store_n(&mutex->owner, thread, __ATOMIC_RELEASE);
	uk_thread_wake(thread);
}

void uk_mutex_unlock(struct uk_mutex *mutex)
{
	uint64_t state = uk_spin_lock(&mutex->lock);

	uk_assert(mutex->owner == uk_thread_self());
	if (uk_unlikely(!uk_list_empty(&mutex->waiters)))
		hand_over(mutex);
	else
		__atomic_store_n(&mutex->owner, NULL, __ATOMIC_RELEASE);
	uk_spin_unlock(&mutex->lock, state);
}
