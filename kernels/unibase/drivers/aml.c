/*
 * What can be told from AML without an interpreter (ACPI specification 6.5, chapters 19.6 and 20):
 * names that are followed by constants, as every firmware writes them. Who needs more gets nothing,
 * and goes on without. Works on bytes alone, so that it can be tested and fuzzed anywhere.
 */
#include "drivers.h"

enum {
	AML_ZERO = 0x00,
	AML_ONE = 0x01,
	AML_NAME = 0x08,
	AML_BYTE = 0x0a,
	AML_WORD = 0x0b,
	AML_DWORD = 0x0c,
	AML_STRING = 0x0d,
	AML_BUFFER = 0x11,
	AML_PACKAGE = 0x12,
	AML_EXT = 0x5b,
	AML_EXT_REGION = 0x80,
	AML_EXT_DEVICE = 0x82,
};

struct cursor {
	const uint8_t *p, *end;
};

static size_t left(const struct cursor *c)
{
	return (size_t)(c->end - c->p);
}

static bool take_byte(struct cursor *c, uint8_t *v)
{
	if (left(c) == 0)
		return false;
	*v = *c->p++;
	return true;
}

static bool take_little(struct cursor *c, unsigned bytes, uint32_t *v)
{
	if (left(c) < bytes)
		return false;
	*v = 0;
	for (unsigned i = 0; i < bytes; i++)
		*v |= (uint32_t)*c->p++ << (8 * i);
	return true;
}

/* PkgLength (20.2.4), which counts itself: what it spans is left in `inside`. */
static bool take_length(struct cursor *c, struct cursor *inside)
{
	const uint8_t *start = c->p;
	uint8_t lead, more;
	size_t length;

	if (!take_byte(c, &lead))
		return false;
	length = lead >> 6 == 0 ? lead & 0x3f : lead & 0x0f;
	for (unsigned i = 0; i < (unsigned)(lead >> 6); i++) {
		if (!take_byte(c, &more))
			return false;
		length |= (size_t)more << (4 + 8 * i);
	}
	if (length < (size_t)(c->p - start) || length > (size_t)(c->end - start))
		return false;
	inside->p = c->p;
	inside->end = start + length;
	return true;
}

static bool take_integer(struct cursor *c, uint32_t *v)
{
	uint8_t op;

	if (!take_byte(c, &op))
		return false;
	*v = op;
	switch (op) {
	case AML_ZERO:
	case AML_ONE:
		return true;
	case AML_BYTE:
		return take_little(c, 1, v);
	case AML_WORD:
		return take_little(c, 2, v);
	case AML_DWORD:
		return take_little(c, 4, v);
	default:
		return false;
	}
}

/* The next `Name (name, ...)`; the cursor is left behind the name. */
static bool find_name(struct cursor *c, const char name[4])
{
	for (; left(c) >= 5; c->p++) {
		const uint8_t *p = c->p;

		if (*p != AML_NAME)
			continue;
		if (p[1] == '\\' && left(c) >= 6)
			p++;
		if (memcmp(p + 1, name, 4) == 0) {
			c->p = p + 5;
			return true;
		}
	}
	return false;
}

bool uk_aml_s5(const uint8_t *aml, size_t size, uint8_t *type_a, uint8_t *type_b)
{
	struct cursor c = { aml, aml + size };

	while (find_name(&c, "_S5_")) {
		struct cursor at = c, inside;
		uint32_t a, b = 0;
		uint8_t op, count;

		if (!take_byte(&at, &op) || op != AML_PACKAGE || !take_length(&at, &inside) ||
		    !take_byte(&inside, &count) || count == 0 || !take_integer(&inside, &a) ||
		    a > 7)
			continue;
		if (count > 1 && (!take_integer(&inside, &b) || b > 7))
			continue;
		*type_a = (uint8_t)a;
		*type_b = (uint8_t)b;
		return true;
	}
	return false;
}

/* Resource descriptors (6.4): small ones are skipped, of the large ones two kinds are wanted. */
static void read_resources(struct cursor c, struct uk_aml_device *out)
{
	uint32_t length, base, size, irq;
	uint8_t tag, flags, count;

	while (take_byte(&c, &tag)) {
		struct cursor item;

		length = tag & 7;
		if ((tag & 0x80) != 0 && !take_little(&c, 2, &length))
			return;
		if (length > left(&c) || tag >> 3 == 0x0f) /* cut, or the end tag */
			return;
		item.p = c.p;
		item.end = c.p += length;
		if (tag == 0x86) { /* Memory32Fixed (6.4.3.4) */
			if (take_byte(&item, &flags) && take_little(&item, 4, &base) &&
			    take_little(&item, 4, &size) && out->length == 0) {
				out->base = base;
				out->length = size;
			}
		} else if (tag == 0x89) { /* Extended Interrupt (6.4.3.6) */
			if (take_byte(&item, &flags) && take_byte(&item, &count) && count != 0 &&
			    take_little(&item, 4, &irq) && out->interrupt == UINT32_MAX) {
				out->interrupt = irq;
				out->level = (flags & 2) == 0;
				out->active_low = (flags & 4) != 0;
			}
		}
	}
}

/* Name (_HID, "hid") somewhere inside. */
static bool has_hid(struct cursor c, const char *hid)
{
	size_t length = strlen(hid) + 1;
	uint8_t op;

	return find_name(&c, "_HID") && take_byte(&c, &op) && op == AML_STRING &&
	       left(&c) >= length && memcmp(c.p, hid, length) == 0;
}

static bool read_crs(struct cursor c, struct uk_aml_device *out)
{
	struct cursor buffer;
	uint32_t size;
	uint8_t op;

	if (!find_name(&c, "_CRS") || !take_byte(&c, &op) || op != AML_BUFFER ||
	    !take_length(&c, &buffer) || !take_integer(&buffer, &size))
		return false;
	if (size < left(&buffer))
		buffer.end = buffer.p + size;
	read_resources(buffer, out);
	return true;
}

/* OperationRegion (name, SystemMemory, constant, ...) */
static uint64_t read_region(struct cursor c)
{
	uint32_t base;

	for (; left(&c) >= 7; c.p++) {
		struct cursor at = { c.p + 7, c.end };

		if (c.p[0] == AML_EXT && c.p[1] == AML_EXT_REGION && c.p[6] == 0 &&
		    take_integer(&at, &base))
			return base;
	}
	return 0;
}

bool uk_aml_device(const uint8_t *aml, size_t size, size_t *at, const char *hid,
		   struct uk_aml_device *out)
{
	struct cursor c = { aml, aml + size };

	if (*at > size)
		return false;
	for (c.p += *at; left(&c) >= 2; c.p++) {
		struct cursor body = { c.p + 2, c.end }, inside;

		if (c.p[0] != AML_EXT || c.p[1] != AML_EXT_DEVICE || !take_length(&body, &inside))
			continue;
		*out = (struct uk_aml_device){ .interrupt = UINT32_MAX };
		if (!has_hid(inside, hid) || !read_crs(inside, out))
			continue;
		out->region = read_region(inside);
		*at = (size_t)(inside.end - aml);
		return true;
	}
	return false;
}
