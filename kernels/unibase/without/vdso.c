/*
 * A kernel without the code that reads clocks in the program's mode: the program asks by calls.
 */
#include <uk/vdso.h>

void uk_vdso_counter(uint64_t base, uint64_t mult)
{
	(void)base;
	(void)mult;
}

void uk_vdso_pvclock(void)
{
}

void uk_vdso_real(int64_t offset)
{
	(void)offset;
}

uint64_t uk_vdso_map(void)
{
	return 0;
}
