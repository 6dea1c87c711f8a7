/*
 * Reading the headers of a PE32+ file.
 */
#include "pe.h"

#include <endian.h>
#include <string.h>

enum {
	COFF_SIZE = 24, /* with the signature */
	SECTION_SIZE = 40,
	SECTIONS_MAX = 32,
	MACHINE_X86_64 = 0x8664,
	MAGIC_PE32_PLUS = 0x20b,
	OPTIONAL_LEAST = 240, /* with all sixteen directories */
	OPTIONAL_HEADERS_SIZE = 60,
	OPTIONAL_CHECKSUM = 64,
	OPTIONAL_CERTIFICATES = 112 + 4 * 8,
};

static uint16_t get16(const struct uni_buf *file, size_t at)
{
	uint16_t value;

	memcpy(&value, file->data + at, sizeof(value));
	return le16toh(value);
}

static uint32_t get32(const struct uni_buf *file, size_t at)
{
	uint32_t value;

	memcpy(&value, file->data + at, sizeof(value));
	return le32toh(value);
}

void pe_put32(struct uni_buf *file, size_t at, uint32_t value)
{
	value = htole32(value);
	memcpy(file->data + at, &value, sizeof(value));
}

static int bad(const char *name, const char *what, struct uni_err *err)
{
	return uni_err_set(err, UNI_E_INVAL, "%s: is no UEFI loader for x86-64: %s", name, what);
}

/* Each section's bytes start where those before it end, the first where the headers end. */
static int read_sections(const struct uni_buf *file, const char *name, struct pe *pe,
			 size_t headers, struct uni_err *err)
{
	pe->end = headers;
	for (unsigned i = 0; i < pe->section_count; i++) {
		size_t at = pe->sections + (size_t)i * SECTION_SIZE;
		size_t size = get32(file, at + 16), offset = get32(file, at + 20);

		if (size == 0)
			continue;
		if (offset != pe->end || size > file->size - offset)
			return bad(name, "its sections do not lie behind each other", err);
		pe->end += size;
	}
	return 0;
}

int pe_read(const struct uni_buf *file, const char *name, struct pe *pe, struct uni_err *err)
{
	size_t header, optional, headers;

	if (file->size < 64 || memcmp(file->data, "MZ", 2) != 0)
		return bad(name, "it starts otherwise", err);
	header = get32(file, 60);
	if (header > file->size || file->size - header < COFF_SIZE + OPTIONAL_LEAST ||
	    memcmp(file->data + header, "PE\0\0", 4) != 0)
		return bad(name, "it has no PE header", err);
	optional = header + COFF_SIZE;
	pe->section_count = get16(file, header + 6);
	pe->sections = optional + get16(file, header + 20);
	pe->checksum = optional + OPTIONAL_CHECKSUM;
	pe->certificates = optional + OPTIONAL_CERTIFICATES;
	if (get16(file, header + 4) != MACHINE_X86_64 || get16(file, optional) != MAGIC_PE32_PLUS ||
	    pe->sections < optional + OPTIONAL_LEAST)
		return bad(name, "it is for another machine", err);
	headers = get32(file, optional + OPTIONAL_HEADERS_SIZE);
	if (pe->section_count == 0 || pe->section_count > SECTIONS_MAX || headers > file->size ||
	    pe->sections > headers ||
	    headers - pe->sections < (size_t)pe->section_count * SECTION_SIZE)
		return bad(name, "its headers reach behind their end", err);
	return read_sections(file, name, pe, headers, err);
}

bool pe_section(const struct uni_buf *file, const struct pe *pe, const char *name, size_t *offset,
		size_t *size)
{
	char padded[8] = { 0 };

	memcpy(padded, name, strnlen(name, sizeof(padded)));
	for (unsigned i = 0; i < pe->section_count; i++) {
		size_t at = pe->sections + (size_t)i * SECTION_SIZE;

		if (memcmp(file->data + at, padded, sizeof(padded)) != 0)
			continue;
		*size = get32(file, at + 16);
		*offset = get32(file, at + 20);
		return *size != 0;
	}
	return false;
}

void pe_update_checksum(struct uni_buf *file, const struct pe *pe)
{
	uint32_t sum = 0;

	pe_put32(file, pe->checksum, 0);
	for (size_t at = 0; at < file->size; at += 2) {
		sum += at + 1 < file->size ? get16(file, at) : (uint8_t)file->data[at];
		sum = (sum & 0xffff) + (sum >> 16);
	}
	pe_put32(file, pe->checksum, sum + (uint32_t)file->size);
}
