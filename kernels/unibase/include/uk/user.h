/*
 * The one place that touches the program's memory: checked ranges, faults handled, SMAP opened here
 * only. arch/user.S, mm/user.c. And the iterator through which files move bytes.
 */
#ifndef UK_USER_H
#define UK_USER_H

#include <uk/types.h>

/* 0 or -UK_EFAULT; what was copied before the fault stays. */
int uk_copy_from_user(void *to, uint64_t from, size_t size);
int uk_copy_to_user(uint64_t to, const void *from, size_t size);
int uk_clear_user(uint64_t to, size_t size);
/* Length without NUL, -UK_EFAULT, or -UK_ENAMETOOLONG when there is no NUL within `room`. */
int64_t uk_string_from_user(char *to, uint64_t from, size_t room);

/* One word without mapping anything, for use under a spinlock: -UK_EFAULT when it is not there. The
 * exchange puts `value` if it finds *expected, and what it found into *expected. */
int uk_user_get32(uint32_t *value, uint64_t from);
int uk_user_exchange32(uint64_t at, uint32_t *expected, uint32_t value);
void uk_user_start(void); /* before the first program */

struct uk_iovec {
	uint64_t base;
	uint64_t size;
};
/* Bytes still to move, over vectors in user memory or one buffer in the kernel's. */
struct uk_iter {
	struct uk_iovec *vec; /* user addresses */
	unsigned count;
	uint64_t left;	 /* in all */
	uint8_t *kernel; /* not NULL: kernel memory instead */
};
void uk_iter_kernel(struct uk_iter *it, void *data, size_t size);
/* vec, of `left` bytes in all, is borrowed and consumed. */
UK_INLINE void uk_iter_begin(struct uk_iter *it, struct uk_iovec *vec, unsigned count,
			     uint64_t left)
{
	it->vec = vec;
	it->count = count;
	it->left = left;
	it->kernel = NULL;
}
void uk_iter_user(struct uk_iter *it, struct uk_iovec *vec, unsigned count); /* counts them */
/* Moves up to size bytes; bytes moved, or -UK_EFAULT when none could be. */
int64_t uk_iter_put(struct uk_iter *it, const void *data, size_t size);
int64_t uk_iter_get(struct uk_iter *it, void *data, size_t size);
int64_t uk_iter_zero(struct uk_iter *it, size_t size);

#endif
