/*
 * Start-up in order. What must not sleep runs here, on the stack that then becomes the idle
 * thread's; the rest in the first kernel thread.
 */
#include <uk/cpu.h>
#include <uk/log.h>
#include <uk/net.h>
#include <uk/paging.h>
#include <uk/sched.h>
#include <uk/start.h>

static void init(void *arg)
{
	(void)arg;
	uk_drivers_start();
	uk_config_runtime();
	uk_paging_seal();
	uk_vfs_start();
	uk_net_start();
	uk_process_start();
}

void uk_main(uk_paddr_t start_info)
{
	uk_cpu_set_stack((uintptr_t)uk_boot_stack_top);
	uk_cpu_start();
	uk_boot_read(start_info);
	uk_paging_start();
	uk_memory_start();
	uk_fpu_start();
	uk_sched_start();
	uk_irq_start();
	uk_config_start();
	if (uk_thread_spawn("init", init, NULL) == NULL)
		uk_panic("no memory for the first thread");
	uk_sched_idle();
}
