/*
 * Slots of PCI Express into which devices are plugged while the machine runs (PCI Express Base
 * Specification 5.0, sections 6.7 and 7.5.3): root ports that say so. Nothing listens to them:
 * whoever plugs something in tells the machine by other means, which then looks. What is behind a
 * port gets its place in the memory that the firmware gave the port.
 */
#include "drivers.h"
#include <uk/block.h>
#include <uk/log.h>
#include <uk/mem.h>
#include <uk/thread.h>
#include <uk/xen.h>

#define CAPABILITY_EXPRESS 0x10
#define BAR0 0x10
#define BARS 6
#define WINDOW 0x20 /* base and limit of the bridge's memory, in MiB of 16 bits each */
#define HEADER_TYPE1_SECONDARY 0x19

/* In the capability. */
enum { EXPRESS_CAPS = 2, SLOT_CAPS = 0x14, SLOT_CONTROL = 0x18, SLOT_STATUS = 0x1a };
#define CAPS_SLOT 0x100
#define SLOT_CAN_PLUG 0x40
#define CONTROL_INDICATOR 0x300
#define CONTROL_INDICATOR_ON 0x100
#define CONTROL_OFF 0x400
#define STATUS_PRESENT 0x40

#define PATIENCE 1000000000ull /* ns for a device to come up */

struct uk_pci_slot {
	struct uk_pci_slot *next;
	struct uk_pci_dev port;
	unsigned express;
	bool taken; /* its device has a driver */
};

static struct uk_pci_slot *slots;

bool uk_pci_slot_add(const struct uk_pci_dev *port)
{
	unsigned express = uk_pci_capability(port, CAPABILITY_EXPRESS, 0);
	struct uk_pci_dev first = { .bus = uk_pci_read8(port, HEADER_TYPE1_SECONDARY) };
	struct uk_pci_slot *slot;

	if (express == 0 || (uk_pci_read16(port, express + EXPRESS_CAPS) & CAPS_SLOT) == 0 ||
	    (uk_pci_read32(port, express + SLOT_CAPS) & SLOT_CAN_PLUG) == 0)
		return false;
	slot = uk_alloc(sizeof(*slot));
	if (slot == NULL)
		return false;
	slot->port = *port;
	slot->express = express;
	slot->next = slots;
	slots = slot;
	/* What was there at start is walked as any device; not every port's status tells of it. */
	slot->taken = uk_pci_is_there(&first);
	return !slot->taken;
}

static void power(const struct uk_pci_slot *slot, bool on)
{
	uint16_t control = uk_pci_read16(&slot->port, slot->express + SLOT_CONTROL);

	control &= (uint16_t) ~(CONTROL_OFF | CONTROL_INDICATOR);
	control |= on ? CONTROL_INDICATOR_ON : CONTROL_OFF | CONTROL_INDICATOR;
	uk_pci_write16(&slot->port, slot->express + SLOT_CONTROL, control);
}

/* Places one memory BAR behind `*at`; the number of BARs that it takes. */
static unsigned place(const struct uk_pci_dev *d, unsigned index, uint64_t *at, uint64_t end)
{
	struct uk_pci_bar bar = uk_pci_bar(d, index);
	unsigned where = BAR0 + 4 * index;
	uint64_t size, base;

	if (bar.io)
		return 1;
	uk_pci_write32(d, where, UINT32_MAX);
	size = (uint32_t) ~(uk_pci_read32(d, where) & ~15u) + 1ull;
	uk_pci_write32(d, where, 0);
	if (size >> 32 != 0)
		return 1; /* there is none */
	base = UK_ALIGN_UP(*at, size);
	if (base + size <= end) {
		uk_pci_write32(d, where, (uint32_t)base);
		*at = base + size;
	}
	if (bar.wide)
		uk_pci_write32(d, where + 4, 0);
	return bar.wide ? 2 : 1;
}

static void place_all(const struct uk_pci_slot *slot, const struct uk_pci_dev *d)
{
	uint32_t window = uk_pci_read32(&slot->port, WINDOW);
	uint64_t at = (uint64_t)(window & 0xfff0) << 16;
	uint64_t end = ((uint64_t)(window >> 16 & 0xfff0) << 16) + (1u << 20);

	for (unsigned i = 0; i < BARS;)
		i += place(d, i, &at, end);
	uk_pci_enable(&slot->port, UK_PCI_MEMORY | UK_PCI_MASTER);
}

static void look(struct uk_pci_slot *slot)
{
	struct uk_pci_dev d = { .bus = uk_pci_read8(&slot->port, HEADER_TYPE1_SECONDARY),
				.slot_of = slot };
	uint64_t deadline = uk_time_mono() + PATIENCE;

	if (slot->taken ||
	    (uk_pci_read16(&slot->port, slot->express + SLOT_STATUS) & STATUS_PRESENT) == 0)
		return;
	power(slot, true);
	while (!uk_pci_is_there(&d)) {
		if (uk_time_mono() >= deadline)
			return;
		uk_yield();
	}
	place_all(slot, &d);
	slot->taken = uk_pci_offer(&d);
	if (!slot->taken)
		power(slot, false);
}

void uk_disks_look(void)
{
	for (struct uk_pci_slot *slot = slots; slot != NULL; slot = slot->next)
		look(slot);
	uk_xen_disks_look();
}

void uk_pci_give_back(struct uk_pci_dev *d)
{
	struct uk_pci_slot *slot = d->slot_of;

	uk_free(d);
	/* Without power it may be unplugged; the emulator does so at once. */
	power(slot, false);
	slot->taken = false;
}
