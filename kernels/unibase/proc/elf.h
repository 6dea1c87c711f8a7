/*
 * ELF64 (System V ABI, chapters 4 and 5), as far as the loader and the symbol table need it.
 */
#ifndef UK_PROC_ELF_H
#define UK_PROC_ELF_H

#include <uk/types.h>

#define UK_ELF_SEGMENTS_MAX 64

enum {
	UK_ELF_MAGIC = 0x464c457f, /* "\177ELF" */
	UK_ELF_CLASS64 = 2,
	UK_ELF_LITTLE = 1,
	UK_ELF_X86_64 = 62,
	UK_ELF_EXEC = 2,
	UK_ELF_DYN = 3,
	UK_ELF_LOAD = 1,
	UK_ELF_INTERP = 3,
	UK_ELF_X = 1,
	UK_ELF_W = 2,
	UK_ELF_R = 4,
	UK_ELF_SYMTAB = 2,
	UK_ELF_FUNC = 2,
};

struct uk_elf_header {
	uint32_t magic;
	uint8_t class, order, ident_rest[10];
	uint16_t type, machine;
	uint32_t version;
	uint64_t entry, phoff, shoff;
	uint32_t flags;
	uint16_t ehsize, phentsize, phnum, shentsize, shnum, shstrndx;
};
struct uk_elf_segment {
	uint32_t type, flags;
	uint64_t offset, vaddr, paddr, filesz, memsz, align;
};
struct uk_elf_section {
	uint32_t name, type;
	uint64_t flags, addr, offset, size;
	uint32_t link, info;
	uint64_t align, entsize;
};
struct uk_elf_symbol {
	uint32_t name;
	uint8_t info, other;
	uint16_t section;
	uint64_t value, size;
};
_Static_assert(sizeof(struct uk_elf_header) == 64, "ELF64");
_Static_assert(sizeof(struct uk_elf_segment) == 56, "ELF64");
_Static_assert(sizeof(struct uk_elf_section) == 64, "ELF64");
_Static_assert(sizeof(struct uk_elf_symbol) == 24, "ELF64");

#endif
