/*
 * Calls that this kernel refuses on purpose: sys/table.def says what to do instead.
 */
#include "calls.h"

int64_t uk_sys_mount(const struct uk_sysargs *s)
{
	(void)s;
	return -UK_EPERM;
}

int64_t uk_sys_umount2(const struct uk_sysargs *s)
{
	(void)s;
	return -UK_EPERM;
}

int64_t uk_sys_pivot_root(const struct uk_sysargs *s)
{
	(void)s;
	return -UK_EPERM;
}

int64_t uk_sys_chroot(const struct uk_sysargs *s)
{
	(void)s;
	return -UK_EPERM;
}

int64_t uk_sys_io_uring_setup(const struct uk_sysargs *s)
{
	(void)s;
	return -UK_ENOSYS;
}

int64_t uk_sys_pkey_alloc(const struct uk_sysargs *s)
{
	(void)s;
	return -UK_ENOSYS;
}
