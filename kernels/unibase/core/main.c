/*
 * Start-up in order.
 */
#include <uk/cpu.h>
#include <uk/log.h>
#include <uk/start.h>
#include <uni/abi/exit.h>

struct uk_cpu uk_cpu_boot;

void uk_main(uk_paddr_t start_info)
{
	(void)start_info;
	uk_log(UK_LOG_ERROR, "unibase is up");
	uk_machine_end(UNI_EXIT_STATUS, 0, 0, 0, "");
}
