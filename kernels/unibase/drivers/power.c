/*
 * Switching the machine off and restarting it. Nothing is looked up before the end has come: most
 * machines are ended by their host, and start-up must not pay for it.
 */
#include "drivers.h"
#include "fadt.h"
#include <uk/log.h>

#define PM1_SLEEP_TYPE 10
#define PM1_SLEEP_ENABLE (1u << 13)
#define PM1_SLEEP_MASK (PM1_SLEEP_ENABLE | 7u << PM1_SLEEP_TYPE)
#define CONTROL_SLEEP_TYPE 2
#define CONTROL_SLEEP_ENABLE 0x20
#define RESET_CONTROL 0xcf9
#define KEYBOARD 0x64

/* Some microseconds; reads of an unused port take about one each. */
static void settle(void)
{
	for (unsigned i = 0; i < 1000; i++)
		(void)uk_in8(0x80);
}

static bool find_s5(uint8_t *type_a, uint8_t *type_b)
{
	const uint8_t *aml;
	size_t size;

	for (unsigned i = 0; (aml = uk_acpi_aml(i, &size)) != NULL; i++)
		if (uk_aml_s5(aml, size, type_a, type_b))
			return true;
	return false;
}

static void pm1_sleep(const struct uk_acpi_register *r, uint8_t type)
{
	uint32_t v;

	if (r->address == 0)
		return;
	v = uk_acpi_register_read(r, 2) & ~PM1_SLEEP_MASK;
	uk_acpi_register_write(r, 2, v | (uint32_t)type << PM1_SLEEP_TYPE | PM1_SLEEP_ENABLE);
}

void uk_power_off(void)
{
	struct uk_fadt f;
	uint8_t a, b;

	if (!uk_fadt_read(&f) || !find_s5(&a, &b))
		return;
	if (f.hardware_reduced) {
		if (f.sleep_control.address != 0)
			uk_acpi_register_write(&f.sleep_control, 1,
					       (uint32_t)a << CONTROL_SLEEP_TYPE |
						       CONTROL_SLEEP_ENABLE);
	} else {
		uk_fadt_enable(&f);
		pm1_sleep(&f.pm1a_control, a);
		pm1_sleep(&f.pm1b_control, b);
	}
	settle();
}

static void reset_by_acpi(void)
{
	struct uk_fadt f;

	if (!uk_fadt_read(&f) || f.reset.address == 0)
		return;
	uk_acpi_register_write(&f.reset, 1, f.reset_value);
	settle();
}

static void reset_by_chipset(void)
{
	uk_out8(RESET_CONTROL, 2); /* a hard reset, with the next write */
	uk_out8(RESET_CONTROL, 6);
	settle();
	for (unsigned i = 0; i < 1000 && (uk_in8(KEYBOARD) & 2) != 0; i++)
		;
	uk_out8(KEYBOARD, 0xfe);
	settle();
}

/* Without an interrupt table the first exception is a third, which resets every processor. */
static void reset_by_fault(void)
{
	static const struct {
		uint16_t limit;
		uint64_t base;
	} UK_PACKED nothing = { 0, 0 };

	__asm__ volatile("lidt %0; int3" : : "m"(nothing));
}

void uk_power_reset(void)
{
	reset_by_acpi();
	reset_by_chipset();
	reset_by_fault();
}
