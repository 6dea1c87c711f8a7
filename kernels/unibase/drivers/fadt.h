/*
 * The fixed ACPI description table (ACPI specification 6.5, section 5.2.9), as far as power.c and
 * button.c want it.
 */
#ifndef UK_FADT_H
#define UK_FADT_H

#include <uk/types.h>

struct uk_acpi_register {
	bool memory;	  /* else I/O ports */
	uint64_t address; /* 0: there is none */
};

struct uk_fadt {
	struct uk_acpi_register pm1a_event, pm1b_event, pm1a_control, pm1b_control;
	struct uk_acpi_register reset, sleep_control;
	uint8_t reset_value;
	uint8_t pm1_event_size; /* status and enable together */
	uint16_t sci;		/* its interrupt line */
	uint32_t smi_command;
	uint32_t flags;
	uint8_t acpi_enable;
	bool hardware_reduced;
	bool button_is_device; /* the power button is not a fixed event */
};

bool uk_fadt_read(struct uk_fadt *out);
/* Leaves legacy mode, in which the registers may be the firmware's. */
void uk_fadt_enable(const struct uk_fadt *f);
/* `size` is 1, 2 or 4 bytes. */
uint32_t uk_acpi_register_read(const struct uk_acpi_register *r, unsigned size);
void uk_acpi_register_write(const struct uk_acpi_register *r, unsigned size, uint32_t v);

#endif
