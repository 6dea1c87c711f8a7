/* Threads take turns, mutexes exclude, wake-ups are not lost, timers come in order and never early.
 */
#include "ktest.h"

#define THREADS 20
#define ROUNDS 50

static struct uk_mutex mutex = UK_MUTEX_INIT(mutex);
static struct uk_waitq queue = UK_WAITQ_INIT(queue), done_queue = UK_WAITQ_INIT(done_queue);
static unsigned inside, total, done, tokens;

static void finish(void)
{
	__atomic_add_fetch(&done, 1, __ATOMIC_ACQ_REL);
	uk_wake_all(&done_queue);
}

static void wait_done(unsigned count)
{
	CHECK(uk_wait_event(&done_queue, done == count, UK_FOREVER, false) == 0);
	done = 0;
}

static void exclude(void *arg)
{
	(void)arg;
	for (unsigned i = 0; i < ROUNDS; i++) {
		uk_mutex_lock(&mutex);
		CHECK(uk_mutex_held(&mutex) && inside++ == 0);
		uk_yield();
		total++;
		inside--;
		uk_mutex_unlock(&mutex);
	}
	finish();
}

static void mutexes(void)
{
	for (unsigned i = 0; i < THREADS; i++)
		CHECK(uk_thread_spawn("exclude", exclude, NULL) != NULL);
	wait_done(THREADS);
	CHECK(total == THREADS * ROUNDS && !uk_mutex_held(&mutex));
}

static void consume(void *arg)
{
	for (unsigned i = 0; i < ROUNDS; i++) {
		CHECK(uk_wait_event(&queue, tokens != 0, UK_FOREVER, false) == 0);
		tokens--;
		if (arg != NULL)
			uk_yield();
	}
	finish();
}

static void wakeups(void)
{
	for (uintptr_t i = 0; i < THREADS; i++)
		CHECK(uk_thread_spawn("consume", consume, (void *)(i & 1)) != NULL);
	for (unsigned i = 0; i < THREADS * ROUNDS; i++) {
		tokens++;
		uk_wake_one(&queue);
		if (i % 7 == 0)
			uk_yield();
	}
	uk_wake_all(&queue);
	wait_done(THREADS);
	CHECK(tokens == 0);
}

static unsigned fired, last_fired;
static uint64_t early;

struct numbered {
	struct uk_timer timer;
	unsigned number;
};

static void fire(struct uk_timer *timer)
{
	const struct numbered *n = uk_container(timer, struct numbered, timer);

	if (uk_time_mono() < timer->deadline)
		early++;
	CHECK(n->number > last_fired);
	last_fired = n->number;
	fired++;
	uk_wake_all(&queue);
}

static void timers(void)
{
	static struct numbered t[10];
	uint64_t start = uk_time_mono(), flags = uk_irq_save();

	/* None fires before all are armed, however long the machine stands still here. */
	for (unsigned i = 0; i < 10; i++) {
		unsigned n = (i * 7) % 10;

		t[n].number = n + 1;
		t[n].timer.fn = fire;
		uk_timer_arm(&t[n].timer, start + 5000000 + n * 1000000);
	}
	CHECK(uk_timer_cancel(&t[4].timer) && !uk_timer_cancel(&t[4].timer));
	uk_irq_restore(flags);
	CHECK(uk_wait_event(&queue, fired == 9, UK_FOREVER, false) == 0);
	CHECK(early == 0 && uk_time_mono() - start >= 14000000);
	start = uk_time_mono();
	CHECK(uk_wait_event(&queue, false, start + 3000000, true) == -UK_ETIMEDOUT);
	CHECK(uk_time_mono() - start >= 3000000);
}

/* Two that never sleep share the processor, or none ends; and a third still gets its turn. */
static volatile bool stop;
static volatile uint64_t turns[2];

static void spin(void *arg)
{
	while (!stop || turns[0] == 0 || turns[1] == 0) {
		turns[(uintptr_t)arg]++;
		uk_preempt_point();
	}
	finish();
}

static void slices(void)
{
	for (uintptr_t i = 0; i < 2; i++)
		CHECK(uk_thread_spawn("spin", spin, (void *)i) != NULL);
	CHECK(uk_wait_event(&queue, false, uk_time_mono() + 20000000, false) == -UK_ETIMEDOUT);
	stop = true;
	wait_done(2);
}

static void interrupted(void *arg)
{
	int *result = arg;

	*result = uk_wait_event(&queue, false, UK_FOREVER, true);
	finish();
}

static void signals(void)
{
	int result = 0;
	struct uk_thread *t = uk_thread_new("interrupted", interrupted, &result);

	CHECK(t != NULL);
	uk_thread_get(t);
	uk_thread_start(t);
	uk_yield();
	CHECK(t->state == UK_THREAD_SLEEPING);
	uk_thread_kick(t, UK_WORK_SIGNAL);
	wait_done(1);
	CHECK(result == -UK_ERESTARTSYS);
	while (t->state != UK_THREAD_DEAD || t->on_cpu)
		uk_yield();
	uk_thread_put(t);
}

/* Stacks of threads that ended serve again: many short lives fit little memory. */
static void die(void *arg)
{
	(void)arg;
	finish();
}

static void many_lives(void)
{
	uint64_t before;

	CHECK(uk_thread_spawn("die", die, NULL) != NULL);
	wait_done(1);
	uk_yield();
	before = uk_mem_free();
	for (unsigned i = 0; i < 500; i++) {
		CHECK(uk_thread_spawn("die", die, NULL) != NULL);
		wait_done(1);
	}
	uk_yield();
	CHECK(uk_mem_free() + 2 * UK_PAGE_SIZE >= before);
}

void ktest(void)
{
	mutexes();
	wakeups();
	timers();
	slices();
	signals();
	many_lives();
	CHECK(uk_thread_run_time(uk_thread_self()) > 0 && uk_idle_time(0) > 0);
}
