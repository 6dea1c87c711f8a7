/* A stack that runs over hits the unmapped page below it, and the panic says whose. */
#include "ktest.h"

static unsigned deeper(unsigned n)
{
	volatile uint8_t room[200];

	room[0] = (uint8_t)n;
	return n == 1000000 ? 0 : deeper(n + 1) + room[0];
}

static void overflow(void *arg)
{
	*(volatile unsigned *)arg = deeper(0);
}

void ktest(void)
{
	static unsigned result;

	CHECK(uk_thread_spawn("deep", overflow, &result) != NULL);
	for (;;)
		uk_yield();
}
