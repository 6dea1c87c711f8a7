/*
 * Timers, in order of their deadlines, over the one alarm of the processor; and the time of day.
 */
#include <uk/clock.h>
#include <uk/cpu.h>
#include <uk/io.h>
#include <uk/lock.h>
#include <uk/start.h>
#include <uk/thread.h>

#define NS 1000000000ll

static struct uk_spinlock lock = UK_SPINLOCK_INIT;
static struct uk_list timers = UK_LIST_INIT(timers); /* nearest first */
static struct uk_timer *volatile running;	     /* whose function is being called */
static uint64_t slice_end = UK_FOREVER;
static uint64_t alarm = UK_FOREVER; /* what the hardware is set to */
static uint64_t soon_ns;	    /* a rough alarm is set besides; 0: none */
static uint64_t soon = UK_FOREVER;  /* the same as a deadline, once there is a clock */

static struct uk_spinlock real_lock = UK_SPINLOCK_INIT;
static int64_t real_offset; /* real time at monotonic 0 */
static bool real_known;
static bool began; /* the program runs */

static void set_alarm(void)
{
	const struct uk_timer *first = uk_list_first(&timers, struct uk_timer, item);
	uint64_t next = UK_MIN(slice_end, soon);

	if (first != NULL)
		next = UK_MIN(next, first->deadline);
	if (next == alarm)
		return;
	/* An exact alarm replaces the rough one. */
	if (soon_ns != 0) {
		soon = uk_time_mono() + soon_ns;
		soon_ns = 0;
		next = UK_MIN(next, soon);
	}
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

void uk_tick_soon(uint64_t ns)
{
	uint64_t state = uk_spin_lock(&lock);

	if (uk_clock_soon(ns))
		soon_ns = ns;
	else
		soon = uk_time_mono() + ns;
	set_alarm();
	uk_spin_unlock(&lock, state);
}

void uk_clock_tick(void)
{
	uint64_t now = uk_time_mono();
	uint64_t state = uk_spin_lock(&lock);

	alarm = soon = UK_FOREVER;
	soon_ns = 0;
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
	uk_later_run();
}

void uk_time_begin(void)
{
	began = true;
}

/* Before the program runs, the time of day is the image's: what the kernel makes at start has the
 * same times at every start, and a program that needs no clock does not pay for one. */
static int64_t epoch(void)
{
	const struct uni_config_entry *e = uk_config_next(UNI_CONFIG_EPOCH, NULL);
	int64_t seconds = 0;

	if (e != NULL && e->size >= sizeof(seconds))
		memcpy(&seconds, uni_config_data(e), sizeof(seconds));
	return seconds > INT64_MAX / NS || seconds < 0 ? 0 : seconds * NS;
}

int64_t uk_time_real(void)
{
	uint64_t state;
	int64_t offset;
	bool known;

	if (uk_unlikely(!began))
		return epoch();
	state = uk_spin_lock(&real_lock);
	offset = real_offset;
	known = real_known;
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
