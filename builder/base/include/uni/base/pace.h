/*
 * A bound on bytes a second: whoever moves them says so, and waits when he is ahead.
 */
#ifndef UNI_BASE_PACE_H
#define UNI_BASE_PACE_H

#include <stddef.h>
#include <stdint.h>
#include <uni/base/err.h>

struct uni_pace {
	uint64_t rate; /* bytes a second; 0: no bound */
	uint64_t start_ns, moved;
};
/* UNI_E_CANCELLED while it waits. */
int uni_pace_take(struct uni_pace *pace, size_t size, struct uni_err *err);

#endif
