/* What start-up put off is done while the program never rests, whether it uses the clock or not. */
#include "ktest.h"

void __wrap_uk_net_start(void);

static volatile unsigned done;

static void work(void)
{
	done++;
}

void __wrap_uk_net_start(void)
{
	uk_later(work);
	uk_later(work);
	CHECK(done == 0);
}

#if USE >= 2
static void ring(struct uk_timer *timer)
{
	(void)timer;
}
#endif

void ktest(void)
{
#if USE >= 1
	CHECK(uk_time_mono() != 0);
#endif
#if USE >= 2
	static struct uk_timer timer = { .fn = ring };

	uk_timer_arm(&timer, uk_time_mono() + 1000000000000);
	CHECK(uk_timer_cancel(&timer));
#endif
	while (done == 0)
		__asm__ volatile("pause");
	CHECK(done == 2);
}
