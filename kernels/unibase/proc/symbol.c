/*
 * Names for addresses of the program, from the symbol table in its own file: only when something
 * went wrong, so the table is read anew each time and nothing of it is kept.
 */
#include "elf.h"
#include "proc.h"
#include <uk/vfs.h>

enum { SYMBOLS_AT_ONCE = 32, SYMBOLS_MAX = 1 << 22 };

static bool read_exact(void *to, size_t size, uint64_t offset)
{
	return uk_file_read_kernel(uk_process.program, to, size, offset) == (int64_t)size;
}

static bool find_table(struct uk_elf_section *symbols, struct uk_elf_section *strings)
{
	struct uk_elf_header h;

	if (!read_exact(&h, sizeof(h), 0) || h.shentsize != sizeof(*symbols))
		return false;
	for (unsigned i = 0; i < h.shnum; i++) {
		if (!read_exact(symbols, sizeof(*symbols), h.shoff + i * sizeof(*symbols)))
			return false;
		if (symbols->type == UK_ELF_SYMTAB)
			return symbols->link < h.shnum &&
			       read_exact(strings, sizeof(*strings),
					  h.shoff + symbols->link * sizeof(*strings));
	}
	return false;
}

/* The last function that starts at or below `addr`, unless it ends before it. */
static bool find_symbol(const struct uk_elf_section *table, uint64_t addr,
			struct uk_elf_symbol *best)
{
	struct uk_elf_symbol part[SYMBOLS_AT_ONCE];
	uint64_t count = UK_MIN(table->size / sizeof(part[0]), (uint64_t)SYMBOLS_MAX);

	best->value = 0;
	for (uint64_t at = 0; at < count; at += SYMBOLS_AT_ONCE) {
		uint64_t here = UK_MIN(count - at, (uint64_t)SYMBOLS_AT_ONCE);

		if (!read_exact(part, here * sizeof(part[0]), table->offset + at * sizeof(part[0])))
			return false;
		for (uint64_t i = 0; i < here; i++)
			if ((part[i].info & 15) == UK_ELF_FUNC && part[i].value <= addr &&
			    part[i].value > best->value)
				*best = part[i];
	}
	return best->value != 0 && (best->size == 0 || addr - best->value < best->size);
}

bool uk_elf_symbol(uint64_t addr, char *name, size_t room, uint64_t *offset)
{
	struct uk_elf_section symbols, strings;
	struct uk_elf_symbol symbol;
	int64_t got;

	if (uk_process.program == NULL || addr < uk_elf_moved)
		return false;
	addr -= uk_elf_moved;
	if (!find_table(&symbols, &strings) || !find_symbol(&symbols, addr, &symbol) ||
	    symbol.name >= strings.size)
		return false;
	got = uk_file_read_kernel(uk_process.program, name,
				  UK_MIN(room - 1, strings.size - symbol.name),
				  strings.offset + symbol.name);
	if (got <= 0)
		return false;
	name[got] = '\0';
	*offset = addr - symbol.value;
	return true;
}
