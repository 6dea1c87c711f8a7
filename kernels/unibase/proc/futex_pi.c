/*
 * Locks whose word the kernel keeps (FUTEX_LOCK_PI and its like): the owner's number, with a bit
 * when others wait. There are no priorities that an owner could inherit; what is left is the lock
 * itself, as pthread_mutexattr_setprotocol asks for it.
 *
 * A word with the bit for waiters and without an owner is free: the next one comes through here, as
 * the bit keeps the program from taking it by itself.
 */
#include "futex.h"
#include "proc.h"
#include <uk/user.h>

/* Puts `value` if the word is *expected; what it was goes there. The word is mapped as needed. */
static int exchange(uint64_t addr, uint32_t *expected, uint32_t value)
{
	int result = uk_user_exchange32(addr, expected, value);

	while (result != 0) {
		result = futex_fetch(addr, true);
		if (result != 0)
			return result;
		result = uk_user_exchange32(addr, expected, value);
	}
	return 0;
}

static bool is_thread(uint32_t tid)
{
	uint64_t state = uk_spin_lock(&uk_process.lock);
	bool there = uk_task_find((int)tid) != NULL;

	uk_spin_unlock(&uk_process.lock, state);
	return there;
}

/* One attempt on a word that was `*value`: 0 when it is ours; 1 when it says now that we wait,
 * which is in *value; else why not. -UK_EAGAIN: it changed. */
static int attempt(uint64_t addr, uint32_t *value)
{
	uint32_t own = (uint32_t)uk_task_self()->tid, seen = *value, fresh;
	bool is_free = (seen & UK_FUTEX_TID) == 0;
	int result;

	if ((seen & UK_FUTEX_TID) == own)
		return -UK_EDEADLK;
	if (!is_free && !is_thread(seen & UK_FUTEX_TID))
		return -UK_ESRCH;
	fresh = is_free ? own | (seen & (UK_FUTEX_DIED | UK_FUTEX_WAITERS))
			: seen | UK_FUTEX_WAITERS;
	result = exchange(addr, value, fresh);
	if (result != 0 || *value != seen)
		return result != 0 ? result : -UK_EAGAIN;
	*value = fresh;
	return is_free ? 0 : 1;
}

int futex_lock_pi(uint64_t addr, bool shared, uint64_t deadline, bool try)
{
	uint32_t value = 0;

	for (;;) {
		int result = attempt(addr, &value);

		if (result == -UK_EAGAIN)
			continue;
		if (result != 1)
			return result;
		if (try)
			return -UK_EAGAIN;
		result = futex_wait(addr, shared, value, deadline, UINT32_MAX);
		if (result != 0 && result != -UK_EAGAIN)
			return result;
		value = 0;
	}
}

int futex_unlock_pi(uint64_t addr, bool shared)
{
	uint32_t own = (uint32_t)uk_task_self()->tid, value = own, seen;

	do {
		int result;

		seen = value;
		if ((seen & UK_FUTEX_TID) != own)
			return -UK_EPERM;
		result = exchange(addr, &value, seen & UK_FUTEX_WAITERS);
		if (result != 0)
			return result;
	} while (value != seen);
	/* With nobody left the program may take it by itself again. */
	if ((seen & UK_FUTEX_WAITERS) && futex_wake(addr, shared, 1, UINT32_MAX) == 0) {
		value = UK_FUTEX_WAITERS;
		return exchange(addr, &value, 0);
	}
	return 0;
}
