/*
 * Puts the payload in the place of what would follow the drivers.
 */
#include "ktest.h"
#include <uni/abi/exit.h>

void __wrap_uk_vfs_start(void);
void __wrap_uk_process_start(void);

void ktest_fail(const char *file, int line, const char *what)
{
	uk_log(UK_LOG_ERROR, "%s:%d: %s does not hold", file, line, what);
	uk_machine_end(UNI_EXIT_STATUS, 1, 0, 0, what);
}

void __wrap_uk_vfs_start(void)
{
}

void __wrap_uk_process_start(void)
{
	uk_later_start();
	ktest();
	uk_machine_end(UNI_EXIT_STATUS, 0, 0, 0, "");
}
