/*
 * A panic on another processor than the first, while all are busy: one account of it, and the end.
 */
#include <uk/smp.h>

#include "ktest.h"

static volatile bool never;

static void talk(void *arg)
{
	(void)arg;
	while (!never) {
		uk_log(UK_LOG_WARN, "still here");
		uk_yield();
	}
}

static void fail(void *arg)
{
	uk_panic("%s on processor %u", (const char *)arg, uk_cpu()->id);
}

void ktest(void)
{
	struct uk_thread *t = uk_thread_new("unlucky", fail, (void *)(uintptr_t) "told to");

	uk_smp_start();
	CHECK(t != NULL && uk_cpu_count == 4);
	CHECK(uk_thread_spawn("talker", talk, NULL) != NULL);
	uk_thread_bind(t, 1ull << 2);
	uk_thread_start(t);
	talk(NULL);
}
