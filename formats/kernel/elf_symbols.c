/*
 * Symbol tables of ELF files: which names an object defines and which it wants.
 */
#include <elf.h>
#include <string.h>
#include <uni/base/file.h>
#include <uni/kernel/elf.h>

enum { SYMBOLS_MAX = 256 << 20, SECTIONS_MAX = 65280 };

static int corrupt(const struct uni_elf *elf, const char *what, struct uni_err *err)
{
	return uni_err_set(err, UNI_E_CORRUPT, "%s: is a damaged ELF file: %s", elf->name, what);
}

static int read_section(const struct uni_elf *elf, uint32_t index, Elf64_Shdr *section,
			struct uni_err *err)
{
	uint64_t at;

	if (index >= elf->shnum || index >= SECTIONS_MAX || elf->shoff > elf->size ||
	    (index + 1) * sizeof(*section) > elf->size - elf->shoff)
		return corrupt(elf, "section headers are cut", err);
	at = elf->base + elf->shoff + index * sizeof(*section);
	return uni_pread_full(elf->fd, section, sizeof(*section), at, elf->name, err);
}

static int load_section(const struct uni_elf *elf, const Elf64_Shdr *section, void **data,
			struct uni_err *err)
{
	if (section->sh_type == SHT_NOBITS || section->sh_offset > elf->size ||
	    section->sh_size > elf->size - section->sh_offset)
		return corrupt(elf, "a section reaches behind the file's end", err);
	*data = uni_try_alloc(section->sh_size + 1, SYMBOLS_MAX, "symbols", err);
	if (*data == NULL)
		return uni_err_context(err, "%s", elf->name);
	((char *)*data)[section->sh_size] = '\0';
	return uni_pread_full(elf->fd, *data, (size_t)section->sh_size,
			      elf->base + section->sh_offset, elf->name, err);
}

static int each_symbol(const struct uni_elf *elf, const Elf64_Shdr *symtab,
		       const Elf64_Shdr *strtab, uni_elf_symbol_fn *fn, void *user,
		       struct uni_err *err)
{
	UNI_AUTO_FREE void *symbols = NULL;
	UNI_AUTO_FREE void *strings = NULL;
	int rc = load_section(elf, symtab, &symbols, err);

	if (rc == 0)
		rc = load_section(elf, strtab, &strings, err);
	for (uint64_t i = 1; rc == 0 && i < symtab->sh_size / sizeof(Elf64_Sym); i++) {
		Elf64_Sym raw;

		memcpy(&raw, (const uint8_t *)symbols + i * sizeof(raw), sizeof(raw));
		if (raw.st_name > strtab->sh_size)
			return corrupt(elf, "name of a symbol", err);
		struct uni_elf_symbol symbol = {
			.name = (const char *)strings + raw.st_name,
			.value = raw.st_value,
			.size = raw.st_size,
			.bind = ELF64_ST_BIND(raw.st_info),
			.type = ELF64_ST_TYPE(raw.st_info),
			.defined = raw.st_shndx != SHN_UNDEF,
		};
		rc = fn(user, &symbol, err);
	}
	return rc;
}

int uni_elf_dynamic_symbols(const struct uni_elf *elf, uni_elf_symbol_fn *fn, void *user,
			    struct uni_err *err)
{
	for (uint32_t i = 0; i < elf->shnum; i++) {
		Elf64_Shdr symtab;
		Elf64_Shdr strtab;
		int rc = read_section(elf, i, &symtab, err);

		if (rc != 0)
			return rc;
		if (symtab.sh_type != SHT_DYNSYM)
			continue;
		rc = read_section(elf, symtab.sh_link, &strtab, err);
		return rc != 0 ? rc : each_symbol(elf, &symtab, &strtab, fn, user, err);
	}
	return 0;
}
