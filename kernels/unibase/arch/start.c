/*
 * The first C function, and what the start info says.
 */
#include <uk/cpu.h>
#include <uk/start.h>

extern uint64_t uk_boot_tsc;
void uk_start(uk_paddr_t start_info, int64_t moved) UK_NORETURN;

struct uk_boot uk_boot;

void uk_start(uk_paddr_t start_info, int64_t moved)
{
	uk_boot.moved = moved;
	uk_boot.tsc = uk_boot_tsc;
	uk_main(start_info);
}
