/*
 * Futexes (futex(2)): threads sleep on an address until another one says that the word there
 * changed. Waiters stand in a table of queues by what the address means: itself, or the place in a
 * file when the mapping is shared. The word is compared with the queue locked, and so no wake-up is
 * lost between the look and the sleep; a word that is not mapped is fetched first, without lock.
 * Locks that the kernel keeps are in proc/futex_pi.c. All this needs no kernel lock.
 */
#include "futex.h"
#include "proc.h"
#include <uk/linux_time.h>
#include <uk/map.h>
#include <uk/mem.h>
#include <uk/smp.h>
#include <uk/syscall.h>
#include <uk/user.h>
#include <uk/vfs.h>

enum { BUCKETS = 64, ROBUST_MAX = 2048 };

struct key {
	const void *object; /* inode, NULL: the address space */
	uint64_t offset;
};

struct bucket {
	struct uk_spinlock lock;
	struct uk_list waiters;
};
static struct bucket table[BUCKETS];

struct waiter {
	struct uk_list item;
	struct key key;
	struct bucket *volatile bucket; /* changes when it is moved to another futex */
	uint32_t bitset;
	volatile bool woken;
	struct uk_waitq queue;
};

void uk_futex_start(void)
{
	for (unsigned i = 0; i < BUCKETS; i++)
		uk_list_init(&table[i].waiters);
}

static struct bucket *bucket_of(const struct key *key)
{
	uint64_t hash = (key->offset >> 2) ^ (uint64_t)key->object >> 6;

	return &table[(hash * 0x9e3779b97f4a7c15ull) >> 58];
}

static struct key key_of(uint64_t addr, bool shared)
{
	struct key key = { .object = NULL, .offset = addr };
	struct uk_area *area;

	if (!shared)
		return key;
	uk_mutex_lock(&uk_map.lock);
	area = uk_area_find(uk_map.root, addr);
	if (area != NULL && area->start <= addr && area->file != NULL &&
	    (area->flags & UK_AREA_SHARED)) {
		key.object = area->file->inode;
		key.offset = area->offset + (addr - area->start);
	}
	uk_mutex_unlock(&uk_map.lock);
	return key;
}

static bool same(const struct key *a, const struct key *b)
{
	return a->object == b->object && a->offset == b->offset;
}

/* Locks a waiter's bucket, which may change until it is locked. */
static struct bucket *lock_bucket_of(struct waiter *w, uint64_t *state)
{
	for (;;) {
		struct bucket *b = w->bucket;

		*state = uk_spin_lock(&b->lock);
		if (w->bucket == b)
			return b;
		uk_spin_unlock(&b->lock, *state);
	}
}

/* Both, in the order of their addresses. */
static uint64_t lock_two(struct bucket *a, struct bucket *b)
{
	uint64_t state = uk_spin_lock(&(a < b ? a : b)->lock);

	if (a != b)
		uk_spin_lock(&(a < b ? b : a)->lock);
	return state;
}

static void unlock_two(struct bucket *a, struct bucket *b, uint64_t state)
{
	if (a != b)
		uk_spin_unlock(&(a < b ? b : a)->lock, 0);
	uk_spin_unlock(&(a < b ? a : b)->lock, state);
}

int futex_fetch(uint64_t addr, bool write)
{
	int result = uk_map_fault(addr, write ? UK_ACCESS_WRITE : UK_ACCESS_READ);

	if (result == -UK_ENOMEM) {
		uk_kernel_enter();
		uk_process_oom();
	}
	return result == 0 ? 0 : -UK_EFAULT;
}

static int wake_locked(struct bucket *b, const struct key *key, int count, uint32_t bitset)
{
	int woken = 0;

	uk_list_each_safe (item, &b->waiters) {
		struct waiter *w = uk_list_entry(item, struct waiter, item);

		if (woken >= count)
			break;
		if (!same(&w->key, key) || !(w->bitset & bitset))
			continue;
		uk_list_remove(&w->item);
		w->woken = true;
		uk_wake_all(&w->queue);
		woken++;
	}
	return woken;
}

static bool valid(uint64_t addr)
{
	return (addr & 3) == 0 && addr <= UK_USER_END - 4;
}

int futex_wake(uint64_t addr, bool shared, int count, uint32_t bitset)
{
	struct key key = key_of(addr, shared);
	struct bucket *b = bucket_of(&key);
	uint64_t state;
	int woken;

	if (bitset == 0)
		return -UK_EINVAL;
	state = uk_spin_lock(&b->lock);
	woken = wake_locked(b, &key, UK_MAX(count, 1), bitset);
	uk_spin_unlock(&b->lock, state);
	return woken;
}

int uk_futex_wake(uint64_t addr, int count)
{
	return valid(addr) ? futex_wake(addr, true, count, UINT32_MAX) : -UK_EINVAL;
}

/* Into the queue if the word still is `expected`. */
static int enqueue(struct waiter *w, uint64_t addr, uint32_t expected)
{
	struct bucket *b = bucket_of(&w->key);

	for (;;) {
		uint64_t state = uk_spin_lock(&b->lock);
		uint32_t value;
		int result = uk_user_get32(&value, addr);

		if (result == 0 && value == expected) {
			w->bucket = b;
			uk_list_push_back(&b->waiters, &w->item);
			uk_spin_unlock(&b->lock, state);
			return 0;
		}
		uk_spin_unlock(&b->lock, state);
		if (result == 0)
			return -UK_EAGAIN;
		result = futex_fetch(addr, false);
		if (result != 0)
			return result;
	}
}

int futex_wait(uint64_t addr, bool shared, uint32_t expected, uint64_t deadline, uint32_t bitset)
{
	struct waiter w = { .key = key_of(addr, shared), .bitset = bitset };
	struct bucket *b;
	uint64_t state;
	int result;

	if (bitset == 0)
		return -UK_EINVAL;
	uk_waitq_init(&w.queue);
	result = enqueue(&w, addr, expected);
	if (result != 0)
		return result;
	result = uk_wait_event(&w.queue, w.woken, deadline, true);
	b = lock_bucket_of(&w, &state);
	if (w.woken)
		result = 0;
	else
		uk_list_remove(&w.item);
	uk_spin_unlock(&b->lock, state);
	return result;
}

/* Wakes `wake` waiters and moves up to `move` others to the second futex. */
static int futex_requeue(uint64_t addr, uint64_t to, bool shared, int wake, int move,
			 const uint32_t *expected)
{
	struct key from_key = key_of(addr, shared), to_key = key_of(to, shared);
	struct bucket *from = bucket_of(&from_key), *target = bucket_of(&to_key);
	uint64_t state;
	int done, moved = 0;

	if (wake < 0 || move < 0)
		return -UK_EINVAL;
	state = lock_two(from, target);
	while (expected != NULL) {
		uint32_t value;
		int result = uk_user_get32(&value, addr);

		if (result == 0 && value == *expected)
			break;
		unlock_two(from, target, state);
		if (result == 0)
			return -UK_EAGAIN;
		result = futex_fetch(addr, false);
		if (result != 0)
			return result;
		state = lock_two(from, target);
	}
	done = wake_locked(from, &from_key, wake, UINT32_MAX);
	uk_list_each_safe (item, &from->waiters) {
		struct waiter *w = uk_list_entry(item, struct waiter, item);

		if (moved >= move || same(&from_key, &to_key))
			break;
		if (!same(&w->key, &from_key))
			continue;
		uk_list_remove(&w->item);
		w->key = to_key;
		w->bucket = target;
		uk_list_push_back(&target->waiters, &w->item);
		moved++;
	}
	unlock_two(from, target, state);
	return done + moved;
}

static uint32_t op_apply(unsigned op, uint32_t value, uint32_t arg)
{
	switch (op) {
	case 0:
		return arg;
	case 1:
		return value + arg;
	case 2:
		return value | arg;
	case 3:
		return value & ~arg;
	default:
		return value ^ arg;
	}
}

static bool op_holds(unsigned cmp, int32_t value, int32_t arg)
{
	switch (cmp) {
	case 0:
		return value == arg;
	case 1:
		return value != arg;
	case 2:
		return value < arg;
	case 3:
		return value <= arg;
	case 4:
		return value > arg;
	default:
		return value >= arg;
	}
}

/* FUTEX_WAKE_OP: changes the second word, wakes on the first, and on the second if its old value
 * compares. `code` is packed as <linux/futex.h> FUTEX_OP says. */
static int futex_wake_op(uint64_t addr, uint64_t other, bool shared, int wake, int wake_other,
			 uint32_t code)
{
	struct key key = key_of(addr, shared), other_key = key_of(other, shared);
	struct bucket *a = bucket_of(&key), *b = bucket_of(&other_key);
	unsigned op = code >> 28 & 7, cmp = code >> 24 & 15;
	int32_t op_arg = (int32_t)(code << 8) >> 20, cmp_arg = (int32_t)(code << 20) >> 20;
	uint32_t old, seen;
	uint64_t state;
	int woken;

	if (op > 4 || cmp > 5)
		return -UK_ENOSYS;
	if (code >> 31)
		op_arg = (int32_t)(1u << (op_arg & 31));
	for (;;) {
		int result;

		state = lock_two(a, b);
		result = uk_user_get32(&old, other);
		do {
			seen = old;
			if (result == 0)
				result = uk_user_exchange32(other, &old,
							    op_apply(op, seen, (uint32_t)op_arg));
		} while (result == 0 && old != seen);
		if (result == 0)
			break;
		unlock_two(a, b, state);
		result = futex_fetch(other, true);
		if (result != 0)
			return result;
	}
	woken = wake_locked(a, &key, wake, UINT32_MAX);
	if (op_holds(cmp, (int32_t)old, cmp_arg))
		woken += wake_locked(b, &other_key, wake_other, UINT32_MAX);
	unlock_two(a, b, state);
	return woken;
}

enum {
	WAIT = 0,
	WAKE = 1,
	REQUEUE = 3,
	CMP_REQUEUE = 4,
	WAKE_OP = 5,
	LOCK_PI = 6,
	UNLOCK_PI = 7,
	TRYLOCK_PI = 8,
	WAIT_BITSET = 9,
	WAKE_BITSET = 10,
	LOCK_PI2 = 13,
	PRIVATE = 128,
	CLOCK_REALTIME_FLAG = 256,
};

/* The timeout as a monotonic deadline. */
static int64_t deadline_of(uint64_t user, bool absolute, bool real, uint64_t *deadline)
{
	struct uk_linux_timespec t;

	*deadline = UK_FOREVER;
	if (user == 0)
		return 0;
	if (uk_copy_from_user(&t, user, sizeof(t)) != 0)
		return -UK_EFAULT;
	return uk_deadline(&t, absolute, real, deadline);
}

/* The absolute time of FUTEX_LOCK_PI is of the real clock whatever the flag says. */
static int64_t lock_pi(const struct uk_sysargs *s, bool shared, bool real, bool try)
{
	uint64_t deadline = 0;
	int64_t result = try ? 0 : deadline_of(s->a[3], true, real, &deadline);

	return result != 0 ? result : futex_lock_pi(s->a[0], shared, deadline, try);
}

static int64_t wait_call(const struct uk_sysargs *s, bool shared, bool real, bool bitset)
{
	uint64_t deadline = 0;
	int64_t result = deadline_of(s->a[3], bitset, real, &deadline);

	if (result != 0)
		return result;
	result = futex_wait(s->a[0], shared, (uint32_t)s->a[2], deadline,
			    bitset ? (uint32_t)s->a[5] : UINT32_MAX);
	/* A relative time must not start anew. */
	return result == -UK_ERESTARTSYS && !bitset && s->a[3] != 0 ? -UK_ERESTARTNOHAND : result;
}

int64_t uk_sys_futex(const struct uk_sysargs *s)
{
	uint64_t addr = s->a[0], other = s->a[4];
	unsigned op = (unsigned)s->a[1] & ~(unsigned)(PRIVATE | CLOCK_REALTIME_FLAG);
	bool shared = !(s->a[1] & PRIVATE), real = (s->a[1] & CLOCK_REALTIME_FLAG) != 0;
	uint32_t value = (uint32_t)s->a[2], third = (uint32_t)s->a[5];
	bool two = op == REQUEUE || op == CMP_REQUEUE || op == WAKE_OP;

	if (real && op != WAIT && op != WAIT_BITSET && op != LOCK_PI2)
		return -UK_ENOSYS;
	if (!valid(addr) || (two && !valid(other)))
		return (addr & 3) != 0 || (two && (other & 3) != 0) ? -UK_EINVAL : -UK_EFAULT;
	switch (op) {
	case WAIT:
	case WAIT_BITSET:
		return wait_call(s, shared, real, op == WAIT_BITSET);
	case WAKE:
	case WAKE_BITSET:
		return futex_wake(addr, shared, (int)value, op == WAKE ? UINT32_MAX : third);
	case REQUEUE:
	case CMP_REQUEUE:
		return futex_requeue(addr, other, shared, (int)value, (int)s->a[3],
				     op == CMP_REQUEUE ? &third : NULL);
	case WAKE_OP:
		return futex_wake_op(addr, other, shared, (int)value, (int)s->a[3], third);
	case LOCK_PI:
	case LOCK_PI2:
		return lock_pi(s, shared, real || op == LOCK_PI, false);
	case TRYLOCK_PI:
		return lock_pi(s, shared, false, true);
	case UNLOCK_PI:
		return futex_unlock_pi(addr, shared);
	default:
		return -UK_ENOSYS;
	}
}

/* One lock that its owner left behind: marked, and the next waiter woken. */
static void robust_release(struct uk_task *task, uint64_t addr)
{
	uint32_t value, seen;

	if (!valid(addr) || futex_fetch(addr, true) != 0 || uk_user_get32(&value, addr) != 0)
		return;
	do {
		seen = value;
		if ((seen & UK_FUTEX_TID) != (uint32_t)task->tid)
			return;
		if (uk_user_exchange32(addr, &value, (seen & UK_FUTEX_WAITERS) | UK_FUTEX_DIED) !=
		    0)
			return;
	} while (value != seen);
	if (seen & UK_FUTEX_WAITERS)
		uk_futex_wake(addr, 1);
}

/* The list that set_robust_list named: struct robust_list_head of <linux/futex.h>. */
void uk_futex_exit_robust(struct uk_task *task)
{
	struct {
		uint64_t next;
		int64_t offset;
		uint64_t pending;
	} head;
	uint64_t entry;

	if (uk_copy_from_user(&head, task->robust_list, sizeof(head)) != 0)
		return;
	entry = head.next & ~1ull;
	for (unsigned i = 0; i < ROBUST_MAX && entry != task->robust_list; i++) {
		uint64_t next;

		if (uk_copy_from_user(&next, entry, sizeof(next)) != 0)
			return;
		if (entry != (head.pending & ~1ull))
			robust_release(task, entry + (uint64_t)head.offset);
		entry = next & ~1ull;
	}
	if (head.pending != 0)
		robust_release(task, (head.pending & ~1ull) + (uint64_t)head.offset);
}
