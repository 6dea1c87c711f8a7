/*
 * The power button: a fixed event behind the system control interrupt (ACPI specification 6.5,
 * section 4.8.3.1), or on machines without these registers QEMU's generic event device
 * (QEMU, docs/specs/acpi_hw_reduced_hotplug.rst). A machine with these registers is told at once to
 * remember a press, the device does so anyway; the interrupt that tells of it is sought when nobody
 * is in a hurry (uk_later). The registers are a chipset's, which has PCI's ports too: where there
 * are none, even the tables that tell of registers wait.
 */
#include "drivers.h"
#include "fadt.h"
#include <uk/io.h>
#include <uk/start.h>
#include <uk/xen.h>

#define BUTTON (1u << 8)  /* in PM1's status and enable */
#define GED_BUTTON 2	  /* in the event device's selector */
#define PCI_ADDRESS 0xcf8 /* all ones where nothing answers */

static void (*pressed)(void);
static struct uk_fadt fadt;
static bool remembered;
static struct uk_acpi_register selector;

/* The line may be shared: whose event it is stands in the status. */
static void fixed_event(void *arg)
{
	(void)arg;
	if ((uk_acpi_register_read(&fadt.pm1a_event, 2) & BUTTON) == 0)
		return;
	uk_acpi_register_write(&fadt.pm1a_event, 2, BUTTON);
	pressed();
}

static void device_event(void *arg)
{
	(void)arg;
	if ((uk_acpi_register_read(&selector, 4) & GED_BUTTON) != 0)
		pressed();
}

static bool route(void (*fn)(void *arg), unsigned gsi, bool level, bool active_low)
{
	int vector = uk_irq_alloc(fn, NULL);

	return vector >= 0 && uk_irq_route_gsi(gsi, vector, level, active_low) == 0;
}

/* False: this machine has no button. */
static bool remember(void)
{
	struct uk_acpi_register enable;

	if (!uk_fadt_read(&fadt))
		return false;
	remembered = true;
	if (fadt.hardware_reduced)
		return true;
	enable = fadt.pm1a_event;
	if (fadt.button_is_device || fadt.pm1a_event.address == 0 || fadt.pm1_event_size < 4)
		return false;
	enable.address += fadt.pm1_event_size / 2;
	uk_fadt_enable(&fadt);
	uk_acpi_register_write(&fadt.pm1a_event, 2, BUTTON);
	uk_acpi_register_write(&enable, 2, uk_acpi_register_read(&enable, 2) | BUTTON);
	return true;
}

static bool hear_fixed(void)
{
	return route(fixed_event, fadt.sci, true, true);
}

static bool hear_device(void)
{
	struct uk_aml_device ged;
	size_t size, at = 0;
	const uint8_t *aml = uk_acpi_aml(0, &size);

	if (aml == NULL || !uk_aml_device(aml, size, &at, "ACPI0013", &ged) ||
	    ged.interrupt == UINT32_MAX || ged.region == 0)
		return false;
	selector = (struct uk_acpi_register){ .memory = true, .address = ged.region };
	return route(device_event, ged.interrupt, ged.level, ged.active_low);
}

/* Of a press that came before the line was routed only the registers tell. */
static void hear(void)
{
	if (!remembered && !remember())
		return;
	if (fadt.hardware_reduced && hear_device())
		device_event(NULL);
	else if (!fadt.hardware_reduced && hear_fixed())
		fixed_event(NULL);
}

void uk_power_button_listen(void (*fn)(void))
{
	if (uk_xen_shutdown_listen(fn) == 0)
		return;
	pressed = fn;
	if (uk_in32(PCI_ADDRESS) == UINT32_MAX || remember())
		uk_later(hear);
}
