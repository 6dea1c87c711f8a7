/*
 * The program loader: maps an ELF64 file's segments (System V ABI, chapter 5; AMD64 supplement) and
 * the interpreter's that it names. Every number in the file is bounded before it is used. Segments
 * that are writable and executable at once are refused, whatever the program wants.
 */
#include "elf.h"
#include "proc.h"
#include <uk/map.h>
#include <uk/mem.h>
#include <uk/user.h>
#include <uk/vfs.h>

#define SPAN_MAX (1ull << 40)
#define AT_ONCE (4 * UK_PAGE_SIZE) /* of a segment: what is wanted first is spared its faults */

uint64_t uk_elf_moved;

/* What is wrong, for the one line that says so. */
struct complaint {
	char *why;
	size_t room;
};

static int refuse(struct complaint *c, int error, const char *text)
{
	uk_strlcpy(c->why, text, c->room);
	return error;
}

struct image {
	struct uk_file *file;
	struct uk_elf_header header;
	struct uk_elf_segment segment[UK_ELF_SEGMENTS_MAX];
	uint64_t low, high; /* of the segments, as linked, whole pages */
	uint64_t moved;
	char interpreter[256]; /* "": none */
};

/* From the pages that are about to be mapped. */
static int read_exact(struct uk_file *file, void *to, size_t size, uint64_t offset)
{
	uint8_t *out = to;

	if (offset > file->inode->size || size > file->inode->size - offset)
		return -UK_ENOEXEC;
	while (size != 0) {
		uint64_t in = offset & UK_PAGE_MASK, part = UK_MIN(size, UK_PAGE_SIZE - in);
		struct uk_page *page;
		int result = uk_file_page(file, offset >> UK_PAGE_SHIFT, &page);

		if (result != 0)
			return result;
		memcpy(out, (const uint8_t *)uk_page_virt(page) + in, part);
		uk_page_put(page);
		out += part;
		offset += part;
		size -= part;
	}
	return 0;
}

static int check_header(struct image *im, struct complaint *c)
{
	const struct uk_elf_header *h = &im->header;
	int result = read_exact(im->file, &im->header, sizeof(im->header), 0);

	if (result != 0)
		return refuse(c, result, "it is too short for an ELF file, or cannot be read");
	if (memcmp(h->ident, "\177ELF", 4) != 0)
		return refuse(c, -UK_ENOEXEC, "it is no ELF file");
	if (h->ident[4] != UK_ELF_CLASS64 || h->ident[5] != UK_ELF_LITTLE ||
	    h->machine != UK_ELF_X86_64)
		return refuse(c, -UK_ENOEXEC, "it is not for x86-64");
	if (h->type != UK_ELF_EXEC && h->type != UK_ELF_DYN)
		return refuse(c, -UK_ENOEXEC, "it is neither a program nor position-independent");
	if (h->phentsize != sizeof(struct uk_elf_segment) || h->phnum == 0 ||
	    h->phnum > UK_ELF_SEGMENTS_MAX)
		return refuse(c, -UK_ENOEXEC, "its table of segments is not sound");
	result = read_exact(im->file, im->segment, h->phnum * sizeof(im->segment[0]), h->phoff);
	if (result != 0)
		return refuse(c, result, "its table of segments lies outside the file");
	return 0;
}

static int check_load(struct image *im, const struct uk_elf_segment *s, struct complaint *c)
{
	uint64_t size = im->file->inode->size;

	if (s->filesz > s->memsz || s->offset > size || s->filesz > size - s->offset)
		return refuse(c, -UK_ENOEXEC, "a segment lies outside the file");
	if (((s->offset ^ s->vaddr) & UK_PAGE_MASK) != 0)
		return refuse(c, -UK_ENOEXEC, "a segment's place in file and memory do not match");
	if (s->vaddr >= UK_USER_END || s->memsz > UK_USER_END - s->vaddr)
		return refuse(c, -UK_ENOEXEC, "a segment lies outside the program's addresses");
	if (s->vaddr < im->high && im->high != 0 && s->vaddr < UK_ALIGN_DOWN(im->high - 1, 4096ull))
		return refuse(c, -UK_ENOEXEC, "its segments are out of order");
	if ((s->flags & UK_ELF_W) && (s->flags & UK_ELF_X))
		return refuse(
			c, -UK_EACCES,
			"a segment is writable and executable at once, which is never allowed");
	if (im->high == 0)
		im->low = UK_ALIGN_DOWN(s->vaddr, UK_PAGE_SIZE);
	im->high = UK_ALIGN_UP(s->vaddr + s->memsz, UK_PAGE_SIZE);
	return 0;
}

static int check_interpreter(struct image *im, const struct uk_elf_segment *s, struct complaint *c)
{
	int result;

	if (s->filesz < 2 || s->filesz > sizeof(im->interpreter))
		return refuse(c, -UK_ENOEXEC, "the name of its interpreter is not sound");
	result = read_exact(im->file, im->interpreter, s->filesz, s->offset);
	if (result != 0 || im->interpreter[s->filesz - 1] != '\0')
		return refuse(c, -UK_ENOEXEC, "the name of its interpreter is not sound");
	return 0;
}

static int check(struct image *im, struct complaint *c)
{
	int result = check_header(im, c);

	for (unsigned i = 0; i < im->header.phnum && result == 0; i++) {
		const struct uk_elf_segment *s = &im->segment[i];

		if (s->type == UK_ELF_LOAD && s->memsz != 0)
			result = check_load(im, s, c);
		else if (s->type == UK_ELF_INTERP)
			result = check_interpreter(im, s, c);
	}
	if (result != 0)
		return result;
	if (im->high == 0)
		return refuse(c, -UK_ENOEXEC, "it has nothing to load");
	if (im->high - im->low > SPAN_MAX)
		return refuse(c, -UK_ENOEXEC, "its segments are too far apart");
	return 0;
}

static unsigned prot_of(uint32_t flags)
{
	return (flags & UK_ELF_R ? UK_PROT_READ : 0u) | (flags & UK_ELF_W ? UK_PROT_WRITE : 0u) |
	       (flags & UK_ELF_X ? UK_PROT_EXEC : 0u);
}

static int map_segment(struct image *im, const struct uk_elf_segment *s)
{
	uint64_t start = s->vaddr + im->moved, lead = start & UK_PAGE_MASK;
	uint64_t file_end = start + s->filesz, end = UK_ALIGN_UP(start + s->memsz, UK_PAGE_SIZE);
	struct uk_map_request r = {
		.addr = start - lead,
		.size = UK_ALIGN_UP(s->filesz + lead, UK_PAGE_SIZE),
		.prot = prot_of(s->flags),
		.fixed = true,
		.file = im->file,
		.offset = s->offset - lead,
	};
	int64_t result;

	if (s->filesz != 0) {
		result = uk_map_add(&r);
		if (result >= 0)
			result = uk_map_populate(r.addr, UK_MIN(r.size, AT_ONCE));
		if (result < 0)
			return (int)result;
		/* What the file has behind the segment must not show in .bss. */
		if (s->memsz > s->filesz && (s->flags & UK_ELF_W) &&
		    (file_end & UK_PAGE_MASK) != 0 &&
		    uk_clear_user(file_end, UK_PAGE_SIZE - (file_end & UK_PAGE_MASK)) != 0)
			return -UK_EIO;
		r.addr += r.size;
	}
	if (end <= r.addr)
		return 0;
	r.size = end - r.addr;
	r.file = NULL;
	result = uk_map_add(&r);
	return result < 0 ? (int)result : 0;
}

static int map_image(struct image *im, bool main, struct complaint *c)
{
	uint64_t span = im->high - im->low;
	uint64_t hole = uk_area_hole(uk_map.root, span, uk_map.low, uk_map.high);

	im->moved = 0;
	if (im->header.type == UK_ELF_DYN && main)
		im->moved = UK_LAYOUT_PIE + uk_layout_random(1 << 24) - im->low;
	else if (im->header.type == UK_ELF_DYN)
		im->moved = hole - im->low;
	if (hole == 0)
		return refuse(c, -UK_ENOMEM, "there is no room for it");
	if (im->header.entry + im->moved >= UK_USER_END)
		return refuse(c, -UK_ENOEXEC, "its entry lies outside the program's addresses");
	for (unsigned i = 0; i < im->header.phnum; i++) {
		int result = 0;

		if (im->segment[i].type == UK_ELF_LOAD && im->segment[i].memsz != 0)
			result = map_segment(im, &im->segment[i]);
		if (result != 0)
			return refuse(c, result,
				      result == -UK_ENOMEM ? "there is not enough memory for it"
							   : "a segment cannot be mapped");
	}
	return 0;
}

static uint64_t phdr_address(const struct image *im)
{
	const struct uk_elf_header *h = &im->header;

	for (unsigned i = 0; i < h->phnum; i++) {
		const struct uk_elf_segment *s = &im->segment[i];

		if (s->type == UK_ELF_PHDR)
			return s->vaddr + im->moved;
		if (s->type == UK_ELF_LOAD && s->offset <= h->phoff &&
		    h->phoff - s->offset < s->filesz)
			return s->vaddr + (h->phoff - s->offset) + im->moved;
	}
	return 0;
}

static int load_interpreter(struct image *im, struct uk_loaded *out, struct complaint *c)
{
	char path[sizeof(im->interpreter)];
	int result;

	uk_strlcpy(path, im->interpreter, sizeof(path));
	memset(im, 0, sizeof(*im));
	im->file = uk_file_open(path, UK_O_RDONLY, 0);
	if (uk_is_err(im->file)) {
		uk_snprintf(c->why, c->room, "it needs the interpreter %s, which is not there",
			    path);
		return (int)uk_ptr_err(im->file);
	}
	result = check(im, c);
	if (result == 0 && im->interpreter[0] != '\0')
		result = refuse(c, -UK_ENOEXEC, "its interpreter needs an interpreter");
	if (result == 0)
		result = map_image(im, false, c);
	out->base = im->low + im->moved;
	out->entry = im->header.entry + im->moved;
	uk_file_put(im->file);
	return result;
}

int uk_elf_load(struct uk_file *file, struct uk_loaded *out, char *why, size_t room)
{
	static struct image image; /* one program is loaded, once */
	struct complaint c = { .why = why, .room = room };
	struct image *im = &image;
	int result;

	memset(out, 0, sizeof(*out));
	memset(im, 0, sizeof(*im));
	im->file = file;
	result = uk_file_may_execute(file);
	if (result != 0)
		refuse(&c, result, "it may not be executed");
	else
		result = check(im, &c);
	if (result == 0)
		result = map_image(im, true, &c);
	if (result == 0) {
		out->program = out->entry = im->header.entry + im->moved;
		out->phdr = phdr_address(im);
		out->phentsize = im->header.phentsize;
		out->phnum = im->header.phnum;
		out->end = im->high + im->moved;
		uk_elf_moved = im->moved;
		if (im->interpreter[0] != '\0')
			result = load_interpreter(im, out, &c);
	}
	return result;
}
