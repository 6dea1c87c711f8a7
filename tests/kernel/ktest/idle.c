/* Stands still, so that the machine can be looked at from outside: see test_tlb.py. */
#include "ktest.h"
#include <uk/io.h>

void ktest(void)
{
	static struct uk_waitq never = UK_WAITQ_INIT(never);

	CHECK(uk_io_map(0xfee00000, 4096) != NULL);
	uk_console_write("ready\n", 6);
	CHECK(uk_wait_event(&never, false, UK_FOREVER, false) == 0);
}
