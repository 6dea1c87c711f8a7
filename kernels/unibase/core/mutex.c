/*
 * Mutexes: the one who unlocks hands over to the first who waits. Taken and given back by one step,
 * without the spinlock, as long as nobody waits: who is about to wait says so in the owner's word,
 * and then both go through the list.
 */
#include <uk/cpu.h>
#include <uk/log.h>
#include <uk/sched.h>

#define WAITED ((uintptr_t)1) /* of `owner`: the list is not empty, or about to be so */

struct waiter {
	struct uk_list item;
	struct uk_thread *thread;
};

void uk_mutex_init(struct uk_mutex *mutex)
{
	mutex->lock = (struct uk_spinlock)UK_SPINLOCK_INIT;
	mutex->owner = 0;
	uk_list_init(&mutex->waiters);
}

bool uk_mutex_held(const struct uk_mutex *mutex)
{
	return (mutex->owner & ~WAITED) == (uintptr_t)uk_thread_self();
}

static bool change(struct uk_mutex *mutex, uintptr_t from, uintptr_t to)
{
	return __atomic_compare_exchange_n(&mutex->owner, &from, to, false, __ATOMIC_ACQ_REL,
					   __ATOMIC_RELAXED);
}

/* Joins those who wait, unless it is free by now: then it is taken. */
static bool join(struct uk_mutex *mutex, struct waiter *w)
{
	uint64_t state = uk_spin_lock(&mutex->lock);
	bool taken = __atomic_fetch_or(&mutex->owner, WAITED, __ATOMIC_ACQUIRE) == 0;

	if (taken)
		__atomic_store_n(&mutex->owner, (uintptr_t)w->thread, __ATOMIC_RELAXED);
	else
		uk_list_push_back(&mutex->waiters, &w->item);
	uk_spin_unlock(&mutex->lock, state);
	return taken;
}

UK_ASIDE void wait(struct uk_mutex *mutex)
{
	struct waiter w = { .thread = uk_thread_self() };

	uk_assert(!uk_mutex_held(mutex));
	if (join(mutex, &w))
		return;
	uk_wait_begin();
	while ((__atomic_load_n(&mutex->owner, __ATOMIC_ACQUIRE) & ~WAITED) != (uintptr_t)w.thread)
		uk_wait_sleep(UK_FOREVER);
	uk_wait_end();
	/* Who handed it over is done with it then, and it may go with what it is in. */
	while (__atomic_load_n(&mutex->lock.held, __ATOMIC_ACQUIRE) != 0 && !uk_smp_stopped)
		uk_pause();
}

void uk_mutex_lock(struct uk_mutex *mutex)
{
	if (uk_unlikely(!change(mutex, 0, (uintptr_t)uk_thread_self())))
		wait(mutex);
}

UK_ASIDE void hand_over(struct uk_mutex *mutex)
{
	uint64_t state = uk_spin_lock(&mutex->lock);
	struct waiter *next = uk_list_first(&mutex->waiters, struct waiter, item);
	struct uk_thread *thread;

	uk_assert(uk_mutex_held(mutex) && next != NULL);
	uk_list_remove(&next->item);
	thread = next->thread;
	__atomic_store_n(&mutex->owner,
			 (uintptr_t)thread | (uk_list_empty(&mutex->waiters) ? 0 : WAITED),
			 __ATOMIC_RELEASE);
	/* Under the lock: the new owner may end, and its record with it, as soon as it has that. */
	uk_thread_wake(thread);
	uk_spin_unlock(&mutex->lock, state);
}

void uk_mutex_unlock(struct uk_mutex *mutex)
{
	if (uk_unlikely(!change(mutex, (uintptr_t)uk_thread_self(), 0)))
		hand_over(mutex);
}
