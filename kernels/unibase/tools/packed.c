/*
 * Makes a kernel that unpacks itself (kernels/boot/unpack.h) of a stripped one. To loaders and to
 * the tool it is a bootable ELF like any other, by the rule in uni/abi/note.h: the memory in front
 * of its content, with the place of the unpacked kernel, is its .bss. Its notes are the kernel's;
 * the entry is the unpacking code's, and one more note says what of the file is packed.
 */
#include "imagetool.h"
#include <elf.h>
#include <lz4hc.h>
#include <stdlib.h>
#include <string.h>
#include <uni/abi/boot.h>
#include <uni/abi/note.h>
#include <unpack.h>

#define PAGE 4096
#define HEAD_MAX 8192

/* Program headers: what is zeroed, content, notes, and the free one for the parts. */
enum { BSS, CONTENT, NOTES, SPARE, PH_COUNT };

struct packing {
	struct file kernel;
	const Elf64_Ehdr *e;
	const Elf64_Phdr *bss, *first, *text, *note; /* first: with the file's first byte */
	uint8_t head[HEAD_MAX];
	size_t head_size;
	uint64_t parts, entry_note; /* places in `head` */
	uint64_t parts_to;	    /* place in the kernel's file */
	struct uni_packed_note *packed;
};

static void find_segments(struct packing *p)
{
	const Elf64_Phdr *ph;

	p->e = at(&p->kernel, 0, sizeof(*p->e));
	ph = at(&p->kernel, p->e->e_phoff, p->e->e_phnum * sizeof(*ph));
	for (unsigned i = 0; i < p->e->e_phnum; i++) {
		if (ph[i].p_type == PT_LOAD && ph[i].p_filesz == 0)
			p->bss = &ph[i];
		else if (ph[i].p_type == PT_LOAD && ph[i].p_offset == 0)
			p->first = &ph[i];
		else if (ph[i].p_type == PT_LOAD && (ph[i].p_flags & PF_X) != 0)
			p->text = &ph[i];
		else if (ph[i].p_type == PT_NOTE)
			p->note = &ph[i];
	}
	if (p->bss == NULL || p->first == NULL || p->text == NULL || p->note == NULL)
		fail("is no kernel", "ELF");
}

/* Where the descriptor of a note is, from the start of the notes. */
static uint64_t note_offset(const struct packing *p, const char *owner, uint32_t type)
{
	const uint8_t *notes = at(&p->kernel, p->note->p_offset, p->note->p_filesz);
	uint64_t offset = 0;

	while (offset + sizeof(Elf64_Nhdr) < p->note->p_filesz) {
		Elf64_Nhdr n;
		const char *name = (const char *)notes + offset + sizeof(n);

		memcpy(&n, notes + offset, sizeof(n));
		offset += sizeof(n) + (n.n_namesz + 3) / 4 * 4;
		if (n.n_type == type && strcmp(name, owner) == 0)
			return offset;
		offset += (n.n_descsz + 3) / 4 * 4;
	}
	fail("lacks a note", "kernel");
}

static void *add_note(struct packing *p, uint32_t type, uint32_t size)
{
	const Elf64_Nhdr n = { .n_namesz = sizeof(UNI_NOTE_OWNER),
			       .n_descsz = size,
			       .n_type = type };

	memcpy(p->head + p->head_size, &n, sizeof(n));
	memcpy(p->head + p->head_size + sizeof(n), UNI_NOTE_OWNER, sizeof(UNI_NOTE_OWNER));
	p->head_size += sizeof(n) + sizeof(UNI_NOTE_OWNER) + size;
	return p->head + p->head_size - size;
}

static void make_head(struct packing *p)
{
	const size_t notes = sizeof(Elf64_Ehdr) + PH_COUNT * sizeof(Elf64_Phdr);
	uint64_t parts = note_offset(p, UNI_NOTE_OWNER, UNI_NOTE_PARTS);

	if (p->note->p_filesz > HEAD_MAX - 2 * notes)
		fail("has too many notes", "kernel");
	memcpy(p->head + notes, at(&p->kernel, p->note->p_offset, p->note->p_filesz),
	       p->note->p_filesz);
	p->head_size = notes + p->note->p_filesz;
	p->parts = notes + parts;
	p->parts_to = p->note->p_offset + parts;
	p->entry_note = notes + note_offset(p, "Xen", UNI_XEN_NOTE_PHYS32_ENTRY);
	p->packed = add_note(p, UNI_NOTE_PACKED, sizeof(*p->packed));
	p->packed->from = (uint32_t)p->head_size;
}

/* Once, so as well as it goes. Nobody needs the kernel's file as it was from here on. */
static void put_packed(struct packing *p, struct file *out)
{
	int room = LZ4_compressBound((int)p->kernel.size), got;

	out->data = calloc(1, p->head_size + (size_t)room + PAGE);
	if (out->data == NULL)
		fail("out of memory", "kernel");
	unpack_convert(at(&p->kernel, p->text->p_offset, p->text->p_filesz),
		       (uint32_t)p->text->p_filesz, unpack_call_place);
	got = LZ4_compress_HC((const char *)p->kernel.data, (char *)out->data + p->head_size,
			      (int)p->kernel.size, room, LZ4HC_CLEVEL_MAX);
	if (got <= 0)
		fail("cannot be packed", "kernel");
	p->packed->to = p->packed->from + (uint32_t)got;
	out->size = (p->packed->to + 15) & ~15u;
}

static void put_code(const struct packing *p, const struct file *code, uint64_t load,
		     struct file *out)
{
	const struct unpack_facts facts = {
		.self = (uint32_t)(load + out->size),
		.stack = (uint32_t)p->bss->p_paddr + PAGE,
		.image = (uint32_t)p->first->p_paddr,
		.size = (uint32_t)p->kernel.size,
		.room = (uint32_t)(load + p->packed->to - p->first->p_paddr),
		.stored_size = p->packed->to - p->packed->from,
		.parts = (uint32_t)(load + p->parts),
		.parts_to = (uint32_t)(p->first->p_paddr + p->parts_to),
		.text = (uint32_t)p->text->p_paddr,
		.text_size = (uint32_t)p->text->p_filesz,
		.entry = (uint32_t)p->e->e_entry,
	};

	if (code->size <= sizeof(facts) || code->size > PAGE - 16)
		fail("is not what unpacks", "code");
	memcpy(out->data + out->size, code->data, code->size);
	memcpy(out->data + out->size, &facts, sizeof(facts));
	out->size += code->size;
}

static void put_head(struct packing *p, uint64_t load, struct file *out)
{
	const uint64_t entry = load + ((p->packed->to + 15) & ~15u) + sizeof(struct unpack_facts);
	const size_t notes = sizeof(Elf64_Ehdr) + PH_COUNT * sizeof(Elf64_Phdr);
	Elf64_Ehdr e = *p->e;
	Elf64_Phdr ph[PH_COUNT] = { [BSS] = *p->bss, [CONTENT] = *p->first, [NOTES] = *p->note };

	e.e_entry = entry;
	e.e_phoff = sizeof(e);
	e.e_phnum = PH_COUNT;
	ph[BSS].p_memsz = load - ph[BSS].p_paddr;
	ph[CONTENT].p_flags = PF_R | PF_X;
	ph[CONTENT].p_vaddr += load - ph[CONTENT].p_paddr;
	ph[CONTENT].p_paddr = load;
	ph[CONTENT].p_filesz = ph[CONTENT].p_memsz = out->size;
	ph[NOTES].p_offset = notes;
	ph[NOTES].p_vaddr = ph[CONTENT].p_vaddr + notes;
	ph[NOTES].p_paddr = load + notes;
	ph[NOTES].p_filesz = ph[NOTES].p_memsz = p->head_size - notes;
	ph[SPARE].p_type = PT_NULL;
	memcpy(p->head, &e, sizeof(e));
	memcpy(p->head + sizeof(e), ph, sizeof(ph));
	memcpy(p->head + p->entry_note, &entry, sizeof(entry));
	memcpy(out->data, p->head, p->head_size);
}

void pack_kernel(const char *kernel, const char *code_path, const char *path)
{
	static struct packing p;
	struct file code = read_file(code_path), out = { NULL, 0 };
	uint64_t load;

	p.kernel = read_file(kernel);
	if (p.kernel.size > LZ4_MAX_INPUT_SIZE)
		fail("is too large", kernel);
	find_segments(&p);
	make_head(&p);
	put_packed(&p, &out);
	/* The packed bytes end behind the unpacked ones; what carries them starts on a page. */
	load = p.first->p_paddr + p.kernel.size + unpack_margin(p.packed->to - p.packed->from) -
	       p.packed->to;
	load = (load + PAGE - 1) / PAGE * PAGE;
	put_code(&p, &code, load, &out);
	put_head(&p, load, &out);
	write_file(path, out.data, out.size);
	free(out.data);
	free(code.data);
	free(p.kernel.data);
}
