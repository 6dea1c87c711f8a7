/*
 * Futexes by their raw calls: errors, timeouts, bitsets, requeueing, operations, locks that the
 * kernel keeps.
 */
#include "t.h"
#include <pthread.h>

/* <linux/futex.h>, which musl does not bring. */
enum {
	FUTEX_WAIT = 0,
	FUTEX_WAKE = 1,
	FUTEX_WAIT_BITSET = 9,
	FUTEX_WAKE_BITSET = 10,
	FUTEX_PRIVATE_FLAG = 128,
	FUTEX_CLOCK_REALTIME = 256,
	FUTEX_WAKE_PRIVATE = FUTEX_WAKE | FUTEX_PRIVATE_FLAG,
	FUTEX_LOCK_PI = 6,
	FUTEX_UNLOCK_PI = 7,
	FUTEX_TRYLOCK_PI = 8,
	FUTEX_LOCK_PI_PRIVATE = FUTEX_LOCK_PI | FUTEX_PRIVATE_FLAG,
	FUTEX_UNLOCK_PI_PRIVATE = FUTEX_UNLOCK_PI | FUTEX_PRIVATE_FLAG,
	FUTEX_TRYLOCK_PI_PRIVATE = FUTEX_TRYLOCK_PI | FUTEX_PRIVATE_FLAG,
	FUTEX_TID_MASK = 0x3fffffff,
	FUTEX_REQUEUE_PRIVATE = 3 | FUTEX_PRIVATE_FLAG,
	FUTEX_CMP_REQUEUE_PRIVATE = 4 | FUTEX_PRIVATE_FLAG,
	FUTEX_WAKE_OP_PRIVATE = 5 | FUTEX_PRIVATE_FLAG,
	OP_ADD = 1,
	OP_OR = 2,
	OP_SHIFT = 8,
	CMP_EQ = 0,
	CMP_GT = 4,
};
#define OP(op, arg, cmp, cmp_arg) ((uint32_t)((op) << 28 | (cmp) << 24 | (arg) << 12 | (cmp_arg)))

static uint32_t word, other, aside;
static volatile int woken;

static long futex(uint32_t *addr, int op, uint32_t value, void *timeout, uint32_t *addr2,
		  uint32_t value3)
{
	return syscall(SYS_futex, addr, op, value, timeout, addr2, value3);
}

static void *wait_word(void *arg)
{
	uint32_t bits = (uint32_t)(long)arg;

	check(futex(&word, FUTEX_WAIT_BITSET | FUTEX_PRIVATE_FLAG, 0, NULL, NULL, bits) == 0);
	__atomic_add_fetch(&woken, 1, __ATOMIC_SEQ_CST);
	return NULL;
}

/* All of them wait then: they are counted on their way to another futex, and sent back. */
static void start(pthread_t *thread, int count, const long *bits)
{
	long wait = 0;

	woken = 0;
	for (int i = 0; i < count; i++)
		check(pthread_create(&thread[i], NULL, wait_word, (void *)bits[i]) == 0);
	while (wait < count) {
		usleep(1000);
		wait += futex(&word, FUTEX_REQUEUE_PRIVATE, 0, (void *)100, &aside, 0);
	}
	check(futex(&aside, FUTEX_REQUEUE_PRIVATE, 0, (void *)100, &word, 0) == count);
}

static void join(pthread_t *thread, int count)
{
	for (int i = 0; i < count; i++)
		pthread_join(thread[i], NULL);
}

static volatile int inside, most, held, leave;

static void *lock_pi(void *arg)
{
	for (int i = 0; i < 200; i++) {
		uint32_t tid = (uint32_t)gettid(), none = 0;

		if (!__atomic_compare_exchange_n(&word, &none, tid, 0, __ATOMIC_ACQUIRE,
						 __ATOMIC_RELAXED))
			check(futex(&word, FUTEX_LOCK_PI_PRIVATE, 0, NULL, NULL, 0) == 0);
		check((word & FUTEX_TID_MASK) == tid);
		if (++inside > most)
			most = inside;
		if (i % 50 == 0)
			usleep(1000);
		inside--;
		held++;
		if (!__atomic_compare_exchange_n(&word, &tid, 0, 0, __ATOMIC_RELEASE,
						 __ATOMIC_RELAXED))
			check(futex(&word, FUTEX_UNLOCK_PI_PRIVATE, 0, NULL, NULL, 0) == 0);
	}
	return arg;
}

/* Holds the lock for a while, and ends without giving it back. */
static void *leave_pi(void *arg)
{
	check(futex(&other, FUTEX_LOCK_PI_PRIVATE, 0, NULL, NULL, 0) == 0);
	while (!leave)
		usleep(1000);
	return arg;
}

static void locks(void)
{
	struct timespec soon;
	pthread_t thread[4];

	word = other = 0;
	for (int i = 0; i < 4; i++)
		check(pthread_create(&thread[i], NULL, lock_pi, NULL) == 0);
	join(thread, 4);
	check(held == 800 && most == 1 && word == 0);
	check(futex(&word, FUTEX_TRYLOCK_PI, 0, NULL, NULL, 0) == 0 && word == (uint32_t)gettid());
	fails(futex(&word, FUTEX_LOCK_PI, 0, NULL, NULL, 0), EDEADLK);
	check(futex(&word, FUTEX_UNLOCK_PI, 0, NULL, NULL, 0) == 0 && word == 0);
	fails(futex(&word, FUTEX_UNLOCK_PI, 0, NULL, NULL, 0), EPERM);
	check(pthread_create(&thread[0], NULL, leave_pi, NULL) == 0);
	while (*(volatile uint32_t *)&other == 0)
		usleep(1000);
	fails(futex(&other, FUTEX_TRYLOCK_PI_PRIVATE, 0, NULL, NULL, 0), EAGAIN);
	clock_gettime(CLOCK_REALTIME, &soon);
	fails(futex(&other, FUTEX_LOCK_PI_PRIVATE, 0, &soon, NULL, 0), ETIMEDOUT);
	leave = 1;
	join(thread, 1);
	/* Who has it is no more; it was in no list of robust locks. */
	fails(futex(&other, FUTEX_LOCK_PI_PRIVATE, 0, NULL, NULL, 0), ESRCH);
	other = 0;
	done("locks");
}

int main(void)
{
	static const long all[4] = { -1, -1, -1, -1 }, bits[4] = { 1, 2, 2, 4 };
	struct timespec short_time = { .tv_nsec = 10000000 }, bad = { .tv_nsec = 1000000000 }, now;
	pthread_t thread[4];

	fails(futex(&word, FUTEX_WAIT, 1, NULL, NULL, 0), EAGAIN);
	fails(futex(&word, FUTEX_WAIT, 0, &short_time, NULL, 0), ETIMEDOUT);
	fails(futex(&word, FUTEX_WAIT, 0, &bad, NULL, 0), EINVAL);
	fails(futex((uint32_t *)2, FUTEX_WAIT, 0, NULL, NULL, 0), EINVAL);
	fails(futex((uint32_t *)4096, FUTEX_WAIT, 0, NULL, NULL, 0), EFAULT);
	fails(futex(&word, FUTEX_WAIT_BITSET, 0, NULL, NULL, 0), EINVAL);
	fails(futex(&word, 99, 0, NULL, NULL, 0), ENOSYS);
	clock_gettime(CLOCK_MONOTONIC, &now);
	fails(futex(&word, FUTEX_WAIT_BITSET, 0, &now, NULL, ~0u), ETIMEDOUT);
	clock_gettime(CLOCK_REALTIME, &now);
	fails(futex(&word, FUTEX_WAIT_BITSET | FUTEX_CLOCK_REALTIME, 0, &now, NULL, ~0u),
	      ETIMEDOUT);
	check(futex(&word, FUTEX_WAKE, 1, NULL, NULL, 0) == 0);
	done("errors");

	start(thread, 4, all);
	check(futex(&word, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0) == 1);
	check(futex(&word, FUTEX_WAKE_PRIVATE, 2, NULL, NULL, 0) == 2);
	check(futex(&word, FUTEX_WAKE_PRIVATE, 100, NULL, NULL, 0) == 1);
	join(thread, 4);
	check(woken == 4);
	done("wake");

	start(thread, 4, bits);
	check(futex(&word, FUTEX_WAKE_BITSET | FUTEX_PRIVATE_FLAG, 10, NULL, NULL, 2) == 2);
	check(futex(&word, FUTEX_WAKE_BITSET | FUTEX_PRIVATE_FLAG, 10, NULL, NULL, 8) == 0);
	check(futex(&word, FUTEX_WAKE_PRIVATE, 10, NULL, NULL, 0) == 2);
	join(thread, 4);
	done("bitset");

	start(thread, 4, all);
	fails(futex(&word, FUTEX_CMP_REQUEUE_PRIVATE, 1, (void *)10, &other, 7), EAGAIN);
	check(futex(&word, FUTEX_CMP_REQUEUE_PRIVATE, 1, (void *)2, &other, 0) == 3);
	check(futex(&word, FUTEX_WAKE_PRIVATE, 10, NULL, NULL, 0) == 1);
	check(futex(&other, FUTEX_WAKE_PRIVATE, 10, NULL, NULL, 0) == 2);
	join(thread, 4);
	done("requeue");

	start(thread, 2, all);
	other = 5;
	check(futex(&other, FUTEX_WAKE_OP_PRIVATE, 1, (void *)1, &word, OP(OP_ADD, 0, CMP_EQ, 0)) ==
	      1);
	check(futex(&word, FUTEX_WAKE_OP_PRIVATE, 0, (void *)1, &other,
		    OP(OP_ADD, 3, CMP_GT, 100)) >= 0 &&
	      other == 8);
	check(futex(&word, FUTEX_WAKE_OP_PRIVATE, 0, (void *)0, &other,
		    OP(OP_OR | OP_SHIFT, 4, CMP_EQ, 0)) >= 0 &&
	      other == 24);
	futex(&word, FUTEX_WAKE_PRIVATE, 10, NULL, NULL, 0);
	join(thread, 2);
	done("operation");
	locks();
	return 0;
}
