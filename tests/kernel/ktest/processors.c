/*
 * All processors start and take threads; nothing is writable and executable afterwards; each keeps
 * time, sleeps, and can be told to do what another one asks.
 */
#include <uk/paging.h>
#include <uk/smp.h>

#include "ktest.h"

#define ROUNDS 40

static struct uk_waitq wait = UK_WAITQ_INIT(wait);
static struct uk_mutex mutex = UK_MUTEX_INIT(mutex);
static volatile uint32_t seen[UK_CPUS_MAX], done;
static uint64_t total;

/* Runs where it was bound to, sleeps, and is there again. */
static void visit(void *arg)
{
	uint32_t id = (uint32_t)(uintptr_t)arg;

	for (unsigned i = 0; i < ROUNDS; i++) {
		uint64_t before = uk_time_mono();

		CHECK(uk_cpu()->id == id);
		uk_wait_event(&wait, false, before + 200000, false);
		CHECK(uk_time_mono() >= before + 200000);
		uk_mutex_lock(&mutex);
		total++;
		if (i % 8 == 0)
			uk_yield();
		uk_mutex_unlock(&mutex);
		seen[id]++;
	}
	__atomic_add_fetch(&done, 1, __ATOMIC_SEQ_CST);
	uk_wake_all(&wait);
}

/* Starts somewhere, and is sent to every processor in turn. */
static void travel(void *arg)
{
	(void)arg;
	for (uint32_t i = 0; i < 3 * uk_cpu_count; i++) {
		uint32_t to = i % uk_cpu_count;

		uk_thread_bind(uk_thread_self(), 1ull << to);
		uk_preempt_point();
		CHECK(uk_cpu()->id == to);
	}
	__atomic_add_fetch(&done, 1, __ATOMIC_SEQ_CST);
	uk_wake_all(&wait);
}

void ktest(void)
{
	uint64_t bad = 0;

	uk_smp_start();
	CHECK(uk_cpu_count == EXPECTED && uk_smp_possible() == EXPECTED);
	CHECK(uk_paging_audit(&bad));
	for (uint32_t id = 0; id < uk_cpu_count; id++) {
		struct uk_thread *t = uk_thread_new("visitor", visit, (void *)(uintptr_t)id);

		CHECK(t != NULL);
		uk_thread_bind(t, 1ull << id);
		uk_thread_start(t);
	}
	CHECK(uk_thread_spawn("traveller", travel, NULL) != NULL);
	CHECK(uk_wait_event(&wait, done == uk_cpu_count + 1, uk_time_mono() + 60000000000, false) ==
	      0);
	for (uint32_t id = 0; id < uk_cpu_count; id++)
		CHECK(seen[id] == ROUNDS);
	CHECK(total == ROUNDS * uk_cpu_count);
	uk_shoot(0x400000, 0x500000, true);
	uk_shoot_barrier();
}
