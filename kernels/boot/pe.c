/*
 * Runs at build time: makes of the linked ELF the PE32+ file that firmware loads (Microsoft's "PE
 * Format"; UEFI 2.10, 2.1.1). Sections keep their addresses and get what may be done with them; the
 * file needs no relocation, and says so with an empty table, which old firmware wants to see.
 *   pe IN OUT
 */
#include <elf.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

enum {
	IN_MAX = 1 << 20,
	FILE_ALIGN = 512,
	PAGE = 4096,
	HEADER_AT = 64,
	SECTION_AT = HEADER_AT + 24 + 240,
	DIRECTORY_RELOC = 5,
};

/* Section flags. */
#define CODE 0x60000020u
#define DATA 0x40000040u
#define WRITABLE 0xc0000040u
#define DISCARDABLE 0x42000040u

static const struct {
	const char *name;
	uint32_t flags;
} kinds[] = { { ".text", CODE }, { ".uniseal", DATA }, { ".data", WRITABLE } };

static uint8_t in[IN_MAX], out[2 * IN_MAX];

static int fail(const char *what)
{
	fprintf(stderr, "pe: %s\n", what);
	return 1;
}

static void put(size_t at, uint64_t value, unsigned bytes)
{
	for (unsigned i = 0; i < bytes; i++)
		out[at + i] = (uint8_t)(value >> (8 * i));
}

static size_t align(size_t value, size_t step)
{
	return (value + step - 1) / step * step;
}

struct making {
	size_t file;  /* bytes so far */
	size_t image; /* end in memory */
	unsigned sections;
	size_t code, data;
};

static void add_section(struct making *m, const char *name, uint32_t flags, size_t address,
			size_t size, const uint8_t *bytes, size_t stored)
{
	size_t at = SECTION_AT + m->sections++ * (size_t)40, raw = align(stored, FILE_ALIGN);

	memcpy(out + at, name, strlen(name));
	put(at + 8, size, 4);
	put(at + 12, address, 4);
	put(at + 16, raw, 4);
	put(at + 20, raw != 0 ? m->file : 0, 4);
	put(at + 36, flags, 4);
	if (stored != 0)
		memcpy(out + m->file, bytes, stored);
	m->file += raw;
	m->image = align(address + size, PAGE);
	if (flags == CODE)
		m->code += raw;
	else
		m->data += raw;
}

static void put_headers(const struct making *m, uint64_t entry, size_t reloc, size_t reloc_size)
{
	const size_t coff = HEADER_AT + 4, optional = coff + 20;

	memcpy(out, "MZ", 2);
	put(60, HEADER_AT, 4);
	memcpy(out + HEADER_AT, "PE\0\0", 4);
	put(coff, 0x8664, 2);
	put(coff + 2, m->sections, 2);
	put(coff + 16, 240, 2);
	put(coff + 18, 0x0226, 2); /* executable, large addresses, nothing to debug by */
	put(optional, 0x20b, 2);
	put(optional + 4, m->code, 4);
	put(optional + 8, m->data, 4);
	put(optional + 16, entry, 4);
	put(optional + 20, PAGE, 4);
	put(optional + 32, PAGE, 4);
	put(optional + 36, FILE_ALIGN, 4);
	put(optional + 56, m->image, 4);
	put(optional + 60, FILE_ALIGN, 4);
	put(optional + 68, 10, 2);    /* an EFI application */
	put(optional + 70, 0x100, 2); /* data need not be executable */
	put(optional + 108, 16, 4);
	put(optional + 112 + DIRECTORY_RELOC * 8, reloc, 4);
	put(optional + 112 + DIRECTORY_RELOC * 8 + 4, reloc_size, 4);
}

static bool take_sections(const Elf64_Ehdr *e, struct making *m)
{
	const Elf64_Shdr *s = (const void *)(in + e->e_shoff);
	const char *names = (const char *)in + s[e->e_shstrndx].sh_offset;

	for (size_t kind = 0; kind < sizeof(kinds) / sizeof(kinds[0]); kind++)
		for (unsigned i = 0; i < e->e_shnum; i++) {
			const uint8_t *bytes = in + s[i].sh_offset;
			size_t stored = s[i].sh_type == SHT_NOBITS ? 0 : s[i].sh_size;

			if (strcmp(names + s[i].sh_name, kinds[kind].name) != 0)
				continue;
			if (s[i].sh_addr < m->image || s[i].sh_addr % PAGE != 0)
				return false;
			while (stored != 0 && bytes[stored - 1] == 0)
				stored--; /* what is behind is zero by itself */
			add_section(m, kinds[kind].name, kinds[kind].flags, s[i].sh_addr,
				    s[i].sh_size, bytes, stored);
		}
	return m->sections == sizeof(kinds) / sizeof(kinds[0]);
}

static size_t read_all(const char *path)
{
	FILE *f = fopen(path, "rb");
	size_t size = f != NULL ? fread(in, 1, sizeof(in), f) : 0;

	if (f == NULL || ferror(f) || fclose(f) != 0)
		return 0;
	return size;
}

int main(int argc, char **argv)
{
	static const uint8_t no_relocations[12] = { [4] = 12 };
	struct making m = { .file = FILE_ALIGN, .image = PAGE };
	const Elf64_Ehdr *e = (const void *)in;
	size_t size, reloc;
	FILE *f;

	if (argc != 3)
		return fail("usage: pe IN OUT");
	size = read_all(argv[1]);
	if (size < sizeof(*e) || size == sizeof(in) || memcmp(e->e_ident, ELFMAG, SELFMAG) != 0 ||
	    e->e_shoff + (uint64_t)e->e_shnum * sizeof(Elf64_Shdr) > size)
		return fail("the input is not what the linker makes");
	if (!take_sections(e, &m))
		return fail("sections are not as the linker script has them");
	reloc = m.image;
	add_section(&m, ".reloc", DISCARDABLE, reloc, sizeof(no_relocations), no_relocations,
		    sizeof(no_relocations));
	put_headers(&m, e->e_entry, reloc, sizeof(no_relocations));
	f = fopen(argv[2], "wb");
	if (f == NULL || fwrite(out, 1, m.file, f) != m.file || fclose(f) != 0)
		return fail("cannot write the output");
	return 0;
}
