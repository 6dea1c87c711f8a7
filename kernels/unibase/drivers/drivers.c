/*
 * The order in which machines are searched for devices.
 */
#include "drivers.h"
#include <uk/start.h>
#include <uk/xen.h>

void uk_drivers_start(void)
{
	uk_xen_devices_start();
	/* A PC has no such windows, and is spared the way through its tables. */
	if (!uk_pci_start())
		uk_virtio_mmio_start();
}
