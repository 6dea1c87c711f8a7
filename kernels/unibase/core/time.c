/*
 * Timers, in order of their deadlines, over the alarm of each processor; and the time of day.
 *
 * A timer stands in the list of the processor that armed it, whose alarm is set to the list's
 * first. Another one may take it out; the alarm then rings for nothing.
 */
#include <uk/clock.h>
#include <uk/cpu.h>
#include <uk/io.h>
#include <uk/lock.h>
#include <uk/mem.h>
#include <uk/smp.h>
#include <uk/start.h>
#include <uk/thread.h>
#include <uk/vdso.h>

#define NS 1000000000ll

struct uk_timeline {
	struct uk_spinlock lock;
	struct uk_list timers;		   /* nearest first */
	struct uk_timer *volatile running; /* whose function is being called */
	uint64_t slice_end;
	uint64_t alarm; /* what the hardware is set to */
};

static struct uk_timeline boot = {
	.lock = UK_SPINLOCK_INIT,
	.timers = UK_LIST_INIT(boot.timers),
	.slice_end = UK_FOREVER,
	.alarm = UK_FOREVER,
};
/* The boot processor's, under its lock. */
static uint64_t soon_ns;	   /* a rough alarm is set besides; 0: none */
static uint64_t soon = UK_FOREVER; /* the same as a deadline, once there is a clock */

static struct uk_spinlock real_lock = UK_SPINLOCK_INIT;
static int64_t real_offset; /* real time at monotonic 0 */
static bool real_known;
static bool began; /* the program runs */

void uk_timeline_start(void)
{
	uk_cpu()->timeline = &boot;
}

int uk_timeline_new(struct uk_cpu *cpu)
{
	struct uk_timeline *line = uk_alloc(sizeof(*line));

	if (line == NULL)
		return -UK_ENOMEM;
	uk_list_init(&line->timers);
	line->slice_end = line->alarm = UK_FOREVER;
	cpu->timeline = line;
	return 0;
}

/* Its lock is held, and it is the running processor's. */
static void set_alarm(struct uk_timeline *line)
{
	const struct uk_timer *first = uk_list_first(&line->timers, struct uk_timer, item);
	uint64_t next = line->slice_end;

	if (line == &boot)
		next = UK_MIN(next, soon);
	if (first != NULL)
		next = UK_MIN(next, first->deadline);
	if (next == line->alarm)
		return;
	/* An exact alarm replaces the rough one. */
	if (line == &boot && soon_ns != 0) {
		soon = uk_time_mono() + soon_ns;
		soon_ns = 0;
		next = UK_MIN(next, soon);
	}
	line->alarm = next;
	uk_clock_arm(next);
}

static void insert(struct uk_timeline *line, struct uk_timer *timer)
{
	struct uk_list *at = &line->timers;

	/* From the far end: new deadlines are mostly the latest. */
	while (at->prev != &line->timers &&
	       uk_list_entry(at->prev, struct uk_timer, item)->deadline > timer->deadline)
		at = at->prev;
	uk_list_insert(at, &timer->item);
}

/* Out of its list, if it is in one. */
static bool take_out(struct uk_timer *timer)
{
	struct uk_timeline *line;
	uint64_t state;
	bool armed;

	for (;;) {
		line = timer->home;
		if (line == NULL)
			return false;
		state = uk_spin_lock(&line->lock);
		if (timer->home == line)
			break;
		uk_spin_unlock(&line->lock, state);
	}
	armed = timer->armed;
	if (armed) {
		uk_list_remove(&timer->item);
		timer->armed = false;
		if (line == uk_cpu()->timeline)
			set_alarm(line);
	}
	uk_spin_unlock(&line->lock, state);
	return armed;
}

void uk_timer_arm(struct uk_timer *timer, uint64_t deadline)
{
	uint64_t flags = uk_irq_save(), state;
	struct uk_timeline *line = uk_cpu()->timeline;

	if (timer->armed && timer->home != line)
		take_out(timer);
	state = uk_spin_lock(&line->lock);
	if (timer->armed)
		uk_list_remove(&timer->item);
	timer->home = line;
	timer->deadline = deadline;
	timer->armed = true;
	insert(line, timer);
	set_alarm(line);
	uk_spin_unlock(&line->lock, state);
	uk_irq_restore(flags);
}

bool uk_timer_cancel(struct uk_timer *timer)
{
	bool armed = take_out(timer);

	/* Another processor may be in its function; from an interrupt there is no waiting: the
	 * kernel lock keeps both from running at once. */
	while (timer->home != NULL && timer->home->running == timer && uk_cpu()->irq_depth == 0)
		uk_pause();
	return armed;
}

void uk_slice_set(uint64_t end)
{
	struct uk_timeline *line = uk_cpu()->timeline;
	uint64_t state = uk_spin_lock(&line->lock);

	line->slice_end = end;
	set_alarm(line);
	uk_spin_unlock(&line->lock, state);
}

void uk_tick_soon(uint64_t ns)
{
	uint64_t state = uk_spin_lock(&boot.lock);

	if (uk_clock_soon(ns)) {
		soon_ns = ns; /* the alarm is set, and there was none before */
	} else {
		soon = uk_time_mono() + ns;
		set_alarm(&boot);
	}
	uk_spin_unlock(&boot.lock, state);
}

static bool is_due(const struct uk_timeline *line, uint64_t now)
{
	const struct uk_timer *first = uk_list_first(&line->timers, struct uk_timer, item);

	return first != NULL && first->deadline <= now;
}

/* Their functions run with the kernel lock held. */
static void run_due(struct uk_timeline *line, uint64_t now)
{
	bool entered = uk_kernel_enter();
	uint64_t state = uk_spin_lock(&line->lock);

	while (is_due(line, now)) {
		struct uk_timer *t = uk_list_first(&line->timers, struct uk_timer, item);

		uk_list_remove(&t->item);
		t->armed = false;
		line->running = t;
		uk_spin_unlock(&line->lock, state);
		t->fn(t);
		state = uk_spin_lock(&line->lock);
		line->running = NULL;
	}
	uk_spin_unlock(&line->lock, state);
	if (entered)
		uk_kernel_leave();
}

void uk_clock_tick(void)
{
	struct uk_timeline *line = uk_cpu()->timeline;
	uint64_t now = uk_time_mono(), state = uk_spin_lock(&line->lock);
	bool due = is_due(line, now);

	line->alarm = UK_FOREVER;
	if (line == &boot) {
		soon = UK_FOREVER;
		soon_ns = 0;
	}
	uk_spin_unlock(&line->lock, state);
	if (due)
		run_due(line, now);
	state = uk_spin_lock(&line->lock);
	if (line->slice_end <= now) {
		line->slice_end = UK_FOREVER;
		uk_cpu()->resched |= UK_RESCHED_YIELD;
	}
	set_alarm(line);
	uk_spin_unlock(&line->lock, state);
	uk_later_run();
}

void uk_time_begin(void)
{
	began = true;
}

/* Before the program runs, the time of day is the image's: what the kernel makes at start has the
 * same times at every start, and a program that needs no clock does not pay for one. */
int64_t uk_time_image(void)
{
	const struct uni_config_entry *e = uk_config_first(UNI_CONFIG_EPOCH);
	uint64_t seconds = 0;

	if (e != NULL && e->size >= sizeof(seconds))
		seconds = *(const uint64_t *)uni_config_data(e);
	seconds = seconds > INT64_MAX / NS ? 0 : seconds;
	return (int64_t)seconds * NS;
}

/* Asked once, of the hypervisor or of the real-time clock, whose registers are the kernel lock's.
 */
static int64_t ask_real(void)
{
	bool entered = uk_kernel_enter();
	int64_t offset = uk_clock_wall();

	if (offset == 0)
		offset = uk_rtc_read() * NS - (int64_t)uk_time_mono();
	uk_time_set_real(offset + (int64_t)uk_time_mono());
	if (entered)
		uk_kernel_leave();
	return offset;
}

int64_t uk_time_real(void)
{
	uint64_t state;
	int64_t offset;
	bool known;

	if (uk_unlikely(!began))
		return uk_time_image();
	state = uk_spin_lock(&real_lock);
	offset = real_offset;
	known = real_known;
	uk_spin_unlock(&real_lock, state);
	if (!known)
		offset = ask_real();
	return offset + (int64_t)uk_time_mono();
}

void uk_time_set_real(int64_t ns)
{
	uint64_t state = uk_spin_lock(&real_lock);

	real_offset = ns - (int64_t)uk_time_mono();
	real_known = true;
	uk_vdso_real(real_offset);
	uk_spin_unlock(&real_lock, state);
}
