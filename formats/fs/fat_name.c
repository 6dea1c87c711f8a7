/*
 * Names on FAT: eleven bytes of the alphabet of 1980, and beside them, where these do not say it
 * all, the long name in UTF-16.
 */
#include "fat.h"

#include <string.h>

const uint8_t fat_long_places[FAT_LONG_UNITS] = {
	1, 3, 5, 7, 9, 14, 16, 18, 20, 22, 24, 28, 30,
};

enum { ALIAS_NAME = 8, ALIAS_TAIL_ROOM = 7 };

/* One character of UTF-8 that was checked. */
static uint32_t take_character(const uint8_t **at)
{
	static const uint8_t masks[] = { 0x7f, 0x1f, 0x0f, 0x07 };
	const uint8_t *p = *at;
	unsigned more = p[0] < 0x80 ? 0 : p[0] < 0xe0 ? 1 : p[0] < 0xf0 ? 2 : 3;
	uint32_t c = p[0] & masks[more];

	for (unsigned i = 1; i <= more; i++)
		c = c << 6 | (p[i] & 0x3fu);
	*at = p + more + 1;
	return c;
}

static int take_units(const char *name, struct fat_name *out, struct uni_err *err)
{
	const uint8_t *p = (const uint8_t *)name;

	while (*p != 0) {
		uint32_t c = take_character(&p);

		if (c < 0x20 || c == 0x7f || (c < 0x80 && strchr("\"*/:<>?\\|", (int)c) != NULL))
			return uni_err_set(err, UNI_E_UNSUPPORTED,
					   "\"%s\": FAT cannot have '%c' in a name", name,
					   c < 0x20 || c == 0x7f ? '?' : (int)c);
		if (out->count + (c > 0xffff ? 2 : 1) > FAT_NAME_UNITS)
			return uni_err_set(err, UNI_E_LIMIT,
					   "\"%s\": is longer than FAT's %d characters", name,
					   FAT_NAME_UNITS);
		if (c > 0xffff) {
			out->units[out->count++] = (uint16_t)(0xd800 | (c - 0x10000) >> 10);
			out->units[out->count++] = (uint16_t)(0xdc00 | ((c - 0x10000) & 0x3ff));
		} else {
			out->units[out->count++] = (uint16_t)c;
		}
	}
	return 0;
}

static bool short_character(char c)
{
	return (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       (c != '\0' && strchr("$%'-_@~`!(){}^#&", c) != NULL);
}

/* Copies what may stand in an alias, at most `room`; false when something was left out or changed.
 */
static bool put_alias(const char *from, size_t size, uint8_t *to, size_t room)
{
	bool whole = size <= room;
	size_t at = 0;

	for (size_t i = 0; i < size && at < room; i++) {
		char c = from[i];

		if (c == ' ' || c == '.') {
			whole = false;
			continue;
		}
		if (c >= 'a' && c <= 'z') {
			c = (char)(c - 'a' + 'A');
			whole = false;
		}
		if (!short_character(c)) {
			c = '_';
			whole = false;
			while (i + 1 < size && ((uint8_t)from[i + 1] & 0xc0) == 0x80)
				i++;
		}
		to[at++] = (uint8_t)c;
	}
	return whole;
}

int fat_name_make(const char *name, struct fat_name *out, struct uni_err *err)
{
	const char *dot = strrchr(name, '.');
	size_t size = strlen(name), base;
	int rc;

	memset(out, 0, sizeof(*out));
	if (name[size - 1] == '.' || name[size - 1] == ' ')
		return uni_err_set(err, UNI_E_UNSUPPORTED,
				   "\"%s\": FAT cannot have a dot or a space at a name's end",
				   name);
	rc = take_units(name, out, err);
	if (rc != 0)
		return rc;
	memset(out->alias, ' ', sizeof(out->alias));
	base = dot != NULL && dot != name ? (size_t)(dot - name) : size;
	out->is_short = put_alias(name, base, out->alias, ALIAS_NAME);
	if (base != size &&
	    !put_alias(dot + 1, size - base - 1, out->alias + ALIAS_NAME, FAT_SHORT - ALIAS_NAME))
		out->is_short = false;
	return 0;
}

void fat_name_tail(struct fat_name *name, uint32_t number)
{
	char tail[ALIAS_TAIL_ROOM + 1];
	size_t digits = 0, at = 0;

	do {
		tail[digits++] = (char)('0' + number % 10);
		number /= 10;
	} while (number != 0);
	while (at < ALIAS_NAME - 1 - digits && name->alias[at] != ' ')
		at++;
	name->alias[at++] = '~';
	while (digits != 0)
		name->alias[at++] = (uint8_t)tail[--digits];
}

size_t fat_name_slots(const struct fat_name *name)
{
	return name->is_short ? 1 : 1 + (name->count + FAT_LONG_UNITS - 1) / FAT_LONG_UNITS;
}

uint8_t fat_alias_sum(const uint8_t alias[FAT_SHORT])
{
	uint8_t sum = 0;

	for (size_t i = 0; i < FAT_SHORT; i++)
		sum = (uint8_t)((sum >> 1 | sum << 7) + alias[i]);
	return sum;
}

uint8_t *fat_name_put_long(const struct fat_name *name, uint8_t *at)
{
	size_t slots = fat_name_slots(name) - 1;

	for (size_t slot = slots; slot != 0; slot--, at += FAT_SLOT) {
		memset(at, 0, FAT_SLOT);
		at[0] = (uint8_t)(slot | (slot == slots ? FAT_LONG_LAST : 0));
		at[SLOT_ATTR] = FAT_ATTR_LONG;
		at[LONG_CHECKSUM] = fat_alias_sum(name->alias);
		for (size_t i = 0; i < FAT_LONG_UNITS; i++) {
			size_t unit = (slot - 1) * FAT_LONG_UNITS + i;
			uint16_t value = unit < name->count    ? name->units[unit]
					 : unit == name->count ? 0
							       : 0xffff;

			fat_put(at + fat_long_places[i], value, 2);
		}
	}
	return at;
}

static uint16_t alias_unit(uint8_t byte, bool lower)
{
	if (byte >= 0x80)
		return 0xfffd;
	return lower && byte >= 'A' && byte <= 'Z' ? (uint16_t)(byte - 'A' + 'a') : byte;
}

void fat_alias_text(const uint8_t alias[FAT_SHORT], uint8_t lower, struct uni_buf *out)
{
	uint16_t units[FAT_SHORT + 1];
	size_t count = 0, base = ALIAS_NAME, end = FAT_SHORT;

	while (end > ALIAS_NAME && alias[end - 1] == ' ')
		end--;
	while (base > 0 && alias[base - 1] == ' ')
		base--;
	for (size_t i = 0; i < base; i++)
		units[count++] = alias_unit(alias[i], (lower & FAT_LOWER_BASE) != 0);
	if (end > ALIAS_NAME)
		units[count++] = '.';
	for (size_t i = ALIAS_NAME; i < end; i++)
		units[count++] = alias_unit(alias[i], (lower & FAT_LOWER_EXTENSION) != 0);
	fat_units_text(units, count, out);
}

static void put_character(uint32_t c, struct uni_buf *out)
{
	if (c < 0x80) {
		uni_buf_putc(out, (char)c);
		return;
	}
	if (c < 0x800) {
		uni_buf_putc(out, (char)(0xc0 | c >> 6));
	} else {
		if (c < 0x10000) {
			uni_buf_putc(out, (char)(0xe0 | c >> 12));
		} else {
			uni_buf_putc(out, (char)(0xf0 | c >> 18));
			uni_buf_putc(out, (char)(0x80 | (c >> 12 & 0x3f)));
		}
		uni_buf_putc(out, (char)(0x80 | (c >> 6 & 0x3f)));
	}
	uni_buf_putc(out, (char)(0x80 | (c & 0x3f)));
}

void fat_units_text(const uint16_t *units, size_t count, struct uni_buf *out)
{
	for (size_t i = 0; i < count; i++) {
		uint32_t c = units[i];

		if (c >= 0xd800 && c < 0xdc00 && i + 1 < count && units[i + 1] >= 0xdc00 &&
		    units[i + 1] < 0xe000)
			c = 0x10000 + ((c & 0x3ff) << 10 | (units[++i] & 0x3ffu));
		else if (c >= 0xd800 && c < 0xe000)
			c = 0xfffd;
		put_character(c, out);
	}
}
