/*
 * OEM strings of the firmware's SMBIOS tables (DMTF DSP0134, type 11), by which virtual machine
 * monitors without fw_cfg hand a few words to a guest. A record is there as hexadecimal digits
 * behind a name and a colon, in as many strings as it takes, in their order. Tables are believed
 * only as far as their lengths and checksums go.
 */
#include "drivers.h"
#include <uk/mem.h>
#include <uk/start.h>

#define AREA 0xf0000 /* where a PC's entry point is, on 16 bytes */
#define AREA_SIZE 0x10000
#define TABLE_MAX (4u << 20)

enum { TYPE_OEM_STRINGS = 11, TYPE_END = 127, HEADER_SIZE = 4 };

struct entry_2 {
	char anchor[4]; /* "_SM_" */
	uint8_t checksum;
	uint8_t size;
	uint8_t version[2];
	uint16_t largest;
	uint8_t revision, formatted[5];
	char dmi[5];
	uint8_t dmi_checksum;
	uint16_t table_size;
	uint32_t table;
	uint16_t count;
	uint8_t bcd;
} __attribute__((packed));
_Static_assert(sizeof(struct entry_2) == 31, "SMBIOS 2.1");

struct entry_3 {
	char anchor[5]; /* "_SM3_" */
	uint8_t checksum;
	uint8_t size;
	uint8_t version[3];
	uint8_t revision, reserved;
	uint32_t table_size; /* at most */
	uint64_t table;
} __attribute__((packed));
_Static_assert(sizeof(struct entry_3) == 24, "SMBIOS 3.0");

struct place {
	uk_paddr_t at;
	size_t size;
};

static bool adds_up(const uint8_t *bytes, size_t size)
{
	uint8_t sum = 0;

	for (size_t i = 0; i < size; i++)
		sum = (uint8_t)(sum + bytes[i]);
	return sum == 0;
}

bool uk_smbios_entry(const uint8_t *bytes, size_t left, uk_paddr_t *table, size_t *size)
{
	struct entry_2 e2;
	struct entry_3 e3;

	if (left >= sizeof(e3) && memcmp(bytes, "_SM3_", 5) == 0) {
		memcpy(&e3, bytes, sizeof(e3));
		*table = e3.table;
		*size = e3.table_size;
		return e3.size >= sizeof(e3) && e3.size <= left && adds_up(bytes, e3.size);
	}
	if (left >= sizeof(e2) && memcmp(bytes, "_SM_", 4) == 0) {
		memcpy(&e2, bytes, sizeof(e2));
		*table = e2.table;
		*size = e2.table_size;
		return e2.size >= sizeof(e2) - 1 && e2.size <= left && adds_up(bytes, e2.size);
	}
	return false;
}

/* The strings behind a structure, from `at` on: a string's end, or `size` when nothing ends it. */
static size_t string_end(const uint8_t *table, size_t size, size_t at)
{
	while (at < size && table[at] != 0)
		at++;
	return at;
}

static int64_t take_strings(const uint8_t *table, size_t end, size_t at, const char *name,
			    uint8_t *data, size_t room)
{
	size_t prefix = strlen(name);
	int64_t done = 0;

	while (at < end && table[at] != 0) {
		size_t next = string_end(table, end, at);
		const char *text = (const char *)table + at;
		int64_t part;

		if (next - at > prefix && memcmp(text, name, prefix) == 0 && text[prefix] == ':') {
			part = uk_unhex(text + prefix + 1, next - at - prefix - 1, data + done,
					room - (size_t)done);
			if (part < 0)
				return part;
			done += part;
		}
		at = next + 1;
	}
	return done;
}

int64_t uk_smbios_strings(const uint8_t *table, size_t size, const char *name, void *data,
			  size_t room)
{
	int64_t done = 0;

	for (size_t at = 0; size - at >= HEADER_SIZE;) {
		uint8_t type = table[at], length = table[at + 1];
		size_t strings = at + length, end = strings;

		if (length < HEADER_SIZE || length > size - at || type == TYPE_END)
			break;
		/* Two zeros end the strings, also when there are none. */
		while (end + 1 < size && (table[end] != 0 || table[end + 1] != 0))
			end++;
		if (end + 1 >= size)
			break;
		if (type == TYPE_OEM_STRINGS) {
			int64_t part = take_strings(table, end + 1, strings, name,
						    (uint8_t *)data + done, room - (size_t)done);

			if (part < 0)
				return part;
			done += part;
		}
		at = end + 2;
	}
	return done != 0 ? done : -UK_ENOENT;
}

/* UEFI's loader says where the entry point is; a BIOS leaves it in its own memory. */
static bool find_table(struct place *table)
{
	const uint8_t *area;
	uint64_t said;

	if (uk_cmdline_number(uk_boot.cmdline, "smbios=", &said)) {
		area = uk_phys_map(said, sizeof(struct entry_2));
		return area != NULL &&
		       uk_smbios_entry(area, sizeof(struct entry_2), &table->at, &table->size);
	}
	area = uk_phys_map(AREA, AREA_SIZE);
	for (size_t i = 0; area != NULL && i < AREA_SIZE; i += 16)
		if (area[i] == '_' &&
		    uk_smbios_entry(area + i, AREA_SIZE - i, &table->at, &table->size))
			return true;
	return false;
}

int64_t uk_smbios_read(const char *name, void *data, size_t room)
{
	struct place table;
	const uint8_t *bytes;

	if (!find_table(&table) || table.size > TABLE_MAX)
		return -UK_ENOENT;
	bytes = uk_phys_map(table.at, table.size);
	return bytes != NULL ? uk_smbios_strings(bytes, table.size, name, data, room) : -UK_ENOENT;
}
