/*
 * A kernel that is told nothing by SMBIOS.
 */
#include <uk/errno.h>
#include <uk/io.h>

int64_t uk_smbios_read(const char *name, void *data, size_t room)
{
	(void)name;
	(void)data;
	(void)room;
	return -UK_ENOENT;
}
