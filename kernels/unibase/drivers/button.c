/*
 * The power button: a fixed event behind the system control interrupt (ACPI specification 6.5,
 * section 4.8.3.1), or on machines without these registers QEMU's generic event device
 * (QEMU, docs/specs/acpi_hw_reduced_hotplug.rst). Set up only when somebody wants to know.
 */
#include "drivers.h"
#include "fadt.h"
#include <uk/xen.h>

#define BUTTON (1u << 8) /* in PM1's status and enable */
#define GED_BUTTON 2	 /* in the event device's selector */

static void (*pressed)(void);
static struct uk_acpi_register status;
static struct uk_acpi_register selector;

/* The line may be shared: whose event it is stands in the status. */
static void fixed_event(void *arg)
{
	(void)arg;
	if ((uk_acpi_register_read(&status, 2) & BUTTON) == 0)
		return;
	uk_acpi_register_write(&status, 2, BUTTON);
	pressed();
}

static void device_event(void *arg)
{
	(void)arg;
	if ((uk_acpi_register_read(&selector, 4) & GED_BUTTON) != 0)
		pressed();
}

static int route(void (*fn)(void *arg), unsigned gsi, bool level, bool active_low)
{
	int vector = uk_irq_alloc(fn, NULL);

	if (vector < 0)
		return vector;
	return uk_irq_route_gsi(gsi, vector, level, active_low);
}

static int listen_fixed(const struct uk_fadt *f)
{
	struct uk_acpi_register enable = f->pm1a_event;
	int result;

	if (f->button_is_device || f->pm1a_event.address == 0 || f->pm1_event_size < 4)
		return -UK_ENODEV;
	status = f->pm1a_event;
	enable.address += f->pm1_event_size / 2;
	uk_fadt_enable(f);
	uk_acpi_register_write(&status, 2, BUTTON);
	result = route(fixed_event, f->sci, true, true);
	if (result == 0)
		uk_acpi_register_write(&enable, 2, uk_acpi_register_read(&enable, 2) | BUTTON);
	return result;
}

static int listen_device(void)
{
	struct uk_aml_device ged;
	size_t size, at = 0;
	const uint8_t *aml = uk_acpi_aml(0, &size);

	if (aml == NULL || !uk_aml_device(aml, size, &at, "ACPI0013", &ged) ||
	    ged.interrupt == UINT32_MAX || ged.region == 0)
		return -UK_ENODEV;
	selector = (struct uk_acpi_register){ .memory = true, .address = ged.region };
	return route(device_event, ged.interrupt, ged.level, ged.active_low);
}

int uk_power_button_listen(void (*fn)(void))
{
	struct uk_fadt f;

	if (uk_xen_shutdown_listen(fn) == 0)
		return 0;
	if (!uk_fadt_read(&f))
		return -UK_ENODEV;
	pressed = fn;
	return f.hardware_reduced ? listen_device() : listen_fixed(&f);
}
