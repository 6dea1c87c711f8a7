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

/* As a file's first page has them, mostly: its header, and the table of segments behind that. */
struct start {
	struct uk_elf_header header;
	struct uk_elf_segment segment[UK_ELF_SEGMENTS_MAX];
};
_Static_assert(sizeof(struct start) <= UK_PAGE_SIZE, "read at once");

struct image {
	struct start start;
	struct uk_file *file;
	uint64_t low, high; /* of the segments, as linked, whole pages */
	uint64_t phdr;	    /* the table of segments, as linked; UINT64_MAX: none has it */
	uint64_t moved;
	uint64_t mapped; /* up to here segments are */
	struct uk_map_request request;
	char interpreter[256]; /* "": none */
};

static int read_exact(const struct image *im, void *to, size_t size, uint64_t offset)
{
	int64_t result = uk_file_read_kernel(im->file, to, size, offset);

	if (result < 0)
		return (int)result;
	return (size_t)result == size ? 0 : -UK_ENOEXEC;
}

/* From a page that is about to be mapped. */
static int read_start(struct image *im)
{
	struct uk_page *page;
	int result = -UK_ENOEXEC;

	if (im->file->inode->size >= sizeof(im->start.header))
		result = uk_file_page(im->file, 0, &page);
	if (result != 0)
		return result;
	memcpy(&im->start, uk_page_virt(page), sizeof(im->start));
	uk_page_put(page);
	return 0;
}

UK_ASIDE int refuse_header(const struct uk_elf_header *h, struct complaint *c)
{
	const char *why = "its table of segments is not sound";

	if (h->magic != UK_ELF_MAGIC)
		why = "it is no ELF file";
	else if (h->class != UK_ELF_CLASS64 || h->order != UK_ELF_LITTLE ||
		 h->machine != UK_ELF_X86_64)
		why = "it is not for x86-64";
	else if (h->type != UK_ELF_EXEC && h->type != UK_ELF_DYN)
		why = "it is neither a program nor position-independent";
	return refuse(c, -UK_ENOEXEC, why);
}

static int check_header(struct image *im, struct complaint *c)
{
	const struct uk_elf_header *h = &im->start.header;
	int result = read_start(im);
	uint64_t table;
	bool sound;

	if (result != 0)
		return refuse(c, result, "it is too short for an ELF file, or cannot be read");
	sound = (h->magic == UK_ELF_MAGIC) & (h->class == UK_ELF_CLASS64) &
		(h->order == UK_ELF_LITTLE) & (h->machine == UK_ELF_X86_64) &
		((h->type == UK_ELF_EXEC) | (h->type == UK_ELF_DYN)) &
		(h->phentsize == sizeof(struct uk_elf_segment)) &
		(h->phnum - 1u < UK_ELF_SEGMENTS_MAX);
	if (!sound)
		return refuse_header(h, c);
	table = h->phnum * sizeof(struct uk_elf_segment);
	if ((h->phoff != sizeof(*h)) | (im->file->inode->size < sizeof(*h) + table))
		result = read_exact(im, im->start.segment, table, h->phoff);
	return result != 0 ? refuse(c, result, "its table of segments lies outside the file") : 0;
}

UK_ASIDE int refuse_load(const struct image *im, const struct uk_elf_segment *s,
			 struct complaint *c)
{
	const char *why = "a segment is writable and executable at once, which is never allowed";
	uint64_t size = im->file->inode->size;
	int error = -UK_ENOEXEC;

	if (s->filesz > s->memsz || s->offset > size || s->filesz > size - s->offset)
		why = "a segment lies outside the file";
	else if (((s->offset ^ s->vaddr) & UK_PAGE_MASK) != 0)
		why = "a segment's place in file and memory do not match";
	else if (s->vaddr >= UK_USER_END || s->memsz > UK_USER_END - s->vaddr)
		why = "a segment lies outside the program's addresses";
	else if (s->vaddr < im->high - UK_PAGE_SIZE)
		why = "its segments are out of order";
	else
		error = -UK_EACCES;
	return refuse(c, error, why);
}

static int check_load(struct image *im, const struct uk_elf_segment *s, struct complaint *c)
{
	uint64_t size = im->file->inode->size, table = im->start.header.phoff - s->offset;
	bool sound = (s->filesz <= s->memsz) & (s->offset <= size) &
		     (s->filesz <= size - s->offset) &
		     (((s->offset ^ s->vaddr) & UK_PAGE_MASK) == 0) & (s->vaddr < UK_USER_END) &
		     (s->memsz <= UK_USER_END - s->vaddr) & (s->vaddr >= im->high - UK_PAGE_SIZE) &
		     ((s->flags & (UK_ELF_W | UK_ELF_X)) != (UK_ELF_W | UK_ELF_X));

	if (!sound)
		return refuse_load(im, s, c);
	im->phdr = table < s->filesz ? s->vaddr + table : im->phdr;
	im->low = UK_MIN(im->low, UK_ALIGN_DOWN(s->vaddr, UK_PAGE_SIZE));
	im->high = UK_ALIGN_UP(s->vaddr + s->memsz, UK_PAGE_SIZE);
	return 0;
}

static int check_interpreter(struct image *im, const struct uk_elf_segment *s, struct complaint *c)
{
	int result;

	if (s->filesz < 2 || s->filesz > sizeof(im->interpreter))
		return refuse(c, -UK_ENOEXEC, "the name of its interpreter is not sound");
	result = read_exact(im, im->interpreter, s->filesz, s->offset);
	if (result != 0 || im->interpreter[s->filesz - 1] != '\0')
		return refuse(c, -UK_ENOEXEC, "the name of its interpreter is not sound");
	return 0;
}

static bool is_loaded(const struct uk_elf_segment *s)
{
	return s->type == UK_ELF_LOAD && s->memsz != 0;
}

static int check_segments(struct image *im, struct complaint *c)
{
	const struct uk_elf_segment *s = im->start.segment;

	for (unsigned left = im->start.header.phnum; left != 0; left--, s++) {
		int result = 0;

		if (is_loaded(s))
			result = check_load(im, s, c);
		else if (s->type == UK_ELF_INTERP)
			result = check_interpreter(im, s, c);
		if (result != 0)
			return result;
	}
	return 0;
}

static int check(struct image *im, struct complaint *c)
{
	int result = check_header(im, c);

	/* Such that the first segment is in order wherever it lies. */
	im->low = UINT64_MAX;
	im->high = UK_PAGE_SIZE;
	im->phdr = UINT64_MAX;
	im->interpreter[0] = '\0';
	if (result == 0)
		result = check_segments(im, c);
	if (result != 0)
		return result;
	if ((im->low > im->high) | (im->high - im->low > SPAN_MAX))
		return refuse(c, -UK_ENOEXEC,
			      im->low > im->high ? "it has nothing to load"
						 : "its segments are too far apart");
	return 0;
}

static unsigned prot_of(uint32_t flags)
{
	return (flags & UK_ELF_R ? UK_PROT_READ : 0u) | (flags & UK_ELF_W ? UK_PROT_WRITE : 0u) |
	       (flags & UK_ELF_X ? UK_PROT_EXEC : 0u);
}

/* What the file has behind the segment must not show in .bss. */
static int clear_tail(const struct image *im, const struct uk_elf_segment *s)
{
	uint64_t end = s->vaddr + im->moved + s->filesz, tail = -end & UK_PAGE_MASK;

	if (((s->memsz == s->filesz) | ((s->flags & UK_ELF_W) == 0) | (tail == 0)) ||
	    uk_clear_user(end, tail) == 0)
		return 0;
	return -UK_EIO;
}

static int map_segment(struct image *im, const struct uk_elf_segment *s)
{
	struct uk_map_request *r = &im->request;
	uint64_t start = s->vaddr + im->moved, lead = start & UK_PAGE_MASK;
	uint64_t end = UK_ALIGN_UP(start + s->memsz, UK_PAGE_SIZE);
	int64_t result;

	r->addr = start - lead;
	r->size = 0;
	r->prot = prot_of(s->flags);
	r->fixed = true;
	r->keep = r->addr >= im->mapped; /* a page that two share is the later one's */
	im->mapped = end;
	if (s->filesz != 0) {
		r->size = UK_ALIGN_UP(s->filesz + lead, UK_PAGE_SIZE);
		r->file = im->file;
		r->offset = s->offset - lead;
		result = uk_map_add(r);
		if (result >= 0)
			result = uk_map_populate(r->addr, UK_MIN(r->size, AT_ONCE));
		if (result >= 0)
			result = clear_tail(im, s);
		if (result < 0)
			return (int)result;
	}
	r->addr += r->size;
	if (end <= r->addr)
		return 0;
	r->size = end - r->addr;
	r->file = NULL;
	r->offset = 0;
	result = uk_map_add(r);
	return result < 0 ? (int)result : 0;
}

/* Where one that can lie anywhere goes; false: there is no room. */
static bool place_image(struct image *im, bool main)
{
	uint64_t span = im->high - im->low, at;

	im->moved = 0;
	if (im->start.header.type != UK_ELF_DYN)
		return true;
	at = main ? UK_LAYOUT_PIE + uk_layout_random(1 << 24)
		  : uk_area_hole(uk_map.root, span, uk_map.low, uk_map.high);
	im->moved = at - im->low;
	return at != 0;
}

static int map_image(struct image *im, bool main, struct complaint *c)
{
	const struct uk_elf_segment *s = im->start.segment;

	im->mapped = 0;
	if (!place_image(im, main))
		return refuse(c, -UK_ENOMEM, "there is no room for it");
	if (im->start.header.entry + im->moved >= UK_USER_END)
		return refuse(c, -UK_ENOEXEC, "its entry lies outside the program's addresses");
	for (unsigned left = im->start.header.phnum; left != 0; left--, s++) {
		int result = is_loaded(s) ? map_segment(im, s) : 0;

		if (result != 0)
			return refuse(c, result,
				      result == -UK_ENOMEM ? "there is not enough memory for it"
							   : "a segment cannot be mapped");
	}
	return 0;
}

static int load_interpreter(struct image *im, struct uk_loaded *out, struct complaint *c)
{
	char path[sizeof(im->interpreter)];
	int result;

	uk_strlcpy(path, im->interpreter, sizeof(path));
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
	out->entry = im->start.header.entry + im->moved;
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
	im->file = file;
	result = uk_file_may_execute(file);
	if (result != 0)
		refuse(&c, result, "it may not be executed");
	else
		result = check(im, &c);
	if (result == 0)
		result = map_image(im, true, &c);
	if (result == 0) {
		out->program = out->entry = im->start.header.entry + im->moved;
		out->phdr = im->phdr != UINT64_MAX ? im->phdr + im->moved : 0;
		out->phentsize = im->start.header.phentsize;
		out->phnum = im->start.header.phnum;
		out->end = im->high + im->moved;
		uk_elf_moved = im->moved;
		if (im->interpreter[0] != '\0')
			result = load_interpreter(im, out, &c);
	}
	return result;
}
