/*
 * Build-time helper for the kernel's ELF file; runs on the host, in the build only.
 *
 *	imagetool symbols IN OUT.S	the table by which a panic names functions (format below)
 *	imagetool order IN OUT		program headers sorted by address, as ELF's text asks
 *	imagetool strip IN OUT		the same, and nothing behind the last loaded byte
 *	imagetool pack IN CODE OUT	a stripped kernel that unpacks itself (packed.c)
 *
 * The table, read by core/symbols.c: 128 pairs of bytes, then for each function in order of
 *address: its distance from the one before (ULEB128), the length of its packed name, the packed
 *name. A byte of 128 and above stands for the pair of that number, whose bytes may stand for pairs
 *again. A length of 0 ends it.
 */
#include "imagetool.h"
#include <elf.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct symbol {
	uint64_t offset; /* from the text's start */
	bool local;
	char name[128];
	uint8_t packed[128];
	size_t size;
};

void fail(const char *what, const char *which)
{
	fprintf(stderr, "imagetool: %s: %s\n", which, what);
	exit(1);
}

struct file read_file(const char *path)
{
	struct file f = { NULL, 0 };
	FILE *in = fopen(path, "rb");

	if (in == NULL)
		fail("cannot be opened", path);
	for (;;) {
		uint8_t *grown = realloc(f.data, f.size + 65536);
		size_t got;

		if (grown == NULL)
			fail("out of memory", path);
		f.data = grown;
		got = fread(f.data + f.size, 1, 65536, in);
		f.size += got;
		if (got == 0)
			break;
	}
	if (ferror(in) || fclose(in) != 0)
		fail("cannot be read", path);
	return f;
}

void write_file(const char *path, const void *data, size_t size)
{
	FILE *out = fopen(path, "wb");

	if (out == NULL || fwrite(data, 1, size, out) != size || fclose(out) != 0)
		fail("cannot be written", path);
}

void *at(const struct file *f, uint64_t offset, uint64_t size)
{
	if (offset > f->size || size > f->size - offset)
		fail("points outside of the file", "ELF");
	return f->data + offset;
}

/* PT_LOAD by address, then the others as they were, PT_NULL last. */
static int by_place(const void *a, const void *b)
{
	const Elf64_Phdr *x = a, *y = b;
	int rank_x = x->p_type == PT_LOAD ? 0 : x->p_type == PT_NULL ? 2 : 1;
	int rank_y = y->p_type == PT_LOAD ? 0 : y->p_type == PT_NULL ? 2 : 1;

	if (rank_x != rank_y)
		return rank_x - rank_y;
	if (rank_x == 0 && x->p_vaddr != y->p_vaddr)
		return x->p_vaddr < y->p_vaddr ? -1 : 1;
	return x->p_type < y->p_type ? -1 : x->p_type > y->p_type;
}

static void order(const char *in, const char *path, bool strip)
{
	struct file f = read_file(in);
	Elf64_Ehdr *e = at(&f, 0, sizeof(*e));
	Elf64_Phdr *ph = at(&f, e->e_phoff, e->e_phnum * sizeof(*ph));
	size_t end = 0;

	qsort(ph, e->e_phnum, sizeof(*ph), by_place);
	for (unsigned i = 0; i < e->e_phnum; i++) {
		if (ph[i].p_type != PT_LOAD || ph[i].p_filesz == 0)
			continue;
		if (ph[i].p_offset + ph[i].p_filesz > end)
			end = ph[i].p_offset + ph[i].p_filesz;
	}
	if (strip) {
		at(&f, 0, end);
		e->e_shoff = 0;
		e->e_shnum = e->e_shstrndx = 0;
		f.size = end;
	}
	write_file(path, f.data, f.size);
	free(f.data);
}

static int by_offset(const void *a, const void *b)
{
	const struct symbol *x = a, *y = b;

	if (x->offset != y->offset)
		return x->offset < y->offset ? -1 : 1;
	if (x->local != y->local)
		return x->local - y->local;
	return strcmp(x->name, y->name);
}

/* Functions of the text, once for each address. */
static struct symbol *read_symbols(const struct file *f, size_t *count)
{
	const Elf64_Ehdr *e = at(f, 0, sizeof(*e));
	const Elf64_Shdr *sh = at(f, e->e_shoff, e->e_shnum * sizeof(*sh));
	const char *section_names = at(f, sh[e->e_shstrndx].sh_offset, sh[e->e_shstrndx].sh_size);
	const Elf64_Shdr *table = NULL;
	unsigned text = 0;
	struct symbol *out;
	size_t n = 0, kept = 0;

	for (unsigned i = 0; i < e->e_shnum; i++) {
		if (sh[i].sh_type == SHT_SYMTAB)
			table = &sh[i];
		if (strcmp(section_names + sh[i].sh_name, ".text") == 0)
			text = i;
	}
	if (table == NULL || text == 0)
		fail("no symbols or no text", "ELF");
	out = calloc(table->sh_size / sizeof(Elf64_Sym) + 1, sizeof(*out));
	if (out == NULL)
		fail("out of memory", "symbols");
	for (uint64_t i = 0; i < table->sh_size / sizeof(Elf64_Sym); i++) {
		const Elf64_Sym *s =
			at(f, table->sh_offset + i * sizeof(Elf64_Sym), sizeof(Elf64_Sym));
		const char *name = at(f, sh[table->sh_link].sh_offset + s->st_name, 1);
		bool local = ELF64_ST_BIND(s->st_info) == STB_LOCAL;

		if (s->st_shndx != text || (local && ELF64_ST_TYPE(s->st_info) != STT_FUNC))
			continue;
		out[n].offset = s->st_value - sh[text].sh_addr;
		out[n].local = local;
		/* What the compiler appends, ".constprop.0" for one, tells a reader nothing. */
		snprintf(out[n].name, sizeof(out[n].name), "%.*s", (int)strcspn(name, "."), name);
		n++;
	}
	qsort(out, n, sizeof(*out), by_offset);
	for (size_t i = 0; i < n; i++)
		if (kept == 0 || out[kept - 1].offset != out[i].offset)
			out[kept++] = out[i];
	for (size_t i = 0; i < kept; i++) {
		out[i].size = strlen(out[i].name);
		memcpy(out[i].packed, out[i].name, out[i].size);
	}
	*count = kept;
	return out;
}

static void replace_pair(struct symbol *s, uint8_t first, uint8_t second, uint8_t with)
{
	size_t to = 0;

	for (size_t i = 0; i < s->size; i++) {
		if (i + 1 < s->size && s->packed[i] == first && s->packed[i + 1] == second) {
			s->packed[to++] = with;
			i++;
		} else {
			s->packed[to++] = s->packed[i];
		}
	}
	s->size = to;
}

/* Byte pair encoding: the commonest pair of neighbours becomes one byte, 128 times. */
static void pack(struct symbol *s, size_t count, uint8_t pairs[128][2])
{
	static unsigned seen[256 * 256];

	for (unsigned token = 0; token < 128; token++) {
		unsigned best = 0;

		memset(seen, 0, sizeof(seen));
		for (size_t i = 0; i < count; i++)
			for (size_t k = 0; k + 1 < s[i].size; k++)
				seen[s[i].packed[k] * 256u + s[i].packed[k + 1]]++;
		for (unsigned p = 1; p < 256 * 256; p++)
			if (seen[p] > seen[best])
				best = p;
		pairs[token][0] = (uint8_t)(best / 256);
		pairs[token][1] = (uint8_t)(best % 256);
		if (seen[best] == 0)
			continue;
		for (size_t i = 0; i < count; i++)
			replace_pair(&s[i], pairs[token][0], pairs[token][1],
				     (uint8_t)(128 + token));
	}
}

static void symbols(const char *in, const char *path)
{
	static uint8_t pairs[128][2];
	struct file f = read_file(in);
	size_t count;
	struct symbol *s = read_symbols(&f, &count);
	uint64_t last = 0;
	FILE *out = fopen(path, "w");

	if (out == NULL)
		fail("cannot be written", path);
	pack(s, count, pairs);
	fprintf(out, "\t.section .rodata_symbols, \"a\"\n\t.globl uk_symbols\nuk_symbols:\n");
	for (unsigned i = 0; i < 128; i++)
		fprintf(out, "\t.byte %u, %u\n", pairs[i][0], pairs[i][1]);
	for (size_t i = 0; i < count; i++) {
		fprintf(out, "\t.uleb128 %llu\n\t.byte %zu",
			(unsigned long long)(s[i].offset - last), s[i].size);
		for (size_t k = 0; k < s[i].size; k++)
			fprintf(out, ", %u", s[i].packed[k]);
		fprintf(out, " /* %s */\n", s[i].name);
		last = s[i].offset;
	}
	fprintf(out, "\t.byte 0, 0\n\t.section .note.GNU-stack, \"\", @progbits\n");
	if (fclose(out) != 0)
		fail("cannot be written", path);
	free(s);
	free(f.data);
}

int main(int argc, char **argv)
{
	if (argc == 4 && strcmp(argv[1], "symbols") == 0)
		symbols(argv[2], argv[3]);
	else if (argc == 4 && strcmp(argv[1], "order") == 0)
		order(argv[2], argv[3], false);
	else if (argc == 4 && strcmp(argv[1], "strip") == 0)
		order(argv[2], argv[3], true);
	else if (argc == 5 && strcmp(argv[1], "pack") == 0)
		pack_kernel(argv[2], argv[3], argv[4]);
	else
		fail("symbols|order|strip IN OUT, pack IN CODE OUT", "usage");
	return 0;
}
