/*
 * Every driver, a line each, and the order in which machines are searched.
 */
#include "drivers.h"
#include "virtio.h"
#include <uk/start.h>
#include <uk/xen.h>

extern const struct uk_pci_driver uk_ahci, uk_ena, uk_nvme, uk_virtio_pci;
extern const struct uk_virtio_driver uk_virtio_blk, uk_virtio_net, uk_virtio_random, uk_virtio_scsi;

const struct uk_pci_driver *const uk_pci_drivers[] = {
	&uk_virtio_pci, &uk_nvme, &uk_ahci, &uk_ena, NULL,
};

const struct uk_virtio_driver *const uk_virtio_drivers[] = {
	&uk_virtio_blk, &uk_virtio_net, &uk_virtio_random, &uk_virtio_scsi, NULL,
};

void uk_drivers_start(void)
{
	uk_power_start();
	uk_xen_devices_start();
	/* A PC has no such windows, and is spared the way through its tables. */
	if (!uk_pci_start())
		uk_virtio_mmio_start();
}
