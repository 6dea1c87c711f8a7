/*
 * Waiting on words of the program's memory, for the files of proc/ that build upon it:
 * proc/futex.c.
 */
#ifndef UK_PROC_FUTEX_H
#define UK_PROC_FUTEX_H

#include <uk/types.h>

/* What a lock's word holds: its owner, whether others wait, whether an owner ended without
 * unlocking. */
#define UK_FUTEX_TID 0x3fffffffu
#define UK_FUTEX_DIED 0x40000000u
#define UK_FUTEX_WAITERS 0x80000000u

/* Sleeps while the word is `expected`: 0 when woken, -UK_EAGAIN when it is another already,
 * -UK_ETIMEDOUT, -UK_ERESTARTSYS, -UK_EFAULT. */
int futex_wait(uint64_t addr, bool shared, uint32_t expected, uint64_t deadline, uint32_t bitset);
int futex_wake(uint64_t addr, bool shared, int count, uint32_t bitset); /* how many */
/* Maps the word, so that it can be looked at without a fault: -UK_EFAULT. */
int futex_fetch(uint64_t addr, bool write);

/* proc/futex_pi.c */
int futex_lock_pi(uint64_t addr, bool shared, uint64_t deadline, bool try);
int futex_unlock_pi(uint64_t addr, bool shared);

#endif
