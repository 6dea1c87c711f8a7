/*
 * The PCI bus (PCI Local Bus 3.0, PCI Express 5.0): walked once at start, through the configuration
 * ports where they answer, else through the memory window that ACPI's MCFG names. What the firmware
 * has placed stays where it is.
 */
#include "drivers.h"
#include <uk/lock.h>
#include <uk/log.h>
#include <uk/mem.h>

#define CONFIG_ADDRESS 0xcf8
#define CONFIG_DATA 0xcfc
#define ADDRESS_ENABLE 0x80000000u
#define MCFG_ENTRIES 44
#define MCFG_ENTRY_SIZE 16
#define SLOTS 32
#define FUNCTIONS 8
#define DEPTH_MAX 16	    /* of bridges behind bridges */
#define CAPABILITIES_MAX 48 /* as many as fit behind the header */

enum pci_register {
	ID = 0x00,
	COMMAND = 0x04,
	STATUS = 0x06,
	CLASS = 0x08,
	HEADER = 0x0e,
	BAR0 = 0x10,
	SECONDARY_BUS = 0x19,
	SUBSYSTEM = 0x2e,
	CAPABILITIES = 0x34,
	LINE = 0x3c,
};
#define HEADER_BRIDGE 1
#define HEADER_MANY 0x80
#define STATUS_CAPABILITIES 0x10
#define CAPABILITY_MSIX 0x11

struct pin {
	struct pin *next;
	uint8_t line;
	void (*fn)(void *arg);
	void *arg;
};
static struct pin *pins; /* grows only */

static struct uk_spinlock lock = UK_SPINLOCK_INIT;
static uk_paddr_t window; /* of bus 0; 0: ports */
static uint8_t window_last;
static uint64_t seen[4]; /* buses, a bit each */

static uint32_t *window_at(const struct uk_pci_dev *d, unsigned offset)
{
	uk_paddr_t at = window + ((uk_paddr_t)d->bus << 20 | (uk_paddr_t)d->slot << 15 |
				  (uk_paddr_t)d->function << 12);

	if (d->bus > window_last)
		return NULL;
	at = (uintptr_t)uk_io_map(at, UK_PAGE_SIZE);
	return at == 0 ? NULL : (uint32_t *)(at + offset);
}

static uint32_t address(const struct uk_pci_dev *d, unsigned offset)
{
	return ADDRESS_ENABLE | (uint32_t)d->bus << 16 | (uint32_t)d->slot << 11 |
	       (uint32_t)d->function << 8 | offset;
}

uint32_t uk_pci_read32(const struct uk_pci_dev *d, unsigned offset)
{
	uint64_t state;
	uint32_t v;

	if (window != 0) {
		volatile uint32_t *p = window_at(d, offset & 0xfcu);

		return p == NULL ? UINT32_MAX : *p;
	}
	state = uk_spin_lock(&lock);
	uk_out32(CONFIG_ADDRESS, address(d, offset & 0xfcu));
	v = uk_in32(CONFIG_DATA);
	uk_spin_unlock(&lock, state);
	return v;
}

void uk_pci_write32(const struct uk_pci_dev *d, unsigned offset, uint32_t v)
{
	uint64_t state;

	if (window != 0) {
		volatile uint32_t *p = window_at(d, offset & 0xfcu);

		if (p != NULL)
			*p = v;
		return;
	}
	state = uk_spin_lock(&lock);
	uk_out32(CONFIG_ADDRESS, address(d, offset & 0xfcu));
	uk_out32(CONFIG_DATA, v);
	uk_spin_unlock(&lock, state);
}

uint16_t uk_pci_read16(const struct uk_pci_dev *d, unsigned offset)
{
	return (uint16_t)(uk_pci_read32(d, offset) >> (offset & 2) * 8);
}

uint8_t uk_pci_read8(const struct uk_pci_dev *d, unsigned offset)
{
	return (uint8_t)(uk_pci_read32(d, offset) >> (offset & 3) * 8);
}

/* A true 16-bit write: the other half may hold bits that a write clears. */
void uk_pci_write16(const struct uk_pci_dev *d, unsigned offset, uint16_t v)
{
	uint64_t state;

	if (window != 0) {
		volatile uint32_t *p = window_at(d, 0);

		if (p != NULL)
			((volatile uint16_t *)p)[(offset & 0xfeu) / 2] = v;
		return;
	}
	state = uk_spin_lock(&lock);
	uk_out32(CONFIG_ADDRESS, address(d, offset & 0xfcu));
	uk_out16((uint16_t)(CONFIG_DATA + (offset & 2)), v);
	uk_spin_unlock(&lock, state);
}

void uk_pci_enable(const struct uk_pci_dev *d, unsigned bits)
{
	uint16_t old = uk_pci_read16(d, COMMAND);

	if ((old & bits) != bits)
		uk_pci_write16(d, COMMAND, (uint16_t)(old | bits));
}

void uk_pci_disable(const struct uk_pci_dev *d, unsigned bits)
{
	uk_pci_write16(d, COMMAND, (uint16_t)(uk_pci_read16(d, COMMAND) & ~bits));
}

unsigned uk_pci_capability(const struct uk_pci_dev *d, uint8_t id, unsigned after)
{
	unsigned at;

	if (after == 0) {
		if ((uk_pci_read16(d, STATUS) & STATUS_CAPABILITIES) == 0)
			return 0;
		at = uk_pci_read8(d, CAPABILITIES);
	} else {
		at = uk_pci_read8(d, after + 1);
	}
	for (unsigned i = 0; i < CAPABILITIES_MAX && (at & 0xfcu) >= 0x40; i++) {
		uint16_t v = uk_pci_read16(d, at & 0xfcu);

		if ((v & 0xff) == id)
			return at & 0xfcu;
		at = v >> 8;
	}
	return 0;
}

struct uk_pci_bar uk_pci_bar(const struct uk_pci_dev *d, unsigned index)
{
	struct uk_pci_bar bar = { 0 };
	uint32_t low;

	if (index > 5)
		return bar;
	low = uk_pci_read32(d, BAR0 + 4 * index);
	bar.io = (low & 1) != 0;
	bar.wide = !bar.io && (low & 6) == 4 && index < 5;
	bar.base = bar.io ? low & 0xfffcu : low & ~15u;
	if (bar.wide)
		bar.base |= (uint64_t)uk_pci_read32(d, BAR0 + 4 * (index + 1)) << 32;
	return bar;
}

/* The host bridge's memory below 4 GiB, of which nothing was given out by a firmware. */
static uint64_t find_room(uint64_t size)
{
	static uint64_t next, end;
	struct uk_aml_device bridge;
	const uint8_t *aml;
	size_t aml_size, at = 0;

	if (end == 0) {
		aml = uk_acpi_aml(0, &aml_size);
		if (aml == NULL || !uk_aml_device(aml, aml_size, &at, "PNP0A08", &bridge))
			return 0;
		next = bridge.base;
		end = bridge.base + bridge.length;
	}
	next = UK_ALIGN_UP(next, size);
	if (next + size > end)
		return 0;
	next += size;
	return next - size;
}

/* Places a memory BAR; its base, or 0. */
static uint64_t place(const struct uk_pci_dev *d, unsigned index, bool wide)
{
	unsigned at = BAR0 + 4 * index;
	uint64_t mask, base;

	if (d->bus != 0)
		return 0;
	uk_pci_write32(d, at, UINT32_MAX);
	mask = uk_pci_read32(d, at) & ~15u;
	if (mask == 0)
		return 0;
	base = find_room((uint32_t)(~mask + 1));
	uk_pci_write32(d, at, (uint32_t)base);
	if (wide)
		uk_pci_write32(d, at + 4, 0);
	return base;
}

volatile void *uk_pci_map(const struct uk_pci_dev *d, unsigned index, uint64_t offset,
			  uint64_t size)
{
	struct uk_pci_bar bar = uk_pci_bar(d, index);

	if (!bar.io && bar.base == 0)
		bar.base = place(d, index, bar.wide);
	if (bar.io || bar.base == 0 || size == 0 || offset + size < offset ||
	    bar.base + offset + size < bar.base)
		return NULL;
	return uk_io_map(bar.base + offset, size);
}

int uk_pci_msix_start(struct uk_pci_dev *d)
{
	uint16_t control;
	uint32_t where;

	if (d->msix == 0)
		return -UK_ENODEV;
	control = uk_pci_read16(d, d->msix + 2u);
	where = uk_pci_read32(d, d->msix + 4u);
	d->msix_count = (uint16_t)((control & 0x7ff) + 1);
	d->msix_table = uk_pci_map(d, where & 7, where & ~7u, d->msix_count * 16u);
	if (d->msix_table == NULL)
		return -UK_ENODEV;
	uk_pci_write16(d, d->msix + 2u, (uint16_t)((control | 0x8000) & ~0x4000));
	return 0;
}

int uk_pci_msix_set(struct uk_pci_dev *d, unsigned index, void (*fn)(void *arg), void *arg)
{
	volatile uint32_t *entry = d->msix_table + 4 * index;
	uint64_t to;
	uint32_t data;
	int vector;

	if (d->msix_table == NULL || index >= d->msix_count)
		return -UK_ENODEV;
	vector = uk_irq_alloc(fn, arg);
	if (vector < 0)
		return vector;
	uk_irq_msi(vector, &to, &data);
	entry[0] = (uint32_t)to;
	entry[1] = (uint32_t)(to >> 32);
	entry[2] = data;
	entry[3] = 0; /* not masked */
	return 0;
}

void uk_pci_msix_clear(struct uk_pci_dev *d, unsigned index)
{
	volatile uint32_t *entry = d->msix_table + 4 * index;

	if (d->msix_table == NULL || index >= d->msix_count || (entry[3] & 1) != 0)
		return;
	entry[3] = 1;
	uk_irq_free((int)(entry[2] & 0xff));
}

/* Of every device on the line: which of them it was, each knows by its own cause register. */
static void line_interrupt(void *arg)
{
	uintptr_t line = (uintptr_t)arg;

	for (const struct pin *p = pins; p != NULL; p = p->next)
		if (p->line == line)
			p->fn(p->arg);
}

int uk_pci_intx_set(struct uk_pci_dev *d, void (*fn)(void *arg), void *arg)
{
	bool routed = false;
	struct pin *pin;
	int vector;

	if (d->line == 0 || d->line == 255)
		return -UK_ENODEV;
	for (const struct pin *p = pins; p != NULL; p = p->next)
		routed |= p->line == d->line;
	pin = uk_alloc(sizeof(*pin));
	if (pin == NULL)
		return -UK_ENOMEM;
	*pin = (struct pin){ .next = pins, .line = d->line, .fn = fn, .arg = arg };
	__atomic_store_n(&pins, pin, __ATOMIC_RELEASE);
	if (routed)
		return 0;
	vector = uk_irq_alloc(line_interrupt, (void *)(uintptr_t)d->line);
	return vector < 0 ? vector : uk_irq_route_gsi(d->line, vector, true, true);
}

bool uk_pci_offer(const struct uk_pci_dev *found)
{
	for (const struct uk_pci_driver *const *at = uk_pci_drivers_start; at != uk_pci_drivers_end;
	     at++) {
		const struct uk_pci_driver *driver = *at;
		struct uk_pci_dev *d;
		int result;

		if (!driver->match(found))
			continue;
		d = uk_alloc(sizeof(*d));
		if (d == NULL)
			return false;
		*d = *found;
		d->subsystem = uk_pci_read16(d, SUBSYSTEM);
		d->line = uk_pci_read8(d, LINE);
		d->msix = (uint16_t)uk_pci_capability(d, CAPABILITY_MSIX, 0);
		result = driver->start(d);
		if (result == 0)
			return true;
		/* -UK_ENODEV: it is of a kind that nobody drives. */
		if (result != -UK_ENODEV)
			uk_log(UK_LOG_WARN, "pci %02x:%02x.%x: %s: error %d", d->bus, d->slot,
			       d->function, driver->name, -result);
	}
	return false;
}

bool uk_pci_is_there(struct uk_pci_dev *d)
{
	uint32_t id = uk_pci_read32(d, ID);

	if (id == UINT32_MAX || (uint16_t)id == 0)
		return false;
	d->vendor = (uint16_t)id;
	d->device = (uint16_t)(id >> 16);
	d->class = uk_pci_read32(d, CLASS) >> 8;
	return true;
}

static void walk_bus(uint8_t bus, unsigned depth);

static bool walk_function(struct uk_pci_dev *d, unsigned depth, bool *many)
{
	uint8_t header;

	if (!uk_pci_is_there(d))
		return false;
	header = uk_pci_read8(d, HEADER);
	*many = (header & HEADER_MANY) != 0;
	if ((header & ~HEADER_MANY) != HEADER_BRIDGE)
		(void)uk_pci_offer(d);
	else if (!uk_pci_slot_add(d))
		walk_bus(uk_pci_read8(d, SECONDARY_BUS), depth + 1);
	return true;
}

static void walk_bus(uint8_t bus, unsigned depth)
{
	/* A bus that was seen, or that the firmware did not number, leads nowhere. */
	if ((seen[bus / 64] >> bus % 64 & 1) != 0 || depth > DEPTH_MAX)
		return;
	seen[bus / 64] |= 1ull << bus % 64;
	for (uint8_t slot = 0; slot < SLOTS; slot++) {
		bool many = false;

		for (uint8_t function = 0; function < FUNCTIONS; function++) {
			struct uk_pci_dev d = { .bus = bus, .slot = slot, .function = function };
			bool ignored;

			if (!walk_function(&d, depth, function == 0 ? &many : &ignored) &&
			    function == 0)
				break;
			if (!many)
				break;
		}
	}
}

static bool find_ports(void)
{
	uint32_t old = uk_in32(CONFIG_ADDRESS);
	bool answers;

	uk_out32(CONFIG_ADDRESS, ADDRESS_ENABLE);
	answers = uk_in32(CONFIG_ADDRESS) == ADDRESS_ENABLE;
	uk_out32(CONFIG_ADDRESS, old);
	return answers;
}

/* Where there is no MCFG the host bridge may tell the address itself. */
static bool find_bridge_window(void)
{
	size_t size;
	const uint8_t *aml = uk_acpi_aml(0, &size);

	if (aml == NULL || !uk_aml_method(aml, size, "_CBA", &window))
		return false;
	window_last = 255;
	return window != 0;
}

/* Segment 0 from bus 0 on; others need more than one host bridge. */
static bool find_window(void)
{
	size_t size;
	const uint8_t *mcfg = uk_acpi_table("MCFG", &size);

	if (mcfg == NULL)
		return find_bridge_window();
	for (size_t at = MCFG_ENTRIES; at + MCFG_ENTRY_SIZE <= size; at += MCFG_ENTRY_SIZE) {
		uint16_t segment;

		memcpy(&segment, mcfg + at + 8, sizeof(segment));
		if (segment != 0 || mcfg[at + 10] != 0)
			continue;
		memcpy(&window, mcfg + at, sizeof(window));
		window_last = mcfg[at + 11];
		return window != 0;
	}
	return false;
}

bool uk_pci_start(void)
{
	bool ports = find_ports();

	if (ports || find_window())
		walk_bus(0, 0);
	return ports;
}
