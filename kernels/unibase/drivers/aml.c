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
	AML_QWORD = 0x0e,
	AML_BUFFER = 0x11,
	AML_PACKAGE = 0x12,
	AML_METHOD = 0x14,
	AML_EXT = 0x5b,
	AML_EXT_REGION = 0x80,
	AML_EXT_DEVICE = 0x82,
	AML_RETURN = 0xa4,
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

static bool take_integer(struct cursor *c, uint64_t *v)
{
	uint32_t low = 0, high = 0;
	uint8_t op;
	bool there;

	if (!take_byte(c, &op))
		return false;
	*v = op;
	switch (op) {
	case AML_ZERO:
	case AML_ONE:
		return true;
	case AML_BYTE:
		there = take_little(c, 1, &low);
		break;
	case AML_WORD:
		there = take_little(c, 2, &low);
		break;
	case AML_DWORD:
		there = take_little(c, 4, &low);
		break;
	case AML_QWORD:
		there = take_little(c, 4, &low) && take_little(c, 4, &high);
		break;
	default:
		return false;
	}
	*v = low | (uint64_t)high << 32;
	return there;
}

/* Device (name) { inside }, at the cursor. */
static bool is_device(const struct cursor *c, struct cursor *inside)
{
	struct cursor body = { c->p + 2, c->end };

	return left(c) > 2 && c->p[0] == AML_EXT && c->p[1] == AML_EXT_DEVICE &&
	       take_length(&body, inside);
}

/* The next `Name (name, ...)` that is not a device's further in; the cursor is left behind the
 * name. */
static bool find_name(struct cursor *c, const char name[4])
{
	for (; left(c) >= 5; c->p++) {
		const uint8_t *p = c->p;
		struct cursor inside;

		if (is_device(c, &inside)) {
			c->p = inside.end - 1;
			continue;
		}
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
		uint64_t a, b = 0;
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

/* Memory32Fixed (6.4.3.4) */
static void read_fixed(struct cursor c, struct uk_aml_device *out)
{
	uint32_t base, length;
	uint8_t flags;

	if (out->length == 0 && take_byte(&c, &flags) && take_little(&c, 4, &base) &&
	    take_little(&c, 4, &length)) {
		out->base = base;
		out->length = length;
	}
}

/* Address space descriptor (6.4.3.5) in double words, of memory that the device hands on. */
static void read_window(struct cursor c, struct uk_aml_device *out)
{
	uint32_t skipped, base, length;
	uint8_t kind, flags;

	if (out->length == 0 && take_byte(&c, &kind) && kind == 0 && take_byte(&c, &flags) &&
	    take_byte(&c, &flags) && take_little(&c, 4, &skipped) && take_little(&c, 4, &base) &&
	    take_little(&c, 4, &skipped) && take_little(&c, 4, &skipped) &&
	    take_little(&c, 4, &length)) {
		out->base = base;
		out->length = length;
	}
}

/* Extended Interrupt (6.4.3.6) */
static void read_interrupt(struct cursor c, struct uk_aml_device *out)
{
	uint8_t flags, count;
	uint32_t irq;

	if (out->interrupt == UINT32_MAX && take_byte(&c, &flags) && take_byte(&c, &count) &&
	    count != 0 && take_little(&c, 4, &irq)) {
		out->interrupt = irq;
		out->level = (flags & 2) == 0;
		out->active_low = (flags & 4) != 0;
	}
}

/* Resource descriptors (6.4): of the large ones three kinds are wanted. */
static void read_resources(struct cursor c, struct uk_aml_device *out)
{
	uint32_t length;
	uint8_t tag;

	while (take_byte(&c, &tag)) {
		struct cursor item;

		length = tag & 7;
		if ((tag & 0x80) != 0 && !take_little(&c, 2, &length))
			return;
		if (length > left(&c) || tag >> 3 == 0x0f) /* cut, or the end tag */
			return;
		item.p = c.p;
		item.end = c.p += length;
		if (tag == 0x86)
			read_fixed(item, out);
		else if (tag == 0x87)
			read_window(item, out);
		else if (tag == 0x89)
			read_interrupt(item, out);
	}
}

/* "PNP0A08" in the 32 bits in which AML mostly writes it (19.3.4): three letters, four digits. */
static uint32_t eisa_id(const char *hid)
{
	uint32_t v = 0;

	for (unsigned i = 0; i < 3; i++)
		v = v << 5 | ((uint32_t)hid[i] & 31);
	for (unsigned i = 3; i < 7; i++)
		v = v << 4 | ((uint32_t)(hid[i] <= '9' ? hid[i] - '0' : hid[i] - 'A' + 10) & 15);
	return __builtin_bswap32(v);
}

/* Name (_HID, "hid") or Name (_HID, EisaId ("hid")) somewhere inside. */
static bool has_hid(struct cursor c, const char *hid)
{
	size_t length = strlen(hid) + 1;
	struct cursor integer;
	uint64_t id;
	uint8_t op;

	if (!find_name(&c, "_HID"))
		return false;
	integer = c;
	if (length == 8 && take_integer(&integer, &id))
		return id == eisa_id(hid);
	return take_byte(&c, &op) && op == AML_STRING && left(&c) >= length &&
	       memcmp(c.p, hid, length) == 0;
}

static bool read_crs(struct cursor c, struct uk_aml_device *out)
{
	struct cursor buffer;
	uint64_t size;
	uint8_t op;

	if (!find_name(&c, "_CRS") || !take_byte(&c, &op) || op != AML_BUFFER ||
	    !take_length(&c, &buffer) || !take_integer(&buffer, &size))
		return false;
	if (size < left(&buffer))
		buffer.end = buffer.p + size;
	read_resources(buffer, out);
	return true;
}

bool uk_aml_method(const uint8_t *aml, size_t size, const char name[4], uint64_t *v)
{
	struct cursor c = { aml, aml + size };

	for (; left(&c) >= 2; c.p++) {
		struct cursor at = { c.p + 1, c.end }, body;

		if (*c.p != AML_METHOD || !take_length(&at, &body) || left(&body) < 6 ||
		    memcmp(body.p, name, 4) != 0 || body.p[5] != AML_RETURN)
			continue;
		body.p += 6;
		if (take_integer(&body, v))
			return true;
	}
	return false;
}

/* OperationRegion (name, SystemMemory, constant, ...) */
static uint64_t read_region(struct cursor c)
{
	uint64_t base;

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
		struct cursor inside;

		if (!is_device(&c, &inside))
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
