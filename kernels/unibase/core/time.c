/*
 * Timers, in order of their deadlines, over the one alarm of the processor; and the time of day.
 */
#include <uk/clock.h>
#include <uk/cpu.h>
#include <uk/io.h>
#include <uk/lock.h>
#include <uk/thread.h>

#define NS 1000000000ll

static struct uk_spinlock lock = UK_SPINLOCK_INIT;
static struct uk_list timers = UK_LIST_INIT(timers); /* nearest first */
static struct uk_timer *volatile running;	     /* whose function is being called */
static uint64_t slice_end = UK_FOREVER;
static uint64_t alarm = UK_FOREVER; /* what the hardware is set to */

static struct uk_spinlock real_lock = UK_SPINLOCK_INIT;
static int64_t real_offset; /* real time at monotonic 0 */
static bool real_known;

static void set_alarm(void)
{
	const struct uk_timer *first = uk_list_first(&timers, struct uk_timer, item);
	uint64_t next = first != NULL ? UK_MIN(first->deadline, slice_end) : slice_end;

	if (next == alarm)
		return;
	alarm = next;
	uk_clock_arm(next);
}

void uk_timer_arm(struct uk_timer *timer, uint64_t deadline)
{
	uint64_t state = uk_spin_lock(&lock);
	struct uk_list *at = &timers;

	if (timer->armed)
		uk_list_remove(&timer->item);
	timer->deadline = deadline;
	timer->armed = true;
	/* From the far end: new deadlines are mostly the latest. */
	while (at->prev != &timers &&
	       uk_list_entry(at->prev, struct uk_timer, item)->deadline > deadline)
		at = at->prev;
	uk_list_insert(at, &timer->item);
	set_alarm();
	uk_spin_unlock(&lock, state);
}

bool uk_timer_cancel(struct uk_timer *timer)
{
	uint64_t state = uk_spin_lock(&lock);
	bool armed = timer->armed;

	if (armed) {
		uk_list_remove(&timer->item);
		timer->armed = false;
		set_alarm();
	}
	uk_spin_unlock(&lock, state);
	/* Another processor may be in its function; from the function itself there is no waiting.
	 */
	while (running == timer && uk_cpu()->irq_depth == 0)
		uk_pause();
	return armed;
}

void uk_slice_set(uint64_t end)
{
	uint64_t state = uk_spin_lock(&lock);

	slice_end = end;
	set_alarm();
	uk_spin_unlock(&lock, state);
}

void uk_clock_tick(void)
{
	uint64_t now = uk_time_mono();
	uint64_t state = uk_spin_lock(&lock);

	alarm = UK_FOREVER;
	for (;;) {
		struct uk_timer *t = uk_list_first(&timers, struct uk_timer, item);

		if (t == NULL || t->deadline > now)
			break;
		uk_list_remove(&t->item);
		t->armed = false;
		running = t;
		uk_spin_unlock(&lock, state);
		t->fn(t);
		state = uk_spin_lock(&lock);
		running = NULL;
	}
	if (slice_end <= now) {
		slice_end = UK_FOREVER;
		uk_cpu()->resched = 1;
	}
	set_alarm();
	uk_spin_unlock(&lock, state);
}

int64_t uk_time_real(void)
{
	uint64_t state = uk_spin_lock(&real_lock);
	int64_t offset = real_offset;
	bool known = real_known;

	uk_spin_unlock(&real_lock, state);
	if (!known) {
		offset = uk_clock_wall();
		if (offset == 0)
			offset = uk_rtc_read() * NS - (int64_t)uk_time_mono();
		uk_time_set_real(offset + (int64_t)uk_time_mono());
	}
	return offset + (int64_t)uk_time_mono();
}

void uk_time_set_real(int64_t ns)
{
	uint64_t state = uk_spin_lock(&real_lock);

	real_offset = ns - (int64_t)uk_time_mono();
	real_known = true;
	uk_spin_unlock(&real_lock, state);
}
