/* Reading through bad pointers gives false, not a panic; a null call panics with its name. */
#include "ktest.h"
#include <uk/trap.h>

void ktest(void)
{
	uint64_t v = 0;
	static const uint64_t good = 0x1234;

	CHECK(uk_read_safe(&good, &v) && v == 0x1234);
	CHECK(!uk_read_safe((const uint64_t *)8, &v));
	CHECK(!uk_read_safe((const uint64_t *)(uintptr_t)uk_boot_guard, &v));
	CHECK(!uk_read_safe((const uint64_t *)0x8000000000000000, &v)); /* not canonical */
	v = 0;
	((void (*)(void))(uintptr_t)v)();
}
