/*
 * Waiting: for something to come, the machine to end, or the time to be over, whichever is first.
 */
#include "run.h"

#include <errno.h>
#include <uni/base/system.h>

#define CANCEL_POLL_MS 100
#define PATIENCE_MAX UINT64_C(10000000000)

int test_timeout_ms(uint64_t limit_ns)
{
	uint64_t now = uni_clock_mono_ns();
	uint64_t left = limit_ns > now ? (limit_ns - now + 999999) / 1000000 : 0;

	return left < CANCEL_POLL_MS ? (int)left : CANCEL_POLL_MS;
}

bool test_ended(const struct test_run *run)
{
	struct pollfd end = { .fd = uni_machine_end_fd(run->machine), .events = POLLIN };

	return poll(&end, 1, 0) > 0;
}

int test_wait(const struct test_run *run, int fd, short events, uint64_t limit_ns,
	      struct uni_err *err)
{
	struct pollfd either[] = { { .fd = fd, .events = events },
				   { .fd = uni_machine_end_fd(run->machine), .events = POLLIN } };

	for (;;) {
		int got = poll(either, UNI_COUNT(either), test_timeout_ms(limit_ns));

		if (got < 0 && errno != EINTR)
			return uni_err_errno(err, "cannot wait for the machine");
		/* What came before the end is still to be read. */
		if (got > 0 && either[0].revents != 0)
			return TEST_READY;
		if (got > 0 && either[1].revents != 0)
			return TEST_ENDED;
		if (uni_check_cancel(err) != 0)
			return err->code;
		if (uni_clock_mono_ns() >= limit_ns)
			return TEST_LATE;
	}
}

uint64_t test_patience_next(struct test_patience *patience, uint64_t limit_ns)
{
	uint64_t until = uni_clock_mono_ns() + patience->ns;

	patience->ns += patience->ns / 4;
	if (patience->ns > PATIENCE_MAX)
		patience->ns = PATIENCE_MAX;
	return until < limit_ns ? until : limit_ns;
}
