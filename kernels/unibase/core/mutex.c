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

void uk_mutex_lock(struct uk_mutex *mutex)
{
	struct uk_thread *self = uk_thread_self();
	struct waiter w = { .thread = self };
	uint64_t state = uk_spin_lock(&mutex->lock);

	if (mutex->owner == NULL) {
		mutex->owner = self;
		uk_spin_unlock(&mutex->lock, state);
		return;
	}
	uk_assert(mutex->owner != self);
	uk_list_push_back(&mutex->waiters, &w.item);
	uk_spin_unlock(&mutex->lock, state);
	uk_wait_begin();
	while (__atomic_load_n(&mutex->owner, __ATOMIC_ACQUIRE) != self)
		uk_wait_sleep(UK_FOREVER);
	uk_wait_end();
}

void uk_mutex_unlock(struct uk_mutex *mutex)
{
	uint64_t state = uk_spin_lock(&mutex->lock);
	struct waiter *next = uk_list_first(&mutex->waiters, struct waiter, item);
	struct uk_thread *thread = NULL;

	uk_assert(mutex->owner == uk_thread_self());
	if (next != NULL) {
		uk_list_remove(&next->item);
		thread = next->thread;
	}
	__atomic_store_n(&mutex->owner, thread, __ATOMIC_RELEASE);
	/* Under the lock: the new owner may end, and its record with it, as soon as it runs. */
	if (thread != NULL)
		uk_thread_wake(thread);
	uk_spin_unlock(&mutex->lock, state);
}
