/* A system call in which the kernel fails: sysinfo(), linked in place of the real one. */
#include <uk/log.h>
#include <uk/syscall.h>

int64_t __wrap_uk_sys_sysinfo(const struct uk_sysargs *s);

int64_t go_wrong(const volatile uint64_t *nowhere);

__attribute__((noipa)) int64_t go_wrong(const volatile uint64_t *nowhere)
{
	return (int64_t)*nowhere;
}

int64_t __wrap_uk_sys_sysinfo(const struct uk_sysargs *s)
{
	if (s->a[0] == 0)
		uk_panic("a panic on purpose");
	return go_wrong((const volatile uint64_t *)0xffff9fff00000000);
}
