/* What W^X forbids faults, and the panic says so: one kernel for each VIOLATION. */
#include "ktest.h"
#include <uk/cpu.h>

static uint8_t ret_in_data[16] = { 0xc3 };
static uint8_t sealed[16] UK_SEALED;

static __attribute__((noinline)) void poke(volatile uint8_t *at)
{
	*at = 1;
}

void ktest(void)
{
	static const uint8_t constant[16] = { 1 };
	volatile uint8_t *at = NULL;

	(void)ret_in_data;
	(void)sealed;
	(void)constant;
#if VIOLATION == 1
	at = (volatile uint8_t *)(uintptr_t)ktest;
#elif VIOLATION == 2
	at = (volatile uint8_t *)(uintptr_t)constant;
#elif VIOLATION == 3
	at = sealed;
#elif VIOLATION == 4
	at = uk_phys_to_virt(uk_virt_to_phys((const void *)(uintptr_t)ktest));
#elif VIOLATION == 5
	((void (*)(void))(uintptr_t)ret_in_data)();
#elif VIOLATION == 6
	((void (*)(void))(uintptr_t)uk_phys_to_virt(
		uk_virt_to_phys((const void *)(uintptr_t)ktest)))();
#endif
	poke(at);
}
