/*
 * Binary search, in one place for lists of every shape: what is compared is an expression, so that
 * neither a callback nor a struct of its own stands between a list and its order.
 */
#ifndef UNI_BASE_SEARCH_H
#define UNI_BASE_SEARCH_H

#include <stddef.h>

/*
 * Sets `at`, a size_t of the caller's, to the first index in [begin, end) for which `below`, an
 * expression over `at`, is false; `end` when there is none. `below` holds for a front part of the
 * range and for nothing behind it.
 */
#define UNI_LOWER_BOUND(at, begin, end, below)                                                     \
	do {                                                                                       \
		size_t low_ = (begin), high_ = (end);                                              \
                                                                                                   \
		while ((at) = low_ + (high_ - low_) / 2, low_ < high_) {                           \
			if (below)                                                                 \
				low_ = (at) + 1;                                                   \
			else                                                                       \
				high_ = (at);                                                      \
		}                                                                                  \
	} while (0)

#endif
