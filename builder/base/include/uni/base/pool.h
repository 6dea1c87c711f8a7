/*
 * Threads that do numbered work. Results must not depend on their number: each item writes its own
 * place.
 */
#ifndef UNI_BASE_POOL_H
#define UNI_BASE_POOL_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <uni/base/err.h>

/* Calls fn(user, 0..count-1), on up to `threads` threads (0: uni_processors()). Stops handing out
 * items after the first failure; the error of the lowest failing index is reported, so that it is
 * the same every time. */
int uni_pool_run(size_t count, unsigned threads,
		 int (*fn)(void *user, size_t index, struct uni_err *err), void *user,
		 struct uni_err *err);

/*
 * A thread that gets no signals: they belong to the thread that can answer them. It is the `nth`
 * (from 1) of those that share the caller's work, and begins on the nth processor behind the
 * caller's. False: there is none to be had.
 */
bool uni_thread_start(pthread_t *thread, unsigned nth, void *(*run)(void *user), void *user);

#endif
