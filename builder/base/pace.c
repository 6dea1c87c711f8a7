/*
 * Bytes a second, over all that was moved since the first.
 */
#include <uni/base/pace.h>
#include <uni/base/system.h>

#define SECOND UINT64_C(1000000000)
#define MS UINT64_C(1000000)
#define WAIT_MAX_MS 60000

int uni_pace_take(struct uni_pace *pace, size_t size, struct uni_err *err)
{
	uint64_t now, due;

	if (pace->rate == 0)
		return 0;
	now = uni_clock_mono_ns();
	if (pace->start_ns == 0)
		pace->start_ns = now;
	pace->moved += size;
	due = pace->start_ns + pace->moved / pace->rate * SECOND +
	      pace->moved % pace->rate * SECOND / pace->rate;
	if (due < now + MS)
		return 0;
	due = (due - now) / MS;
	return uni_wait_ms((unsigned)(due < WAIT_MAX_MS ? due : WAIT_MAX_MS), err);
}
