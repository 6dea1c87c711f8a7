/*
 * A kernel without splice: -EINVAL is what Linux says of descriptors that cannot be spliced, and
 * programs fall back.
 */
#include <uk/errno.h>
#include <uk/syscall.h>

int64_t uk_sys_splice(const struct uk_sysargs *s)
{
	(void)s;
	return -UK_EINVAL;
}

int64_t uk_sys_tee(const struct uk_sysargs *s)
{
	(void)s;
	return -UK_EINVAL;
}

int64_t uk_sys_vmsplice(const struct uk_sysargs *s)
{
	(void)s;
	return -UK_EINVAL;
}
