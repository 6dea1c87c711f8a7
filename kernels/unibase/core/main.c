/*
 * Start-up in order: on one stack, which is the first thread's, and in the end the program's.
 */
#include <uk/cpu.h>
#include <uk/log.h>
#include <uk/net.h>
#include <uk/paging.h>
#include <uk/sched.h>
#include <uk/start.h>

void uk_main(uk_paddr_t start_info)
{
	uk_cpu_start();
	uk_cpu_set_stack((uintptr_t)uk_boot_stack_top);
	uk_fpu_start();
	uk_boot_read(start_info);
	uk_paging_start();
	uk_memory_start();
	uk_sched_start();
	uk_process_begin();
	uk_irq_start();
	uk_config_start();
	/* From here on this is a thread like others. */
	uk_irq_on();
	uk_drivers_start();
	uk_config_runtime();
	uk_paging_seal();
	uk_vfs_start();
	uk_net_start();
	uk_process_start();
	uk_thread_exit();
}
