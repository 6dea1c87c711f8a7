/*
 * The ELF reader: header, program headers, interpreter, needed libraries, notes, symbols. Works on
 * a range of a descriptor with bounded reads, so that a program of any size costs little.
 */
#include <uni/kernel/elf.h>

#include <elf.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <uni/base/file.h>
#include <unistd.h>

enum {
	DYNAMIC_MAX = 1 << 20,
	STRINGS_MAX = 1 << 20,
	NOTES_MAX = 1 << 20,
	NEEDED_MAX = 256,
	DYNAMIC_NAME_MAX = 1024,
};

static int corrupt(const struct uni_elf *elf, const char *what, struct uni_err *err)
{
	return uni_err_set(err, UNI_E_CORRUPT, "%s: is a damaged ELF file: %s", elf->name, what);
}

static bool inside(const struct uni_elf *elf, uint64_t offset, uint64_t size)
{
	return offset <= elf->size && size <= elf->size - offset;
}

static int read_at(const struct uni_elf *elf, uint64_t offset, void *data, size_t size,
		   const char *what, struct uni_err *err)
{
	if (!inside(elf, offset, size))
		return corrupt(elf, what, err);
	return uni_pread_full(elf->fd, data, size, elf->base + offset, elf->name, err);
}

static int read_header(struct uni_elf *elf, uint16_t *phnum, struct uni_err *err)
{
	Elf64_Ehdr h = { .e_type = 0 };
	int rc;

	if (elf->size < SELFMAG)
		return uni_err_set(err, UNI_E_UNSUPPORTED, "%s: is not an ELF file", elf->name);
	rc = read_at(elf, 0, h.e_ident, elf->size < EI_NIDENT ? SELFMAG : EI_NIDENT, "header", err);
	if (rc != 0)
		return rc;
	if (memcmp(h.e_ident, ELFMAG, SELFMAG) != 0)
		return uni_err_set(err, UNI_E_UNSUPPORTED, "%s: is not an ELF file", elf->name);
	if (elf->size >= EI_NIDENT && h.e_ident[EI_CLASS] == ELFCLASS32)
		return uni_err_set(err, UNI_E_UNSUPPORTED, "%s: is a 32-bit ELF file", elf->name);
	if (elf->size >= EI_NIDENT && h.e_ident[EI_DATA] == ELFDATA2MSB)
		return uni_err_set(err, UNI_E_UNSUPPORTED, "%s: is a big-endian ELF file",
				   elf->name);
	rc = read_at(elf, 0, &h, sizeof(h), "header is cut", err);
	if (rc != 0)
		return rc;
	if (h.e_ident[EI_CLASS] != ELFCLASS64 || h.e_ident[EI_DATA] != ELFDATA2LSB ||
	    h.e_version != EV_CURRENT)
		return corrupt(elf, "unknown class, byte order or version", err);
	if (h.e_phnum != 0 && h.e_phentsize != sizeof(Elf64_Phdr))
		return corrupt(elf, "size of program headers", err);
	if (h.e_shoff != 0 && h.e_shnum != 0 && h.e_shentsize != sizeof(Elf64_Shdr))
		return corrupt(elf, "size of section headers", err);
	if (h.e_phnum > UNI_ELF_SEGMENTS_MAX)
		return uni_err_set(err, UNI_E_LIMIT, "%s: has %u program headers, at most %d",
				   elf->name, h.e_phnum, UNI_ELF_SEGMENTS_MAX);
	elf->type = h.e_type;
	elf->machine = h.e_machine;
	elf->os_abi = h.e_ident[EI_OSABI];
	elf->entry = h.e_entry;
	elf->phoff = h.e_phoff;
	elf->shoff = h.e_shoff;
	elf->shnum = h.e_shoff != 0 ? h.e_shnum : 0;
	elf->shstrndx = h.e_shstrndx;
	*phnum = h.e_phnum;
	return 0;
}

static int read_segments(struct uni_elf *elf, uint16_t phnum, struct uni_err *err)
{
	for (uint16_t i = 0; i < phnum; i++) {
		Elf64_Phdr p;
		struct uni_elf_segment *s = &elf->segments[i];
		int rc = elf->phoff > elf->size
				 ? corrupt(elf, "place of program headers", err)
				 : read_at(elf, elf->phoff + i * sizeof(p), &p, sizeof(p),
					   "program headers are cut", err);

		if (rc != 0)
			return rc;
		*s = (struct uni_elf_segment){ .type = p.p_type,
					       .flags = p.p_flags,
					       .offset = p.p_offset,
					       .vaddr = p.p_vaddr,
					       .paddr = p.p_paddr,
					       .filesz = p.p_filesz,
					       .memsz = p.p_memsz,
					       .align = p.p_align };
		if (s->filesz != 0 && !inside(elf, s->offset, s->filesz))
			return corrupt(elf, "a segment reaches behind the file's end", err);
		if (s->type == PT_LOAD && (s->memsz < s->filesz || s->vaddr + s->memsz < s->vaddr ||
					   s->paddr + s->memsz < s->paddr))
			return corrupt(elf, "size of a segment", err);
		elf->segment_count++;
	}
	return 0;
}

/* Where a virtual address lies in the file. */
static bool file_offset(const struct uni_elf *elf, uint64_t vaddr, uint64_t *offset, uint64_t *room)
{
	for (size_t i = 0; i < elf->segment_count; i++) {
		const struct uni_elf_segment *s = &elf->segments[i];

		if (s->type == PT_LOAD && vaddr >= s->vaddr && vaddr - s->vaddr < s->filesz) {
			*offset = s->offset + (vaddr - s->vaddr);
			*room = s->filesz - (vaddr - s->vaddr);
			return true;
		}
	}
	return false;
}

static int read_interpreter(struct uni_elf *elf, const struct uni_elf_segment *s,
			    struct uni_err *err)
{
	char text[4096];

	if (elf->interpreter != NULL || s->filesz == 0 || s->filesz > sizeof(text))
		return corrupt(elf, "interpreter", err);
	int rc = read_at(elf, s->offset, text, (size_t)s->filesz, "interpreter", err);

	if (rc != 0)
		return rc;
	if (text[s->filesz - 1] != '\0' || !uni_utf8_valid(text, strlen(text)))
		return corrupt(elf, "interpreter", err);
	elf->interpreter = uni_strdup(text);
	return 0;
}

/* What the dynamic segment says of libraries: places in its table of strings, and that table. */
struct dynamic {
	uint64_t needed[NEEDED_MAX];
	size_t count;
	uint64_t runpath;
	bool has_runpath;
	uint64_t table;
};

static int read_dynamic(struct uni_elf *elf, const struct uni_elf_segment *s, struct dynamic *found,
			struct uni_err *err)
{
	if (s->filesz > DYNAMIC_MAX)
		return corrupt(elf, "size of the dynamic segment", err);
	for (uint64_t at = 0; at + sizeof(Elf64_Dyn) <= s->filesz; at += sizeof(Elf64_Dyn)) {
		Elf64_Dyn d;
		int rc = read_at(elf, s->offset + at, &d, sizeof(d), "dynamic segment", err);

		if (rc != 0)
			return rc;
		if (d.d_tag == DT_NULL)
			break;
		if (d.d_tag == DT_STRTAB)
			found->table = d.d_un.d_ptr;
		if (d.d_tag == DT_SONAME)
			elf->shared_library = true;
		if (d.d_tag == DT_RUNPATH || (d.d_tag == DT_RPATH && !found->has_runpath)) {
			found->runpath = d.d_un.d_val;
			found->has_runpath = true;
			elf->runpath_is_old = d.d_tag == DT_RPATH;
		}
		if (d.d_tag == DT_NEEDED) {
			if (found->count == NEEDED_MAX)
				return corrupt(elf, "too many needed libraries", err);
			found->needed[found->count++] = d.d_un.d_val;
		}
	}
	return 0;
}

/* A string of the dynamic segment's table, which lies at `offset` and has `room` bytes. */
static int read_name(struct uni_elf *elf, uint64_t offset, uint64_t room, uint64_t name,
		     char text[DYNAMIC_NAME_MAX], struct uni_err *err)
{
	uint64_t size;
	int rc;

	memset(text, 0, DYNAMIC_NAME_MAX);
	if (name >= room)
		return corrupt(elf, "name of a needed library", err);
	size = room - name < DYNAMIC_NAME_MAX - 1 ? room - name : DYNAMIC_NAME_MAX - 1;
	rc = read_at(elf, offset + name, text, (size_t)size, "name of a needed library", err);
	if (rc != 0)
		return rc;
	if (!uni_utf8_valid(text, strlen(text)))
		return corrupt(elf, "name of a needed library", err);
	return 0;
}

/* The names of DT_NEEDED and DT_RUNPATH, through the string table that the same segment points
 * to. */
static int read_needed(struct uni_elf *elf, const struct uni_elf_segment *s, struct uni_err *err)
{
	struct dynamic found = { .count = 0 };
	char text[DYNAMIC_NAME_MAX];
	uint64_t offset = 0, room = 0;
	int rc = read_dynamic(elf, s, &found, err);

	if (rc != 0 || (found.count == 0 && !found.has_runpath))
		return rc;
	if (!file_offset(elf, found.table, &offset, &room))
		return corrupt(elf, "place of the dynamic strings", err);
	for (size_t i = 0; rc == 0 && i < found.count; i++) {
		rc = read_name(elf, offset, room, found.needed[i], text, err);
		if (rc == 0)
			uni_strv_add(&elf->needed, text);
	}
	if (rc == 0 && found.has_runpath) {
		rc = read_name(elf, offset, room, found.runpath, text, err);
		if (rc == 0)
			elf->runpath = uni_strdup(text);
	}
	return rc;
}

static int read_all(struct uni_elf *elf, struct uni_err *err)
{
	uint16_t phnum = 0;
	int rc = read_header(elf, &phnum, err);

	if (rc == 0)
		rc = read_segments(elf, phnum, err);
	for (size_t i = 0; rc == 0 && i < elf->segment_count; i++) {
		if (elf->segments[i].type == PT_INTERP)
			rc = read_interpreter(elf, &elf->segments[i], err);
		else if (elf->segments[i].type == PT_DYNAMIC)
			rc = read_needed(elf, &elf->segments[i], err);
	}
	return rc;
}

int uni_elf_open(struct uni_elf **out, int fd, uint64_t offset, uint64_t size, const char *name,
		 struct uni_err *err)
{
	struct uni_elf *elf = uni_alloc(sizeof(*elf));
	int rc;

	elf->fd = fd;
	elf->base = offset;
	elf->size = size;
	elf->name = uni_strdup(name);
	rc = read_all(elf, err);
	if (rc != 0) {
		uni_elf_free(elf);
		elf = NULL;
	}
	*out = elf;
	return rc;
}

int uni_elf_open_file(struct uni_elf **out, const char *path, const char *name, struct uni_err *err)
{
	UNI_AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	off_t size = fd < 0 ? -1 : lseek(fd, 0, SEEK_END);

	if (size < 0)
		return uni_err_errno(err, "%s", path);
	if (uni_elf_open(out, fd, 0, (uint64_t)size, name, err) != 0)
		return err->code;
	(*out)->owns_fd = true;
	fd = -1;
	return 0;
}

void uni_elf_free(struct uni_elf *elf)
{
	if (elf == NULL)
		return;
	if (elf->owns_fd)
		close(elf->fd);
	free(elf->name);
	free(elf->interpreter);
	free(elf->runpath);
	uni_strv_free(&elf->needed);
	free(elf);
}

const char *uni_elf_machine_name(uint16_t machine)
{
	static const struct {
		uint16_t machine;
		const char *name;
	} names[] = {
		{ EM_X86_64, "x86-64" }, { EM_386, "x86 (32-bit)" }, { EM_AARCH64, "AArch64" },
		{ EM_ARM, "ARM" },	 { EM_RISCV, "RISC-V" },     { EM_PPC64, "PowerPC 64" },
		{ EM_S390, "s390" },	 { EM_MIPS, "MIPS" },	     { 258, "LoongArch" },
		{ EM_SPARCV9, "SPARC" },
	};
	static _Thread_local char other[24];

	for (size_t i = 0; i < UNI_COUNT(names); i++)
		if (names[i].machine == machine)
			return names[i].name;
	snprintf(other, sizeof(other), "machine %u", machine);
	return other;
}

/* A note that is looked for, and where its content was found. */
struct note {
	const char *owner;
	uint32_t type;
	size_t offset, size;
};

/* In one PT_NOTE segment that was read into memory. */
static bool find_note(const uint8_t *notes, size_t size, size_t align, struct note *note)
{
	size_t owner_size = strlen(note->owner) + 1;
	size_t at = 0;

	while (size - at >= sizeof(Elf64_Nhdr)) {
		Elf64_Nhdr n;
		size_t name;
		size_t desc;

		memcpy(&n, notes + at, sizeof(n));
		name = at + sizeof(n);
		if (n.n_namesz > size - name)
			return false;
		desc = (name + n.n_namesz + align - 1) / align * align;
		if (desc > size || n.n_descsz > size - desc)
			return false;
		if (n.n_type == note->type && n.n_namesz == owner_size &&
		    memcmp(notes + name, note->owner, owner_size) == 0) {
			note->offset = desc;
			note->size = n.n_descsz;
			return true;
		}
		at = (desc + n.n_descsz + align - 1) / align * align;
		if (at > size)
			return false;
	}
	return false;
}

int uni_elf_note(const struct uni_elf *elf, const char *owner, uint32_t type, uint64_t *offset,
		 uint64_t *size, struct uni_err *err)
{
	struct note note = { .owner = owner, .type = type };

	for (size_t i = 0; i < elf->segment_count; i++) {
		const struct uni_elf_segment *s = &elf->segments[i];
		UNI_AUTO_FREE uint8_t *notes = NULL;
		int rc;

		if (s->type != PT_NOTE || s->filesz == 0)
			continue;
		notes = uni_try_alloc(s->filesz, NOTES_MAX, "ELF notes", err);
		if (notes == NULL)
			return uni_err_context(err, "%s", elf->name);
		rc = read_at(elf, s->offset, notes, (size_t)s->filesz, "notes", err);
		if (rc != 0)
			return rc;
		if (find_note(notes, (size_t)s->filesz, s->align == 8 ? 8 : 4, &note)) {
			*offset = s->offset + note.offset;
			*size = note.size;
			return 0;
		}
	}
	return uni_err_set(err, UNI_E_NOENT, "%s: has no ELF note of owner \"%s\" and type %u",
			   elf->name, owner, type);
}
