/*
 * The fixed ACPI description table: read where it lies, because it grew with each revision and its
 * length says what is there.
 */
#include "fadt.h"
#include "drivers.h"
#include <uk/mem.h>

#define FLAG_BUTTON_DEVICE (1u << 4)
#define FLAG_RESET (1u << 10)
#define FLAG_REDUCED (1u << 20)
#define SCI_ENABLED 1
#define ENABLE_TRIES 3000000

struct table {
	const uint8_t *p;
	size_t size;
};

/* Little-endian field; 0 where the table ends before it. */
static uint64_t field(const struct table *t, size_t at, size_t size)
{
	uint64_t v = 0;

	if (at + size <= t->size)
		memcpy(&v, t->p + at, size);
	return v;
}

/* A generic address structure (5.2.3.2). */
static struct uk_acpi_register generic(const struct table *t, size_t at)
{
	uint64_t space = field(t, at, 1);
	struct uk_acpi_register r = { .memory = space == 0, .address = field(t, at + 4, 8) };

	if (space > 1 || (space == 1 && r.address > 0xffff))
		r.address = 0;
	return r;
}

/* Fields and their places in `struct uk_fadt`, of the same size there. */
static const struct scalar {
	uint8_t at, size, to;
} scalars[] = {
	{ 46, 2, offsetof(struct uk_fadt, sci) },
	{ 48, 4, offsetof(struct uk_fadt, smi_command) },
	{ 52, 1, offsetof(struct uk_fadt, acpi_enable) },
	{ 88, 1, offsetof(struct uk_fadt, pm1_event_size) },
	{ 112, 4, offsetof(struct uk_fadt, flags) },
	{ 128, 1, offsetof(struct uk_fadt, reset_value) },
};

/* Registers: the extended field, and the older one, which holds a port; 0: there is none. */
static const struct place {
	uint8_t at, old, to;
} places[] = {
	{ 148, 56, offsetof(struct uk_fadt, pm1a_event) },
	{ 160, 60, offsetof(struct uk_fadt, pm1b_event) },
	{ 172, 64, offsetof(struct uk_fadt, pm1a_control) },
	{ 184, 68, offsetof(struct uk_fadt, pm1b_control) },
	{ 244, 0, offsetof(struct uk_fadt, sleep_control) },
	{ 116, 0, offsetof(struct uk_fadt, reset) },
};

bool uk_fadt_read(struct uk_fadt *out)
{
	struct table t;

	t.p = uk_acpi_table("FACP", &t.size);
	if (t.p == NULL)
		return false;
	for (size_t i = 0; i < UK_COUNT(scalars); i++) {
		uint64_t v = field(&t, scalars[i].at, scalars[i].size);

		memcpy((uint8_t *)out + scalars[i].to, &v, scalars[i].size);
	}
	for (size_t i = 0; i < UK_COUNT(places); i++) {
		struct uk_acpi_register r = generic(&t, places[i].at);

		if (r.address == 0 && places[i].old != 0)
			r = (struct uk_acpi_register){ .address = field(&t, places[i].old, 4) &
								  0xffff };
		memcpy((uint8_t *)out + places[i].to, &r, sizeof(r));
	}
	if ((out->flags & FLAG_RESET) == 0)
		out->reset.address = 0;
	out->hardware_reduced = (out->flags & FLAG_REDUCED) != 0;
	out->button_is_device = (out->flags & FLAG_BUTTON_DEVICE) != 0;
	return true;
}

void uk_fadt_enable(const struct uk_fadt *f)
{
	if (f->smi_command == 0 || f->smi_command > 0xffff || f->acpi_enable == 0 ||
	    (uk_acpi_register_read(&f->pm1a_control, 2) & SCI_ENABLED) != 0)
		return;
	uk_out8((uint16_t)f->smi_command, f->acpi_enable);
	for (unsigned i = 0; i < ENABLE_TRIES; i++)
		if ((uk_acpi_register_read(&f->pm1a_control, 2) & SCI_ENABLED) != 0)
			return;
}

uint32_t uk_acpi_register_read(const struct uk_acpi_register *r, unsigned size)
{
	volatile void *p;

	if (!r->memory)
		return size == 1   ? uk_in8((uint16_t)r->address)
		       : size == 2 ? uk_in16((uint16_t)r->address)
				   : uk_in32((uint16_t)r->address);
	p = uk_io_map(r->address, size);
	if (p == NULL)
		return 0;
	return size == 1   ? *(volatile uint8_t *)p
	       : size == 2 ? *(volatile uint16_t *)p
			   : *(volatile uint32_t *)p;
}

void uk_acpi_register_write(const struct uk_acpi_register *r, unsigned size, uint32_t v)
{
	volatile void *p;

	if (!r->memory) {
		if (size == 1)
			uk_out8((uint16_t)r->address, (uint8_t)v);
		else if (size == 2)
			uk_out16((uint16_t)r->address, (uint16_t)v);
		else
			uk_out32((uint16_t)r->address, v);
		return;
	}
	p = uk_io_map(r->address, size);
	if (p == NULL)
		return;
	if (size == 1)
		*(volatile uint8_t *)p = (uint8_t)v;
	else if (size == 2)
		*(volatile uint16_t *)p = (uint16_t)v;
	else
		*(volatile uint32_t *)p = v;
}
