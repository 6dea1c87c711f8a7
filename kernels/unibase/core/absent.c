/*
 * What other folders bring once they are here.
 */
#include <uk/io.h>
#include <uk/log.h>
#include <uk/start.h>
#include <uk/trap.h>
#include <uni/abi/exit.h>

#define ABSENT __attribute__((weak))

ABSENT void uk_drivers_start(void)
{
}

ABSENT void uk_vfs_start(void)
{
}

ABSENT void uk_process_start(void)
{
	uk_log(UK_LOG_ERROR, "unibase is up");
	uk_machine_end(UNI_EXIT_STATUS, 0, 0, 0, "");
}

ABSENT bool uk_user_fault(struct uk_frame *frame, uint64_t address)
{
	(void)frame;
	(void)address;
	return false;
}

ABSENT void uk_user_return(struct uk_frame *frame)
{
	(void)frame;
}

ABSENT void uk_syscall_entry(struct uk_frame *frame)
{
	(void)frame;
}

ABSENT const void *uk_acpi_table(const char signature[4], size_t *size)
{
	(void)signature;
	(void)size;
	return NULL;
}

ABSENT int64_t uk_fwcfg_read(const char *name, void *data, size_t room)
{
	(void)name;
	(void)data;
	(void)room;
	return -UK_ENOENT;
}

ABSENT int64_t uk_rtc_read(void)
{
	return 0;
}
