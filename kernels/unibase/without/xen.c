/*
 * A kernel without Xen: it is never there.
 */
#include <uk/errno.h>
#include <uk/xen.h>

bool uk_xen_start(void)
{
	return false;
}

void uk_xen_devices_start(void)
{
}

const void *uk_xen_clock(void)
{
	return NULL;
}

const void *uk_xen_wall(void)
{
	return NULL;
}

bool uk_xen_alarm_start(void (*fn)(void *arg))
{
	(void)fn;
	return false;
}

void uk_xen_alarm_set(uint64_t deadline)
{
	(void)deadline;
}

bool uk_xen_console_write(const char *data, size_t size)
{
	(void)data;
	(void)size;
	return false;
}

bool uk_xen_console_listen(void (*fn)(void *arg))
{
	(void)fn;
	return false;
}

size_t uk_xen_console_read(uint8_t *to, size_t room)
{
	(void)to;
	(void)room;
	return 0;
}

int64_t uk_xen_config_read(const char *name, void *data, size_t room)
{
	(void)name;
	(void)data;
	(void)room;
	return -UK_ENOENT;
}

int uk_xen_shutdown_listen(void (*fn)(void))
{
	(void)fn;
	return -UK_ENODEV;
}

void uk_xen_disks_look(void)
{
}

int uk_xen_bell_listen(void (*fn)(void))
{
	(void)fn;
	return -UK_ENODEV;
}

bool uk_xen_bell_order(void *order, size_t size)
{
	(void)order;
	(void)size;
	return false;
}

void uk_xen_bell_reply(uint64_t number, uint32_t error, const char *text)
{
	(void)number;
	(void)error;
	(void)text;
}

void uk_xen_bell_answer(unsigned index, uint64_t generation, uint64_t pinned, uint64_t refused,
			uint32_t reason)
{
	(void)index;
	(void)generation;
	(void)pinned;
	(void)refused;
	(void)reason;
}
