/*
 * ACPI's tables (ACPI specification 6.5, section 5.2): found once, checked when asked for. There is
 * no interpreter; aml.c reads the few things that the tables hide in AML.
 */
#include "drivers.h"
#include <uk/mem.h>

#define TABLES_MAX 64
#define TABLE_SIZE_MAX (1u << 20)
#define FADT_DSDT 40
#define FADT_X_DSDT 140

struct header {
	char signature[4];
	uint32_t length;
	uint8_t revision;
	uint8_t checksum;
	char oem[26];
};
_Static_assert(sizeof(struct header) == 36, "ACPI 5.2.6");

struct rsdp {
	char signature[8];
	uint8_t checksum;
	char oem[6];
	uint8_t revision;
	uint32_t rsdt;
	uint32_t length; /* from here on revision 2 */
	uint64_t xsdt;
	uint8_t extended_checksum;
	uint8_t reserved[3];
} UK_PACKED;
_Static_assert(sizeof(struct rsdp) == 36, "ACPI 5.2.5.3");

#define RSDP_SIZE_1 20

static bool searched;
static unsigned table_count;
static uk_paddr_t tables[TABLES_MAX];

static uint64_t get(const void *from, size_t size)
{
	uint64_t v = 0;

	memcpy(&v, from, size);
	return v;
}

static bool sums_to_zero(const uint8_t *p, size_t size)
{
	uint8_t sum = 0;

	while (size-- != 0)
		sum = (uint8_t)(sum + *p++);
	return sum == 0;
}

static const void *map(uk_paddr_t paddr, size_t size)
{
	return paddr == 0 || paddr + size < paddr ? NULL : uk_phys_map(paddr, size);
}

static const struct header *map_header(uk_paddr_t paddr)
{
	const struct header *h = map(paddr, sizeof(*h));

	return h != NULL && h->length >= sizeof(*h) && h->length <= TABLE_SIZE_MAX ? h : NULL;
}

static const void *map_table(uk_paddr_t paddr, const char signature[4], size_t *size)
{
	const struct header *h = map_header(paddr);

	if (h == NULL || memcmp(h->signature, signature, sizeof(h->signature)) != 0)
		return NULL;
	*size = h->length;
	h = map(paddr, *size);
	return h != NULL && sums_to_zero((const uint8_t *)h, *size) ? h : NULL;
}

static void read_root(uk_paddr_t paddr, const char signature[4], size_t width)
{
	size_t size;
	const uint8_t *root = map_table(paddr, signature, &size);

	if (root == NULL)
		return;
	for (size_t at = sizeof(struct header); at + width <= size && table_count < TABLES_MAX;
	     at += width)
		tables[table_count++] = get(root + at, width);
}

static void search(void)
{
	const struct rsdp *r;

	searched = true;
	r = map(uk_acpi_rsdp(), sizeof(*r));
	if (r == NULL || memcmp(r->signature, "RSD PTR ", sizeof(r->signature)) != 0 ||
	    !sums_to_zero((const uint8_t *)r, RSDP_SIZE_1))
		return;
	if (r->revision >= 2 && r->length == sizeof(*r) &&
	    sums_to_zero((const uint8_t *)r, sizeof(*r)))
		read_root(r->xsdt, "XSDT", sizeof(uint64_t));
	if (table_count == 0)
		read_root(r->rsdt, "RSDT", sizeof(uint32_t));
}

const void *uk_acpi_table_nth(const char signature[4], unsigned nth, size_t *size)
{
	if (!searched)
		search();
	for (unsigned i = 0; i < table_count; i++) {
		const void *table = map_table(tables[i], signature, size);

		if (table != NULL && nth-- == 0)
			return table;
	}
	return NULL;
}

const void *uk_acpi_table(const char signature[4], size_t *size)
{
	return uk_acpi_table_nth(signature, 0, size);
}

/* The AML of the table that the fixed description names; looked for once. */
static const uint8_t *differentiated(size_t *size)
{
	static const uint8_t *dsdt;
	static size_t dsdt_size;
	static bool looked;
	const uint8_t *fadt;
	size_t fadt_size;
	uk_paddr_t at = 0;

	if (!looked) {
		looked = true;
		fadt = uk_acpi_table("FACP", &fadt_size);
		if (fadt != NULL && fadt_size >= FADT_X_DSDT + 8)
			at = get(fadt + FADT_X_DSDT, 8);
		if (fadt != NULL && at == 0 && fadt_size >= FADT_DSDT + 4)
			at = get(fadt + FADT_DSDT, 4);
		dsdt = map_table(at, "DSDT", &dsdt_size);
	}
	*size = dsdt_size;
	return dsdt;
}

const uint8_t *uk_acpi_aml(unsigned nth, size_t *size)
{
	const uint8_t *table =
		nth == 0 ? differentiated(size) : uk_acpi_table_nth("SSDT", nth - 1, size);

	if (table == NULL)
		return NULL;
	*size -= sizeof(struct header);
	return table + sizeof(struct header);
}
